"""What changed between two versions of a results repository, or between two folders of runs.

Runs are the same where split, protocol, method and key agree. A key is made of code and data too, so of the rest those are taken
for one run whose dataset, split, protocol, method, options and seed agree, and what else differs is named.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark.errors import UserError
from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from ..rows import REPOSITORY, Row, find_rows_and_faults
from .layout import folder_of_split

Better = Literal["better", "worse", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric of a run, before and after; None where it was not measured.

    difference: new mean minus old mean, None where one is lacking. beyond: whether the new mean lies outside the old 95 %
    interval; None where there is none. better: which way, "" where neither end is good in itself or nothing moved. why: what
    keeps the two from being compared ("version 1 → 2"), "" for nothing.
    """

    metric: str
    old: Aggregate | None
    new: Aggregate | None
    difference: float | None = None
    beyond: bool | None = None
    better: Better = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """A run that is in both and not the same. fields: header fields that differ, as "method.source: a → b"."""

    old: Row
    new: Row
    fields: tuple[str, ...]
    metrics: tuple[MetricChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """All of a difference, each part in order of split, protocol, method, seed and key. faults: files that do not fit, a
    sentence each, and in which of the two."""

    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    changed: tuple[RunChange, ...]
    same: int
    faults: tuple[str, ...]


def diff(old: Path, new: Path) -> Diff:
    """Compare two versions. A results repository may be empty. Raises UserError where a path is not there or holds no run."""
    (before, old_faults), (after, new_faults) = _rows(old), _rows(new)
    pairs, removed, added = _paired(before, after)
    changes = [_change(ours, theirs) for ours, theirs in pairs if ours.results != theirs.results]
    return Diff(
        added=tuple(sorted(added, key=_order)),
        removed=tuple(sorted(removed, key=_order)),
        changed=tuple(sorted(changes, key=lambda one: _order(one.new))),
        same=len(pairs) - len(changes),
        faults=(*(f"old: {fault}" for fault in old_faults), *(f"new: {fault}" for fault in new_faults)),
    )


def _rows(path: Path) -> tuple[list[Row], list[str]]:
    repository = path / REPOSITORY
    if repository.is_dir() and next(repository.rglob("*.json"), None) is None:
        return [], []
    if not path.exists():
        raise UserError(f"{path}: not there; name two results repositories, or two folders of runs")
    rows, faults = find_rows_and_faults([path])
    root = f"{path.resolve()}/"  # sentences name files as the two versions share them
    return rows, [fault.replace(root, "") for fault in faults]


def _order(row: Row) -> tuple[object, ...]:
    results = row.results
    return (results.split.dataset, results.split.name, results.protocol.name, results.method.id, results.seed, row.run)


def _place(row: Row) -> str:
    results = row.results
    return "/".join((folder_of_split(results.split.name), results.protocol.name, results.method.id, row.run))


def _kin(row: Row) -> str:
    results = row.results
    names = (results.split.dataset, results.split.name, results.protocol.name, results.method.id, results.seed)
    return json.dumps([*names, results.method.options], sort_keys=True)


def _paired(before: Sequence[Row], after: Sequence[Row]) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Pairs, and what only one of the two has. A key that several runs of one side share pairs none of them."""
    pairs: list[tuple[Row, Row]] = []
    for key in (_place, _kin):
        ours, theirs = _by(before, key), _by(after, key)
        found = [(ours[name][0], theirs[name][0]) for name in ours if len(ours[name]) == 1 == len(theirs.get(name, ()))]
        pairs += found
        before = [row for row in before if all(row is not pair[0] for pair in found)]
        after = [row for row in after if all(row is not pair[1] for pair in found)]
    return pairs, list(before), list(after)


def _by(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _change(old: Row, new: Row) -> RunChange:
    ours, theirs = _header(old), _header(new)
    fields = tuple(f"{name}: {ours[name]} → {theirs[name]}" for name in ours if ours[name] != theirs[name])
    other_clips = old.results.split.digest != new.results.split.digest
    names = [*new.metric_ids, *(name for name in old.metric_ids if name not in new.results.metrics)]
    changes = (
        _metric(name, old.results.metrics.get(name), new.results.metrics.get(name), other_clips=other_clips) for name in names
    )
    return RunChange(old=old, new=new, fields=fields, metrics=tuple(one for one in changes if one is not None))


def _header(row: Row) -> dict[str, object]:
    results = row.results
    method, split, protocol = results.method, results.split, results.protocol
    return {
        "key": row.run,
        "method.version": method.version,
        "method.source": method.source,
        "method.options": json.dumps(method.options, sort_keys=True),
        "method.privileged": method.privileged,
        "method.control": method.control,
        "method.static": method.static,
        "method.remark": method.remark or "none",
        "split.digest": split.digest,
        "split.n": split.n,
        "protocol.version": protocol.version,
        "protocol.digest": protocol.digest,
        "partial": results.partial,
        "n_scored": results.n_scored,
        "n_still": results.n_still,
    }


def _metric(name: str, old: Aggregate | None, new: Aggregate | None, *, other_clips: bool) -> MetricChange | None:
    """None where nothing of the metric changed."""
    if old == new:
        return None
    if old is None or new is None:
        return MetricChange(metric=name, old=old, new=new, why="newly measured" if old is None else "no longer measured")
    why = ["other clips"] if other_clips else []
    why += [f"version {old.version} → {new.version}"] if old.version != new.version else []
    why += ["other weights"] if old.weights and new.weights and old.weights != new.weights else []
    if old.mean is None or new.mean is None:
        return MetricChange(metric=name, old=old, new=new, why="; ".join(why))
    difference = new.mean - old.mean
    beyond = None if old.low is None or old.high is None else not old.low <= new.mean <= old.high
    direction = METRICS[name].direction if name in METRICS else "truth"
    better: Better = ""
    if difference and direction != "truth" and not why:
        better = "better" if (difference > 0) == (direction == "up") else "worse"
    return MetricChange(metric=name, old=old, new=new, difference=difference, beyond=beyond, better=better, why="; ".join(why))
