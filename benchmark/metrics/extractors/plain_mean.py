"""The plain mean of two neighbours in place of an interpolated frame: what smoothness is without any estimate of motion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...video import Frames
from ..metric import Arrays
from ..smoothness import interpolation_errors


class PlainMeanErrors:
    """Error of every second frame against the mean of its neighbours; "error" [frames between] in 8-bit levels."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Takes no weights and runs on the CPU."""

    def __call__(self, frames: Frames) -> Arrays:
        return {"error": interpolation_errors(frames, _mean)}


def _mean(a: Frames, b: Frames) -> NDArray:
    return (a.astype(np.float32) + b) / 2
