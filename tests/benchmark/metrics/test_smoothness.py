"""Motion smoothness: which frames are told from which, what the error is, and that flow beats the plain mean."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics.extractors.dis import DisErrors
from benchmark.metrics.extractors.plain_mean import PlainMeanErrors
from benchmark.metrics.smoothness import interpolation_errors, smoothness, truncated

from .pictures import constant, textured
from .vbench_wheel import sliding

BOTH = pytest.mark.parametrize("extractor", [DisErrors({}, "cpu"), PlainMeanErrors({}, "cpu")], ids=["dis", "mean"])


@pytest.mark.parametrize(("frames", "between"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (17, 8), (49, 24), (50, 24)])
def test_every_odd_frame_between_two_even_ones_is_told_once(frames, between):
    clip = np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    asked: list[tuple[int, int]] = []

    def middle(a, b):
        asked.append((int(a[0, 0, 0]), int(b[0, 0, 0])))
        return a + 1

    assert interpolation_errors(clip, middle).tolist() == [0.0] * between
    assert asked == [(2 * i, 2 * i + 2) for i in range(between)]


def test_the_value_is_one_minus_the_mean_error_of_255():
    found = smoothness({"error": np.array([0.0, 51.0, 102.0])})
    assert found.value == pytest.approx(0.8, abs=1e-15)
    assert found.frames == pytest.approx((1.0, 0.8, 0.6), abs=1e-15)


@BOTH
def test_fewer_than_three_frames_are_undefined(extractor):
    found = smoothness(extractor(textured(frames=2)))
    assert found.undefined == "fewer than 3 frames, smoothness needs 3: none lies between two kept ones"
    assert smoothness(extractor(textured(frames=3))).value is not None


@BOTH
@pytest.mark.parametrize("picture", [textured(frames=1, height=50, width=70), constant(0, frames=1), constant(137, frames=1)])
def test_a_still_video_scores_exactly_one(extractor, picture):
    assert smoothness(extractor(np.repeat(picture, 7, axis=0))).value == 1.0


def test_an_interpolated_level_is_cut_not_rounded():
    assert truncated(np.array([-3.0, 0.99, 12.5, 254.9, 300.0])).tolist() == [0, 0, 12, 254, 255]
    clip = np.stack([constant(level, frames=1)[0] for level in (10, 10, 11)])
    assert PlainMeanErrors({}, "cpu")(clip)["error"].tolist() == [0.0]


def test_the_plain_mean_of_dark_and_bright_does_not_overflow():
    clip = np.stack([constant(level, frames=1)[0] for level in (250, 240, 250)])
    assert PlainMeanErrors({}, "cpu")(clip)["error"].tolist() == [10.0]


def test_flow_tells_linear_motion_better_than_the_plain_mean():
    clip = sliding(frames=7, height=96, width=112, step=(1.5, 3.0))
    by_flow, by_mean = smoothness(DisErrors({}, "cpu")(clip)).value, smoothness(PlainMeanErrors({}, "cpu")(clip)).value
    assert by_flow is not None
    assert by_mean is not None
    assert 1 - by_flow < 0.4 * (1 - by_mean)


@BOTH
def test_a_video_that_jerks_is_less_smooth_than_one_that_glides(extractor):
    glide = sliding(frames=7, height=64, width=80, step=(0, 2))
    jerk = glide[[0, 0, 2, 2, 4, 4, 6]]
    assert smoothness(extractor(jerk)).value < smoothness(extractor(glide)).value
