"""LPIPS and ST-LPIPS of a clip out of the distances of its frames and of their regions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import Undefined
from benchmark.metrics.perceptual import distance, distance_imagined, distance_seen

ARRAYS = {
    "frame": np.array([0.2, 0.3, 0.7]),
    "seen": np.array([0.1, 0.2, 0.3]),
    "imagined": np.array([np.nan, 0.5, 0.6]),
}


def test_the_value_is_the_mean_of_frames_and_the_curve_is_kept():
    found = distance(ARRAYS)
    assert found.value == pytest.approx(0.4)
    assert found.frames == (0.2, 0.3, 0.7)
    assert distance_seen(ARRAYS).frames == (0.1, 0.2, 0.3)
    assert distance_seen(ARRAYS).notes == ()


def test_frames_without_such_a_pixel_do_not_count_and_are_noted():
    found = distance_imagined(ARRAYS)
    assert found.value == pytest.approx(0.55)
    assert found.frames is None
    assert found.notes == ("1 of 3 frames have no pixel in this region and are left out",)


def test_a_prior_that_covers_everything_leaves_nothing_to_imagine():
    with pytest.raises(Undefined, match="no frame has a pixel in this region"):
        distance_imagined({**ARRAYS, "imagined": np.full(3, np.nan)})
