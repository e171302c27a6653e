"""Bad input is named before any metric runs, and nothing is repaired in silence."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.metrics.pair import check_pair, constant_note

from .pictures import constant, noisy, textured


def refused(prediction, truth, text: str) -> None:
    with pytest.raises(UserError, match=re.escape(text)):
        check_pair(prediction, truth, label="kitchen_1")


def test_a_pair_of_one_shape_passes_and_so_does_a_single_frame():
    check_pair(textured(), textured())
    check_pair(textured(frames=1), textured(frames=1))


def test_another_size_names_clip_and_both_shapes():
    refused(
        textured(width=48), textured(),
        "kitchen_1: prediction has shape (3, 40, 48, 3), truth (3, 40, 56, 3); sizes must agree",
    )  # fmt: skip


def test_another_length_names_clip_and_both_shapes():
    refused(
        textured(frames=2), textured(),
        "kitchen_1: prediction has shape (2, 40, 56, 3), truth (3, 40, 56, 3); lengths must agree: cut the tail",
    )  # fmt: skip


def test_a_single_frame_is_never_broadcast_over_a_video():
    refused(textured(frames=1), textured(frames=3), "lengths must agree")


def test_nan_and_infinity_are_counted_by_frames():
    broken = textured().astype(np.float32)
    broken[0, 3, 3, 1] = np.nan
    broken[2, 0, 0, 0] = np.inf
    refused(broken, textured(), "kitchen_1: prediction holds NaN or infinity in 2 of 3 frames")


@pytest.mark.parametrize(
    ("dtype", "hint"), [(np.float32, "scale to 0..255, round"), (np.uint16, "divide by 257"), (np.int64, "scale to 0..255")]
)
def test_other_number_types_are_refused_with_a_hint(dtype, hint):
    refused(textured(), textured().astype(dtype), f"kitchen_1: truth is {np.dtype(dtype)}, expected uint8 RGB; {hint}")


def test_alpha_grey_and_other_shapes_are_refused_with_a_hint():
    clip = textured()
    refused(np.concatenate([clip, clip[..., :1]], axis=-1), clip, "four channels; blend or drop alpha first")
    refused(clip[..., :1], clip, "repeat a grey channel three times yourself")
    refused(clip[..., 0], clip, "repeat a grey channel three times yourself")
    refused(clip.transpose(0, 3, 1, 2), clip, "has shape (3, 3, 40, 56), expected (frames, height, width, 3)")
    refused(clip[0, 0, 0], clip, "has shape (3,), expected (frames, height, width, 3)")


def test_a_video_without_frames_and_a_list_are_refused():
    refused(textured()[:0], textured(), "has shape (0, 40, 56, 3): no pixels")
    refused([[1, 2, 3]], textured(), "prediction is a list, expected a numpy array")


def test_a_constant_prediction_is_called_degenerate_and_a_picture_is_not():
    assert constant_note(constant(77)) == "degenerate prediction: its pixels have a standard deviation of 0.00 of 255"
    assert constant_note(noisy(constant(77), 1.0)) is not None
    assert constant_note(noisy(constant(77), 3.0)) is None
    assert constant_note(textured()) is None
