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

WINDOW = 11
"""Side in pixels of the Gaussian window: sigma 1.5 cut at 3.5 sigma."""


def ssim(prediction: Frames, truth: Frames) -> ClipValue:
    """Mean over frames, channels and positions, -1..1. [frames, height, width, 3] uint8 RGB of one shape each.

    Undefined where a side is shorter than the window.
    """
    return _mean_similarity(truth.shape, zip(prediction, truth), channel_axis=-1)


def ssim_luma(prediction: Frames, truth: Frames) -> ClipValue:
    """As `ssim`, on luma in float64."""
    return _mean_similarity(truth.shape, ((luma(a), luma(b)) for a, b in zip(prediction, truth)), channel_axis=None)


def _mean_similarity(shape: tuple[int, ...], pairs: Iterable[tuple[NDArray, NDArray]], *, channel_axis: int | None) -> ClipValue:
    height, width = shape[1:3]
    if min(height, width) < WINDOW:
        return ClipValue.not_there(f"frames of {width}x{height} are smaller than the {WINDOW}x{WINDOW} window")
    frames = np.array([_similarity(a, b, channel_axis=channel_axis) for a, b in pairs])
    return ClipValue(value=float(frames.mean()), frames=tuple(frames.tolist()))


def _similarity(a: NDArray, b: NDArray, *, channel_axis: int | None) -> float:
    # Without the three options scikit-image takes a uniform 7x7 window with sample covariance: other numbers.
    # data_range is explicit because a wrong one gives values near 0 that look like a bad method.
    value: Any = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=channel_axis
    )
    return float(value)
