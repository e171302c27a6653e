"""Rows: results files found and read, and the rule which of them may stand in one table.

A results file is a run's results.json, or <key>.json in a results repository (`leaderboard.submission.layout`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.contenders import RECORDS, RESULTS, Run
from benchmark.errors import UserError
from benchmark.metrics import GROUPS, METRICS
from benchmark.results import ClipRecord, Results, read_records, read_results

REPOSITORY = "results"
"""The folder of a results repository that holds its results: results/<split>/<protocol>/<method>/<key>.json."""

_KEY = re.compile(r"[0-9a-f]{16}")
_NO_NUMBER = re.compile(rb"(?<![\w\"])-?(?:NaN|Infinity)(?![\w\"])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run. run: its key; file: its results; records: its scores by clip, None where they are not there."""

    run: str
    file: Path
    results: Results
    records: Path | None

    @property
    def folder(self) -> Path:
        """The run's folder, which also holds its videos. In a results repository there is none: the path that it would have."""
        return self.file.parent if self.file.name == RESULTS else self.file.with_suffix("")

    def read(self) -> Run:
        """The run with its scores by clip. Raises UserError where they are missing or damaged."""
        if self.records is None:
            raise UserError(f"{self.file}: there are no scores by clip beside it ({records_of(self.file).name})")
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
            # without them nothing can be tested: such a row must cost the others none of their tests
            *([("scores by clip", "there" if self.records is not None else "missing")] if self.competes else []),
            *versions,
        )

    @property
    def metric_ids(self) -> tuple[str, ...]:
        """The metrics in the order of columns: by group as the benchmark lists them, then those it does not know, by name."""
        order = {name: place for place, name in enumerate(sorted(METRICS, key=lambda name: GROUPS.index(METRICS[name].group)))}
        return tuple(sorted(self.results.metrics, key=lambda name: (order.get(name, len(order)), name)))


def find_rows(paths: Iterable[Path]) -> list[Row]:
    """Rows of these runs: results files, run folders, or folders and results repositories that are searched; each run once.

    Raises UserError where a path is not there or holds no results, and for a file that does not fit.
    """
    return [row_of(file) for file in results_files(paths)]


def find_rows_and_faults(paths: Iterable[Path]) -> tuple[list[Row], list[str]]:
    """As `find_rows`, for what is to be published: a file that does not fit costs no other run its place.

    The second list has one sentence a file that was left out: not JSON, NaN, another schema, a metric that this version does
    not know, scores by clip that are damaged or lack clips. Raises UserError only where a path is not there or holds no results.
    """
    rows, faults = [], []
    for file in results_files(paths):
        try:
            row = row_of(file)
            _check_whole(row)
            rows.append(row)
        except UserError as error:
            faults.append(plain_fault(file, error))
    return rows, faults


def results_files(paths: Iterable[Path]) -> list[Path]:
    """The results files at and below these paths, each once. Raises UserError where a path is not there or holds none."""
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_file():
            found = [path]
        elif path.is_dir():
            found = sorted(file for file in path.rglob("*.json") if file.name == RESULTS or _is_in_repository(file))
        else:
            raise UserError(f"{path}: no such run; give a run's folder, or one that holds runs")
        if not found:
            raise UserError(
                f"{path}: holds no {RESULTS}; score something first ('egox-bench run --method ego-prior --split unseen')"
            )
        files.update((file.resolve(), None) for file in found)
    return list(files)


def _is_in_repository(file: Path) -> bool:
    """Whether it is .../results/<split>/<protocol>/<method>/<key>.json."""
    if not _KEY.fullmatch(file.stem):
        return False
    above = file.absolute().parents
    return len(above) > 3 and above[3].name == REPOSITORY


def row_of(file: Path) -> Row:
    """The row of a results file. Raises UserError for a file that does not fit."""
    records = records_of(file)
    return Row(
        run=file.parent.name if file.name == RESULTS else file.stem,
        file=file,
        results=read_results(file),
        records=records if records.is_file() else None,
    )


def records_of(file: Path) -> Path:
    """Where the scores by clip of a results file are, if it has them."""
    return file.with_name(RECORDS if file.name == RESULTS else f"{file.stem}.{RECORDS}")


def plain_fault(file: Path, error: UserError) -> str:
    """One sentence on a results file that cannot be read, or whose scores by clip cannot; NaN is named where it is the cause."""
    text = str(error)
    damaged = next((path for path in (file, records_of(file)) if text.startswith(str(path)) and "not JSON" in text), None)
    data = damaged.read_bytes() if damaged is not None else b""
    found = _NO_NUMBER.search(data)
    if found is None:
        return text
    line = data[: found.start()].count(b"\n") + 1
    return f"{damaged}, line {line}: {found[0].decode()} is no number; expected null with a reason: score the run again"


def _check_whole(row: Row) -> None:
    """Raise UserError where the row cannot be published though its file can be read."""
    unknown_ones = [name for name in row.results.metrics if name not in METRICS]
    if unknown_ones:
        raise UserError(f"{row.file}: metric {unknown_ones[0]!r} is not known to this version; score the run again with it")
    if row.records is None:
        return
    records = read_records(row.records)
    twice = repeated(records)
    if twice:
        raise UserError(f"{row.records}: clip {twice[0]!r} comes twice; copy the run's own file, or score the run again")
    failed = max((value.errors for value in row.results.metrics.values()), default=0)
    if not row.results.partial and len(records) + failed < row.results.n_expected:
        lacking = row.results.n_expected - failed - len(records)
        clips = "1 clip is" if lacking == 1 else f"{lacking} clips are"
        raise UserError(
            f"{row.records}: {clips} missing ({len(records)} of {row.results.n_expected}); copy the run's own file, or score"
            " the run again"
        )


def repeated(records: Sequence[ClipRecord]) -> list[str]:
    """Ids of clips that come more than once, sorted."""
    clips = [record.clip for record in records]
    return sorted({clip for clip in clips if clips.count(clip) > 1}) if len(set(clips)) < len(clips) else []


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
    """Rows by what must agree in one table: each group passes `check_one_table`. Groups in order of first appearance.

    Controls and rows that saw truth join every group that they fit: each table needs them.
    """
    groups: list[list[Row]] = []
    for row in sorted(rows, key=is_reference):
        fitting = [group for group in groups if not any(differences(member, row) for member in group)]
        if not fitting:
            groups.append([row])
        for group in fitting if is_reference(row) else fitting[:1]:
            group.append(row)
    return groups


def is_reference(row: Row) -> bool:
    """Whether a row is for reference only: a control, or one that saw truth."""
    return row.results.method.control or row.results.method.privileged != "none"


def partial_reason(row: Row) -> str:
    """Why a partial row is not to be published."""
    tried = "not every clip of the split was attempted; finish it without --limit and --clips"
    return f"{row.results.method.id} ({row.run}) is partial: {tried}"


def kept_apart(groups: Sequence[Sequence[Row]]) -> list[str]:
    """Why groups of one split under one protocol are no single table, a sentence each."""
    said = []
    for place, group in enumerate(groups):
        for other in groups[:place]:
            ours, theirs = group[0].results, other[0].results
            if (ours.split.name, ours.protocol.name) == (theirs.split.name, theirs.protocol.name):
                said.append(f"{ours.split.name}: not in one table: {'; '.join(differences(other[0], group[0]))}")
    return said


def _label(row: Row) -> str:
    return f"{row.results.method.id} ({row.run})"
