"""Maximum mean discrepancy of two sets of vectors with a polynomial kernel (the distance behind KVD and JEDi).

Unbiased forms stay at the same mean whatever the number of clips, where a Fréchet distance falls with it; they may be
negative.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kernels import Kernels


def polynomial(a: NDArray[np.float64], b: NDArray[np.float64], *, degree: int, coef0: float) -> NDArray[np.float64]:
    """(x.y / D + coef0)^degree for every x of a [m, D] and y of b [n, D], in float64: powers of logits lose digits in less."""
    return (a @ b.T / a.shape[1] + coef0) ** degree


def polynomial_kernels(a: NDArray[np.float64], b: NDArray[np.float64], *, degree: int, coef0: float) -> Kernels:
    """`polynomial` within and across two sets."""
    return Kernels(
        within_a=polynomial(a, a, degree=degree, coef0=coef0),
        within_b=polynomial(b, b, degree=degree, coef0=coef0),
        across=polynomial(a, b, degree=degree, coef0=coef0),
    )


def mmd_biased(kernels: Kernels) -> float:
    """The V-statistic: all means with their diagonals. Never negative; JEDi is 100 times this with degree 2 and coef0 0."""
    return float(kernels.within_a.mean() + kernels.within_b.mean() - 2 * kernels.across.mean())


def mmd_unbiased(kernels: Kernels) -> float:
    """The U-statistic of independent sets, two vectors or more on either side: no vector meets itself, across all meet all."""
    return _mean_without_diagonal(kernels.within_a) + _mean_without_diagonal(kernels.within_b) - 2 * float(kernels.across.mean())


def mmd_unbiased_paired(kernels: Kernels) -> float:
    """The U-statistic of pairs (the i-th of A belongs to the i-th of B): across, no vector meets its own partner either.

    A prediction and its own truth are no independent draws. Were they counted, a set compared with itself would come out
    below zero by 2/N of how much more like itself than like others a vector is; here it is exactly 0.
    """
    mean = _mean_without_diagonal
    return mean(kernels.within_a) + mean(kernels.within_b) - 2 * mean(kernels.across)


def swap_parts(
    a: NDArray[np.float64], b: NDArray[np.float64], truth: NDArray[np.float64], *, degree: int, coef0: float
) -> NDArray[np.float64]:
    """What each clip adds to mmd_unbiased_paired(a, truth) - mmd_unbiased_paired(b, truth), [clips].

    Swapping a clip's two predictions only turns the sign of its part, so that a permutation test that swaps whole takes is
    a sign-flip test of the takes' sums. (Between clips i and j, a swap of one turns k(a_i, a_j) - k(b_i, b_j) into
    k(a_i, b_j) - k(b_i, a_j), which is antisymmetric in i and j; the sum over pairs is therefore linear in the signs.)
    """
    n = len(truth)
    # k(b, a) is no transpose of k(a, b) to the last bit, and equal sets must come out exactly 0
    within_a, within_b, a_to_b, b_to_a, a_to_truth, b_to_truth = (
        polynomial(x, y, degree=degree, coef0=coef0) for x, y in ((a, a), (b, b), (a, b), (b, a), (a, truth), (b, truth))
    )
    pairwise = within_a - within_b + a_to_b - b_to_a - 2 * (a_to_truth - b_to_truth)
    np.fill_diagonal(pairwise, 0.0)
    return pairwise.sum(axis=1) / (n * (n - 1))


def _mean_without_diagonal(square: NDArray[np.float64]) -> float:
    n = len(square)
    return float((square.sum() - np.trace(square)) / (n * (n - 1)))
