"""The odd polynomial that bends angles in fisheye lenses, d(theta) = theta (1 + k0 theta^2 + k1 theta^4 + ...)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

NEWTON_STEPS = 12


def distorted(xp: Any, theta: Any, k: Sequence[float]) -> tuple[Any, Any]:
    """d(theta) and its derivative."""
    squared = theta * theta
    value, slope = xp.zeros_like(theta), xp.zeros_like(theta)
    for i in range(len(k) - 1, -1, -1):
        value = (value + k[i]) * squared
        slope = (slope + (2 * i + 3) * k[i]) * squared
    return theta * (1 + value), 1 + slope


@lru_cache(maxsize=256)
def turning_angle(k: tuple[float, ...], limit: float) -> float:
    """Where d stops rising, at most `limit` radians: beyond it, two angles would share a pixel."""
    # d' = 1 + sum c_i (theta/limit)^(2i+2), as a polynomial in (limit/theta)^2: its leading 1 keeps tiny k harmless
    inverse = np.roots([1.0, *((2 * i + 3) * k[i] * limit ** (2 * i + 2) for i in range(len(k)))])
    turns = inverse.real[(np.abs(inverse.imag) < 1e-9 * np.abs(inverse)) & (inverse.real >= 1)]
    return float(min([limit, *(limit / np.sqrt(turns))]))


def undistorted(xp: Any, rho: Any, k: Sequence[float], limit: float) -> Any:
    """The theta in [0, limit] with d(theta) = rho, NaN where there is none; d must rise up to `limit`.

    Newton from theta = rho, kept inside a bracket: 1e-12 within the steps for the lenses met here.
    """
    low, high = xp.zeros_like(rho), xp.full_like(rho, limit)
    theta = xp.where(rho < limit, rho, limit)
    eps = float(xp.finfo(rho.dtype).eps)
    slack = 8 * eps  # at the root the bracket is as narrow as the rounding: there Newton is right, not the bracket
    for _ in range(NEWTON_STEPS):
        value, slope = distorted(xp, theta, k)
        below = value < rho
        low, high = xp.where(below, theta, low), xp.where(below, high, theta)
        step = theta - (value - rho) / slope
        theta = xp.where((step >= low - slack) & (step <= high + slack), step, (low + high) / 2)
    value, _ = distorted(xp, theta, k)
    return xp.where(xp.abs(value - rho) <= eps**0.5 * (1 + rho), theta, xp.nan)
