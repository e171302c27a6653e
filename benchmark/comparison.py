"""Comparison of runs: every pair of contenders on every metric, corrected for the number of tests, and who is tied with whom.

Clips that both scored are paired, whole takes are permuted and resampled, repeats with other seeds are averaged clip by clip
first. Metrics of a set (FVD, KVD) have no clip values: takes are left out of both contenders and of the reference together,
so that most of the bias of a small number of clips cancels.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import stats
from .contenders import Contender, Run, check_comparable, find_runs, gathered, truth_run
from .errors import UserError
from .metrics import METRICS, MetricSpec
from .standings import Standing, candidates, clip_values, metrics_of, set_measure, set_undefined, standings

NO_TRUTH = "neither end is better in itself, and no complete run of the oracle on these clips says what the truth's own value is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Contender a minus contender b (places in the sequence that was compared) on one metric.

    difference: in the metric's unit, with its 95 % interval; of direction "truth" it is of the distances from the truth's own
    value, or, where that is not known, of the values themselves. p: of this test alone; p_holm: corrected for all tests of
    pairs of candidates, None where one of the two is none; smallest_p: what p cannot go below. effect: standardised
    difference; win_rate: share of clips where a is better.
    detectable: the smallest difference that so many takes would show (power 0.8, level 0.05, one test alone).
    ahead: who is better, None for neither; separated: p_holm is below 0.05. undefined: why there is no difference. family: it
    is one of the tests that Holm's correction is for.
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
    family: bool = False

    @property
    def separated(self) -> bool:
        """Whether the test tells the two apart after Holm's correction."""
        return self.p_holm is not None and self.p_holm < stats.ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of a comparison. standings: metric id to the contenders, best first where one end is better. tests: size of the
    family that Holm's correction is for: pairs of candidates times metrics."""

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
        tests=family_size(differences),
    )


def pairwise(contenders: Sequence[Contender], *, truth: Run | None = None) -> list[Difference]:
    """Every pair on every metric, with Holm's correction over all pairs of candidates. Contenders must be comparable.

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
    allowed = {metric: set(candidates(contenders, metric, truth=truth)) for metric in metrics_of(contenders)}
    # A test that could not be made, though both have a number (the features of a set are not there), counts as one that shows
    # nothing: results without their features must not come out more significant than with them.
    family = [
        place
        for place, one in enumerate(found)
        if {one.a, one.b} <= allowed[one.metric] and (one.p is not None or _both_have_numbers(contenders, one))
    ]
    for place, p in zip(family, stats.holm([1.0 if (own := found[place].p) is None else own for place in family])):
        one = dataclasses.replace(found[place], family=True)
        few = too_few_takes(one, len(family)) if one.p is not None else None
        notes = (*one.notes, few) if few else one.notes
        found[place] = dataclasses.replace(one, p_holm=p if one.p is not None else None, notes=notes)
    return found


def _both_have_numbers(contenders: Sequence[Contender], one: Difference) -> bool:
    runs = (run for place in (one.a, one.b) for run in contenders[place].runs)
    return all(run.results.metrics[one.metric].mean is not None for run in runs)


def family_size(differences: Sequence[Difference]) -> int:
    """How many tests Holm's correction was for."""
    return sum(one.family for one in differences)


def too_few_takes(one: Difference, tests: int) -> str | None:
    """Why no data of so many takes could pass as one of so many tests; None where some could."""
    takes = "1 take is" if one.takes == 1 else f"{one.takes} takes are"
    return f"{takes} too few for {tests} tests" if one.smallest_p * tests >= stats.ALPHA else None


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
    measure = set_measure(spec, contenders)
    found = []
    for a, b in pairs:
        reasons = [reason for place in (a, b) if (reason := set_undefined(contenders[place], spec.id))]
        made = "; ".join(reasons) or measure.difference(a, b, seed=_seed(contenders[0], spec.id))
        if isinstance(made, str):
            found.append(Difference(metric=spec.id, a=a, b=b, clips=0, undefined=made))
            continue
        numbers = {field.name: getattr(made, field.name) for field in dataclasses.fields(made) if field.name != "notes"}
        left_out = _left_out(len(set(measure.clips(a)) | set(measure.clips(b))) - len(measure.clips(a, b)))
        notes = [*made.notes, *left_out]
        ahead = _ahead(made.difference, a, b, lower_is_better=spec.direction != "up")
        found.append(Difference(metric=spec.id, a=a, b=b, ahead=ahead, notes=tuple(notes), **numbers))
    return found


def _ahead(difference: float, a: int, b: int, *, lower_is_better: bool) -> int | None:
    if difference == 0:
        return None
    return a if (difference < 0) == lower_is_better else b


def _left_out(count: int) -> list[str]:
    return [f"{count} clip{'s' if count > 1 else ''} without a number from both left out"] if count else []


def _seed(contender: Contender, metric: str) -> int:
    """The same for every pair on a metric, so that who is compared with whom decides no last digit."""
    text = f"{contender.runs[0].results.split.digest} {metric}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
