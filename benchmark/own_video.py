"""Methods on a video that belongs to no dataset: done by the one package that offers it by an entry point.

Nothing here knows how poses, depth and priors come about; the entry point of the group `egox_bench.own_video` is a function
that takes a task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .errors import UserError

GROUP = "egox_bench.own_video"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVideoTask:
    """What is asked: one method on one video. size: side of the ego picture. again: make it anew where it is there already."""

    method: str
    preset: str | None
    settings: Mapping[str, str]
    video: Path
    pose: Path
    depth: Path | None
    prompt: str
    size: int
    seed: int
    out: Path
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVideoResult:
    """folder: that has the files. report: as in its report.json. lines: for a person."""

    folder: Path
    report: Mapping[str, Any]
    lines: tuple[str, ...]


def own_video_maker() -> Callable[[OwnVideoTask], OwnVideoResult]:
    """The installed one; it raises UserError for what is missing or does not fit. Raises UserError unless there is one."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.value)
    if len(points) != 1:
        named = ", ".join(f"{point.value} of {point.dist.name if point.dist else '?'}" for point in points)
        found = f"{len(points)} packages offer it ({named}); uninstall all but one" if points else "install egox-bench again"
        raise UserError(f"--video: a video of your own needs one package that reads it: {found}")
    return points[0].load()
