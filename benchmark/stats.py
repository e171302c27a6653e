"""Statistics of clips that come in takes: intervals, paired tests, correction for many tests.

Clips of one take share scene, person and light, so the take is what is resampled and permuted; to treat clips as
independent would make every interval too narrow. All of it is seeded and gives the same numbers for the same input.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
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
ROUNDING = 1e-12
"""Takes whose differences vary by no more than this share of the values do not vary: the rest is floating point."""
ALPHA, POWER = 0.05, 0.8
"""Level of a comparison's tests, and the chance of reaching it that `detectable_difference` asks for."""


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
    ties half. detectable: see `detectable_difference`; None too where takes are too few to show anything. note: why an
    interval is missing or only indicative, or why no p below 0.05 can come.
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
    detectable: float | None
    note: str | None


def compare(
    a: Mapping[str, float],
    b: Mapping[str, float],
    clusters: Mapping[str, Hashable],
    *,
    direction: Literal["up", "down", "truth"],
    seed: int,
    truth: Mapping[str, float] | None = None,
) -> Comparison:
    """Paired comparison of two methods' values by clip; `clusters` gives each clip's take.

    Direction "truth" compares how far either value is from the truth's own, |value - truth|, where lower is better; `truth`
    has that value for each clip. Raises ValueError where no clip is in all, and where "truth" comes without truth.
    """
    if direction == "truth":
        if truth is None:
            raise ValueError("direction 'truth' needs the truth's own values")
        a, b = distance_from_truth(a, truth), distance_from_truth(b, truth)
    shared = sorted(a.keys() & b.keys())
    if not shared:
        raise ValueError("no clip has a number from both methods")
    differences = _finite([a[clip] - b[clip] for clip in shared])
    sums, counts = _by_cluster(differences, [clusters[clip] for clip in shared])
    by_take = sums / counts
    takes = len(by_take)
    smallest = smallest_p(takes)
    spread = float(by_take.std(ddof=1)) if takes > 1 else 0.0
    if spread <= ROUNDING * max(max(abs(a[clip]), abs(b[clip])) for clip in shared):
        spread = 0.0
    interval = cluster_interval(by_take.tolist(), range(takes), seed=seed)
    better = differences if direction == "up" else -differences
    note = interval.note
    if smallest >= ALPHA:
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
        detectable=detectable_difference(spread / math.sqrt(takes), takes) if smallest < ALPHA else None,
        note=note,
    )


def distance_from_truth(values: Mapping[str, float], truth: Mapping[str, float]) -> dict[str, float]:
    """|value - truth's own value| of the clips that have both."""
    return {clip: abs(value - truth[clip]) for clip, value in values.items() if clip in truth}


def smallest_p(takes: int) -> float:
    """What `sign_flip_p` cannot go below with so many takes."""
    return 2.0 ** (1 - takes) if takes <= EXACT_TAKES else 1 / (1 + FLIPS)


def detectable_difference(standard_error: float, takes: int) -> float | None:
    """The smallest true difference that a t test over so many takes would show with power 0.8 at level 0.05 (one test alone).

    In the unit of the metric; approximate: (t(0.975) + t(0.8)) standard errors with takes - 1 degrees of freedom. None where
    one take gives no standard error, and for a standard error of zero: takes that do not vary say nothing of those that do.
    """
    if takes < 2 or standard_error <= 0:
        return None
    return float((stats.t.ppf(1 - ALPHA / 2, takes - 1) + stats.t.ppf(POWER, takes - 1)) * standard_error)


def jackknife_error(left_out: Sequence[float] | NDArray[np.float64]) -> float:
    """Standard error of a statistic from its values with one of n groups left out: sqrt((n - 1)/n sum (x_i - mean)^2)."""
    values = _finite(left_out)
    return float(np.sqrt((len(values) - 1) * values.var()))


def jackknife_interval(value: float, left_out: Sequence[float] | NDArray[np.float64], *, takes: int) -> Interval:
    """value ± t(0.975) jackknife errors, from the statistic with one take (or group of takes) left out each time.

    Fewer than three takes give no interval.
    """
    if takes < 3:
        note = f"{takes} take{'s' if takes > 1 else ''}: no interval over takes"
        return Interval(mean=value, low=None, high=None, clusters=takes, note=note)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(left_out) - 1)) * jackknife_error(left_out)
    return Interval(mean=value, low=value - reach, high=value + reach, clusters=takes, note=_indicative(takes))


def t_p(value: float, standard_error: float, *, degrees: int) -> float | None:
    """Two-sided p of "the true value is zero"; 1 for exactly zero, None where a value other than zero has no error."""
    if value == 0:
        return 1.0
    return float(2 * stats.t.sf(abs(value) / standard_error, degrees)) if standard_error > 0 else None


def tie_groups(ranked: Sequence[int], separated: Collection[frozenset[int]]) -> list[tuple[int, ...]]:
    """The largest sets of methods of which no two are separated, best first: those that share a letter in a table.

    ranked: methods as numbers, best first. separated: pairs that a test tells apart. A method may be in several groups: not
    being told apart does not carry on from one pair to the next.
    """
    groups: list[frozenset[int]] = [frozenset(ranked)] if ranked else []
    for pair in sorted(separated, key=lambda pair: sorted(ranked.index(member) for member in pair)):
        split = [group - {member} for group in groups if pair <= group for member in pair]
        groups = [group for group in groups if not pair <= group]
        for group in sorted(split, key=len, reverse=True):
            if not any(group <= other for other in groups):
                groups.append(group)
    ordered = [tuple(member for member in ranked if member in group) for group in groups]
    return sorted(ordered, key=lambda group: [ranked.index(member) for member in group])


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
