"""A difference as lines for a terminal, as Markdown for a bot's comment, and as JSON; the same bytes each time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from ..formats.markdown import escaped
from ..rows import Row
from .diff import Diff, MetricChange, RunChange
from .names import printable

COLUMNS = ("metric", "old", "new", "difference", "")
BEYOND = "beyond the old interval"


def plain_text(found: Diff) -> str:
    """Lines, columns aligned; ends in a newline."""
    lines = [f"+ {_name(row)}" for row in found.added]
    lines += [f"- {_name(row)}" for row in found.removed]
    for change in found.changed:
        lines.append(f"~ {_name(change.new)}")
        lines += [f"    {field}" for field in change.fields]
        rows = [COLUMNS, *(_cells(one) for one in change.metrics)] if change.metrics else []
        widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))] if rows else []
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:4], widths[1:4])), row[4]]
            lines.append(("    " + "  ".join(cells)).rstrip())
    lines += [f"! {fault}" for fault in found.faults]
    return "\n".join(printable(line) for line in [*lines, _summary(found)]) + "\n"


def markdown(found: Diff) -> str:
    """A comment for a pull request; names from results are escaped."""

    def quiet(text: str) -> str:
        # a method called "@somebody" must call nobody to a comment
        return re.sub(r"(?<!\w)@", "@\u2060", escaped(text))

    parts = [f"**{quiet(_summary(found))}**"]
    for title, rows in (("Added", found.added), ("Removed", found.removed)):
        if rows:
            parts.append("\n".join([f"{title}:", "", *(f"- {quiet(_name(row))}" for row in rows)]))
    for change in found.changed:
        parts.append(f"#### {quiet(_name(change.new))}")
        if change.fields:
            parts.append("\n".join(f"- {quiet(field)}" for field in change.fields))
        if change.metrics:
            drawn = [COLUMNS, (":--", "--:", "--:", "--:", ":--"), *(tuple(map(quiet, _cells(one))) for one in change.metrics)]
            parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in drawn))
    if found.faults:
        parts.append("\n".join(["Left out:", "", *(f"- {quiet(fault)}" for fault in found.faults)]))
    return "\n\n".join(parts) + "\n"


def to_json(found: Diff) -> dict[str, Any]:
    """All of it for a program; aggregates whole."""
    return {
        "added": [_run(row) for row in found.added],
        "removed": [_run(row) for row in found.removed],
        "changed": list(_changes(found.changed)),
        "same": found.same,
        "faults": list(found.faults),
    }


def _changes(changes: Sequence[RunChange]) -> Iterator[dict[str, Any]]:
    for change in changes:
        metrics = [
            {
                "metric": one.metric,
                "old": msgspec.to_builtins(one.old),
                "new": msgspec.to_builtins(one.new),
                "difference": one.difference,
                "beyond_old_interval": one.beyond,
                "better": one.better or None,
                "not_comparable": one.why or None,
            }
            for one in change.metrics
        ]
        yield {"old": _run(change.old), "new": _run(change.new), "fields": list(change.fields), "metrics": metrics}


def _run(row: Row) -> dict[str, Any]:
    results = row.results
    split = {"dataset": results.split.dataset, "split": results.split.name, "protocol": results.protocol.name}
    return {**split, "method": results.method.id, "seed": results.seed, "run": row.run}


def _name(row: Row) -> str:
    """ "egox seed=0 · sim-2 unseen · mini@3 · 8f6f788b"."""
    results = row.results
    where = f"{results.split.dataset} {results.split.name} · {results.protocol.name}@{results.protocol.version}"
    return f"{results.method.id} seed={results.seed} · {where} · {row.run[:8]}"


def _cells(one: MetricChange) -> tuple[str, ...]:
    decimals = METRICS[one.metric].decimals if one.metric in METRICS else 4
    title = METRICS[one.metric].title if one.metric in METRICS else one.metric
    difference = "" if one.difference is None else f"{one.difference:+.{decimals}f}"
    # within the interval a direction would be read as a finding
    said = [one.why] if one.why else [one.better, BEYOND] if one.beyond else []
    said += [_counts(one.old, one.new)] if one.old is not None and one.new is not None else []
    return (title, _value(one.old, decimals), _value(one.new, decimals), difference, ", ".join(part for part in said if part))


def _value(value: Aggregate | None, decimals: int) -> str:
    if value is None or value.mean is None:
        return "–"
    half = "" if value.low is None or value.high is None else f"±{(value.high - value.low) / 2:.{decimals}f}"
    return f"{value.mean:.{decimals}f}{half}"


def _counts(old: Aggregate, new: Aggregate) -> str:
    """What became of clips, where that differs: "n 24 → 23"."""
    pairs = (("n", old.n, new.n), ("undefined", old.undefined, new.undefined), ("errors", old.errors, new.errors))
    return ", ".join(f"{name} {before} → {after}" for name, before, after in pairs if before != after)


def _summary(found: Diff) -> str:
    moved = [one for change in found.changed for one in change.metrics if one.beyond and not one.why]
    counts = f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed, {found.same} the same"
    numbers = f"; {len(moved)} number{'' if len(moved) == 1 else 's'} beyond the old interval" if found.changed else ""
    return f"runs: {counts}{numbers}" + (f"; {len(found.faults)} left out" if found.faults else "")
