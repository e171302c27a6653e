"""Which clips a figure shows where none are named: spread over the places, the same ones each time, whatever their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Placed(Protocol):
    """A clip with the room it was taken in."""

    @property
    def clip_id(self) -> str: ...
    @property
    def place(self) -> str: ...


T = TypeVar("T", bound=Placed)


def spread(clips: Sequence[T], count: int) -> list[T]:
    """`count` clips, or all if they are fewer: the first clip of places that lie evenly over the list of places.

    Where there are more clips to show than places, every place gives its first, then the rest is spread likewise. The order
    is that of `clips`. A clip without a place counts as a place of its own.
    """
    left, chosen = list(clips), []
    while left and len(chosen) < count:
        firsts = list({clip.place or clip.clip_id: clip for clip in reversed(left)}.values())[::-1]
        wanted = min(count - len(chosen), len(firsts))
        taken = [firsts[number * len(firsts) // wanted] for number in range(wanted)]
        chosen += taken
        left = [clip for clip in left if clip not in taken]
    return [clip for clip in clips if clip in chosen]
