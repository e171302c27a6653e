"""run.json: how a run was made. Everything that was passed and resolved, when, on what, and what each clip cost.

Nothing in it decides a result: results.json and scores.jsonl are derived without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from .store import Identity, RunFolder

SCHEMA = 1
KEPT_INVOCATIONS = 20


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """What the user gave. method: the name in the registry, empty where `videos` names a folder of videos made elsewhere."""

    method: str
    settings: dict[str, str]
    preset: str | None
    videos: str


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One clip: its prediction's key and outcome, seconds of generating and peak memory in MB."""

    key: str
    outcome: str
    seconds: float | None
    peak_memory_mb: float | None
    peak_is_whole_process: bool


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the command on this run. finished: False for one that was killed. errors: clip to reason."""

    argv: list[str]
    started: str
    seconds: float
    workers: int
    overwrite: str
    steps: list[str]
    environment: dict[str, Any]
    finished: bool
    errors: dict[str, str]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of run.json; the last invocations are kept."""

    schema: int
    split: str
    protocol: str
    data: str
    dataset: str
    passed: Passed
    identity: Identity
    clips: dict[str, Cost]
    invocations: list[Invocation]


def record_path(folder: RunFolder) -> Path:
    """Where a run's record lies."""
    return folder.path / "run.json"


def read_run_record(folder: RunFolder) -> RunRecord | None:
    """The record, or None where it is missing, damaged or of another version: nothing that results need is lost then."""
    try:
        return msgspec.json.decode(record_path(folder).read_bytes(), type=RunRecord)
    except (OSError, msgspec.DecodeError):
        return None


def write_run_record(folder: RunFolder, record: RunRecord) -> None:
    """Write atomically, readable by people."""
    folder.write(record_path(folder), msgspec.json.format(msgspec.json.encode(record), indent=1))
