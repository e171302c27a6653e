"""What networks put around a picture, in the order of torch's `pad`; the odd pixel is always behind."""

from __future__ import annotations

from collections.abc import Sequence


def sides_to(multiple: int, height: int, width: int) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) pixels that bring both sides to the next multiple."""
    down, across = -height % multiple, -width % multiple
    return across // 2, across - across // 2, down // 2, down - down // 2


def same_padding(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[int]:
    """TensorFlow's "SAME": just enough for ceil(size / stride) outputs along every axis; the last axis first."""
    padding: list[int] = []
    for size, k, s in zip(sizes, kernel, stride):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        padding = [total // 2, total - total // 2, *padding]
    return padding
