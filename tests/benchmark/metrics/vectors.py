"""Vectors that stand for features, made from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


def drawn(n: int, *, dimensions: int = 12, seed: int = 0, offset: float = 0.0) -> Features:
    """Gaussian vectors [n, dimensions] of unequal spread."""
    spread = np.linspace(2.0, 0.3, dimensions)
    return offset + np.random.default_rng(seed).normal(0, 1, (n, dimensions)) * spread


def paired(n: int, *, dimensions: int = 12, noise: float = 0.4, seed: int = 0) -> tuple[Features, Features]:
    """Predictions and truths: each prediction is its truth with noise and a small common shift."""
    truth = drawn(n, dimensions=dimensions, seed=seed)
    return truth + 0.2 + noise * drawn(n, dimensions=dimensions, seed=seed + 1000), truth


def takes(n: int, number: int) -> list[str]:
    """The take of each clip, clip i in take i modulo `number`."""
    return [f"take {i % number:03d}" for i in range(n)]
