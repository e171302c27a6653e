"""Kernels of two sets of vectors: all that a distance between sets needs, so that leaving clips out costs no new features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """Kernel values within the vectors of a set A, [a, a], within those of a set B, [b, b], and across, [a, b]."""

    within_a: NDArray[np.float64]
    within_b: NDArray[np.float64]
    across: NDArray[np.float64]

    def part(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Kernels:
        """The same for some vectors of A (by index) and some of B."""
        return Kernels(
            within_a=self.within_a[np.ix_(rows, rows)],
            within_b=self.within_b[np.ix_(columns, columns)],
            across=self.across[np.ix_(rows, columns)],
        )
