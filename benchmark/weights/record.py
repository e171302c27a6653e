"""What lies beside fetched weights: which files, their digests, and what they were made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..errors import UserError

NAME = "record.json"


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """files: sha256 of each file that is loaded, by name. source: what they were made of, as the manifest says it."""

    schema: int = 1
    id: str
    files: dict[str, str]
    source: dict[str, str]

    @property
    def digest(self) -> str:
        """Stands for all files: the sha256 of the only one, else a sha256 over names and digests."""
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        return hashlib.sha256(msgspec.json.encode(sorted(self.files.items()))).hexdigest()


def read_record(folder: Path) -> Record | None:
    """The record in a folder; None where there is none. Raises UserError for one that cannot be read."""
    path = folder / NAME
    again = f"run 'egox-bench weights fetch {folder.name}' to get the weights again"
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(f"{path}: damaged ({error}); {again}") from error
    if not record.files or any(Path(name).name != name for name in record.files):
        raise UserError(f"{path}: damaged (names no files of its folder); {again}")
    return record


def write_record(folder: Path, record: Record) -> None:
    """Write it into the folder, readable by people."""
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def source_of(fields: object, **more: str) -> Mapping[str, str]:
    """A source of the manifest as the strings that a record keeps."""
    return {key: str(value) for key, value in msgspec.to_builtins(fields).items() if value is not None} | more
