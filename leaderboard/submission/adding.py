"""Runs put into a results repository: from folders of runs, or from other people's repositories, which is the merge.

What does not fit is refused with a sentence and costs no other run its place. A kill between two files leaves scores by clip
without results, which the check names; adding again mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark.errors import UserError
from benchmark.files import atomic_file, take_back

from ..rows import REPOSITORY, Row, plain_fault, results_files, row_of
from .contents import findings_of_records, findings_of_results
from .known import Known, shipped
from .layout import Place, place_of
from .readme import check_readme, write_readme

Outcome = Literal["added", "completed", "replaced", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A run that is in the repository now. completed: only its scores by clip were lacking. source: where it came from."""

    place: Place
    outcome: Outcome
    source: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of all runs. refused: one sentence each; faults: files of the repository that its tables do not show."""

    put: tuple[Put, ...]
    refused: tuple[str, ...]
    faults: tuple[str, ...]

    def count(self, outcome: Outcome) -> int:
        """How many runs ended so."""
        return sum(one.outcome == outcome for one in self.put)


def add(paths: Sequence[Path], into: Path, *, replace: bool = False, known: Known | None = None) -> Added:
    """Put the runs of these paths into the repository, which is made where it is not there, and write its README.

    replace: what to do where the repository has other bytes under the key of a run: put the new ones in their place, or
    refuse the new ones. Raises UserError where a path holds no run or the repository cannot be written.
    """
    known = known or shipped()
    files = results_files(paths)
    if into.exists() and not into.is_dir():
        raise UserError(f"{into}: not a folder; name the folder of a results repository with --into")
    check_readme(into)
    put, refused = [], []
    for file in files:
        try:
            put.append(_put(file, into, replace=replace, known=known))
        except _Refused as reason:
            refused.append(str(reason))
    (into / REPOSITORY).mkdir(parents=True, exist_ok=True)
    return Added(put=tuple(put), refused=tuple(refused), faults=tuple(write_readme(into)))


class _Refused(Exception):
    """A run that does not go in; the sentence names it."""


def _put(file: Path, into: Path, *, replace: bool, known: Known) -> Put:
    row, place = _fitting(file, known)
    target, records = into / place.results, into / place.records
    if not target.parent.resolve().is_relative_to(into.resolve()) or target.is_symlink() or records.is_symlink():
        raise UserError(f"{into / place.folder}: leads out of the repository by a link; remove the link")
    own = file.read_bytes()
    own_records = row.records.read_bytes() if row.records is not None else None
    there = target.read_bytes() if target.is_file() else None
    there_records = records.read_bytes() if records.is_file() else None
    if there == own and own_records in (None, there_records):
        return Put(place=place, outcome="same", source=file)
    if there == own and there_records is None:
        _write(records, own_records)
        return Put(place=place, outcome="completed", source=file)
    if there is not None and not replace:
        which = place.results if there != own else place.records
        raise _Refused(f"{file}: {which} is there with other bytes; keep it, or put this one in its place with --replace")
    # results say that what lies beside them is whole: they go first and come last
    take_back(target)
    take_back(records)
    _write(records, own_records)
    _write(target, own)
    return Put(place=place, outcome="added" if there is None else "replaced", source=file)


def _fitting(file: Path, known: Known) -> tuple[Row, Place]:
    """The run and where it belongs. Raises _Refused with the first thing that is wrong, and how many more there are."""
    try:
        row = row_of(file)
        place = place_of(row.results, row.run)
        records = row.read().records if row.records is not None else ()
    except UserError as error:
        text = plain_fault(file, error)
        raise _Refused(text if text.startswith(str(file.parent)) else f"{file}: {text}") from None
    found = findings_of_results(row.results, data=file.read_bytes(), file=str(file), known=known)
    if row.records is not None:
        data = row.records.read_bytes()
        found += findings_of_records(row.results, records, data=data, file=str(row.records), known=known)
    problems = [one.sentence for one in found if one.level == "problem"]
    if problems:
        raise _Refused(problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""))
    return row, place


def _write(path: Path, data: bytes | None) -> None:
    if data is not None:
        atomic_file(path, lambda aside: aside.write_bytes(data))
