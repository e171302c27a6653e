"""Copies one named file out of a tar or zip archive. Nothing else of the archive is touched."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import UserError

CHUNK = 1 << 20


def sha256_of(path: Path) -> str:
    """sha256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def extract_member(archive: Path, member: str, into: Path, *, size: int) -> None:
    """Write the archive's file `member`, of exactly `size` bytes, to the path `into`.

    Raises UserError where the name could leave the archive, where the member is missing, a link or not a plain file, where
    it is of another size, and where the archive is broken.
    """
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or not path.parts:
        raise UserError(f"{archive.name}: refused to take {member!r}: the name leads out of the archive")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _from_zip(opened, member, into, size)
        else:
            with tarfile.open(archive, "r:*") as opened:
                _from_tar(opened, member, into, size)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(f"{archive.name}: not a whole archive ({error}); fetch it again") from error


def _from_zip(opened: zipfile.ZipFile, member: str, into: Path, size: int) -> None:
    try:
        info = opened.getinfo(member)
    except KeyError:
        raise _absent(opened.filename, member) from None
    mode = info.external_attr >> 16
    if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        raise _no_file(opened.filename, member)
    _check_size(opened.filename, member, info.file_size, size)
    with opened.open(info) as stream:
        _copy(stream, into, size)


def _from_tar(opened: tarfile.TarFile, member: str, into: Path, size: int) -> None:
    try:
        info = opened.getmember(member)
    except KeyError:
        raise _absent(opened.name, member) from None
    stream = opened.extractfile(info) if info.isreg() else None
    if stream is None:
        raise _no_file(opened.name, member)
    _check_size(opened.name, member, info.size, size)
    with stream:
        _copy(stream, into, size)


def _copy(stream: IO[bytes], into: Path, size: int) -> None:
    left = size
    with into.open("wb") as file:
        while left and (chunk := stream.read(min(CHUNK, left))):
            file.write(chunk)
            left -= len(chunk)


def _check_size(archive: object, member: str, found: int, size: int) -> None:
    if found != size:
        raise UserError(f"{Path(str(archive)).name}: {member} has {found} bytes, expected {size}; it was not read")


def _absent(archive: object, member: str) -> UserError:
    return UserError(f"{Path(str(archive)).name}: holds no {member}")


def _no_file(archive: object, member: str) -> UserError:
    return UserError(f"{Path(str(archive)).name}: {member} is a link or no plain file; it was not read")
