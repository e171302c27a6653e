"""What a prediction and its truth must be before any metric sees them. Nothing is ever resized, trimmed or converted here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..video import Frames

DEGENERATE_SD = 2.0
"""Below this standard deviation of all its pixels (8-bit levels) a clip is called constant."""


def check_pair(prediction: NDArray, truth: NDArray, *, label: str = "clip") -> None:
    """Raise UserError unless both are [frames >= 1, height, width, 3] uint8 and of one shape; both shapes are named."""
    _check(prediction, f"{label}: prediction")
    _check(truth, f"{label}: truth")
    if prediction.shape == truth.shape:
        return
    shapes = f"prediction has shape {prediction.shape}, truth {truth.shape}"
    if prediction.shape[1:] != truth.shape[1:]:
        raise UserError(f"{label}: {shapes}; sizes must agree: resize or crop the prediction, never the truth")
    raise UserError(f"{label}: {shapes}; lengths must agree: cut the tail of the longer one")


def _check(frames: NDArray, label: str) -> None:
    if not isinstance(frames, np.ndarray):
        raise UserError(f"{label} is a {type(frames).__name__}, expected a numpy array (frames, height, width, 3) of uint8 RGB")
    shape = frames.shape
    if np.issubdtype(frames.dtype, np.floating):
        finite = np.isfinite(frames)
        if frames.ndim and not finite.all():
            broken = int(np.count_nonzero(~finite.reshape(len(frames), -1).all(axis=1)))
            raise UserError(f"{label} holds NaN or infinity in {broken} of {len(frames)} frames; mend what made it")
    if frames.dtype != np.uint8:
        hint = "divide by 257 and round" if frames.dtype == np.uint16 else "scale to 0..255, round and convert"
        raise UserError(f"{label} is {frames.dtype}, expected uint8 RGB; {hint}")
    if len(shape) == 4 and shape[-1] == 4:
        raise UserError(f"{label} has shape {shape}: four channels; blend or drop alpha first")
    if len(shape) == 3 or (len(shape) == 4 and shape[-1] == 1):
        raise UserError(
            f"{label} has shape {shape}, expected (frames, height, width, 3); repeat a grey channel three times yourself"
        )
    if len(shape) != 4 or shape[-1] != 3:
        raise UserError(f"{label} has shape {shape}, expected (frames, height, width, 3)")
    if 0 in shape:
        raise UserError(f"{label} has shape {shape}: no pixels")


def constant_note(prediction: Frames) -> str | None:
    """A note where a prediction is all but one colour (standard deviation under DEGENERATE_SD), else None."""
    # frame by frame: bincount makes eight bytes of every one
    counts = np.sum([np.bincount(frame.ravel(), minlength=256) for frame in prediction], axis=0).astype(np.float64)
    levels = np.arange(256.0)
    mean = counts @ levels / counts.sum()
    deviation = float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
    if deviation >= DEGENERATE_SD:
        return None
    return f"degenerate prediction: its pixels have a standard deviation of {deviation:.2f} of 255"
