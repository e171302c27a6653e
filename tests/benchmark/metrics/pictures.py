"""Small clips with texture, made from a seed, and ways to spoil them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


def textured(*, frames: int = 3, height: int = 40, width: int = 56, seed: int = 0) -> Frames:
    """[frames, height, width, 3] uint8: smooth colour blobs with some fine grain, levels within 30..225."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(40, 215, (frames, 8, 10, 3)).astype(np.float32)
    smooth = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in coarse])
    return np.clip(smooth + generator.normal(0, 6, smooth.shape), 30, 225).round().astype(np.uint8)


def noisy(clip: Frames, sd: float, *, seed: int = 1) -> Frames:
    """Gaussian noise of this standard deviation in 8-bit levels."""
    noise = np.random.default_rng(seed).normal(0, sd, clip.shape)
    return np.clip(clip + noise, 0, 255).round().astype(np.uint8)


def blurred(clip: Frames, sigma: float) -> Frames:
    """Every frame blurred by a Gaussian of `sigma` pixels."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in clip])


def constant(level: int, *, frames: int = 2, side: int = 32) -> Frames:
    """One grey level everywhere."""
    return np.full((frames, side, side, 3), level, np.uint8)
