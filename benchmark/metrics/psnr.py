"""Peak signal-to-noise ratio, per frame, of RGB or of luma. The mean over a clip is of decibels, not of squared errors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..video import Frames
from .luma import luma
from .metric import ClipValue
from .regions import Region, frames_with, imagined, lens_circle, said_of_some, seen

PEAK = 255.0


def psnr(prediction: Frames, truth: Frames, *, cap_db: float) -> ClipValue:
    """Mean over frames of 10 log10(255^2 / MSE over pixels and channels), in dB, each frame at most cap_db.

    prediction, truth: [frames, height, width, 3] uint8 RGB of one shape. Identical frames have no finite value: they take
    the cap, and so does whatever comes nearer than the cap; the number of such frames is noted.
    """
    return _capped_mean((mean_squared_error(a, b) for a, b in zip(prediction, truth)), cap_db)


def psnr_luma(prediction: Frames, truth: Frames, *, cap_db: float) -> ClipValue:
    """As `psnr`, on luma in float64."""
    return _capped_mean((mean_squared_error(luma(a), luma(b)) for a, b in zip(prediction, truth)), cap_db)


def psnr_lens(prediction: Frames, truth: Frames, *, cap_db: float) -> ClipValue:
    """As `psnr`, over the pixels of the lens circle."""
    return _in_region(prediction, truth, lens_circle(truth.shape), cap_db)


def psnr_seen(prediction: Frames, truth: Frames, *, cover: NDArray[np.bool_], cap_db: float) -> ClipValue:
    """As `psnr_lens`, over those pixels that the ego prior covers. cover: [frames, height, width] bool."""
    return _in_region(prediction, truth, seen(truth.shape, cover), cap_db)


def psnr_imagined(prediction: Frames, truth: Frames, *, cover: NDArray[np.bool_], cap_db: float) -> ClipValue:
    """As `psnr_lens`, over those pixels that the ego prior does not cover."""
    return _in_region(prediction, truth, imagined(truth.shape, cover), cap_db)


def _in_region(prediction: Frames, truth: Frames, region: Region, cap_db: float) -> ClipValue:
    """Mean of the frames that have such pixels. Raises Undefined where none has."""
    chosen = frames_with(region)
    errors = (mean_squared_error(prediction[i][region[i]], truth[i][region[i]]) for i in chosen)
    return said_of_some(_capped_mean(errors, cap_db), len(chosen), len(region))


def mean_squared_error(a: NDArray, b: NDArray) -> float:
    """Mean of (a - b)^2 in float64; exact for 8-bit values."""
    # not a dot product: BLAS sums in an order that depends on its threads
    return float(np.square(np.subtract(a, b, dtype=np.float64)).mean())


def _capped_mean(errors: Iterator[float], cap_db: float) -> ClipValue:
    mse = np.fromiter(errors, dtype=np.float64)
    with np.errstate(divide="ignore"):
        decibels = 10.0 * np.log10(PEAK**2 / mse)
    capped = int(np.count_nonzero(decibels >= cap_db))
    frames = np.minimum(decibels, cap_db)
    notes = (f"{capped} of {len(frames)} frames at the cap of {cap_db:g} dB",) if capped else ()
    return ClipValue(value=float(frames.mean()), frames=tuple(frames.tolist()), notes=notes)
