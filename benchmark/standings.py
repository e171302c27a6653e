"""Who stands where on a metric: who may be called best, and in which order contenders come.

Who is ahead of whom is decided on clips that both have (`comparison`), and who is first on clips that all candidates have: a
method that lacks the hard clips must not win by the mean of the rest. Candidates are the contenders that compete
(`Contender.outside`) and, on metrics that a video does well on by moving less, that move as much as the truth.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import stats
from .contenders import Contender, Run
from .metrics import METRICS, MetricSpec
from .set_features import SetMeasure, set_vectors

if TYPE_CHECKING:
    from .comparison import Difference

CALM, MOTION = ("flicker", "smoothness"), "dynamic-degree"
"""How the ids begin of metrics that a video does well on by moving less, and of those that say whether it moves."""
MOST_BEHIND = 0.1
"""A method whose share of moving clips is further below the truth's than this is no candidate on calm metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One contender on one metric: its value, over `clips` clips that all its repeats scored.

    ranked: what it is ranked by, over `shared` clips that all candidates with a number have: its value, or, of direction
    "truth", its mean distance from the truth's own value; None where it lacks one of these clips or nothing is ranked.
    notes: why it is not ranked or on other clips than its own, or is no candidate on this metric.
    seed_sd: standard deviation over the repeats' values, None with one. from_truth: mean distance from the truth's own value;
    gap: mean of value minus the truth's own; both of direction "truth" only. group: letters; candidates that share one are
    not told apart. None of a value where nothing was scored.
    """

    place: int
    value: float | None
    clips: int
    seed_sd: float | None = None
    from_truth: float | None = None
    gap: float | None = None
    ranked: float | None = None
    shared: int = 0
    group: str = ""
    notes: tuple[str, ...] = ()


def metrics_of(contenders: Sequence[Contender]) -> list[str]:
    """The metrics that the contenders were measured by and this version knows, in the benchmark's order."""
    measured = contenders[0].runs[0].results.metrics
    return [name for name in METRICS if name in measured]


def candidates(contenders: Sequence[Contender], metric: str, *, truth: Run | None = None) -> list[int]:
    """The places of contenders that may be called best on the metric."""
    slow = slower_than_truth(contenders, metric, truth=truth)
    return [place for place, contender in enumerate(contenders) if not contender.outside and place not in slow]


def slower_than_truth(contenders: Sequence[Contender], metric: str, *, truth: Run | None) -> dict[int, str]:
    """Competitors that are no candidates on a calm metric, by place, and why; none on other metrics and without a truth.

    Their share of moving clips is below the truth's by more than MOST_BEHIND on a motion metric that they were measured by.
    """
    found: dict[int, str] = {}
    if truth is None or not metric.startswith(CALM):
        return found
    for spec in (METRICS[name] for name in metrics_of(contenders) if name.startswith(MOTION)):
        own = truth.values(spec.id)
        for place, contender in enumerate(contenders):
            gap = _clip_standing(spec, contender, place, own).gap
            if gap is not None and gap < -MOST_BEHIND and not contender.outside:
                found[place] = f"moves less than the truth ({spec.id} {gap:+.{spec.decimals}f}): no candidate"
    return found


def standings(
    contenders: Sequence[Contender], metric: str, differences: Sequence[Difference], *, truth: Run | None = None
) -> tuple[Standing, ...]:
    """The contenders on one metric, best first; without an order, in their own, where neither end is better.

    Ranked are those that have all the clips that the candidates with a number share, on these clips; a competitor that is no
    candidate comes after them. differences: of `pairwise` on the same contenders.
    """
    spec = METRICS[metric]
    slow = slower_than_truth(contenders, metric, truth=truth)
    rivals = candidates(contenders, metric, truth=truth)
    own = truth.values(metric) if truth is not None and spec.direction == "truth" else None
    measured = _set_standings(spec, contenders) if spec.of == "set" else _clip_standings(spec, contenders, own)
    found = [_ranked(one, measured, rivals, slow.get(one.standing.place)) for one in measured]
    if all(standing.ranked is None for standing in found):
        return tuple(found)

    def key(standing: Standing) -> tuple[bool, float]:
        lower = standing.ranked if spec.direction != "up" or standing.ranked is None else -standing.ranked
        return standing.place in slow, math.inf if lower is None else lower

    ranked = sorted(found, key=key)
    apart = {frozenset((one.a, one.b)) for one in differences if one.metric == metric and one.separated}
    lettered = [standing.place for standing in ranked if standing.place in rivals and standing.ranked is not None]
    apart = {pair for pair in apart if pair <= set(lettered)}
    groups = stats.tie_groups(lettered, apart)
    return tuple(
        dataclasses.replace(standing, group="".join(_letter(i) for i, group in enumerate(groups) if standing.place in group))
        for standing in ranked
    )


def said_of(contenders: Sequence[Contender], found: Sequence[Standing]) -> tuple[str, ...]:
    """The notes of a metric's standings, each once with whom it is of."""
    whose: dict[str, list[str]] = {}
    for standing in sorted(found, key=lambda standing: standing.place):
        for note in standing.notes:
            whose.setdefault(note, []).append(contenders[standing.place].label)
    return tuple(f"{', '.join(labels)}: {note}" for note, labels in whose.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A standing before it is ranked. clips: those that it can be ranked on; on: what it is ranked by on some of them, None
    where they are too few."""

    standing: Standing
    clips: frozenset[str]
    on: Callable[[tuple[str, ...]], float | None]


def _ranked(one: _Measured, measured: Sequence[_Measured], rivals: Collection[int], slow: str | None) -> Standing:
    """With its rank's value and what is to be said of it."""
    having = [other for other in measured if other.clips]
    rated = [other for other in having if other.standing.place in rivals] or having
    most = max((len(other.clips) for other in rated), default=0)
    # whoever has a number on fewer than half of the clips does not decide which clips the others are ranked on
    asked = [other.clips for other in rated if 2 * len(other.clips) >= most]
    shared = tuple(sorted(frozenset.intersection(*asked))) if asked else ()
    value = one.on(shared) if shared and one.clips.issuperset(shared) else None
    notes = [slow] if slow else []
    if value is not None and one.standing.clips != len(shared):
        notes.append(f"ranked on {len(shared)} shared clip{'s' if len(shared) > 1 else ''}")
    elif value is None and one.clips:
        missing = len(frozenset(shared) - one.clips)
        why = f"it lacks {missing} of {len(shared)} clips that the others share" if missing else "too few clips have all numbers"
        notes.append(f"not ranked: {why}")
    return dataclasses.replace(one.standing, ranked=value, shared=len(shared), notes=tuple(notes))


def _clip_standings(spec: MetricSpec, contenders: Sequence[Contender], own: Mapping[str, float] | None) -> list[_Measured]:
    found = []
    for place, contender in enumerate(contenders):
        values = clip_values(contender, spec.id)
        if spec.direction == "truth":
            values = stats.distance_from_truth(values, own or {})
        found.append(
            _Measured(
                standing=_clip_standing(spec, contender, place, own),
                clips=frozenset(values),
                on=lambda clips, values=values: math.fsum(values[clip] for clip in clips) / len(clips),
            )
        )
    return found


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


def _set_standings(spec: MetricSpec, contenders: Sequence[Contender]) -> list[_Measured]:
    measure = set_measure(spec, contenders)

    def mean(place: int, clips: tuple[str, ...]) -> float | None:
        values = measure.values(place, clips)
        return math.fsum(values) / len(values) if values else None

    found = []
    for place in range(len(contenders)):
        clips = measure.clips(place)
        values = measure.values(place, clips) if clips else []
        standing = Standing(
            place=place,
            value=mean(place, clips) if values else None,
            clips=len(clips),
            seed_sd=statistics.stdev(values) if len(values) > 1 else None,
        )
        found.append(_Measured(standing=standing, clips=frozenset(clips if values else ()), on=functools.partial(mean, place)))
    return found


def set_measure(spec: MetricSpec, contenders: Sequence[Contender]) -> SetMeasure:
    """Contenders whose own results have no number have no vectors, whatever lies in their folders."""
    return SetMeasure(
        spec,
        [
            [{} if set_undefined(contender, spec.id) else set_vectors(run, spec.id) for run in contender.runs]
            for contender in contenders
        ],
    )


def set_undefined(contender: Contender, metric: str) -> str | None:
    """Why a run of the contender has no number on a metric of a set; None where all have one."""
    for run in contender.runs:
        found = run.results.metrics[metric]
        if found.mean is None:
            return f"{contender.label}: {found.reason or found.interval or 'no number'}"
    return None


def clip_values(contender: Contender, metric: str) -> dict[str, float]:
    """Each clip's value, averaged over the contender's repeats; clips that every repeat scored."""
    values = [run.values(metric) for run in contender.runs]
    shared = set(values[0]).intersection(*values[1:])
    return {clip: math.fsum(one[clip] for one in values) / len(values) for clip in sorted(shared)}


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"({index + 1})"
