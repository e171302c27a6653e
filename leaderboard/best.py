"""Which row is best on a metric, and whether a paired test separates it from every other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.contenders import RECORDS, Contender, gathered, is_still, read_run, truth_run
from benchmark.metrics import METRICS

from .rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best row (a place in the sequence that was asked about) on one metric.

    separated: it is ahead of every other candidate that has a number, and Holm's adjusted p of each of these paired tests is
    below 0.05. why: what the test lacked where it could not be made or could not succeed. notes: on which clips methods were
    ranked where that are not all of theirs, and which method is no candidate on this metric and why.
    """

    row: int
    separated: bool
    why: str | None = None
    notes: tuple[str, ...] = ()


def best_rows(rows: Sequence[Row]) -> dict[str, Best]:
    """Metric id to its best row among those that compete; metrics with fewer than two methods that may be best have none.

    Rows must belong into one table. Rows that differ in seed only are one method, which the tests see averaged; where it is
    best, its best row is. The tests and the order are those of `benchmark.comparison`: methods are ranked on the clips that
    they share, and the family of Holm's correction is all pairs of competing methods times all metrics. They read
    scores.jsonl beside each results.json; where one is missing nothing is called separated. Metrics that this version does
    not know have no best, nor have those whose best is nearest to the truth's own value where no complete run of the truth is
    known, in the table or beside its rows. A row of still videos is never best.
    """
    competing = [place for place, row in enumerate(rows) if row.competes]
    known = [metric for metric in (rows[0].metric_ids if rows else ()) if metric in METRICS]
    if not known:
        return {}
    if not all((rows[place].folder / RECORDS).is_file() for place in competing):
        return _without_tests(rows, [place for place in competing if not is_still(rows[place].results)], known)
    return _tested(rows, competing, known)


def _without_tests(rows: Sequence[Row], competing: Sequence[int], metrics: Sequence[str]) -> dict[str, Best]:
    found = {}
    for metric in metrics:
        values = ((place, rows[place].results.metrics[metric].mean) for place in competing)
        means = {place: mean for place, mean in values if mean is not None}
        # means over other clips do not rank
        same_clips = len({rows[place].results.metrics[metric].n for place in means}) == 1
        if METRICS[metric].direction != "truth" and len(means) >= 2 and same_clips:
            sign = 1 if METRICS[metric].direction == "up" else -1
            best = max(means, key=lambda place: sign * means[place])
            found[metric] = Best(row=best, separated=False, why=f"{RECORDS} missing")
    return found


def _tested(rows: Sequence[Row], competing: Sequence[int], metrics: Sequence[str]) -> dict[str, Best]:
    # imported here: listing and printing need no array library
    from benchmark.comparison import family_size, pairwise, too_few_takes
    from benchmark.standings import candidates, said_of, standings

    runs = {place: read_run(row.folder) for place, row in enumerate(rows) if (row.folder / RECORDS).is_file()}
    place_of = {run.folder: place for place, run in runs.items()}
    contenders = [one for one in gathered([runs[place] for place in competing]) if not one.outside]
    if len(contenders) < 2:
        return {}
    truth = truth_run(list(runs.values()))
    differences = pairwise(contenders, truth=truth)
    tests = family_size(differences)
    result = {}
    for metric in metrics:
        allowed = candidates(contenders, metric, truth=truth)
        found = standings(contenders, metric, differences, truth=truth)
        ranked = [one.place for one in found if one.place in allowed and one.ranked is not None]
        if len(ranked) < 2:
            continue
        first = ranked[0]
        own = [one for one in differences if one.metric == metric and first in (one.a, one.b) and {one.a, one.b} <= {*ranked}]
        separated = all(one.separated and one.ahead == first for one in own)
        few = [reason for one in own if (reason := too_few_takes(one, tests))]
        repeats = [Contender(label=run.folder.name, runs=(run,)) for run in contenders[first].runs]
        best = repeats[standings(repeats, metric, (), truth=truth)[0].place].runs[0]
        result[metric] = Best(
            row=place_of[best.folder],
            separated=separated,
            why=few[0] if few and not separated else None,
            notes=said_of(contenders, found),
        )
    return result
