"""DIS flow in the place of the networks: real shifts, pictures without texture, sizes, independence of what came before."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.errors import Undefined, UserError
from benchmark.metrics.dynamic_degree import dynamic_degree, motion
from benchmark.metrics.extractors.dis import DisErrors, DisMotion, flow_between

from ..pictures import constant, textured
from ..vbench_wheel import sliding

FLOW = DisMotion({}, "cpu")


@pytest.mark.parametrize("video", [constant(0, frames=6), constant(90, frames=6), np.repeat(textured(frames=1), 6, axis=0)])
def test_a_black_a_flat_and_a_still_video_do_not_move_at_all(video):
    found = FLOW(video, fps=8)
    assert found["top"].tolist() == [0.0] * 5
    assert dynamic_degree(found, px_at_256=6.0).value == 0.0
    assert motion(found).value == 0.0


def test_a_flat_video_that_brightens_does_not_move_either():
    ramp = np.stack([constant(20 * i, frames=1)[0] for i in range(6)])
    assert FLOW(ramp, fps=8)["top"].tolist() == [0.0] * 5


@pytest.mark.parametrize(("step", "expected"), [(2.0, 0.0), (4.0, 1.0)])
def test_a_video_that_slides_by_less_or_more_than_the_threshold_of_three_pixels(step, expected):
    found = FLOW(sliding(frames=6, height=128, width=160, step=(0.0, step)), fps=8)
    assert found["top"] == pytest.approx([step] * 5, rel=0.3)
    assert dynamic_degree(found, px_at_256=6.0).value == expected


def test_the_frame_rate_decides_which_pairs_are_judged():
    clip = sliding(frames=17, height=96, width=96, step=(0.0, 1.0))
    at_8, at_30 = FLOW(clip, fps=8), FLOW(clip, fps=30)
    assert (len(at_8["top"]), len(at_30["top"])) == (16, 4)
    assert np.median(at_30["top"]) == pytest.approx(4 * np.median(at_8["top"]), rel=0.3)


def test_the_flow_says_where_the_first_pictures_pixels_went():
    clip = cv2.cvtColor(np.concatenate(list(sliding(frames=2, height=96, width=96, step=(2.0, 3.0)))), cv2.COLOR_RGB2GRAY)
    flow = flow_between(clip[:96].astype(np.uint8), clip[96:].astype(np.uint8))
    assert np.median(flow, axis=(0, 1)) == pytest.approx((-3.0, -2.0), abs=0.1)


def test_the_arrays_keep_the_size_of_the_frames():
    found = FLOW(textured(frames=2, height=40, width=56), fps=8)
    assert (int(found["height"]), int(found["width"])) == (40, 56)


@pytest.mark.parametrize("shape", [(8, 48), (48, 15)])
def test_frames_that_the_flow_cannot_take_are_undefined(shape):
    clip = textured(frames=6, height=shape[0], width=shape[1])
    for call in (lambda: FLOW(clip, fps=8), lambda: DisErrors({}, "cpu")(clip)):
        with pytest.raises(Undefined, match=f"frames of {shape[1]}x{shape[0]} are smaller than the 16 px"):
            call()


def test_a_frame_rate_of_zero_is_refused():
    with pytest.raises(UserError, match="frame rate"):
        FLOW(textured(frames=6), fps=0)


def test_the_result_depends_neither_on_opencvs_threads_nor_on_earlier_calls():
    clip = sliding(frames=6, height=96, width=128, step=(1.0, 2.5))
    before = cv2.getNumThreads()
    first = DisErrors({}, "cpu")(clip)["error"], FLOW(clip, fps=8)["top"]
    try:
        cv2.setNumThreads(4)
        FLOW(textured(frames=6, height=96, width=128), fps=8)
        second = DisErrors({}, "cpu")(clip)["error"], FLOW(clip, fps=8)["top"]
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
