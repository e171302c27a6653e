"""Which row is best on a metric, and whether a paired test separates it from every other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.metrics import METRICS
from benchmark.results import ClipRecord, read_records

from .rows import Row

RECORDS = "scores.jsonl"
ALPHA = 0.05


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

    Rows must belong into one table. The test flips signs of whole takes over the clips that both rows scored; the family
    of Holm's correction is all pairs of competing rows times all metrics. It reads scores.jsonl beside each results.json;
    where one is missing nothing is called separated. Metrics that this version does not know have no best.
    """
    competing = [place for place, row in enumerate(rows) if row.competes]
    found: dict[str, Best] = {}
    for metric in rows[0].metric_ids if rows else ():
        scored = {place: mean for place in competing if (mean := rows[place].results.metrics[metric].mean) is not None}
        if len(scored) >= 2 and metric in METRICS:
            sign = 1 if METRICS[metric].direction == "up" else -1
            found[metric] = Best(row=max(scored, key=lambda place: sign * scored[place]), separated=False)
    if not found:
        return {}
    records = {place: read_records(path) for place in competing if (path := rows[place].folder / RECORDS).is_file()}
    if len(records) < len(competing):
        return {metric: Best(row=best.row, separated=False, why=f"{RECORDS} missing") for metric, best in found.items()}
    return _tested(found, records, seed_text=rows[0].results.split.digest)


def _tested(found: dict[str, Best], records: dict[int, list[ClipRecord]], *, seed_text: str) -> dict[str, Best]:
    from benchmark.stats import compare, holm  # imported here: listing and printing need no array library

    takes = {record.clip: record.cluster for kept in records.values() for record in kept}
    places = sorted(records)
    pairs = [(a, b) for index, a in enumerate(places) for b in places[index + 1 :]]
    tests, reasons = {}, {}
    for metric in found:
        values = {place: _values(records[place], metric) for place in places}
        for a, b in pairs:
            if values[a].keys() & values[b].keys():
                made = compare(values[a], values[b], takes, direction=METRICS[metric].direction, seed=_seed(seed_text, metric))
                tests[metric, a, b] = made.p
                if made.smallest_p * len(found) * len(pairs) >= ALPHA:
                    reasons[metric] = f"{made.takes} takes are too few for {len(found) * len(pairs)} tests"
    adjusted = dict(zip(tests, holm(list(tests.values()))))
    result = {}
    for metric, best in found.items():
        against = [adjusted.get((metric, a, b), 1.0) for a, b in pairs if best.row in (a, b)]
        separated = all(p < ALPHA for p in against)
        result[metric] = Best(row=best.row, separated=separated, why=None if separated else reasons.get(metric))
    return result


def _values(records: Sequence[ClipRecord], metric: str) -> dict[str, float]:
    scores = ((record.clip, record.scores.get(metric)) for record in records)
    return {clip: score.value for clip, score in scores if score is not None and score.value is not None}


def _seed(text: str, metric: str) -> int:
    import hashlib

    return int.from_bytes(hashlib.sha256(f"{text} {metric}".encode()).digest()[:8])
