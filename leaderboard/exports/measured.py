"""The runs of one method that are exported: chosen, and checked to be what a model page may say of itself."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.errors import UserError, unknown

from ..rows import Row

TASK, TASK_NAME = "video-to-video", "Exocentric-to-egocentric video generation"
"""The hub's task, and what of it is meant."""


def chosen(rows: Sequence[Row], method: str | None) -> list[Row]:
    """The runs of one method, in order of split, protocol and seed.

    method: its id, which may be left out where there is one only, control rows aside. Raises UserError for an unknown or
    missing name, for a control, for a partial run, and where nothing has a number.
    """
    ids = sorted({row.results.method.id for row in rows if not row.results.method.control})
    if method is None and len(ids) != 1:
        raise UserError(f"a model page is about one method, and these runs are of {', '.join(ids) or 'none'}; say --method ID")
    name = method if method is not None else ids[0]
    own = [row for row in rows if row.results.method.id == name]
    if not own:
        raise unknown("method among these runs", name, ids)
    for row in own:
        if row.results.method.control:
            raise UserError(f"{name} ({row.run}) is a control: it has no model page")
        if row.results.partial:
            raise UserError(f"{name} ({row.run}) is partial: finish it without --limit and --clips")
    if all(value.mean is None for row in own for value in row.results.metrics.values()):
        raise UserError(f"no metric of {name} has a number in these runs: there is nothing to export")
    return sorted(own, key=_order)


def _order(row: Row) -> tuple[object, ...]:
    results = row.results
    return (results.split.dataset, results.split.name, results.protocol.name, results.seed, row.run)


def circumstances(row: Row, metric: str) -> dict[str, object]:
    """What a number must not be read without: versions, seed, counts, its interval, how truth was seen, the method's remark."""
    results, value = row.results, row.results.metrics[metric]
    found: dict[str, object] = {
        "protocol_digest": results.protocol.digest,
        "metric_version": value.version,
        "seed": results.seed,
        "n": value.n,
        "n_expected": results.n_expected,
        "run": row.run,
    }
    if value.low is not None and value.high is not None:
        found |= {"low_95": value.low, "high_95": value.high}
    if results.method.privileged != "none":
        found["sees_truth"] = results.method.privileged
    if results.method.remark:
        found["remark"] = results.method.remark
    return found
