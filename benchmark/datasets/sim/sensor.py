"""From linear light to the bytes of a picture: exposure, vignette, noise, tone curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .shapes import Array

CONTRAST = 0.55
"""Strength of the tone curve's S; 0 is none. Real clips have deeper blacks than a plain shoulder gives."""


def exposure(light: Array) -> float:
    """Gain that puts the log-average of the lit pixels of [h, w, 3] at a mid grey."""
    lit = light.max(-1)
    return 0.26 / float(np.exp(np.log(np.maximum(lit[lit > 1e-4], 1e-3)).mean()))


def develop(light: Array, gain: float, falloff: Array, *, noise: float, seed: Sequence[int]) -> Array:
    """Linear light [h, w, 3] to sRGB uint8: vignette, shot and read noise, shoulder curve."""
    rng = np.random.default_rng(seed)
    x = light * gain * falloff
    grain = rng.standard_normal(x.shape, np.float32) * noise
    x = np.maximum(x + grain * np.sqrt(np.maximum(x, 0.0) * 0.15 + 0.002) * (falloff > 0), 0)
    x = x * (1 + x * 0.1) / (1 + 0.68 * x)
    x = x * (1 + CONTRAST * (np.sqrt(np.minimum(x, 1)) - 0.42))
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-8) ** (1 / 2.4) - 0.055)
    return (np.clip(srgb, 0, 1) * 255 + 0.5).astype(np.uint8)
