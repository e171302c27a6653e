"""Windows of 49 frames on a take's clock: how far apart two are, and where a take's windows lie.

Everything is integer arithmetic on frame numbers plus a hash, so the same take gives the same windows on any machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

CLIP_FRAMES = 49
GUARD_FRAMES = 150
"""Least distance (5 s at 30 fps) between windows of one take that belong to different splits."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Frames first..last of a take, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of frames; 0 or less where last comes before first."""
        return self.last - self.first + 1


def rank_hash(*parts: object) -> int:
    """A 64-bit number that depends on the parts only: what orders takes and places instead of a random generator.

    A generator's next number depends on how many came before, so one more take would reshuffle all others; this does not.
    """
    return int.from_bytes(hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()[:8], "big")


def frame_distance(one: Window, other: Window) -> int:
    """Least |frame of one - frame of other|; 0 or less where they overlap."""
    return max(one.first, other.first) - min(one.last, other.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """Where training and where `seen` windows of one take may lie; `seen` is None where the take is too short for both."""

    train: Window
    seen: Window | None


def zones(usable: Window, *, seen_first: bool, seen_windows: int) -> Zones:
    """Part a take into a training and a `seen` stretch that are GUARD_FRAMES apart.

    The `seen` stretch is a third of what the guard leaves, at least one clip and at most twice what `seen_windows` clips
    need, at the take's beginning (seen_first) or end. It does not depend on what is drawn later, so the training windows
    of a take stay where they are when other sizes are asked for.
    """
    free = usable.length - (GUARD_FRAMES - 1)
    if free < 2 * CLIP_FRAMES:
        return Zones(train=usable, seen=None)
    length = max(CLIP_FRAMES, min(free // 3, 2 * CLIP_FRAMES * seen_windows))
    if seen_first:
        seen = Window(usable.first, usable.first + length - 1)
        return Zones(train=Window(seen.last + GUARD_FRAMES, usable.last), seen=seen)
    seen = Window(usable.last - length + 1, usable.last)
    return Zones(train=Window(usable.first, seen.first - GUARD_FRAMES), seen=seen)


def cut(stretch: Window, *, at_most: int, key: str) -> list[Window]:
    """Up to `at_most` windows that do not overlap, one in each equal part of the stretch, in an order drawn by `key`."""
    count = min(at_most, stretch.length // CLIP_FRAMES)
    found = []
    for part in range(count):
        begin = stretch.first + part * stretch.length // count
        end = stretch.first + (part + 1) * stretch.length // count
        first = begin + rank_hash(key, "shift", part) % (end - begin - CLIP_FRAMES + 1)
        found.append((rank_hash(key, "order", part), Window(first, first + CLIP_FRAMES - 1)))
    return [window for _, window in sorted(found)]
