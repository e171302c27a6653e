"""What every dataset reader offers, and the problems that `data verify` lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..canvas import Canvas
from ..clip import Clip, Input
from ..splits.manifest import Manifest, Row


class Severity(StrEnum):
    """An error makes clips unusable or wrong; a warning is worth knowing; a note is a figure that was measured."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding of `data verify`: where (file, clip, frame or field), what is wrong, what to do."""

    severity: Severity
    where: str
    what: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipDigests:
    """16 hex digits each: what a method is given, and the truth ("" where there is none).

    Apart, so that predictions made without the truth are scored where it is, and new truth makes no new predictions.
    """

    inputs: str
    truth: str


Progress = Callable[[int, int, str], None]
"""(done, total, what): called as work goes on."""


class Dataset(Protocol):
    """A source of clips. Rows name clips; nothing is decoded or rendered until a clip's video is read."""

    @property
    def name(self) -> str:
        """Identity of the data: part of run keys ("sim-2", "egox-release", "egoexo4d")."""
        ...

    @property
    def default_protocol(self) -> str:
        """What `run` uses where no --protocol is given."""
        ...

    def splits(self) -> tuple[str, ...]:
        """Names that `manifest` takes; always with "all"."""
        ...

    def manifest(self, split: str) -> Manifest:
        """The split's rows. Raises UserError with the nearest name."""
        ...

    def digests(self, row: Row, canvas: Canvas) -> ClipDigests:
        """Identity of the clip, known without decoding or rendering."""
        ...

    def prepare(self, rows: Sequence[Row], canvas: Canvas, *, needs: frozenset[Input], workers: int, progress: Progress) -> None:
        """Make what the clips of these rows need (sim renders here); nothing to do for recorded data."""
        ...

    def clip(self, row: Row, canvas: Canvas) -> Clip:
        """The clip on a canvas. Inputs that are not there are named in `Clip.missing`, never guessed."""
        ...

    def verify(self, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
        """All problems of the data, one after the other; of the first `limit` takes or clips where it is recorded."""
        ...
