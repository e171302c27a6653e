"""Dynamic degree: the frames it looks at, its roundings, its threshold, and agreement with VBench's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.metrics.dynamic_degree import (
    dynamic_degree,
    dynamic_degree_fixed,
    interval,
    is_dynamic,
    kept_frames,
    motion,
    motion_arrays,
    top_motion,
)

from .vbench_wheel import vbench_module


def arrays(top: list[float], *, height: int = 448, width: int = 448):
    return motion_arrays(np.zeros((1, height, width, 3), np.uint8), top)


@pytest.mark.parametrize(
    ("fps", "expected"), [(1, 1), (8, 1), (10, 1), (12, 2), (16, 2), (20, 2), (24, 3), (29.97, 4), (30, 4), (60, 8)]
)
def test_frames_are_kept_at_about_eight_a_second_halves_rounded_to_even(fps, expected):
    assert interval(fps) == expected


def test_kept_frames_begin_at_the_first():
    frames = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    assert kept_frames(frames, 24).ravel().tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize("fps", [0, 0.0, -30, float("nan"), float("inf"), None])
def test_a_missing_or_impossible_frame_rate_is_refused(fps):
    with pytest.raises(UserError, match="dynamic degree needs the frame rate of the canvas"):
        interval(fps)


@pytest.mark.parametrize(("kept", "needed"), [(5, 1), (6, 2), (10, 2), (13, 3), (17, 4), (25, 6), (26, 6), (30, 8)])
def test_a_quarter_of_the_kept_frames_must_have_moved_halves_rounded_to_even(kept, needed):
    for moved, expected in ((needed - 1, False), (needed, True)):
        top = np.array([20.0] * moved + [1.0] * (kept - 1 - moved))
        assert is_dynamic(top, 10.5) is expected
        assert is_dynamic(top[::-1], 10.5) is expected


def test_two_frames_are_dynamic_without_a_look_and_one_is_not_as_in_vbench():
    assert is_dynamic(np.array([0.0]), 10.5)
    assert not is_dynamic(np.array([]), 10.5)


@pytest.mark.parametrize(
    "metric", [lambda a: dynamic_degree(a, px_at_256=6.0), lambda a: dynamic_degree_fixed(a, threshold_px=2.0), motion]
)
@pytest.mark.parametrize(("kept", "said"), [(1, "1 frame"), (2, "2 frames"), (4, "4 frames")])
def test_fewer_than_five_kept_frames_are_undefined(metric, kept, said):
    assert metric(arrays([50.0] * (kept - 1))).undefined == f"{said} at about 8 a second, motion needs 5"
    assert metric(arrays([50.0] * 4)).value is not None


@pytest.mark.parametrize(("height", "width", "threshold"), [(448, 448, 10.5), (128, 224, 3.0), (1232, 448, 10.5)])
def test_the_threshold_is_six_pixels_of_256_of_the_shorter_side_and_must_be_passed(height, width, threshold):
    for length, expected in ((threshold, 0.0), (np.nextafter(threshold, 99), 1.0), (threshold - 0.01, 0.0)):
        found = dynamic_degree(arrays([float(length)] * 6, height=height, width=width), px_at_256=6.0)
        assert found.value == expected


def test_the_fixed_threshold_is_the_same_at_every_size():
    for size in (128, 448):
        assert dynamic_degree_fixed(arrays([2.0] * 6, height=size, width=size), threshold_px=2.0).value == 0.0
        assert dynamic_degree_fixed(arrays([2.1] * 6, height=size, width=size), threshold_px=2.0).value == 1.0


def test_motion_is_the_median_in_shorter_sides():
    found = motion(arrays([10.0, 0.0, 40.0, 20.0, 30.0], height=100, width=250))
    assert found.value == pytest.approx(0.2)
    assert found.frames == pytest.approx((0.1, 0.0, 0.4, 0.2, 0.3))


def test_the_longest_twentieth_of_the_vectors_counts():
    flow = np.zeros((20, 30, 2), np.float32)
    flow[3, :, 0], flow[3, :, 1] = 3.0, -4.0
    assert top_motion(flow) == 5.0
    flow[3, :15] = 0.0
    assert top_motion(flow) == 2.5
    assert top_motion(np.full((11, 13, 2), np.float32(2.0))) == pytest.approx(np.sqrt(8), abs=1e-6)


def judge(px: float):
    """VBench's DynamicDegree without its network."""
    theirs = vbench_module("dynamic_degree").DynamicDegree
    made = theirs.__new__(theirs)
    made.params = {"thres": px, "count_num": None}
    return made


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("shape", [(128, 136), (131, 97), (448, 448)])
def test_the_longest_twentieth_equals_vbench_to_the_last_digit(shape):
    torch = pytest.importorskip("torch")
    flow = np.random.default_rng(3).normal(0, 9, (*shape, 2)).astype(np.float32)
    tensor = torch.from_numpy(flow).permute(2, 0, 1)[None]
    assert top_motion(flow) == judge(1.0).get_score(tensor, tensor)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_verdict_equals_vbench_for_any_number_of_frames_and_motion():
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(5)
    theirs, verdicts = judge(0.0), set()
    for kept in range(1, 60):
        top = generator.uniform(0, 14, kept - 1)
        theirs.set_params(torch.zeros(1, 3, 448, 600), kept)
        expected = theirs.check_move(top.tolist())
        assert is_dynamic(top, 10.5) == expected, kept
        verdicts.add(expected)
        assert is_dynamic(top / 2, 10.5) == theirs.check_move((top / 2).tolist()), kept
    assert verdicts == {True, False}
