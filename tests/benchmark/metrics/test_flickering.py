"""Temporal flickering: closed forms, too few frames, the picture of exo and ego view, agreement with VBench."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.metrics.flickering import flickering, flickering_canvas
from benchmark.metrics.side_by_side import side_by_side

from .pictures import constant, textured
from .vbench_wheel import vbench_module, written


def alternating(low: int, high: int, *, frames: int = 6) -> np.ndarray:
    return np.stack([constant(high if i % 2 else low, frames=1)[0] for i in range(frames)])


def test_a_still_video_scores_exactly_one():
    still = np.repeat(textured(frames=1), 5, axis=0)
    assert flickering(still).value == 1.0
    assert flickering(still).frames == (1.0,) * 4


def test_black_and_white_in_turn_score_exactly_zero():
    assert flickering(alternating(0, 255)).value == 0.0


def test_one_level_brighter_every_frame_scores_254_of_255():
    ramp = np.stack([constant(100 + i, frames=1)[0] for i in range(7)])
    assert flickering(ramp).value == 254 / 255


def test_the_value_is_that_of_a_float64_reference_and_the_curve_has_a_value_a_pair():
    clip = textured(frames=5)
    differences = np.abs(np.diff(clip.astype(np.float64), axis=0)).mean(axis=(1, 2, 3))
    found = flickering(clip)
    assert found.value == pytest.approx(1 - differences.mean() / 255, abs=1e-7)
    assert found.frames == pytest.approx(1 - differences / 255, abs=1e-7)


def test_swapped_channels_score_the_same():
    clip = textured(frames=4)
    assert flickering(clip[..., ::-1]).value == flickering(clip).value


def test_darkening_counts_as_brightening_does_for_8_bit_levels_do_not_wrap():
    assert flickering(alternating(10, 250, frames=2)).value == flickering(alternating(250, 10, frames=2)).value


def test_one_frame_is_undefined():
    assert flickering(textured(frames=1)).undefined == "1 frame, flickering needs 2"


def test_on_the_canvas_a_still_exo_view_lifts_the_value_by_its_share_of_the_picture():
    ego = alternating(0, 255, frames=4)
    exo = np.repeat(textured(frames=1, height=32, width=96), 4, axis=0)
    assert flickering_canvas(ego, exo=exo).value == pytest.approx(0.75, abs=1e-7)


def test_the_exo_view_is_on_the_left():
    both = side_by_side(constant(1), constant(2))
    assert both.shape == (2, 32, 64, 3)
    assert both[0, 0, 0, 0] == 1
    assert both[0, 0, -1, 0] == 2


def test_an_exo_view_of_more_lines_is_scaled_down_to_the_ego_view():
    exo = np.zeros((2, 64, 112, 3), np.uint8)
    exo[:, ::2] = 200
    both = side_by_side(exo, constant(2))
    assert both.shape == (2, 32, 56 + 32, 3)
    assert (both[:, :, :56] == 100).all(), "areas are averaged"


@pytest.mark.parametrize("exo", [constant(0, frames=3), constant(0, side=24)])
def test_an_exo_view_of_another_length_or_height_is_refused(exo):
    with pytest.raises(UserError, match=r"the exo view has . frames of height .., the ego view 2 of 32"):
        side_by_side(exo, constant(0))


def test_flickering_of_a_file_equals_vbench_to_the_last_digit(tmp_path):
    theirs = vbench_module("temporal_flickering")
    clip = written(tmp_path / "clip.mp4", textured(frames=6, height=80, width=112), fps=10)
    assert flickering(clip).value == theirs.cal_score(str(tmp_path / "clip.mp4"))


def test_flickering_equals_vbench_where_float32_sums_depend_on_the_order_of_channels(monkeypatch):
    """Beyond 2^24, and at sizes whose halves part a pixel."""
    theirs = vbench_module("temporal_flickering")
    for seed in range(8):
        clip = np.random.default_rng(seed).integers(0, 256, (2, 401, 397, 3)).astype(np.uint8)
        clip[..., 0] //= 3
        clip[0] = 0
        monkeypatch.setattr(theirs, "get_frames", lambda _, clip=clip: list(clip[..., ::-1]))
        assert flickering(clip).value == theirs.cal_score("clip.mp4")
