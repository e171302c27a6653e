"""Values on recorded footage: the released ego priors against their ground truth, frames 0, 10, 20, 30, 40.

The expected numbers were measured once with another decoder and another implementation.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmark
from benchmark.video import FileSource, Frames, Video

from ...pixels import PIXELS

EXPECTED = {
    "cmu_soccer06_6_877_925": {"psnr": 12.29, "ssim": 0.195, "psnr-y": 12.45, "ssim-y": 0.197},
    "iiith_cooking_57_2_2451_2499": {"psnr": 10.50, "ssim": 0.179, "psnr-y": 10.71, "ssim-y": 0.184},
    "sfu_covid_009_4_2000_2048": {"psnr": 10.77, "ssim": 0.257, "psnr-y": 10.77, "ssim-y": 0.255},
}


def frames(path: Path) -> Frames:
    return Video(source=FileSource(path), indices=(0, 10, 20, 30, 40), fps=30).read()


@pytest.mark.samples
@pytest.mark.parametrize("clip", EXPECTED)
def test_released_priors_score_what_an_earlier_study_measured(samples, clip):
    folder = samples / "egoexo4D" / "videos" / clip
    prediction, truth = frames(folder / "ego_Prior.mp4"), frames(folder / "ego_GT.mp4")
    found = benchmark.evaluate(prediction, truth, protocol=PIXELS).clips["clip"]
    for metric, expected in EXPECTED[clip].items():
        tolerance = 0.006 if "psnr" in metric else 0.0011
        assert found[metric].value == pytest.approx(expected, abs=tolerance)
