"""What of the manifest is here, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import UserError
from .manifest import Hub, Package, WeightsSpec
from .record import read_record
from .shelf import Shelf

State = Literal["here", "missing", "damaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. source: where it comes from. sha256: of what is loaded; pinned, or recorded by the first fetch, or not known.

    why: what is wrong, where something is.
    """

    id: str
    title: str
    purpose: str
    licence: str
    gated: bool
    non_commercial: bool
    bytes: int
    source: str
    state: State
    path: Path
    sha256: str | None
    pinned: bool
    why: str | None = None


def listed(shelf: Shelf) -> list[Entry]:
    """Every entry of the manifest, with what seems to be there: no file of weights is read."""
    return [_entry(shelf, name, read=False) for name in shelf.manifest]


def verified(shelf: Shelf, names: Iterable[str] = ()) -> list[Entry]:
    """The entries `names`, or all that are there, every byte read and compared. Raises UserError for an unknown id."""
    wanted = tuple(names) or [entry.id for entry in listed(shelf) if entry.state != "missing"]
    return [_entry(shelf, name, read=True) for name in wanted]


def _entry(shelf: Shelf, name: str, *, read: bool) -> Entry:
    spec = shelf.spec(name)
    state: State = "missing"
    why = sha256 = None
    try:
        record = read_record(shelf.root / name)
        if record is not None:
            state, sha256 = "here", record.digest
        if read:
            shelf.located(name)
        elif record is not None and not all((shelf.root / name / file).is_file() for file in record.files):
            state, why = "damaged", f"files are missing; run 'egox-bench weights fetch {name}'"
    except UserError as error:
        state, why = "damaged", str(error)
    return Entry(
        id=name, title=spec.title, purpose=spec.purpose, licence=spec.licence, gated=spec.gated,
        non_commercial=spec.non_commercial, bytes=spec.bytes, source=_source(spec), state=state, path=shelf.root / name,
        sha256=spec.converted_sha256 or sha256, pinned=spec.converted_sha256 is not None, why=why,
    )  # fmt: skip


def _source(spec: WeightsSpec) -> str:
    first = spec.sources[0]
    if isinstance(first, Package):
        return f"package {first.distribution} {first.version}"
    return f"hub {first.repository}" if isinstance(first, Hub) else f"torchvision {first.torchvision}"


def list_text(entries: Iterable[Entry], root: Path) -> str:
    """The list as a table, then where it is kept and how to get more."""
    rows = [("weights", "MB", "state", "licence", "for")]
    for entry in entries:
        marks = [word for word, is_so in (("gated", entry.gated), ("non-commercial", entry.non_commercial)) if is_so]
        licence = f"{entry.licence} ({', '.join(marks)})" if marks else entry.licence
        rows.append((entry.id, f"{entry.bytes / 1e6:.0f}", entry.state, licence, entry.purpose))
    width = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:{width[0]}}  {row[1]:>{width[1]}}  {row[2]:{width[2]}}  {row[3]:{width[3]}}  {row[4]}".rstrip() for row in rows
    ]
    return "\n".join([
        *lines, "", f"kept in {root}",
        "Those of packages have pinned sha256s; of the others the first fetch records them, and every later use is compared.",
        "'egox-bench weights fetch' gets those of packages, 'egox-bench weights fetch ID' any.",
    ])  # fmt: skip


def verify_text(entries: Iterable[Entry]) -> str:
    """A line for each."""
    lines = []
    for entry in entries:
        known = "" if entry.sha256 is None else f"  sha256 {entry.sha256[:16]} ({'pinned' if entry.pinned else 'recorded'})"
        lines.append(f"{entry.state:8} {entry.id}" + (f": {entry.why}" if entry.why else known))
    return "\n".join(lines) or "no weights are here: 'egox-bench weights list' shows what there is"
