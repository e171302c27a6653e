"""The video dimensions of recorded footage: ground truth at 448 px, all frames.

Flickering and smoothness as an earlier study measured them; motion (20 frames a second) as this code did, with OpenCV 5.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics.dynamic_degree import dynamic_degree, motion
from benchmark.metrics.extractors.dis import DisErrors, DisMotion
from benchmark.metrics.extractors.plain_mean import PlainMeanErrors
from benchmark.metrics.flickering import flickering
from benchmark.metrics.smoothness import smoothness
from benchmark.video import decoded_frames

EXPECTED = {
    "cmu_soccer06_6_877_925": (0.958, 0.979, 0.964, 0.0411),
    "iiith_cooking_57_2_2451_2499": (0.971, 0.993, 0.978, 0.0235),
    "sfu_covid_009_4_2000_2048": (0.975, 0.993, 0.982, 0.0190),
}


@pytest.mark.samples
@pytest.mark.parametrize("clip", EXPECTED)
def test_ground_truth_scores_what_was_measured_before(samples, clip):
    frames = np.stack(list(decoded_frames(samples / "egoexo4D" / "videos" / clip / "ego_GT.mp4")))
    by_flow, by_mean, moved = (
        DisErrors({}, "cpu")(frames),
        PlainMeanErrors({}, "cpu")(frames),
        DisMotion({}, "cpu")(frames, fps=20),
    )
    found = (flickering(frames).value, smoothness(by_flow).value, smoothness(by_mean).value)
    *expected, expected_motion = EXPECTED[clip]
    assert found == pytest.approx(expected, abs=0.0006)
    assert motion(moved).value == pytest.approx(expected_motion, rel=0.03)
    assert dynamic_degree(moved, px_at_256=6.0).value == 1.0
