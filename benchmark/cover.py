"""Which pixels the reference ego prior covers: asked of the one package that offers it by an entry point.

Nothing here knows how a prior is made; the entry point of the group `egox_bench.cover` is a class that is made without
arguments.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .clip import Clip
from .errors import UserError
from .inputs import Input

GROUP = "egox_bench.cover"


class CoverSource(Protocol):
    """Covers of clips."""

    @property
    def key(self) -> str:
        """Digest of what decides a cover beside the clip: code, version, settings."""
        ...

    @property
    def needs(self) -> frozenset[Input]:
        """The inputs that a cover is made from, those that a clip may lack included."""
        ...

    def cover(self, clip: Clip) -> NDArray[np.bool_]:
        """[frames, height, width] of the ego canvas. Raises Undefined where the clip lacks what the prior takes."""
        ...


def cover_source() -> CoverSource | None:
    """The installed source, None where there is none. Raises UserError where there are two, or it cannot be loaded."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.value)
    if not points:
        return None
    if len(points) > 1:
        named = ", ".join(f"{point.value} of {point.dist.name if point.dist else '?'}" for point in points)
        raise UserError(f"{len(points)} packages say what the ego prior covers ({named}); uninstall all but one")
    try:
        return points[0].load()()
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        raise UserError(f"{points[0].value} (group {GROUP}) cannot be loaded: {type(error).__name__}: {error}") from error
