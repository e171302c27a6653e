"""report.json of one recipe's training: on what, how long, how well, and how it was called."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import msgspec

from .files import replace_file

SCHEMA = 2
REPORT = "report.json"
LIBRARIES = ("torch", "diffusers", "transformers", "peft", "accelerate")


class ReportError(ValueError):
    """A report that is there and cannot be read; the message names it."""


class ClipsReport(msgspec.Struct, frozen=True, kw_only=True):
    """examples: made of the clips, of one kind. digest: identity of all examples and their order."""

    data: str
    split: str
    limit: int | None
    clips: int
    canvas: str
    kind: str
    examples: int
    digest: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of report.json. shortened: to fewer steps than the recipe has; such weights prove a path and nothing else.

    start: identity of the weights that it started from, "" for a new base (`egox.training.keeping.weights_identity`).
    samples: examples, each as often as it was seen. seconds: of training alone, over all pieces. loss: mean of the last steps,
    at drawn noise levels; validation: at fixed ones, by level. command: the call that made it.
    """

    schema: int
    recipe: str
    recipe_key: str
    summary: str
    shortened: bool
    train: ClipsReport
    val: ClipsReport
    started_from: str
    start: str
    steps: int
    batch: int
    samples: int
    seconds: float
    device: str
    loss: float | None
    validation: dict[str, float]
    command: str
    libraries: dict[str, str]


def write_report(path: Path, report: Report) -> None:
    """Atomically, indented. Raises OSError."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def read_report(path: Path) -> Report | None:
    """None where it is not there. Raises ReportError where it cannot be read as one of this version."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ReportError(f"{path}: not a report that can be read here ({error}); train that recipe again") from None


def library_versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
