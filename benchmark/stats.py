"""Statistics of clips that come in takes: intervals, paired tests, correction for many tests.

Clips of one take share scene, person and light, so the take is what is resampled and permuted; to treat clips as
independent would make every interval too narrow. All of it is seeded and gives the same numbers for the same input.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 10_000
LEVEL = 0.95
FEW_TAKES = 10
"""With fewer, a percentile interval is called indicative."""
EXACT_TAKES = 16
"""Up to here every flip of signs is tried (65,536 of them); above, FLIPS seeded ones."""
FLIPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Mean over clips with its 95 % interval; low and high are None with a reason in `note`.

    note also says where an interval is only indicative (few takes).
    """

    mean: float
    low: float | None
    high: float | None
    clusters: int
    note: str | None


def cluster_interval(values: Sequence[float], clusters: Sequence[Hashable], *, seed: int) -> Interval:
    """Percentile bootstrap over takes of the mean over clips: takes drawn with replacement, all clips of a drawn one kept.

    values: finite, one a clip; clusters: the take of each. 10,000 resamples. One take gives no interval.
    Raises ValueError for no values, values that are not finite, or lengths that differ.
    """
    array = _finite(values)
    if len(array) != len(clusters):
        raise ValueError(f"{len(array)} values and {len(clusters)} clusters")
    sums, counts = _by_cluster(array, clusters)
    mean = math.fsum(values) / len(array)
    takes = len(sums)
    if takes < 2:
        return Interval(mean=mean, low=None, high=None, clusters=takes, note="one take: no interval over takes")
    found = stats.bootstrap(
        (sums, counts),
        lambda total, n, axis: total.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, 2_000_000 // takes),
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.Generator(np.random.PCG64(seed)),
    ).confidence_interval
    # rounding can put the interval of equal values one last bit beside their mean
    low, high = min(float(found.low), mean), max(float(found.high), mean)
    return Interval(mean=mean, low=low, high=high, clusters=takes, note=_indicative(takes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Method A against method B on the clips that both have a number for.

    difference: mean over takes of the takes' mean A - B, with its interval; difference_clips: mean over clips.
    p: two-sided, from flipping the sign of whole takes; smallest_p: what no data of this many takes can go below.
    effect: mean / sd of the takes' differences (None where they do not vary). win_rate: share of clips where A is better,
    ties half. note: why an interval is missing or only indicative, or why no p below 0.05 can come.
    """

    clips: int
    takes: int
    difference: float
    low: float | None
    high: float | None
    difference_clips: float
    p: float
    smallest_p: float
    effect: float | None
    win_rate: float
    note: str | None


def compare(
    a: Mapping[str, float],
    b: Mapping[str, float],
    clusters: Mapping[str, Hashable],
    *,
    direction: Literal["up", "down"],
    seed: int,
) -> Comparison:
    """Paired comparison of two methods' values by clip; `clusters` gives each clip's take.

    Raises ValueError where no clip is in both.
    """
    shared = sorted(a.keys() & b.keys())
    if not shared:
        raise ValueError("no clip has a number from both methods")
    differences = _finite([a[clip] - b[clip] for clip in shared])
    sums, counts = _by_cluster(differences, [clusters[clip] for clip in shared])
    by_take = sums / counts
    takes = len(by_take)
    smallest = 2.0 ** (1 - takes) if takes <= EXACT_TAKES else 1 / (1 + FLIPS)
    spread = float(by_take.std(ddof=1)) if takes > 1 else 0.0
    interval = cluster_interval(by_take.tolist(), range(takes), seed=seed)
    better = differences if direction == "up" else -differences
    note = interval.note
    if smallest >= 0.05:
        note = f"{takes} take{'s' if takes > 1 else ''}: no p below {smallest:g} is possible"
    return Comparison(
        clips=len(shared),
        takes=takes,
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        difference_clips=math.fsum(differences) / len(shared),
        p=sign_flip_p(by_take, seed=seed),
        smallest_p=smallest,
        effect=interval.mean / spread if spread > 0 else None,
        win_rate=float(np.mean((better > 0) + 0.5 * (better == 0))),
        note=note,
    )


def sign_flip_p(differences: Sequence[float] | NDArray[np.float64], *, seed: int) -> float:
    """Two-sided p of "the mean difference is zero" by flipping signs of whole takes.

    Not scipy.stats.permutation_test: the same numbers, but 16 takes cost it 0.35 s a test and a table asks dozens.
    Exact (all 2^G flips) for up to 16 takes; above, (1 + as extreme) / (1 + 20,000) over seeded flips.
    """
    values = _finite(differences)
    takes = len(values)
    observed = abs(values.sum())
    # a flip that undoes itself by rounding counts as equal; all zeros count as equal too
    threshold = observed - 1e-12 * np.abs(values).sum()
    if takes <= EXACT_TAKES:
        bits = np.arange(2**takes)[:, None] >> np.arange(takes) & 1
        return float(np.mean(np.abs((1.0 - 2.0 * bits) @ values) >= threshold))
    generator, extreme, left = np.random.Generator(np.random.PCG64(seed)), 0, FLIPS
    while left:
        rows = min(left, max(1, 2_000_000 // takes))
        signs = 1.0 - 2.0 * generator.integers(0, 2, (rows, takes), dtype=np.int8)
        extreme += int(np.count_nonzero(np.abs(signs @ values) >= threshold))
        left -= rows
    return (1 + extreme) / (1 + FLIPS)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the given order: the k-th smallest is max over j <= k of min(1, (m - j + 1) p_(j))."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def _finite(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError("at least one value is needed")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite; leave undefined ones out and count them")
    return array


def _by_cluster(values: NDArray[np.float64], clusters: Sequence[Hashable]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values of each cluster, clusters in order of first appearance."""
    index: dict[Hashable, int] = {}
    where = np.array([index.setdefault(cluster, len(index)) for cluster in clusters])
    return np.bincount(where, weights=values).astype(np.float64), np.bincount(where).astype(np.float64)


def _indicative(takes: int) -> str | None:
    return f"indicative interval ({takes} takes)" if takes < FEW_TAKES else None
