"""Optical flow by DIS (OpenCV, preset MEDIUM, grey pictures) where the networks' weights are not to be had.

Its numbers are not the networks': it underestimates motion beyond about 40 px and is noisy where the picture is flat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...errors import Undefined
from ...video import Frames
from ..dynamic_degree import kept_frames, motion_arrays, top_motion
from ..metric import Arrays
from ..smoothness import interpolation_errors

SMALLEST = 16
"""px: OpenCV's DIS ends the process for some sizes that are less than 12 px high."""


class DisMotion:
    """How far the fastest twentieth of the pixels goes, a pair of frames at about 8 a second; "top" in px."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Takes no weights and runs on the CPU."""

    def __call__(self, frames: Frames, *, fps: float | None) -> Arrays:
        _check_size(frames)
        grey = [_grey(frame) for frame in kept_frames(frames, fps)]
        with one_thread():
            return motion_arrays(frames, [top_motion(flow_between(a, b)) for a, b in pairwise(grey)])


class DisErrors:
    """Error of every second frame, interpolated from its neighbours along the flow between them; "error" in 8-bit levels."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Takes no weights and runs on the CPU."""

    def __call__(self, frames: Frames) -> Arrays:
        _check_size(frames)
        with one_thread():
            return {"error": interpolation_errors(frames, half_way)}


def flow_between(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where each pixel of grey picture a went in b: [height, width, 2] float32, x and y in px.

    Pictures [height, width] of at least SMALLEST px a side.
    """
    # a fresh object every time: one that is used again keeps its buffers
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(a, b, np.empty((0,), np.float32))
    return flow.astype(np.float32, copy=False)


def half_way(a: Frames, b: Frames) -> NDArray[np.float32]:
    """The picture half way from a to b, [height, width, 3] float32 in 0..255.

    Each is sampled at half the flow of the other: b's flow says where its pixels are in a, and the motion is taken as linear.
    """
    grey_a, grey_b = _grey(a), _grey(b)
    from_a, from_b = _moved(a, 0.5 * flow_between(grey_b, grey_a)), _moved(b, 0.5 * flow_between(grey_a, grey_b))
    return np.multiply(from_a + from_b, 0.5, dtype=np.float32)


def _moved(picture: Frames, flow: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.indices(flow.shape[:2], dtype=np.float32)
    # float32 pixels: the interpolated values keep their fractions until the one cut to 8 bits
    moved = cv2.remap(
        picture.astype(np.float32), columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved.astype(np.float32, copy=False)


def _grey(frame: Frames) -> NDArray[np.uint8]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def _check_size(frames: Frames) -> None:
    _, height, width, _ = frames.shape
    if min(height, width) < SMALLEST:
        raise Undefined(f"frames of {width}x{height} are smaller than the {SMALLEST} px that optical flow needs")


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread. OpenCV 5's DIS was measured to give the same flow on any number; that is no promise of others."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
