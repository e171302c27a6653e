"""Where runs are kept: content keys, claims, and commits that a kill cannot tear.

    <out>/<method>/<split>/<protocol>/<key>/
        videos/<clip>.mkv        predictions, lossless
        clips/<clip>.json        one a clip: the prediction's key, outcome, pixels, seconds, peak memory
        scores/<clip>.json       one a clip: every metric's value and per-frame curve, by score key
        failed/<clip>.json       the last attempt ended in an error: its key and reason; gone with the next success
        scores.jsonl results.json table.txt   derived; equal runs are equal bytes
        run.json                 everything about how it was made: times, versions, devices
        .locks/                  who works on which clip; no part of the result

A commit writes aside, flushes, renames. Processes on one folder share its clips through file locks that the operating
system frees when their owner dies.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import filelock
import msgspec

from .errors import StorageError, UserError
from .files import atomic_file, file_name
from .video import Frames, write_lossless

T = TypeVar("T")


def content_key(parts: Mapping[str, Any]) -> str:
    """16 hex digits over canonical JSON: the only way a key is made."""
    data = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(data.encode()).hexdigest()[:16]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides the pixels of a run's predictions, but for the clips themselves.

    source: digest of the method's code. sees: what it is given, how it may see truth. fitted: digest of what `fit` saw.
    canvas: its name and numbers.
    """

    method: str
    version: str
    source: str
    options: dict[str, Any]
    sees: list[str]
    fitted: str
    seed: int
    canvas: str

    def prediction_key(self, clip_digest: str, extra: str) -> str:
        """Key of one clip's prediction; `extra` is what the method adds (a file's digest, for videos made elsewhere)."""
        return content_key({**msgspec.to_builtins(self), "clip": clip_digest, "extra": extra})

    def run_key(self, *, dataset: str, split_digest: str) -> str:
        """Key of the run's folder. Subsets (--limit, --clips) share the folder of the whole split."""
        return content_key({**msgspec.to_builtins(self), "dataset": dataset, "split": split_digest})


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """clips/<clip>.json: what came of generating one clip.

    outcome "done" has pixels (digest of the decoded frames); "undefined" has a reason. notes: what was changed on the way
    in (videos made elsewhere). still: all frames are one picture. clip_digest (of what the method was given) and extra are
    kept so that `store why` can tell what a key was made of.
    """

    key: str
    clip_digest: str
    extra: str
    outcome: Literal["done", "undefined"]
    reason: str | None = None
    pixels: str | None = None
    notes: tuple[str, ...] = ()
    still: bool = False
    seconds: float | None = None
    peak_memory_mb: float | None = None
    peak_is_whole_process: bool = False


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one clip, by its key (pixels x truth x metric version x parameters).

    weights: id to identity of those it was measured with. Of a metric over a whole set, value and undefined are None and the
    clip's part is here instead: its feature and its truth's, float32 little endian.
    """

    key: str
    value: float | None = None
    undefined: str | None = None
    frames: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    chance: float | None = None
    weights: dict[str, str] = msgspec.field(default_factory=dict)
    feature: bytes | None = None
    truth_feature: bytes | None = None


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """scores/<clip>.json: metric id to score."""

    metrics: dict[str, Score]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """failed/<clip>.json: an attempt with this prediction key went wrong. Counted in results, never a result, tried again."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's files. Clip ids are checked before they become file names."""

    path: Path

    def video(self, clip: str) -> Path:
        return self.path / "videos" / f"{file_name(clip)}.mkv"

    def _prediction(self, clip: str) -> Path:
        return self.path / "clips" / f"{file_name(clip)}.json"

    def _scores(self, clip: str) -> Path:
        return self.path / "scores" / f"{file_name(clip)}.json"

    def _failure(self, clip: str) -> Path:
        return self.path / "failed" / f"{file_name(clip)}.json"

    def prediction(self, clip: str) -> Prediction | None:
        """The committed prediction, or None; one whose video has gone counts as none."""
        record = _read(self._prediction(clip), Prediction)
        if record is not None and record.outcome == "done" and not self.video(clip).is_file():
            return None
        return record

    def scores(self, clip: str) -> Scores:
        """The committed scores; empty where there are none."""
        return _read(self._scores(clip), Scores) or Scores(metrics={})

    def commit_prediction(self, clip: str, record: Prediction, frames: Frames | None, *, fps: float) -> None:
        """The video first, then the record that points at it: a kill between the two leaves no record."""
        if frames is not None:
            atomic_file(self.video(clip), lambda aside: write_lossless(aside, frames, fps=fps))
        self.write(self._prediction(clip), msgspec.json.encode(record, order="deterministic"))
        self._failure(clip).unlink(missing_ok=True)

    def commit_scores(self, clip: str, scores: Scores) -> None:
        """Replace the clip's scores."""
        self.write(self._scores(clip), msgspec.json.encode(scores, order="deterministic"))
        self._failure(clip).unlink(missing_ok=True)

    def commit_failure(self, clip: str, failure: Failure) -> None:
        """Remember that an attempt went wrong, until one goes well."""
        self.write(self._failure(clip), msgspec.json.encode(failure))

    def failure(self, clip: str) -> Failure | None:
        """The last attempt's failure, or None."""
        return _read(self._failure(clip), Failure)

    def forget(self, clip: str) -> None:
        """Take back a clip's prediction and scores, so that they are made again."""
        for path in (self._prediction(clip), self._scores(clip)):
            path.unlink(missing_ok=True)

    def adopt(self, clip: str, other: RunFolder) -> None:
        """Take over a prediction that another run of the same method has under the same key."""
        record = other.prediction(clip)
        if record is None:
            return
        if record.outcome == "done":
            atomic_file(self.video(clip), lambda aside: _link_or_copy(other.video(clip), aside))
        self.write(self._prediction(clip), msgspec.json.encode(record, order="deterministic"))

    def write(self, path: Path, data: bytes) -> None:
        """Atomically, ending in a newline."""
        atomic_file(path, lambda aside: aside.write_bytes(data.rstrip(b"\n") + b"\n"))

    @contextmanager
    def claim(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Hold the lock of a clip (or of a step like "finish"). Yields False at once where another process has it
        and `wait` is false."""
        folder = self.path / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(folder / f"{file_name(name)}.lock", timeout=-1 if wait else 0)
            try:
                lock.acquire()
            except filelock.Timeout:
                yield False
                return
        except OSError as error:
            raise StorageError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
        try:
            yield True
        finally:
            lock.release()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise UserError(f"{path}: damaged ({error}); delete this file and run again") from None


def run_folder(out: Path, *, method: str, split: str, protocol: str, key: str) -> RunFolder:
    """The folder of a run; nothing is made on disk."""
    return RunFolder(out / file_name(method) / file_name(split.replace(":", "-")) / file_name(protocol) / key)


def run_folders(out: Path) -> Iterator[RunFolder]:
    """Every run below a folder, in order of path."""
    for record in sorted(out.glob("*/*/*/*/run.json")):
        yield RunFolder(record.parent)
