"""README.md of a results repository: what it is, how to add to it, and its tables. The same results give the same bytes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from benchmark.contenders import RECORDS, RESULTS
from benchmark.errors import UserError
from benchmark.files import atomic_file

from ..rows import REPOSITORY, Row, find_rows_and_faults, grouped
from .layout import README, listing
from .names import printable

_MARK = re.compile(r"<!-- written by egox-bench submit from results ([0-9a-f]{16}) -->")
ATTRIBUTES = ".gitattributes"
_ATTRIBUTES = f"{REPOSITORY}/** -text\n"
"""git must not change line ends: files are kept byte for byte."""

_ABOUT = """\
# Results

How well methods turn a view from outside into the wearer's view (exocentric to egocentric video), measured with
egox-bench. One run is two files, as the benchmark wrote them:

    results/<split>/<protocol>/<method>/<key>.json           means with intervals, and what became of every clip
    results/<split>/<protocol>/<method>/<key>.scores.jsonl   every metric of every clip, which paired tests need

No videos and no features are kept here.

**Add a run**: score all clips of a split, put the run in, check, and send the change.

    egox-bench run --method METHOD --split unseen
    egox-bench submit runs/METHOD --into THIS_FOLDER
    egox-bench submit --check THIS_FOLDER

**Merge** another repository of results: `egox-bench submit OTHER_FOLDER --into THIS_FOLDER`.
**Compare** two versions of this one: `egox-bench diff OLD_FOLDER THIS_FOLDER`.
**Tables** in other formats: `egox-bench table THIS_FOLDER --format latex`.

This file is written by `egox-bench submit`; what is changed here by hand is lost.
"""

_WITHOUT = """\
Without scores by clip no paired test can be made: these runs stand apart.
"""


def readme_of(folder: Path) -> tuple[str, list[str]]:
    """The file's content, and one sentence a results file that could not be shown in it.

    Partial runs are not shown. A run without scores by clip stands in a table of its own, so that it does not cost the others
    their tests.
    """
    from ..formats.markdown import markdown
    from ..table import sheet_of

    rows, faults = find_rows_and_faults(_files(folder, RESULTS))
    whole = sorted((row for row in rows if not row.results.partial), key=_order)
    faults += [f"{row.file}: partial, and not shown" for row in rows if row.results.partial]
    parts = [_ABOUT, "## Tables\n"]
    for group in grouped(row for row in whole if row.records is not None):
        parts.append(markdown(sheet_of(group)))
    apart = grouped(row for row in whole if row.records is None)
    if apart:
        parts += ["## Without scores by clip\n", _WITHOUT, *(markdown(sheet_of(group)) for group in apart)]
    if not whole:
        parts.append("There are no results yet.\n")
    parts.append(f"<!-- written by egox-bench submit from results {digest(folder)} -->\n")
    # names from files may hold what moves a cursor or turns text around
    return "\n".join(printable(line) for line in "\n".join(parts).split("\n")), faults


def write_readme(folder: Path) -> list[str]:
    """Write README.md, and .gitattributes where there is none. Returns what could not be shown, a sentence each.

    Raises UserError for a README.md that something else wrote; see `check_readme`.
    """
    check_readme(folder)
    text, faults = readme_of(folder)
    atomic_file(folder / README, lambda aside: aside.write_text(text, encoding="utf-8"))
    if not (folder / ATTRIBUTES).exists():
        atomic_file(folder / ATTRIBUTES, lambda aside: aside.write_text(_ATTRIBUTES, encoding="utf-8"))
    return faults


def check_readme(folder: Path) -> None:
    """Raise UserError for a README.md that is somebody's own work."""
    file = folder / README
    if file.is_symlink() or (file.exists() and _MARK.search(_text(file)) is None):
        raise UserError(f"{file}: not written by egox-bench, and it would be replaced; move it away (to ABOUT.md, say)")


def is_current(folder: Path) -> bool:
    """Whether README.md was written from the results that are there, to the byte."""
    found = _MARK.search(_text(folder / README))
    return found is not None and found[1] == digest(folder)


def digest(folder: Path) -> str:
    """Identity of all results files and scores by clip with their paths, 16 hex digits. Links are not followed."""
    total = hashlib.sha256()
    for file in _files(folder, RESULTS, RECORDS):
        with file.open("rb") as opened:
            own = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()}\0{own}\n".encode(errors="surrogateescape"))
    return total.hexdigest()[:16]


def _files(folder: Path, *wanted: str) -> list[Path]:
    found = listing(folder).places.items()
    return [
        folder / (place.results if kind == RESULTS else place.records)
        for place, kinds in found
        for kind in wanted
        if kind in kinds
    ]


def _order(row: Row) -> tuple[str, ...]:
    split, protocol = row.results.split, row.results.protocol
    return (split.dataset, split.name, protocol.name, row.results.method.id, row.run)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
