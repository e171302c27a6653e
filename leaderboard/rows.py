"""Rows: results.json files found and read, and the rule which of them may stand in one table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.contenders import RECORDS, RESULTS, Run
from benchmark.errors import UserError
from benchmark.metrics import GROUPS, METRICS
from benchmark.results import Results, read_records, read_results


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run. run: its key; file: its results; records: its scores by clip, None where they are not there."""

    run: str
    file: Path
    results: Results
    records: Path | None

    @property
    def folder(self) -> Path:
        """Where the file lies; of a run of this benchmark also its videos."""
        return self.file.parent

    def read(self) -> Run:
        """The run with its scores by clip. Raises UserError where they are missing or damaged."""
        if self.records is None:
            raise UserError(f"{self.file}: there are no scores by clip beside it ({RECORDS})")
        return Run(folder=self.folder, results=self.results, records=tuple(read_records(self.records)))

    @property
    def competes(self) -> bool:
        """Whether the row can be best: it saw no truth, is no control, and every clip of the split was attempted."""
        return self.results.method.privileged == "none" and not self.results.method.control and not self.results.partial

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """What must agree between rows of one table, by name."""
        split, protocol = self.results.split, self.results.protocol
        versions = [(f"version of metric {name}", str(self.results.metrics[name].version)) for name in self.metric_ids]
        versions += [
            (f"weights {weights} of metric {name}", digits)
            for name in self.metric_ids
            for weights, digits in sorted(self.results.metrics[name].weights.items())
        ]
        return (
            ("split", f"{split.dataset}/{split.name}"),
            ("split digest", split.digest),
            ("protocol", protocol.name),
            ("protocol version", str(protocol.version)),
            ("protocol digest", protocol.digest),
            ("metrics", ", ".join(self.metric_ids)),
            *versions,
        )

    @property
    def metric_ids(self) -> tuple[str, ...]:
        """The metrics in the order of columns: by group as the benchmark lists them, then those it does not know, by name."""
        order = {name: place for place, name in enumerate(sorted(METRICS, key=lambda name: GROUPS.index(METRICS[name].group)))}
        return tuple(sorted(self.results.metrics, key=lambda name: (order.get(name, len(order)), name)))


def find_rows(paths: Iterable[Path]) -> list[Row]:
    """Rows of these runs: results files, run folders, or folders searched for results.json; each run once.

    Raises UserError where a path is not there or holds no results, and for a file that does not fit.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_file():
            found = [path]
        elif path.is_dir():
            found = sorted(path.rglob(RESULTS))
        else:
            raise UserError(f"{path}: no such run; give a run's folder, or one that holds runs")
        if not found:
            raise UserError(
                f"{path}: holds no {RESULTS}; score something first ('egox-bench run --method ego-prior --split unseen')"
            )
        files.update((file.resolve(), None) for file in found)
    return [row_of(file) for file in files]


def row_of(file: Path) -> Row:
    """The row of a run's results.json. Raises UserError for a file that does not fit."""
    records = file.with_name(RECORDS)
    return Row(run=file.parent.name, file=file, results=read_results(file), records=records if records.is_file() else None)


def check_one_table(rows: Sequence[Row]) -> None:
    """Raise UserError unless all rows were measured on the same clips in the same way; says what differs and where."""
    for earlier, row in itertools.combinations(rows, 2):  # a row without weights fits rows that do not fit each other
        different = differences(earlier, row)
        if different:
            raise UserError(
                f"{_label(earlier)} and {_label(row)} cannot share a table: {'; '.join(different)}."
                " Score both on one split under one protocol with this version"
            )


def differences(a: Row, b: Row) -> list[str]:
    """What keeps two rows out of one table: "split digest (1a… and 2b…)"; empty where nothing does."""
    ours, theirs = dict(a.terms), dict(b.terms)
    return [f"{name} differs ({ours[name]} and {theirs[name]})" for name in ours if name in theirs and ours[name] != theirs[name]]


def grouped(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows by what must agree in one table: each group passes `check_one_table`. Groups in order of first appearance."""
    groups: list[list[Row]] = []
    for row in rows:
        fitting = (group for group in groups if not any(differences(member, row) for member in group))
        found = next(fitting, None)
        if found is None:
            groups.append([row])
        else:
            found.append(row)
    return groups


def _label(row: Row) -> str:
    return f"{row.results.method.id} ({row.run})"
