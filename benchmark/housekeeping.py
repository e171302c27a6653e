"""What runs and caches hold on disk, what of it can go, and what a key was made of."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .cache import cache_root
from .errors import UserError
from .registry import Registry, load_registry, options_from
from .run_record import read_run_record
from .store import RunFolder, run_folders

PART_AGE_S = 3600.0
"""A half-written file older than this has no living writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A folder, how many bytes and files it holds, and what it is."""

    path: Path
    what: str
    bytes: int
    files: int


def _holding(path: Path, what: str) -> Holding:
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
    return Holding(path=path, what=what, bytes=sum(sizes), files=len(sizes))


def holdings(out: Path) -> list[Holding]:
    """Each run below `out`, then each part of the user's cache."""
    runs = [_holding(folder.path, "run") for folder in run_folders(out)]
    cache = cache_root()
    parts = sorted(cache.iterdir()) if cache.is_dir() else []
    return runs + [_holding(part, "cache") for part in parts if part.is_dir()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Something that can go, and why."""

    path: Path
    why: str
    bytes: int

    def delete(self) -> None:
        """Remove it from disk."""
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def garbage(out: Path, *, stale: bool, cache: bool) -> Iterator[Garbage]:
    """Left-overs of killed processes; with `stale` runs that the present code would not make; with `cache` all of it."""
    roots = [root for root in (out, cache_root()) if root.is_dir()]
    for root in roots:
        for part in sorted(root.rglob(".*.part")):
            if time.time() - part.stat().st_mtime > PART_AGE_S:
                yield Garbage(path=part, why="left by a process that was killed", bytes=part.stat().st_size)
    if stale:
        registry = load_registry()
        for folder in run_folders(out):
            changes = differences(folder, registry)
            if changes and read_run_record(folder) is not None:  # one that cannot be read is not known to be stale
                holding = _holding(folder.path, "run")
                yield Garbage(path=folder.path, why="; ".join(changes), bytes=holding.bytes)
    if cache and cache_root().is_dir():
        for part in sorted(cache_root().iterdir()):
            holding = _holding(part, "cache")
            yield Garbage(path=part, why="cache: made again when it is needed", bytes=holding.bytes)


def differences(folder: RunFolder, registry: Registry) -> list[str]:
    """How the method of a run differs from what is installed now; empty where a rerun would use the run as it is."""
    record = read_run_record(folder)
    if record is None:
        return ["run.json is missing or damaged"]
    if record.passed.videos:
        return []
    name, passed = record.passed.method, record.passed
    if name not in registry.methods:
        return [f"method {name!r} is not installed any more"]
    listed = registry.methods[name]
    found = []
    if listed.version != record.identity.version:
        found.append(f"version {record.identity.version} -> {listed.version}")
    try:
        spec = listed.with_options(options_from(listed, preset=passed.preset, settings=passed.settings))
        if spec.source_digest() != record.identity.source:
            found.append("the method's code or files have changed")
    except UserError as error:
        found.append(str(error))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What a key stands for: the run, the clip where it is a prediction's or score's key, the parts, what changed since."""

    kind: str
    key: str
    run: Path
    clip: str | None
    parts: dict[str, Any]
    changed: list[str]


def why(out: Path, key: str) -> list[Why]:
    """Everything below `out` whose key begins with these digits. Raises UserError where there is nothing."""
    registry = load_registry()
    found: list[Why] = []
    for folder in run_folders(out):
        record = read_run_record(folder)
        if record is None:
            continue
        parts = msgspec.to_builtins(record.identity)
        changed = differences(folder, registry)
        if folder.path.name.startswith(key):
            whole = {**parts, "dataset": record.dataset, "split": record.split}
            found.append(Why(kind="run", key=folder.path.name, run=folder.path, clip=None, parts=whole, changed=changed))
        for path in sorted((folder.path / "clips").glob("*.json")):
            prediction = folder.prediction(path.stem)
            if prediction is None:
                continue
            if prediction.key.startswith(key):
                whole = {**parts, "clip": prediction.clip_digest, "extra": prediction.extra, "pixels": prediction.pixels}
                found.append(
                    Why(kind="prediction", key=prediction.key, run=folder.path, clip=path.stem, parts=whole, changed=changed)
                )
            for metric, score in folder.scores(path.stem).metrics.items():
                if score.key.startswith(key):
                    whole = {"metric": metric, "pixels": prediction.pixels, "clip": prediction.clip_digest, "value": score.value}
                    found.append(Why(kind="score", key=score.key, run=folder.path, clip=path.stem, parts=whole, changed=[]))
    if not found:
        raise UserError(f"no run, prediction or score below {out} has a key that begins with {key!r}")
    return found


def readable(size: int) -> str:
    """Bytes for people: 1.2 MB."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
