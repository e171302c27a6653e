"""Structural similarity (Wang et al. 2004), per frame, of RGB or of luma, by scikit-image with the paper's window."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from ..video import Frames
from .luma import luma
from .metric import ClipValue
from .regions import Region, frames_with, imagined, lens_circle, said_of_some, seen

WINDOW = 11
"""Side in pixels of the Gaussian window: sigma 1.5 cut at 3.5 sigma."""

RIM = (WINDOW - 1) // 2
"""Pixels along each side that no mean counts: their windows reach beyond the picture."""

_WANG: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
"""Without the first three scikit-image takes a uniform 7x7 window with sample covariance: other numbers. data_range is explicit
because a wrong one gives values near 0 that look like a bad method."""


def ssim(prediction: Frames, truth: Frames) -> ClipValue:
    """Mean over frames, channels and positions, -1..1. [frames, height, width, 3] uint8 RGB of one shape each.

    Undefined where a side is shorter than the window.
    """
    return _mean_similarity(truth.shape, zip(prediction, truth), channel_axis=-1)


def ssim_luma(prediction: Frames, truth: Frames) -> ClipValue:
    """As `ssim`, on luma in float64."""
    return _mean_similarity(truth.shape, ((luma(a), luma(b)) for a, b in zip(prediction, truth)), channel_axis=None)


def ssim_lens(prediction: Frames, truth: Frames) -> ClipValue:
    """As `ssim`, over the positions in the lens circle."""
    return _in_region(prediction, truth, lens_circle(truth.shape))


def ssim_seen(prediction: Frames, truth: Frames, *, cover: NDArray[np.bool_]) -> ClipValue:
    """As `ssim_lens`, over those positions that the ego prior covers. cover: [frames, height, width] bool."""
    return _in_region(prediction, truth, seen(truth.shape, cover))


def ssim_imagined(prediction: Frames, truth: Frames, *, cover: NDArray[np.bool_]) -> ClipValue:
    """As `ssim_lens`, over those positions that the ego prior does not cover."""
    return _in_region(prediction, truth, imagined(truth.shape, cover))


def _in_region(prediction: Frames, truth: Frames, region: Region) -> ClipValue:
    """Mean of the frames that have such positions. Raises Undefined where none has."""
    if (reason := _too_small(truth.shape)) is not None:
        return ClipValue.not_there(reason)
    inner = (slice(RIM, -RIM), slice(RIM, -RIM))
    region = region[:, *inner]
    chosen = frames_with(region)
    frames = np.array([_similarity_map(prediction[i], truth[i])[inner][region[i]].mean() for i in chosen])
    value = ClipValue(value=float(frames.mean()), frames=tuple(frames.tolist()))
    return said_of_some(value, len(chosen), len(region))


def _mean_similarity(shape: tuple[int, ...], pairs: Iterable[tuple[NDArray, NDArray]], *, channel_axis: int | None) -> ClipValue:
    if (reason := _too_small(shape)) is not None:
        return ClipValue.not_there(reason)
    frames = np.array([_similarity(a, b, channel_axis=channel_axis) for a, b in pairs])
    return ClipValue(value=float(frames.mean()), frames=tuple(frames.tolist()))


def _too_small(shape: tuple[int, ...]) -> str | None:
    height, width = shape[1:3]
    if min(height, width) >= WINDOW:
        return None
    return f"frames of {width}x{height} are smaller than the {WINDOW}x{WINDOW} window"


def _similarity(a: NDArray, b: NDArray, *, channel_axis: int | None) -> float:
    value: Any = structural_similarity(a, b, channel_axis=channel_axis, **_WANG)
    return float(value)


def _similarity_map(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """SSIM at every position and channel of two RGB pictures, [height, width, 3], rim included."""
    found: Any = structural_similarity(a, b, channel_axis=-1, full=True, **_WANG)
    return found[1]
