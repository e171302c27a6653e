"""VBench's motion smoothness: how well the frames between are told from their neighbours, whatever does the telling.

Frames 0, 2, 4, ... are kept, each frame between two kept ones is interpolated from them and compared with the one that was
there. Extractors differ in who interpolates (a network, optical flow, the plain mean) and give the errors alone.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ..video import Frames
from .metric import Arrays, ClipValue


def smoothness(prediction: Arrays) -> ClipValue:
    """1 - mean error of the interpolated frames / 255, 0..1; a still video has 1. One value an interpolated frame beside it.

    prediction: "error" [interpolated frames] float64, see `interpolation_errors`. Undefined where there is none (T < 3).
    """
    errors = prediction["error"]
    if not len(errors):
        return ClipValue.not_there("fewer than 3 frames, smoothness needs 3: none lies between two kept ones")
    return ClipValue(value=_kept(float(errors.mean())), frames=tuple(_kept(float(error)) for error in errors))


def interpolation_errors(frames: Frames, middle: Callable[[Frames, Frames], NDArray]) -> NDArray[np.float64]:
    """Mean absolute error of each odd frame between two even ones, 8-bit levels: [max(0, (frames - 1) // 2)].

    middle: makes the frame between two [height, width, 3] uint8, in 0..255; what it makes is cut to 8 bits as VBench does:
    truncated, not rounded. An odd frame at the end has no right neighbour and is left out.
    """
    errors = [_mean_difference(frames[i], truncated(middle(frames[i - 1], frames[i + 1]))) for i in range(1, len(frames) - 1, 2)]
    return np.array(errors, dtype=np.float64)


def truncated(picture: NDArray) -> Frames:
    """A picture in 0..255 as uint8, fractions cut off."""
    return np.clip(picture, 0, 255).astype(np.uint8)


def _mean_difference(a: Frames, b: Frames) -> float:
    return float(cv2.absdiff(a, b).mean())


def _kept(error: float) -> float:
    return (255.0 - error) / 255.0
