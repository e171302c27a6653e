"""What a run measured, as files: scores.jsonl (one clip a line) and results.json (the aggregates).

Equal runs are equal bytes: no times, paths or devices here (run.json has those), keys sorted, floats in their shortest
exact form, null with a reason where there is no number, never NaN. Reading needs no array library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from .errors import UserError, unknown
from .files import atomic_file

SCHEMA = 2

T = TypeVar("T", bound=msgspec.Struct)


class ClipScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric of one clip: a finite number, or the reason why there is none."""

    value: float | None
    undefined: str | None = None
    notes: tuple[str, ...] = ()
    chance: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.undefined is None):
            raise ValueError("has either a value or a reason why it is undefined")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"value {self.value} is not finite; an undefined score has a reason instead")


class ClipRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of scores.jsonl: what became of one clip.

    cluster: the take, which statistics resample. prediction: digest of its pixels; still: all its frames are one picture.
    Failed clips have no line: they are tried again.
    """

    clip: str
    cluster: str
    place: str
    outcome: Literal["scored", "undefined"]
    scores: dict[str, ClipScore]
    reason: str | None = None
    prediction: str | None = None
    still: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.outcome == "undefined" and (not self.reason or self.scores):
            raise ValueError("an undefined clip has a reason and no scores")


class MethodHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which method, with what options. privileged: how it saw truth ("none" for a fair row). remark: see `MethodSpec`."""

    id: str
    version: str
    source: str
    options: dict[str, Any]
    privileged: str
    control: bool
    static: bool
    remark: str = ""


class SplitHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which clips."""

    name: str
    dataset: str
    digest: str
    n: int


class ProtocolHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Measured how."""

    name: str
    version: int
    digest: str


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """All of a results.json that is known before the first clip."""

    method: MethodHeader
    seed: int
    split: SplitHeader
    protocol: ProtocolHeader


class FloorRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two halves of the real clips, n each: how far apart they are, and one half's predictions from the other half's truth."""

    real: float
    prediction: float
    n: int
    splits: int


class Aggregate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric over the split: mean over clips (or the value of the set) with its 95 % interval, and what became of every clip.

    low, high: null with a reason in `interval`, which also says where an interval is only indicative. n: clips with a
    number, from `takes` takes; noted: how many of them carry a note (frames at a cap, a constant picture).
    weights: id to identity of the networks' weights that it was measured with. reason: why most of the undefined clips are.
    chance: mean over clips of the level of chance, where things are matched. floor, notes: of metrics of a whole set.
    n + undefined + errors is less than the run's n_expected where clips were not attempted, or a set holds a clip twice.
    """

    version: int
    mean: float | None
    low: float | None
    high: float | None
    n: int
    takes: int
    undefined: int
    errors: int
    noted: int = 0
    interval: str | None = None
    reason: str | None = None
    chance: float | None = None
    floor: FloorRecord | None = None
    notes: tuple[str, ...] = ()
    weights: dict[str, str] = msgspec.field(default_factory=dict)


class Results(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """results.json. n_expected: the split's clips; n_scored: those with a number for at least one metric; n_still: those of
    them whose prediction does not move.

    partial: some clips of the split were not attempted (a limit, an interrupt); such a run is no leaderboard row.
    """

    schema: int
    method: MethodHeader
    seed: int
    split: SplitHeader
    protocol: ProtocolHeader
    partial: bool
    n_expected: int
    n_scored: int
    n_still: int
    metrics: dict[str, Aggregate]

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises ValueError where a number is not finite."""
        for name, aggregate in self.metrics.items():
            for field in ("mean", "low", "high"):
                value = getattr(aggregate, field)
                if value is not None and not math.isfinite(value):
                    raise ValueError(f"{field} of {name} is {value}")
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2) + b"\n"


def write_results(path: Path, results: Results) -> None:
    """Write results.json atomically."""
    _write(path, results.to_bytes())


def write_records(path: Path, records: Iterable[ClipRecord]) -> None:
    """Write scores.jsonl atomically, sorted by clip."""
    ordered = sorted(records, key=lambda record: record.clip)
    _write(path, b"".join(msgspec.json.encode(record, order="deterministic") + b"\n" for record in ordered))


def _write(path: Path, data: bytes) -> None:
    def write(aside: Path) -> None:
        aside.write_bytes(data)

    atomic_file(path, write)


def read_results(path: Path) -> Results:
    """Read results.json. Raises UserError naming file and field for anything that does not fit."""
    raw = _decoded(_read(path), str(path))
    if not isinstance(raw, dict):
        raise UserError(f"{path}: not a results file (a JSON {type(raw).__name__}, expected an object)")
    if raw.get("schema") != SCHEMA:
        raise UserError(f"{path}: results schema {raw.get('schema')!r}, this version reads {SCHEMA}; score the run again")
    metrics = raw.get("metrics")
    if isinstance(metrics, dict):
        for name, value in metrics.items():
            _converted(value, Aggregate, str(path), f"metrics.{name}")
    return _converted(raw, Results, str(path), "")


def read_records(path: Path) -> list[ClipRecord]:
    """Read scores.jsonl. Raises UserError naming file, line and field."""
    records = []
    for number, line in enumerate(_read(path).splitlines(), start=1):
        label = f"{path}, line {number}"
        records.append(_converted(_decoded(line, label), ClipRecord, label, ""))
    return records


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _decoded(data: bytes, label: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise UserError(f"{label}: not JSON ({error}); it may be cut short: score the run again") from None
    except (UnicodeDecodeError, RecursionError) as error:  # files of strangers
        why = "nested too deeply" if isinstance(error, RecursionError) else "a text in it is not UTF-8"
        raise UserError(f"{label}: {why}; score the run again") from None


def _converted(raw: Any, kind: type[T], label: str, where: str) -> T:
    """`raw` as a struct. `where` is the path of `raw` in the file, which msgspec's own paths do not know."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        found = re.search(r"unknown field `(.+)`", message)
        if found and isinstance(raw, dict) and found[1] in raw:
            message = str(unknown("field", found[1], kind.__struct_fields__))
        field = ".".join(part for part in (where, path.rstrip("`").lstrip(".")) if part)
        raise UserError(f"{label}: {f'field {field}: ' if field else ''}{message}") from None
