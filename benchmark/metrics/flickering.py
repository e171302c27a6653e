"""VBench's temporal flickering: how much neighbouring frames differ. It cannot tell flicker from camera motion."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from ..video import Frames
from .metric import ClipValue
from .side_by_side import side_by_side


def flickering(prediction: Frames) -> ClipValue:
    """1 - mean absolute difference of neighbouring frames / 255, 0..1; a still video has 1. One value a pair of frames beside it.

    prediction: [frames, height, width, 3] uint8 RGB. Undefined for fewer than 2 frames.
    """
    if len(prediction) < 2:
        return ClipValue.not_there("1 frame, flickering needs 2")
    differences = np.array([_mean_difference(a, b) for a, b in pairwise(prediction)])
    return ClipValue(value=_kept(differences.mean().item()), frames=tuple(_kept(float(d)) for d in differences))


def flickering_canvas(prediction: Frames, *, exo: Frames) -> ClipValue:
    """As `flickering`, of the exo view and the prediction side by side."""
    return flickering(side_by_side(exo, prediction))


def _mean_difference(a: Frames, b: Frames) -> np.float32:
    # VBench sums float32 in the order of OpenCV's channels, and sums above 2^24 round: the last digit needs both.
    # float32 of 8-bit levels and their differences are exact, so only the sum has to be in float32.
    return np.ascontiguousarray(cv2.absdiff(a, b)[..., ::-1], dtype=np.float32).mean()


def _kept(difference: float) -> float:
    return (255.0 - difference) / 255.0
