"""A results repository as a whole: every file of it, what its runs say, and what they say about each other.

`check` only reads. It never follows a link, and what it finds is sorted by file, so that equal repositories give equal findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from benchmark.contenders import RECORDS, RESULTS
from benchmark.errors import UserError
from benchmark.results import ClipRecord, Results, read_records, read_results
from benchmark.store import RunFolder

from ..rows import REPOSITORY, Row, plain_fault
from .contents import CHANGED, findings_of_records, findings_of_results
from .findings import Finding, Level
from .known import Known, shipped
from .layout import README, Place, listing, place_of
from .readme import is_current


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found. runs: results files that are there, fit or not."""

    runs: int
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> list[Finding]:
        """What keeps the repository from being published."""
        return [one for one in self.findings if one.level == "problem"]

    @property
    def warnings(self) -> list[Finding]:
        """What is to be read by whoever publishes it."""
        return [one for one in self.findings if one.level == "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run in the repository that could be read. records: empty where there are none."""

    place: Place
    results: Results
    records: tuple[ClipRecord, ...]

    @property
    def file(self) -> str:
        """The results file, inside the repository."""
        return str(self.place.results)


def check(folder: Path, *, known: Known | None = None) -> Checked:
    """Check a results repository. Raises UserError where the folder is none.

    known: what to check against, by default what comes with this version.
    """
    known = known or shipped()
    files = listing(folder)
    found = [_stray(path, kind) for path, kind in files.others]
    entries: list[Entry] = []
    for place, kinds in files.places.items():
        entry, said = _entry(folder, place, kinds, known)
        found += said
        if entry is not None:
            entries.append(entry)
    found += [*_same_identity(entries), *_same_predictions(entries), *_other_clips(entries, known), *_case(list(files.places))]
    if not is_current(folder):
        again = f"write it again: egox-bench submit --into {folder}"
        found.append(Finding(level="warning", file=README, text=f"is missing or not of these results; {again}"))
    return Checked(
        runs=sum(RESULTS in kinds for kinds in files.places.values()),
        findings=tuple(sorted(found, key=lambda one: (one.file, one.field, one.text))),
    )


def fault_of(row: Row, *, known: Known | None = None) -> str | None:
    """What in a run's files keeps it from being shown: the first thing found, and how many more there are.

    Looked for are clips that are not the split's, means that the scores do not give, clip ids that are no names of files, and
    damaged files of single clips beside the scores.
    """
    known = known or shipped()
    if row.records is None:
        return None
    records = tuple(read_records(row.records))
    data = row.records.read_bytes()
    found = findings_of_records(row.results, records, data=data, file=str(row.records), known=known)
    said = [f"{one.file}: {one.field}: {one.text}" if one.field else f"{one.file}: {one.text}" for one in found if _matters(one)]
    inside = RunFolder(row.folder)
    for record in records if not said else ():
        try:
            inside.scores(record.clip)
        except UserError as error:
            where = "" if str(error).startswith(str(row.folder)) else f"{row.records}: "
            said.append(f"{where}{error}")
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return f"{said[0]}{more}" if said else None


def _matters(finding: Finding) -> bool:
    """Other bytes than the benchmark's own are no harm to a page that shows the numbers."""
    return finding.level == "problem" and finding.text != CHANGED


def _stray(path: PurePosixPath, kind: str) -> Finding:
    if kind == "link":
        return _about(path, "problem", "is a link, and links are never followed; put the file itself there")
    if kind == "part":
        return _about(path, "warning", "was left by a write that was interrupted; remove it")
    kinds = f"only <split>/<protocol>/<method>/<key>.json and <key>.{RECORDS} do"
    return _about(path, "problem", f"does not belong into {REPOSITORY}/ ({kinds}); remove it")


def _about(path: PurePosixPath, level: Level, text: str) -> Finding:
    return Finding(level=level, file=str(path), text=text)


def _entry(folder: Path, place: Place, kinds: Set[str], known: Known) -> tuple[Entry | None, list[Finding]]:
    """A run, None where it cannot be read, and what is wrong with it."""
    if RESULTS not in kinds:
        return None, [_about(place.records, "problem", "scores by clip without results; add the run again, or remove the file")]
    try:
        results = read_results(folder / place.results)
    except UserError as error:
        return None, [_unreadable(folder, place.results, error)]
    data = (folder / place.results).read_bytes()
    found = findings_of_results(results, data=data, file=str(place.results), known=known)
    found += _misplaced(place, results)
    if RECORDS not in kinds:
        found.append(_about(place.results, "warning", NO_RECORDS))
        return Entry(place=place, results=results, records=()), found
    try:
        records = tuple(read_records(folder / place.records))
    except UserError as error:
        return None, [*found, _unreadable(folder, place.records, error)]
    data = (folder / place.records).read_bytes()
    found += findings_of_records(results, records, data=data, file=str(place.records), known=known)
    return Entry(place=place, results=results, records=records), found


NO_RECORDS = f"has no scores by clip beside it: no paired test can be made with this run; add its {RECORDS}"


def _unreadable(folder: Path, inside: PurePosixPath, error: UserError) -> Finding:
    """The sentence of a file that does not fit, its path inside the repository, a line as the field."""
    file = folder / inside
    text = plain_fault(folder / inside.with_name(inside.name.replace(f".{RECORDS}", ".json")), error)
    where, _, said = text.removeprefix(str(file)).removeprefix(", ").partition(": ")
    return Finding(level="problem", file=str(inside), field=where, text=said)


def _misplaced(place: Place, results: Results) -> Iterator[Finding]:
    try:
        own = place_of(results, place.key)
    except UserError as error:
        if not str(error).startswith("method"):  # of the method it is said already
            yield _about(place.results, "problem", str(error))
        return
    for part in ("split", "protocol", "method"):
        if getattr(own, part) != getattr(place, part):
            text = f"lies in {getattr(place, part)!r}, but says {getattr(own, part)!r}; it belongs at {own.results}"
            yield Finding(level="problem", file=str(place.results), field=part, text=text)


def _same_identity(entries: Sequence[Entry]) -> Iterator[Finding]:
    first: dict[bytes, Entry] = {}
    for entry in entries:
        results = entry.results
        identity = msgspec.json.encode([results.method, results.seed, results.split, results.protocol], order="deterministic")
        other = first.setdefault(identity, entry)
        if other is not entry:
            text = f"is of the same method, options, code, seed, split and protocol as {other.file}; keep one of them"
            yield Finding(level="warning", file=entry.file, text=text)


def _same_predictions(entries: Sequence[Entry]) -> Iterator[Finding]:
    first: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        pixels = tuple((record.clip, record.prediction) for record in entry.records if record.prediction is not None)
        if not pixels:
            continue
        other = first.setdefault((entry.results.split.digest, pixels), entry)
        if other.results.method.id != entry.results.method.id:
            names = f"{entry.results.method.id!r} has pixel for pixel the videos of {other.results.method.id!r}"
            yield Finding(
                level="warning", file=entry.file, text=f"{names} ({other.file}); say which is which, or keep one of them"
            )


def _other_clips(entries: Sequence[Entry], known: Known) -> Iterator[Finding]:
    """Of splits that do not ship: runs of one digest whose clips are not the same."""
    first: dict[str, Entry] = {}
    for entry in entries:
        split = entry.results.split
        if not entry.records or known.manifest(split.dataset, split.name) is not None:
            continue
        other = first.setdefault(split.digest, entry)
        ours, theirs = ({record.clip for record in one.records} for one in (entry, other))
        for clip in sorted(ours ^ theirs)[:1]:
            has, lacks = (entry, other) if clip in ours else (other, entry)
            text = f"clip {clip!r} is in {has.file}, and not in {lacks.file} of the same split; it failed there, or one is wrong"
            yield Finding(level="warning", file=entry.file, text=text)


def _case(places: Sequence[Place]) -> Iterator[Finding]:
    """Folders that are one on systems that do not tell capitals from small letters."""
    first: dict[str, PurePosixPath] = {}
    for folder in sorted({place.folder for place in places}):
        other = first.setdefault(str(folder).casefold(), folder)
        if other != folder:
            yield _about(folder, "problem", f"differs from {other} in capitals only; give one of the two another name")
