"""Shuffled pairing: every clip of a split beside another one, each used once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .manifest import Row


def partners(rows: Sequence[Row]) -> dict[str, Row]:
    """Clip id to another clip: of another place where the split allows it for all, else of another take, else of another
    window (two exo views of one window share their ego truth).

    A bijection, the same for the same rows in any order. Empty where there is none.
    """
    by_group: tuple[Callable[[Row], str], ...] = (
        lambda row: row.place,
        lambda row: row.cluster,
        lambda row: f"{row.cluster} {row.first_frame}",
    )
    for group in by_group:
        ordered = sorted(rows, key=lambda row: (group(row), row.clip_id))
        groups = [group(row) for row in ordered]
        largest = max((groups.count(name) for name in set(groups)), default=0)
        if rows and 2 * largest <= len(rows):
            # a shift by the largest group's size leaves every group, and comes round to none
            return {row.clip_id: ordered[(i + largest) % len(ordered)] for i, row in enumerate(ordered)}
    return {}
