"""Luma of RGB frames, as the public calibration of the paper's protocol takes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..video import Frames

WEIGHTS = (0.299, 0.587, 0.114)


def luma(frame: Frames) -> NDArray[np.float64]:
    """Y = .299 R + .587 G + .114 B of [height, width, 3] uint8: [height, width] float64 in 0..255, not rounded.

    Full swing: the studio-swing Y of BT.601 (16..235) reads 1 to 2 dB higher and is another definition.
    """
    red, green, blue = (frame[..., channel].astype(np.float64) for channel in range(3))
    return WEIGHTS[0] * red + WEIGHTS[1] * green + WEIGHTS[2] * blue
