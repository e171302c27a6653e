"""The procedural pictures behind materials: 256x256 periodic multipliers with mean near one, made from spectral noise.

Pictures (posters, screens, views from windows) are absolute colours. A texture is named "kind" or "kind:seed".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.random import Generator

from .palettes import PALETTES, linear
from .shapes import Array

SIDE = 256
LEVELS = 9


def _noise(rng: Generator, *, beta: float = 1.6, stretch: tuple[float, float] = (1.0, 1.0)) -> Array:
    """Periodic spectral noise, zero mean, unit deviation; stretch > 1 lengthens features along (rows, columns)."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None] * SIDE * stretch[0], np.fft.fftfreq(SIDE)[None] * SIDE * stretch[1]
    amplitude = (1 + np.hypot(fx, fy)) ** -beta
    amplitude[0, 0] = 0
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIDE, SIDE))) * amplitude).real
    return field / field.std()


def _grey(field: Array) -> Array:
    return np.repeat(np.clip(field, 0.05, 3)[..., None], 3, 2)


def _tint(base: Array, field: Array, warm: tuple[float, float, float]) -> Array:
    """base + field with a warm/cool colour drift, so brown varies like wood and not like grey paint."""
    return np.clip(base[..., None] + field[..., None] * np.array(warm), 0.05, 3)


def _wood(rng: Generator) -> Array:
    rings = _noise(rng, beta=1.5, stretch=(1, 14))
    fibre = _noise(rng, beta=0.7, stretch=(1, 30))
    field = 0.14 * np.sin(2.4 * rings + 0.6 * _noise(rng)) + 0.05 * fibre
    return _tint(np.ones((SIDE, SIDE)), field, (0.9, 1.05, 1.2))


def _planks(rng: Generator) -> Array:
    wood = _wood(rng)
    row = np.arange(SIDE) * 6 // SIDE
    shift, shade = rng.integers(0, SIDE, 6), 1 + 0.1 * rng.standard_normal(6)
    out = np.stack([np.roll(wood[i], shift[r], 0) * shade[r] for i, r in enumerate(row)])
    seam = (np.arange(SIDE) * 6 % SIDE) < 6
    out[seam] *= 0.6
    for r in range(6):
        out[row == r, shift[r] // 2 : shift[r] // 2 + 2] *= 0.65
    return out


def _tiles(rng: Generator, n: int = 4) -> Array:
    shade = np.kron(1 + 0.035 * rng.standard_normal((n, n)), np.ones((SIDE // n, SIDE // n)))
    field = shade + 0.02 * _noise(rng, beta=1.2)
    edge = np.arange(SIDE) % (SIDE // n) < 3
    field[edge] *= 0.72
    field[:, edge] *= 0.72
    return _grey(field)


def _weave(rng: Generator) -> Array:
    y, x = np.mgrid[:SIDE, :SIDE]
    thread = 0.07 * np.sin(x * np.pi / 2) * np.sin(y * np.pi / 2)
    return _grey(1 + thread + 0.06 * _noise(rng, beta=0.6) + 0.08 * _noise(rng, beta=1.8))


def _stripes(rng: Generator) -> Array:
    x = np.arange(SIDE)[None] * np.ones((SIDE, 1))
    band = np.where((x * 8 // SIDE) % 2 == 0, 1.12, 0.72)
    return _grey(band) * _weave(rng)


def _printed(rng: Generator) -> Array:
    """Small all-over print of a dress or shirt."""
    y, x = np.mgrid[:SIDE, :SIDE] * (2 * np.pi * 7 / SIDE)
    blobs = np.sin(x + 0.8 * _noise(rng)) * np.sin(y + 0.8 * _noise(rng)) > 0.35
    return np.where(blobs[..., None], np.array([1.9, 1.6, 1.2]), np.array([0.8, 0.8, 0.85])) * _weave(rng)


def _brushed(rng: Generator) -> Array:
    return _grey(1 + 0.08 * _noise(rng, beta=0.4, stretch=(1, 40)) + 0.05 * _noise(rng))


def _poster(rng: Generator) -> Array:
    """A picture on a wall: a horizon, soft masses, a pale mount."""
    sky, ground, mass = (linear(rng.choice(PALETTES[k])) for k in ("wall", "fabric", "wood"))
    horizon = SIDE * (0.5 + 0.12 * _noise(rng, beta=2.2)[:, :1].T + 0.1 * rng.standard_normal())
    y = np.arange(SIDE)[:, None]
    picture = np.where((y < horizon)[..., None], sky, ground)
    picture = np.where((_noise(rng, beta=2.2) > 1)[..., None], mass, picture)
    picture = picture * (1 + 0.12 * _noise(rng, beta=1.4)[..., None])
    mount = np.maximum(abs(np.arange(SIDE) - SIDE / 2)[:, None], abs(np.arange(SIDE) - SIDE / 2)[None]) > SIDE * 0.42
    return np.clip(np.where(mount[..., None], 0.75, picture), 0.02, 1.2)


def _screen(rng: Generator) -> Array:
    """Lines of text or a dark editor in windows."""
    dark = rng.random() < 0.5
    page = np.full((SIDE, SIDE, 3), 0.03 if dark else 0.85)
    for row in range(28, SIDE - 16, 12):
        start, length = 20 + 14 * rng.integers(0, 4), rng.integers(20, 170)
        page[row : row + 4, start : start + length] = rng.uniform(0.25, 0.6, 3) if dark else rng.uniform(0.05, 0.35)
    page[:16] = linear(rng.choice(PALETTES["fabric"]))
    return page


def _printed_page(rng: Generator) -> Array:
    page = np.full((SIDE, SIDE, 3), 0.92)
    for row in range(24, SIDE - 20, 10):
        if rng.random() < 0.85:
            page[row : row + 4, 22 : 22 + rng.integers(120, 212)] = 0.35
    return page


def _outside(rng: Generator) -> Array:
    """Overexposed daylight: pale sky, blurred foliage or a facade below."""
    y = np.linspace(0, 1, SIDE)[:, None]
    edge = 0.58 + 0.1 * _noise(rng, beta=2)[:, :1].T
    blend = 1 / (1 + np.exp((y - edge) * 18))
    low = np.array([0.42, 0.47, 0.36]) * (1 + 0.35 * _noise(rng, beta=1.5)[..., None])
    return np.clip(blend[..., None] * np.array([1.05, 1.1, 1.2]) + (1 - blend[..., None]) * low, 0.1, 1.5)


def _spines(rng: Generator) -> Array:
    """A row of book spines for far shelves."""
    out, x = np.zeros((SIDE, SIDE, 3)), 0
    while x < SIDE:
        width = int(rng.integers(9, 24))
        out[:, x : x + width] = linear(rng.choice(PALETTES["book"])) * rng.uniform(0.7, 1.1)
        band = rng.integers(30, 200)
        out[band : band + 14, x + 2 : x + width - 2] *= rng.uniform(0.6, 2.0)
        out[:, x : x + 1] *= 0.3
        x += width
    return out


TEXTURES: dict[str, Callable[[Generator], Array]] = {
    "flat": lambda rng: np.ones((SIDE, SIDE, 3)),
    "plaster": lambda rng: _grey(1 + 0.025 * _noise(rng, beta=1.7) + 0.012 * _noise(rng, beta=0.5)),
    "wood": _wood,
    "planks": _planks,
    "tiles": _tiles,
    "weave": _weave,
    "stripes": _stripes,
    "printed": _printed,
    "carpet": lambda rng: _grey(1 + 0.13 * _noise(rng, beta=0.35) + 0.05 * _noise(rng, beta=1.5)),
    "concrete": lambda rng: _grey(1 + 0.1 * _noise(rng, beta=1.5) + 0.03 * _noise(rng, beta=0.4)),
    "stone": lambda rng: _grey(1 + 0.08 * _noise(rng, beta=0.55)),
    "brushed": _brushed,
    "worn": lambda rng: _grey(1 + 0.12 * _noise(rng, beta=1.3)),
    "skin": lambda rng: _tint(np.ones((SIDE, SIDE)), 0.05 * _noise(rng, beta=1.3), (0.8, 1.1, 1.1)),
    "hair": lambda rng: _grey(1 + 0.35 * _noise(rng, beta=0.7, stretch=(30, 1))),
    "mat": lambda rng: _grey(1 + 0.1 * ((np.add.outer(np.arange(SIDE), np.arange(SIDE)) % 32 < 6) * 2 - 1) + 0.06 * _noise(rng)),
    "poster": _poster,
    "screen": _screen,
    "page": _printed_page,
    "outside": _outside,
    "spines": _spines,
}


@cache
def texture(name: str) -> Array:
    """[sum of 4^k, 3] float32: the mip pyramid of `name` ("wood" or "poster:17" with a seed), finest level first."""
    kind, _, seed = name.partition(":")
    image = TEXTURES[kind](np.random.default_rng(int(seed or 0) + 1000 * sorted(TEXTURES).index(kind)))
    levels = []
    for _ in range(LEVELS):
        levels.append(image.reshape(-1, 3))
        image = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4 if len(image) > 1 else image
    return np.concatenate(levels).astype(np.float32)
