"""Files on disk: their identity, and writing that a kill or a full disk cannot tear."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from .errors import StorageError, UserError


def file_key(path: Path) -> str:
    """sha256 of a file's bytes, 16 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def reason_of(error: BaseException) -> str:
    """What the system says went wrong, without numbers and paths."""
    return str(getattr(error, "strerror", None) or error)


def file_name(name: str) -> str:
    """The name itself, of a clip or a video. Raises UserError where it cannot be that of a file or folder anywhere."""
    if not name or name.startswith(".") or any(c in "/\\:" or not c.isprintable() for c in name) or len(name.encode()) > 200:
        raise UserError(f"{name!r} cannot be a file name: use another (no slash, colon, line break or leading dot)")
    return name


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


def take_back(path: Path) -> None:
    """Remove a file that says that those beside it are whole, before they change. Raises StorageError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be removed ({reason_of(error)}); choose another --out") from error


def check_writable(folder: Path) -> None:
    """Find a full or read-only disk before any work. The folder need not be there, and nothing is left behind.

    Raises StorageError.
    """
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        probe = there / f".probe.{os.getpid()}"
        atomic_file(probe, lambda aside: aside.write_bytes(b"writable\n"))
        probe.unlink()
    except (StorageError, OSError) as error:
        raise StorageError(
            f"{folder}: cannot be written ({reason_of(error.__cause__ or error)}); choose another --out"
        ) from error
