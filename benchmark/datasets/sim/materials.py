"""Materials: a muted colour times a small periodic texture. All textures of a scene lie in one flat mip pyramid, so that a
lookup is a single gather.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from .palettes import PALETTES, linear
from .shapes import Array
from .textures import LEVELS, SIDE, texture


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """colour: sRGB hex; repeat_m: metres per texture tile; gloss 0..1; metal reflects its own colour; glow: radiance."""

    colour: str
    texture: str = "flat"
    repeat_m: float = 1.0
    gloss: float = 0.05
    metal: bool = False
    glow: float = 0.0


def pick(rng: Generator, palette: str, **options: Any) -> Material:
    """A material whose colour is drawn from a palette."""
    return Material(colour=str(rng.choice(PALETTES[palette])), **options)


class MaterialTable:
    """Arrays over materials for shading: colour, gloss, metal, glow, repeat, and one texture pyramid."""

    def __init__(self, materials: Sequence[Material]) -> None:
        names = sorted({m.texture for m in materials})
        self._pyramid = np.concatenate([texture(n) for n in names])
        size = len(texture("flat"))
        self._level_start = np.concatenate([[0], np.cumsum(4 ** np.arange(LEVELS - 1, 0, -1))]).astype(np.int64)
        self._texture_start = np.array([names.index(m.texture) * size for m in materials])
        self.colour = np.array([linear(m.colour) for m in materials], np.float32)
        self.gloss, self.glow = (np.array([getattr(m, f) for m in materials], np.float32) for f in ("gloss", "glow"))
        self.metal = np.array([m.metal for m in materials])
        self._repeat = np.array([m.repeat_m for m in materials], np.float32)
        self.mean_albedo = self.colour * np.array([texture(m.texture)[-1] for m in materials])

    def albedo(self, material: Array, uv: Array, footprint_m: Array) -> Array:
        """Linear albedo [n, 3] at uv [n, 2] metres; footprint_m [n] is the width of a pixel on the surface."""
        repeat = self._repeat[material]
        level = np.log2(np.maximum(footprint_m / repeat * SIDE, 1.0)).astype(np.int64).clip(0, LEVELS - 1)
        side = SIDE >> level
        cell = (np.floor(uv / repeat[:, None] * side[:, None])).astype(np.int64) % side[:, None]
        texel = self._texture_start[material] + self._level_start[level] + cell[:, 1] * side + cell[:, 0]
        return self.colour[material] * self._pyramid[texel]
