"""Which rows share the first and the second place on a metric, by paired tests and never by a digit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmark.contenders import Contender, Run, gathered, is_still, truth_run
from benchmark.metrics import METRICS

from .rows import Row

if TYPE_CHECKING:
    from benchmark.comparison import Difference
    from benchmark.standings import Standing

Mark = Literal["best", "second", "leading", ""]
NO_SCORES = "scores by clip are missing"
NO_FEATURES = "not compared, for the features of single clips are not beside these results"
NO_TRUTH = "not compared, for no complete run of the truth on these clips is known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is marked on one metric; rows are places in the sequence that was asked about.

    best: the first row and all that no test separates from it (p < 0.05 after Holm); empty where nothing is separated from it.
    second: of the rest the first, and all of the rest that no test separates from that one. leading: where nothing is
    separated, the row with the best value, else None. why: what the tests lacked where they could not be made or could not
    succeed. notes: on which clips methods were ranked where that are not all of theirs, and which is no candidate, and why.
    """

    best: frozenset[int] = frozenset()
    second: frozenset[int] = frozenset()
    leading: int | None = None
    why: str | None = None
    notes: tuple[str, ...] = ()

    def of(self, row: int) -> Mark:
        """The mark of one row."""
        if row in self.best:
            return "best"
        if row in self.second:
            return "second"
        return "leading" if row == self.leading else ""


def marks_of(rows: Sequence[Row], *, beside: Sequence[Row] = ()) -> dict[str, Marks]:
    """Metric id to what is marked on it; metrics with fewer than two methods that may be best have none.

    Rows must belong into one table. beside: rows that are not asked about; the truth may be among them. Rows that differ in seed
    only are one method, which the tests see averaged, and share its mark. The tests and the order are those of
    `benchmark.comparison`: methods are ranked on the clips that they share, and the family of Holm's correction is all pairs of
    competing methods times all metrics. They read the scores by clip; of rows without, and of distances between sets whose
    features are not there, the best value is marked as leading. Metrics that this version does not know have no marks, nor have
    those whose best is nearest to the truth's own value where no complete run of the truth is known, among the rows or beside
    them on disk. A row of still videos is never marked.
    """
    # in an order of their own: which of two equal values is the first must not depend on the table's
    competing = [place for place, row in enumerate(rows) if row.competes]
    competing.sort(key=lambda place: (rows[place].results.method.id, rows[place].run))
    known = [metric for metric in (rows[0].metric_ids if rows else ()) if metric in METRICS]
    if not known:
        return {}
    if any(rows[place].records is None for place in competing):
        untested = (_leading(rows, competing, metric, Marks(why=NO_SCORES)) for metric in known)
        return {metric: found for metric, found in zip(known, untested) if found is not None}
    return _tested(rows, competing, known, beside)


def _leading(rows: Sequence[Row], competing: Sequence[int], metric: str, marks: Marks) -> Marks | None:
    """These marks with the best value as leading; None where nothing can be ranked without the clips' own values."""
    values = ((place, rows[place].results.metrics[metric].mean) for place in competing if not is_still(rows[place].results))
    means = {place: mean for place, mean in values if mean is not None}
    # means over other clips do not rank
    same_clips = len({rows[place].results.metrics[metric].n for place in means}) == 1
    if METRICS[metric].direction == "truth" or len(means) < 2 or not same_clips:
        return None
    sign = 1 if METRICS[metric].direction == "up" else -1
    return dataclasses.replace(marks, leading=max(means, key=lambda place: sign * means[place]))


def _tested(rows: Sequence[Row], competing: Sequence[int], metrics: Sequence[str], beside: Sequence[Row]) -> dict[str, Marks]:
    # imported here: listing and printing need no array library
    from benchmark.comparison import family_size, pairwise, too_few_takes
    from benchmark.standings import candidates, said_of, standings

    runs = {place: row.read() for place, row in enumerate(rows) if row.records is not None}
    contenders = [one for one in gathered([runs[place] for place in competing]) if not one.outside]
    if len(contenders) < 2:
        return {}
    places = [[place for place in competing if any(runs[place] is run for run in one.runs)] for one in contenders]
    truth = truth_run([*runs.values(), *(row.read() for row in beside if row.records is not None)])
    differences = pairwise(contenders, truth=truth)
    tests = family_size(differences)
    result = {}
    for metric in metrics:
        allowed = candidates(contenders, metric, truth=truth)
        found = standings(contenders, metric, differences, truth=truth)
        ranked = [one.place for one in found if one.place in allowed and one.ranked is not None]
        if len(ranked) < 2:
            why = _not_ranked(rows, competing, metric, no_truth=truth is None)
            if why is not None:
                result[metric] = why
            continue
        own = [one for one in differences if one.metric == metric and {one.a, one.b} <= {*ranked}]
        first = _not_separated(ranked, own)
        notes = said_of(contenders, found)
        if len(first) == len(ranked):
            few = [reason for one in own if ranked[0] in (one.a, one.b) and (reason := too_few_takes(one, tests))]
            leading = _best_repeat(contenders[ranked[0]], metric, places[ranked[0]], runs, truth)
            result[metric] = Marks(leading=leading, why=few[0] if few else None, notes=notes)
            continue
        second = _not_separated([place for place in ranked if place not in first], own)
        best_rows, second_rows = (frozenset(row for place in group for row in places[place]) for group in (first, second))
        result[metric] = Marks(best=best_rows, second=second_rows, notes=notes)
    return result


def _not_ranked(rows: Sequence[Row], competing: Sequence[int], metric: str, *, no_truth: bool) -> Marks | None:
    """What is to be said of a metric that could not be ranked though rows have numbers on it."""
    if sum(rows[place].results.metrics[metric].mean is not None for place in competing) < 2:
        return None
    if METRICS[metric].of == "set":
        return _leading(rows, competing, metric, Marks(notes=(NO_FEATURES,)))
    return Marks(notes=(NO_TRUTH,)) if METRICS[metric].direction == "truth" and no_truth else None


def _not_separated(ranked: Sequence[int], differences: Sequence[Difference]) -> list[int]:
    """The first of these contenders and those that no test separates from it."""
    behind = {
        one.b if one.a == ranked[0] else one.a
        for one in differences
        if ranked[0] in (one.a, one.b) and one.separated and one.ahead == ranked[0]
    }
    return [place for place in ranked if place not in behind]


def _best_repeat(contender: Contender, metric: str, places: Sequence[int], runs: dict[int, Run], truth: Run | None) -> int:
    """The row of the contender's repeat that is best on the metric."""
    from benchmark.standings import standings

    repeats = [Contender(label=str(place), runs=(runs[place],)) for place in places]
    found: Sequence[Standing] = standings(repeats, metric, (), truth=truth)
    return places[found[0].place]
