"""KVD: kernel distance between the I3D features of predicted and of real videos. Means the same at every number of clips."""

from __future__ import annotations

from functools import partial

import numpy as np

from .kernels import Kernels
from .mmd import mmd_unbiased, mmd_unbiased_paired, polynomial_kernels, swap_parts
from .set_distance import SetDistance

DEGREE, COEF0 = 3, 1.0
SUBSETS = 100


def _spread(kernels: Kernels) -> str:
    """How much the value varies over seeded halves of the clips, each half without repetition."""
    n = len(kernels.across)
    generator = np.random.Generator(np.random.PCG64(0))
    subsets = [np.sort(generator.choice(n, n // 2, replace=False)) for _ in range(SUBSETS)]
    values = [mmd_unbiased_paired(kernels.part(subset, subset)) for subset in subsets]
    return f"sd {np.std(values, ddof=1):.4g} over {SUBSETS} subsets of {n // 2} clips"


kvd = SetDistance(
    name="KVD",
    kernels=partial(polynomial_kernels, degree=DEGREE, coef0=COEF0),
    paired=mmd_unbiased_paired,
    unpaired=mmd_unbiased,
    swaps=partial(swap_parts, degree=DEGREE, coef0=COEF0),
    describe=_spread,
)
"""Unbiased maximum mean discrepancy with the kernel (x.y / D + 1)^3."""
