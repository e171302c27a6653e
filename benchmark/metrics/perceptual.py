"""LPIPS and ST-LPIPS of a clip from the distances of its frames: whole frames, and the parts that the ego prior shows or not."""

from __future__ import annotations

import numpy as np

from ..errors import Undefined
from .metric import Arrays, ClipValue
from .regions import said_of_some


def distance(arrays: Arrays) -> ClipValue:
    """Mean over frames of "frame" [frames]; 0 for identical frames, no upper bound (about 1 in practice)."""
    frames = arrays["frame"]
    return ClipValue(value=float(frames.mean()), frames=tuple(frames.tolist()))


def distance_seen(arrays: Arrays) -> ClipValue:
    """As `distance`, over what the reference ego prior covers of the lens circle; see `distance_imagined`."""
    return _of_region(arrays, "seen")


def distance_imagined(arrays: Arrays) -> ClipValue:
    """As `distance`, over what the reference ego prior leaves open. Frames without such a pixel do not count and are noted.

    Undefined where the clip has no prior, or no frame has such a pixel.
    """
    return _of_region(arrays, "imagined")


def _of_region(arrays: Arrays, region: str) -> ClipValue:
    frames = arrays[region]
    there = ~np.isnan(frames)
    if not there.any():
        raise Undefined("no frame has a pixel in this region")
    value = ClipValue(value=float(frames[there].mean()), frames=tuple(frames.tolist()))
    return said_of_some(value, int(there.sum()), len(frames))
