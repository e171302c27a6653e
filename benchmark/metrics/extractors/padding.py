"""How VBench's networks get sides that they can divide: padded on both sides, the odd pixel behind, edges repeated."""

from __future__ import annotations


def sides_to(multiple: int, height: int, width: int) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) pixels that bring both sides to the next multiple, as torch's `pad` takes them."""
    down, across = -height % multiple, -width % multiple
    return across // 2, across - across // 2, down // 2, down - down // 2
