"""Files on disk: their identity, and writing that a kill or a full disk cannot tear."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from .errors import StorageError


def file_key(path: Path) -> str:
    """sha256 of a file's bytes, 16 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def reason_of(error: BaseException) -> str:
    """What the system says went wrong, without numbers and paths."""
    return str(getattr(error, "strerror", None) or error)


def atomic_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a neighbour of `path`, flush it to disk, then rename it: a kill leaves the old file or the new one.

    Raises StorageError with the path where the disk is full or read-only.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        text = f"{path}: cannot be written ({reason_of(error)}); free the disk or choose another; what was committed is intact"
        raise StorageError(text) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
