"""Which row is best on a metric, and whether a paired test separates it from every other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.contenders import RECORDS, Contender, read_run, truth_run
from benchmark.metrics import METRICS
from benchmark.results import Results

from .rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best row (a place in the sequence that was asked about) on one metric.

    separated: Holm's adjusted p of the paired test against every other competing row is below 0.05. why: what the test
    lacked where it could not be made or could not succeed.
    """

    row: int
    separated: bool
    why: str | None = None


def best_rows(rows: Sequence[Row]) -> dict[str, Best]:
    """Metric id to its best row among those that compete; metrics with fewer than two such rows have none.

    Rows must belong into one table. The tests are those of `benchmark.comparison`: the family of Holm's correction is all
    pairs of competing rows times all metrics. They read scores.jsonl beside each results.json; where one is missing nothing
    is called separated. Metrics that this version does not know have no best, nor have those whose best is nearest to the
    truth's own value where no complete run of the truth is known. A row of still videos is never best on a video metric.
    """
    competing = [place for place, row in enumerate(rows) if row.competes]
    known = [metric for metric in (rows[0].metric_ids if rows else ()) if metric in METRICS]
    scored = {metric: [place for place in competing if rows[place].results.metrics[metric].mean is not None] for metric in known}
    scored = {metric: places for metric, places in scored.items() if len(places) >= 2}
    if not scored:
        return {}
    if not all((rows[place].folder / RECORDS).is_file() for place in competing):
        return _without_tests(rows, scored)
    return _tested(rows, competing, scored)


def is_still(results: Results) -> bool:
    """Whether a row's videos do not move: by its method's own word, or because no pixel of most of them changes."""
    return results.method.static or 2 * results.n_still > results.n_scored


def _without_tests(rows: Sequence[Row], scored: dict[str, list[int]]) -> dict[str, Best]:
    found = {}
    for metric, places in scored.items():
        if METRICS[metric].direction != "truth":
            sign = 1 if METRICS[metric].direction == "up" else -1
            means = {place: rows[place].results.metrics[metric].mean or 0.0 for place in places}
            found[metric] = Best(row=max(means, key=lambda place: sign * means[place]), separated=False, why=f"{RECORDS} missing")
    return found


def _tested(rows: Sequence[Row], competing: Sequence[int], scored: dict[str, list[int]]) -> dict[str, Best]:
    from benchmark.comparison import pairwise, standings  # imported here: listing and printing need no array library
    from benchmark.stats import ALPHA

    contenders = [Contender(label=rows[place].run, runs=(read_run(rows[place].folder),)) for place in competing]
    oracle = truth_run([*(contender.runs[0] for contender in contenders)])
    differences = pairwise(contenders, truth=oracle)
    tests = sum(found.p is not None for found in differences)
    result = {}
    for metric in scored:
        if METRICS[metric].direction == "truth" and oracle is None:
            continue
        still = [n for n, place in enumerate(competing) if METRICS[metric].group == "video" and is_still(rows[place].results)]
        ranked = [one for one in standings(contenders, metric, differences, truth=oracle) if one.value is not None]
        ranked = [one for one in ranked if one.place not in still]
        if not ranked:
            continue
        own = [one for one in differences if one.metric == metric and ranked[0].place in (one.a, one.b)]
        separated = all(one.separated for one in own)
        few = [one for one in own if one.p is not None and one.smallest_p * tests >= ALPHA]
        why = f"{few[0].takes} takes are too few for {tests} tests" if few and not separated else None
        result[metric] = Best(row=competing[ranked[0].place], separated=separated, why=why)
    return result
