"""Manifests: a split is a list of rows with a digest, stored as JSON Lines (a header line, then one clip a line)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import UserError
from ..files import atomic_file

SCHEMA = 1


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One clip: 49 frames [first_frame, last_frame] of a take on its 30 fps clock, seen by one exo camera.

    participant is a digest, never the dataset's own id. Fields that a dataset does not know are empty strings.
    """

    clip_id: str
    take_uid: str
    take_name: str
    first_frame: int
    last_frame: int
    exo_cam: str
    aria_id: str = ""
    capture_uid: str = ""
    place: str = ""
    participant: str = ""
    scenario: str = ""
    university: str = ""
    row_offset: int = 0
    pose_source: str = ""

    @property
    def cluster(self) -> str:
        """What statistics resample: the take (uid where known)."""
        return self.take_uid or self.take_name


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line of a manifest file."""

    schema: int
    split: str
    dataset: str
    n: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A split's name, the dataset it is cut from, and its rows sorted by clip id."""

    split: str
    dataset: str
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, split: str, dataset: str, rows: Sequence[Row]) -> Manifest:
        """Sort rows and refuse a clip id that comes twice."""
        ordered = tuple(sorted(rows, key=lambda row: row.clip_id))
        for before, after in itertools.pairwise(ordered):
            if before.clip_id == after.clip_id:
                raise UserError(f"split {split!r}: clip {after.clip_id!r} comes twice")
        return cls(split=split, dataset=dataset, rows=ordered)

    @property
    def digest(self) -> str:
        """Identity of the rows: 16 hex digits over their canonical lines; names and order of files do not count."""
        return hashlib.sha256(b"\n".join(msgspec.json.encode(row) for row in self.rows)).hexdigest()[:16]

    def to_bytes(self) -> bytes:
        """The file's content."""
        header = Header(schema=SCHEMA, split=self.split, dataset=self.dataset, n=len(self.rows), digest=self.digest)
        return b"\n".join([msgspec.json.encode(header), *(msgspec.json.encode(row) for row in self.rows)]) + b"\n"

    def save(self, path: Path) -> None:
        """Write atomically."""
        data = self.to_bytes()
        atomic_file(path, lambda aside: aside.write_bytes(data))


def load_manifest(path: Path) -> Manifest:
    """Read a manifest file. Raises UserError naming file and line for anything that does not fit, or a wrong digest."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot read manifest ({error.strerror})") from None
    if not lines:
        raise UserError(f"{path}: empty; a manifest begins with a header line (make one with 'egox-bench data build')")
    number = 1
    try:
        header = msgspec.json.decode(lines[0], type=Header)
        rows = []
        for number, line in enumerate(lines[1:], start=2):  # noqa: B007  the error below names it
            rows.append(msgspec.json.decode(line, type=Row))
    except msgspec.DecodeError as error:
        raise UserError(f"{path}, line {number}: {error}") from None
    if header.schema != SCHEMA:
        raise UserError(f"{path}: manifest schema {header.schema}, this version reads {SCHEMA}")
    manifest = Manifest.of(header.split, header.dataset, rows)
    if manifest.digest != header.digest or len(rows) != header.n:
        raise UserError(
            f"{path}: rows do not match the header (digest {manifest.digest}, header {header.digest}): the file was edited"
        )
    return manifest
