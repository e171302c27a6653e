"""The folder that holds fetched weights: what is there, whether it is whole, and how it gets there."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from ..cache import cache_root
from ..errors import StorageError, UserError, unknown
from ..files import reason_of
from .archive import sha256_of
from .manifest import MANIFEST, WeightsSpec
from .obtain import FILE, Progress, Work, obtain, quiet
from .record import Record, read_record, write_record

IDENTITY_DIGITS = 16


def weights_root() -> Path:
    """`$EGOX_BENCH_WEIGHTS` where it is set, else the folder "weights" of the cache. It need not exist yet."""
    named = os.environ.get("EGOX_BENCH_WEIGHTS")
    return Path(named).expanduser() if named else cache_root() / "weights"


def is_offline() -> bool:
    """Whether `$EGOX_BENCH_OFFLINE` or the hub's `$HF_HUB_OFFLINE` forbids the network."""
    return any(
        os.environ.get(name, "").lower() in {"1", "true", "yes", "on"} for name in ("EGOX_BENCH_OFFLINE", "HF_HUB_OFFLINE")
    )


@functools.lru_cache(maxsize=256)
def _sha256_once(path: Path, size: int, changed_ns: int) -> str:
    return sha256_of(path)


def _digest(path: Path) -> str:
    """sha256 of a file, read once a process as long as it is not written to."""
    found = path.stat()
    return _sha256_once(path, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Weights below `root`, a folder an id. offline: never use the network."""

    root: Path = field(default_factory=weights_root)
    offline: bool = field(default_factory=is_offline)
    manifest: Mapping[str, WeightsSpec] = field(default_factory=lambda: MANIFEST)

    def spec(self, name: str) -> WeightsSpec:
        """The manifest's entry. Raises UserError for an unknown id, with the nearest one."""
        if name not in self.manifest:
            raise unknown("weights", name, self.manifest)
        return self.manifest[name]

    def located(self, name: str) -> Path | None:
        """The file (safetensors) or, for a model, the folder, every byte of it checked; None where it is not there.

        Raises UserError where it is damaged, saying how to mend it.
        """
        spec, folder = self.spec(name), self.root / name
        record = read_record(folder)
        if record is None:
            return None
        for file, expected in record.files.items():
            try:
                found = _digest(folder / file)
            except OSError as error:
                raise self._damaged(name, folder / file, reason_of(error)) from error
            if found != expected:
                raise self._damaged(name, folder / file, f"sha256 is {found[:16]}, not {expected[:16]}")
        if spec.converted_sha256 not in (None, record.digest):
            raise self._damaged(name, folder, "made by another version than the manifest pins")
        return folder if spec.format == "model" else folder / FILE

    def _damaged(self, name: str, path: Path, why: str) -> UserError:
        return UserError(f"{path}: damaged ({why}); run 'egox-bench weights fetch {name}' to get it again")

    def missing(self, names: Iterable[str]) -> str | None:
        """Why a metric cannot be computed: which weights are not there and what to run; None where all are there.

        Raises UserError where some are damaged.
        """
        absent = [name for name in names if self.located(name) is None]
        return _missing(absent) if absent else None

    def identity(self, name: str) -> str:
        """16 hex digits that stand for the bytes that are loaded: pinned, or recorded at the first fetch.

        Raises UserError where nothing pins them and they are not there.
        """
        pinned = self.spec(name).converted_sha256
        record = None if pinned else read_record(self.root / name)
        digest = pinned or (record.digest if record else None)
        if digest is None:
            raise UserError(f"{name}: {_missing([name])}")
        return digest[:IDENTITY_DIGITS]

    def fetch(self, name: str, *, given: Path | None = None, progress: Progress = quiet) -> Path:
        """Get the weights unless they are there and whole; what `located` then returns.

        given: a file or folder that was brought here by other means, taken instead of the network; checked the same way.
        Several processes may fetch at once: one works, the others wait for it. A kill leaves the old state, the new one or
        nothing, never a mixture. Raises UserError (what was there is still there) and StorageError.
        """
        spec = self.spec(name)
        if given is None and (there := self._whole(name)) is not None:  # without a lock: the folder may be read-only
            return there
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.root / f".{name}.lock"):
                if given is None and (there := self._whole(name)) is not None:  # another process has fetched meanwhile
                    return there
                self._get(spec, given, progress)
        except OSError as error:
            text = f"{self.root}: weights cannot be kept ({reason_of(error)}); free the disk or choose another folder"
            raise StorageError(text) from error
        path = self.located(name)
        assert path is not None
        return path

    def _whole(self, name: str) -> Path | None:
        try:
            return self.located(name)
        except UserError:  # damaged: as good as missing
            return None

    def fetch_open(self, names: Iterable[str], *, progress: Progress = quiet) -> tuple[str, ...]:
        """Fetch what is missing, small, openly licensed and on the package index; leave all else as it is.

        Returns the reasons why some are not there afterwards, a sentence each; never raises for a network, index or disk.
        """
        reasons: list[str] = []
        absent: list[str] = []
        for name in names:
            try:
                if self.spec(name).open:
                    self.fetch(name, progress=progress)
                elif self.located(name) is None:
                    absent.append(name)
            except UserError as error:
                reasons.append(str(error))
        return (*reasons, _missing(absent)) if absent else tuple(reasons)

    def _get(self, spec: WeightsSpec, given: Path | None, progress: Progress) -> None:
        folder, staging = self.root / spec.id, self.root / f".{spec.id}.part"
        known = None
        with contextlib.suppress(UserError):  # a damaged record is one that is not there
            known = read_record(folder)
        failed: list[str] = []
        for source in spec.sources:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            work = Work(spec=spec, downloads=self.root, staging=staging, offline=self.offline, known=known, progress=progress)
            try:
                origin = obtain(work, source, given)
                record = Record(id=spec.id, source=dict(origin), files={p.name: sha256_of(p) for p in sorted(staging.iterdir())})
                _check(spec, record, known)
                write_record(staging, record)
                _move(staging, folder)
                return
            except UserError as error:
                failed.append(str(error))
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        raise UserError("; ".join(failed))


def _missing(names: Iterable[str]) -> str:
    return f"weights missing, run 'egox-bench weights fetch {' '.join(names)}'"


def _check(spec: WeightsSpec, record: Record, known: Record | None) -> None:
    """Raises UserError where what would be kept is not what is pinned, or not what the first fetch recorded."""
    expected = spec.converted_sha256 or (known.digest if known else None)
    if expected in (None, record.digest):
        return
    if spec.converted_sha256:
        why = "the installed safetensors may write files otherwise: install the versions of constraints.txt"
    else:
        why = "the source gives other bytes now; to take them delete the folder of these weights, then fetch again"
    raise UserError(f"{spec.id}: what would be loaded has sha256 {record.digest[:16]}, expected {expected[:16]}; {why}")


def _move(staging: Path, folder: Path) -> None:
    """Put the staged folder in its place; its files reach the disk before its name does."""
    for path in staging.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if folder.exists():
        shutil.rmtree(folder)
    staging.rename(folder)
