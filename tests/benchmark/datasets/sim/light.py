"""From simulated pictures back to light: tone curve and vignette undone, so that two views of a point can be compared."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.sim.lens import ego_lens, exo_width
from benchmark.datasets.sim.sensor import develop
from benchmark.datasets.sim.views import View
from egox.cameras import Lens

Array = NDArray[Any]


@cache
def _light_of_level() -> Array:
    """Linear light in the middle of what becomes each of the 256 levels, without noise and vignette."""
    light = np.linspace(0, 12, 200_001)
    levels = developed(np.repeat(light[:, None], 3, 1))[:, 0]
    middle = np.array([light[levels == level].mean() if (levels == level).any() else np.nan for level in range(256)])
    there = np.flatnonzero(np.isfinite(middle))
    return np.interp(np.arange(256), there, middle[there])


def developed(light: Array) -> Array:
    """Linear light [n, 3] as the levels that the simulated sensor writes, without noise and vignette."""
    return develop(light[None], 1.0, np.float32(1), noise=0.0, seed=(0,))[0]


def light_of(picture: Array) -> Array:
    """Linear light of uint8 levels, any shape."""
    return _light_of_level()[picture]


def ego_vignette(side: int) -> Array:
    """[side, side, 1], 1 in the middle."""
    return np.asarray(View(ego_lens(side), side, side, circle=True).falloff)


def exo_vignette(lens: Lens, height: int, width: int) -> Array:
    """[height, width, 1] of the picture whose width was cropped about its middle."""
    cut = (exo_width(height) - width) // 2
    whole = View(lens.cropped(-cut, 0), height, exo_width(height), circle=False)  # pyright: ignore[reportArgumentType]
    return np.asarray(whole.falloff)[:, cut : cut + width]


def without_vignette(picture: Array, vignette: Array) -> Array:
    """The picture [h, w, 3] as the sensor would have written it without its vignette."""
    light = light_of(picture) / np.maximum(vignette, 1e-3)
    return developed(light.reshape(-1, 3)).reshape(picture.shape)
