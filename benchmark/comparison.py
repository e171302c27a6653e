"""Comparison of runs: every pair of contenders on every metric, corrected for the number of tests, and who is tied with whom.

Clips that both scored are paired, whole takes are permuted and resampled, repeats with other seeds are averaged clip by clip
first. Metrics of a set (FVD, KVD) have no clip values: takes are left out of both contenders and of the reference together,
so that most of the bias of a small number of clips cancels.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import stats
from .contenders import Contender, Run, check_comparable, find_runs, gathered, truth_run
from .errors import UserError
from .metrics import METRICS, MetricSpec
from .set_features import SetMeasure, set_vectors

NO_TRUTH = "neither end is better in itself, and no complete run of the oracle on these clips says what the truth's own value is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Contender a minus contender b (places in the sequence that was compared) on one metric.

    difference: in the metric's unit, with its 95 % interval; of direction "truth" it is of the distances from the truth's own
    value, or, where that is not known, of the values themselves. p: of this test alone; p_holm: corrected for all tests of the
    comparison; smallest_p: what p cannot go below. effect: standardised difference; win_rate: share of clips where a is better.
    detectable: the smallest difference that so many takes would show (power 0.8, level 0.05, one test alone).
    ahead: who is better, None for neither; separated: p_holm is below 0.05. undefined: why there is no difference.
    """

    metric: str
    a: int
    b: int
    clips: int
    takes: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    smallest_p: float = 0.0
    effect: float | None = None
    win_rate: float | None = None
    detectable: float | None = None
    ahead: int | None = None
    undefined: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def separated(self) -> bool:
        """Whether the test tells the two apart after Holm's correction."""
        return self.p_holm is not None and self.p_holm < stats.ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One contender on one metric: its value, over `clips` clips that all its repeats scored.

    seed_sd: standard deviation over the repeats' values, None with one. from_truth: mean distance from the truth's own value;
    gap: mean of value minus the truth's own; both of direction "truth" only. group: letters; contenders that share one are
    not told apart. None of a value where nothing was scored.
    """

    place: int
    value: float | None
    clips: int
    seed_sd: float | None = None
    from_truth: float | None = None
    gap: float | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of a comparison. standings: metric id to the contenders, best first where one end is better. tests: size of the
    family that Holm's correction is for."""

    contenders: tuple[Contender, ...]
    standings: Mapping[str, tuple[Standing, ...]]
    differences: tuple[Difference, ...]
    tests: int


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Compare the runs of these folders (see `find_runs`).

    Raises UserError for fewer than two contenders, for partial runs, and where runs were not measured on the same clips in
    the same way.
    """
    runs = find_runs(paths)
    check_comparable(runs)
    contenders = gathered(runs)
    if len(contenders) < 2:
        what = f"only {contenders[0].label}" + (f" with {len(runs)} seeds" if len(runs) > 1 else "") if runs else "no run"
        raise UserError(f"a comparison needs two methods, and there is {what}; name more runs")
    truth = truth_run(runs)
    differences = pairwise(contenders, truth=truth)
    return Comparison(
        contenders=tuple(contenders),
        standings={metric: standings(contenders, metric, differences, truth=truth) for metric in metrics_of(contenders)},
        differences=tuple(differences),
        tests=sum(found.p is not None for found in differences),
    )


def metrics_of(contenders: Sequence[Contender]) -> list[str]:
    """The metrics that the contenders were measured by and this version knows, in the benchmark's order."""
    measured = contenders[0].runs[0].results.metrics
    return [name for name in METRICS if name in measured]


def pairwise(contenders: Sequence[Contender], *, truth: Run | None = None) -> list[Difference]:
    """Every pair on every metric, Holm's correction over all of them. Contenders must be comparable.

    truth: a run of the truth itself, which metrics of direction "truth" need (`contenders.truth_run` finds one).
    """
    pairs = [(a, b) for a in range(len(contenders)) for b in range(a + 1, len(contenders))]
    found: list[Difference] = []
    for metric in metrics_of(contenders):
        spec = METRICS[metric]
        if spec.of == "set":
            found += _on_sets(spec, contenders, pairs)
        else:
            found += [_on_clips(spec, contenders, a, b, truth=truth) for a, b in pairs]
    tested = [place for place, one in enumerate(found) if one.p is not None]
    for place, p in zip(tested, stats.holm([found[place].p or 0.0 for place in tested])):
        found[place] = dataclasses.replace(found[place], p_holm=p)
    return found


def _on_clips(spec: MetricSpec, contenders: Sequence[Contender], a: int, b: int, *, truth: Run | None) -> Difference:
    ours, theirs = (clip_values(contenders[place], spec.id) for place in (a, b))
    own = truth.values(spec.id) if truth is not None and spec.direction == "truth" else None
    shared = ours.keys() & theirs.keys() & (own.keys() if own is not None else ours.keys())
    if not shared:
        return Difference(metric=spec.id, a=a, b=b, clips=0, undefined="no clip has a number from both")
    known = spec.direction != "truth" or own is not None
    takes = {clip: take for place in (a, b) for clip, take in contenders[place].runs[0].takes.items()}
    made = stats.compare(
        ours, theirs, takes, direction=spec.direction if known else "up", truth=own, seed=_seed(contenders[0], spec.id)
    )
    notes = [made.note] if made.note else []
    notes += [NO_TRUTH] if not known else []
    notes += _left_out(len(ours.keys() | theirs.keys()) - len(shared))
    lower_is_better = spec.direction != "up"
    return Difference(
        metric=spec.id,
        a=a,
        b=b,
        clips=made.clips,
        takes=made.takes,
        difference=made.difference,
        low=made.low,
        high=made.high,
        p=made.p,
        smallest_p=made.smallest_p,
        effect=made.effect,
        win_rate=made.win_rate if known else None,
        detectable=made.detectable,
        ahead=_ahead(made.difference, a, b, lower_is_better=lower_is_better) if known else None,
        notes=tuple(notes),
    )


def _on_sets(spec: MetricSpec, contenders: Sequence[Contender], pairs: Sequence[tuple[int, int]]) -> list[Difference]:
    measure = _set_measure(spec, contenders)
    found = []
    for a, b in pairs:
        made = measure.difference(a, b, seed=_seed(contenders[0], spec.id))
        if isinstance(made, str):
            found.append(Difference(metric=spec.id, a=a, b=b, clips=0, undefined=made))
            continue
        numbers = {field.name: getattr(made, field.name) for field in dataclasses.fields(made) if field.name != "note"}
        notes = [made.note] if made.note else []
        notes += _left_out(len(set(measure.clips(a)) | set(measure.clips(b))) - len(measure.clips(a, b)))
        ahead = _ahead(made.difference, a, b, lower_is_better=spec.direction != "up")
        found.append(Difference(metric=spec.id, a=a, b=b, ahead=ahead, notes=tuple(notes), **numbers))
    return found


def _set_measure(spec: MetricSpec, contenders: Sequence[Contender]) -> SetMeasure:
    return SetMeasure(spec, [[set_vectors(run, spec.id) for run in contender.runs] for contender in contenders])


def clip_values(contender: Contender, metric: str) -> dict[str, float]:
    """Each clip's value, averaged over the contender's repeats; clips that every repeat scored."""
    values = [run.values(metric) for run in contender.runs]
    shared = set(values[0]).intersection(*values[1:])
    return {clip: math.fsum(one[clip] for one in values) / len(values) for clip in sorted(shared)}


def standings(
    contenders: Sequence[Contender], metric: str, differences: Sequence[Difference], *, truth: Run | None = None
) -> tuple[Standing, ...]:
    """The contenders on one metric, best first; without an order, in their own, where neither end is better.

    differences: of `pairwise` on the same contenders.
    """
    spec = METRICS[metric]
    if spec.of == "set":
        found = _set_standings(spec, contenders)
    else:
        own = truth.values(metric) if truth is not None and spec.direction == "truth" else None
        found = [_clip_standing(spec, contender, place, own) for place, contender in enumerate(contenders)]

    def rank(standing: Standing) -> float:
        key = standing.from_truth if spec.direction == "truth" else standing.value
        return math.inf if key is None else -key if spec.direction == "up" else key

    if spec.direction == "truth" and all(standing.from_truth is None for standing in found):
        return tuple(found)
    ranked = sorted(found, key=rank)
    apart = {frozenset((one.a, one.b)) for one in differences if one.metric == metric and one.separated}
    groups = stats.tie_groups([standing.place for standing in ranked if rank(standing) < math.inf], apart)
    return tuple(
        dataclasses.replace(standing, group="".join(_letter(i) for i, group in enumerate(groups) if standing.place in group))
        for standing in ranked
    )


def _clip_standing(spec: MetricSpec, contender: Contender, place: int, own: Mapping[str, float] | None) -> Standing:
    values = clip_values(contender, spec.id)
    if not values:
        return Standing(place=place, value=None, clips=0)
    by_seed = [math.fsum(run.values(spec.id)[clip] for clip in values) / len(values) for run in contender.runs]
    gaps = [value - own[clip] for clip, value in values.items() if clip in own] if own is not None else []
    return Standing(
        place=place,
        value=math.fsum(values.values()) / len(values),
        clips=len(values),
        seed_sd=statistics.stdev(by_seed) if len(by_seed) > 1 else None,
        from_truth=math.fsum(abs(gap) for gap in gaps) / len(gaps) if gaps else None,
        gap=math.fsum(gaps) / len(gaps) if gaps else None,
    )


def _set_standings(spec: MetricSpec, contenders: Sequence[Contender]) -> list[Standing]:
    measure = _set_measure(spec, contenders)
    found = []
    for place in range(len(contenders)):
        values, clips = measure.values(place), len(measure.clips(place))
        if values:
            value, spread = math.fsum(values) / len(values), statistics.stdev(values) if len(values) > 1 else None
            found.append(Standing(place=place, value=value, clips=clips, seed_sd=spread))
        else:
            found.append(Standing(place=place, value=None, clips=clips))
    return found


def _ahead(difference: float, a: int, b: int, *, lower_is_better: bool) -> int | None:
    if difference == 0:
        return None
    return a if (difference < 0) == lower_is_better else b


def _left_out(count: int) -> list[str]:
    return [f"{count} clip{'s' if count > 1 else ''} without a number from both left out"] if count else []


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"({index + 1})"


def _seed(contender: Contender, metric: str) -> int:
    """The same for every pair on a metric, so that who is compared with whom decides no last digit."""
    text = f"{contender.runs[0].results.split.digest} {metric}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
