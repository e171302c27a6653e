"""Pixels and maps of a window that is rendered when it is first read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...video import DECODER, FileSource, Frames
from .shapes import Array
from .truth import read_maps

Ensure = Callable[[], None]
"""Makes sure that the files of a view are there."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RenderedVideo:
    """A cut window's video. identity: digest of the scene, never of pixels."""

    path: Path
    identity: str
    size: tuple[int, int]
    ensure: Ensure

    @property
    def key(self) -> str:
        return f"{DECODER}:{self.identity}"

    @property
    def label(self) -> str:
        return str(self.path)

    def stream(self, indices: Sequence[int]) -> Iterator[Frames]:
        self.ensure()
        yield from FileSource(self.path, key=self.identity).stream(indices)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RenderedMap:
    """Depth or instance ids of a cut window."""

    path: Path
    identity: str
    what: Literal["depth", "ids"]
    ensure: Ensure

    @property
    def key(self) -> str:
        return f"{self.what}:{self.identity}"

    def frame(self, index: int) -> Array:
        self.ensure()
        depth, ids = read_maps(self.path)
        return depth[index] if self.what == "depth" else ids[index]
