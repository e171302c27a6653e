"""Videos of flat patches on a flat floor that move as one, for segments and their tracks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 224
"""px: what segments are found at, so that moving a picture by whole pixels moves them by as much."""

_COLOURS = ((230, 40, 40), (40, 220, 60), (60, 60, 240), (240, 230, 40), (230, 60, 230))


def scene(*, seed: int = 0, frames: int = 4, step: int = 2, shift: int = 0) -> NDArray[np.uint8]:
    """[frames, SIDE, SIDE, 3]: five patches of their own colours and sizes, `step` px to the right in every frame.

    shift: px that all frames are moved to the right. Light grain lets optical flow see the motion.
    """
    generator = np.random.default_rng(seed)
    canvas = np.full((SIDE, SIDE + 64, 3), 90, np.int16)
    cells = generator.permutation(9)[:5]
    for cell, colour in zip(cells, generator.permutation(5)):
        width, height = generator.integers(SIDE // 8, SIDE // 5, 2)
        x = 40 + (SIDE - 40) // 3 * int(cell % 3) + int(generator.integers(0, 4))
        y = 4 + SIDE // 3 * int(cell // 3) + int(generator.integers(0, 8))
        canvas[y : y + height, x : x + width] = _COLOURS[colour]
    canvas += generator.integers(-1, 2, canvas.shape, dtype=np.int16)
    starts = [32 - shift - step * t for t in range(frames)]
    return np.stack([canvas[:, start : start + SIDE] for start in starts]).astype(np.uint8)
