"""Fréchet distance of two sets of vectors, each taken for a Gaussian (the distance behind FVD), from inner products only.

With more dimensions than vectors the covariances are singular and a matrix square root of their product is inaccurate or
complex. The trace of that root is the nuclear norm of the two centred sets' products, N x N whatever the dimension.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .kernels import Kernels

Divisor = Literal["N - 1", "N"]
"""What the sums of squares behind a covariance are divided by."""


def inner_products(prediction: NDArray[np.float64], truth: NDArray[np.float64]) -> Kernels:
    """Inner products of [clips, D] vectors, measured from the truth's mean: the distance does not see a common shift, and
    large offsets would cost digits."""
    centre = truth.mean(axis=0)
    ours, theirs = prediction - centre, truth - centre
    return Kernels(within_a=ours @ ours.T, within_b=theirs @ theirs.T, across=ours @ theirs.T)


def frechet_distance(products: Kernels, *, divisor: Divisor = "N - 1") -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), at least 0; two vectors or more on either side.

    The last trace is the sum of singular values of A B' over sqrt(d1 d2), with A and B the centred sets and d their divisors.
    """
    across = products.across
    n_a, n_b = across.shape
    divisor_a, divisor_b = (n_a - 1, n_b - 1) if divisor == "N - 1" else (n_a, n_b)
    means = products.within_a.mean() + products.within_b.mean() - 2 * across.mean()
    spread_a = (np.trace(products.within_a) - products.within_a.sum() / n_a) / divisor_a
    spread_b = (np.trace(products.within_b) - products.within_b.sum() / n_b) / divisor_b
    centred = across - across.mean(axis=0) - across.mean(axis=1, keepdims=True) + across.mean()
    shared = np.linalg.svd(centred, compute_uv=False).sum() / np.sqrt(divisor_a * divisor_b)
    # equal sets can come out one rounding error below zero
    return max(0.0, float(means + spread_a + spread_b - 2 * shared))
