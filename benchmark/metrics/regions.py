"""Parts of the picture that metrics are split by: the lens circle, and what of it the ego prior shows or leaves to imagine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import Undefined, UserError
from .metric import ClipValue

Region = NDArray[np.bool_]
"""[frames, height, width]: the pixels that count."""


def lens_circle(shape: Sequence[int]) -> Region:
    """The circle that touches the sides of frames of this shape [frames, height, width, ...].

    A fisheye's picture is black in the corners outside of it, where any two pictures agree for nothing.
    """
    frames, height, width = shape[:3]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    # a pixel is in where its centre is: for sides above 1 no pixel of the middle row or column is lost
    inside = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2) <= min(height, width) / 2
    return np.broadcast_to(inside, (frames, height, width))


def seen(shape: Sequence[int], cover: Region) -> Region:
    """The lens circle where the ego prior covers it. Raises UserError where the cover is of another shape."""
    return lens_circle(shape) & _checked(shape, cover)


def imagined(shape: Sequence[int], cover: Region) -> Region:
    """The lens circle where the ego prior does not cover it: with `seen` it makes up the circle."""
    return lens_circle(shape) & ~_checked(shape, cover)


def _checked(shape: Sequence[int], cover: Region) -> Region:
    if cover.shape != tuple(shape[:3]) or cover.dtype != np.bool_:
        raise UserError(
            f"cover of the ego prior is {cover.dtype} of shape {cover.shape}, expected bool {tuple(shape[:3])} like the frames"
        )
    return cover


def frames_with(region: Region) -> list[int]:
    """The frames that have a pixel in the region. Raises Undefined where none has."""
    found = np.flatnonzero(region.any((1, 2)))
    if not len(found):
        raise Undefined("no frame has a pixel in this region")
    return found.tolist()


def said_of_some(value: ClipValue, scored: int, total: int) -> ClipValue:
    """The value with a note where frames were left out; its curve would then be out of step with the video, and is dropped."""
    if scored == total:
        return value
    note = f"{total - scored} of {total} frames have no pixel in this region and are left out"
    return dataclasses.replace(value, frames=None, notes=(*value.notes, note))
