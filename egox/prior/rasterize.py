"""Points to pixels: which discs cover each pixel, nearest first. The semantics are those of PyTorch3D's point rasteriser.

A point covers the pixels whose centres lie strictly within its radius on the picture. Per pixel the covering points are kept
in the order of depth, then index, up to a number of slots. Everything is vectorised torch: no loop over points or pixels.

Units are pixels with centres at integers; PyTorch3D's are normalised device coordinates, see `pytorch3d_backend`.
Source: PyTorch3D 0.7.9, `renderer.points.rasterize_points`, CPU kernel (ties, rims and negative depth as there).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_CANDIDATES = 8_000_000
"""Pixels tested against discs at once; 49 bytes each."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Fragments:
    """What covers each pixel, nearest first; -1 in all three marks an empty slot, and empty slots come last.

    index: [height, width, slots] int64, the point. depth: float32, its z. distance2: float32, squared distance of its
    centre from the pixel's, in pixels.
    """

    index: Tensor
    depth: Tensor
    distance2: Tensor


class Rasterizer(Protocol):
    """The one signature of all back ends."""

    def __call__(self, pixels: Tensor, depth: Tensor, radius_px: Tensor, *, size: tuple[int, int], slots: int) -> Fragments: ...


def rasterize(
    pixels: Tensor, depth: Tensor, radius_px: Tensor, *, size: tuple[int, int], slots: int, slack: float | None = None
) -> Fragments:
    """Fragments of a picture of size (height, width).

    pixels: [n, 2] float32 as (u, v), pixel centres at integers; NaN is not drawn. depth: [n] z, not drawn where negative.
    radius_px: [n]. slots: points kept for each pixel. slack: where given, only points within this fraction behind the
    nearest one of a pixel are kept: it cuts what a hard z-buffer would never show.
    Ties in depth go to the lower index. Deterministic on CPU and CUDA.
    """
    height, width = size
    index, pixel, distance2 = _covered(pixels, depth, radius_px, size)
    z = depth[index] + 0.0  # -0.0 would sort last among the bit patterns below
    if slack is not None:
        front = torch.full((height * width,), torch.inf, device=z.device).scatter_reduce_(0, pixel, z, "amin")
        near = z <= front[pixel] * (1 + slack)
        index, pixel, distance2, z = index[near], pixel[near], distance2[near], z[near]
    # Bits of a float that is not negative order like the float; index order within equal keys is the order of emission.
    key, order = torch.sort((pixel << 32) | z.view(torch.int32).long(), stable=True)
    pixel = key >> 32
    first = torch.ones_like(pixel, dtype=torch.bool)
    first[1:] = pixel[1:] != pixel[:-1]
    start = torch.nonzero(first)[:, 0]
    rank = torch.arange(len(pixel), device=pixel.device) - start[torch.cumsum(first, 0) - 1]
    kept = rank < slots
    slot, order = pixel[kept] * slots + rank[kept], order[kept]

    def dense(values: Tensor) -> Tensor:
        filled = torch.full((height * width * slots,), -1, dtype=values.dtype, device=values.device)
        filled[slot] = values[order]
        return filled.view(height, width, slots)

    return Fragments(index=dense(index), depth=dense(z), distance2=dense(distance2))


def _covered(pixels: Tensor, depth: Tensor, radius_px: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """(point, flat pixel, squared distance) of every pair of a point and a pixel that it covers, in order of points."""
    height, width = size
    u, v = pixels.unbind(-1)
    drawn = (depth >= 0) & (u > -radius_px) & (v > -radius_px) & (u < width - 1 + radius_px) & (v < height - 1 + radius_px)
    point = torch.nonzero(drawn)[:, 0]
    reach = torch.ceil(radius_px[point]).long()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for r in torch.unique(reach).tolist():
        group = point[reach == r]
        for part in group.split(max(1, _CANDIDATES // (2 * r + 1) ** 2)):
            found.extend(_discs(part, u[part], v[part], radius_px[part], r, size))
    if not found:
        empty = torch.empty(0, dtype=torch.int64, device=pixels.device)
        return empty, empty, torch.empty(0, device=pixels.device)
    index, pixel, distance2 = (torch.cat(part) for part in zip(*found))
    if len(torch.unique(reach)) > 1:  # groups by radius are out of order
        index, order = torch.sort(index, stable=True)
        pixel, distance2 = pixel[order], distance2[order]
    return index, pixel, distance2


def _discs(
    point: Tensor, u: Tensor, v: Tensor, radius: Tensor, reach: int, size: tuple[int, int]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    height, width = size
    offsets = torch.arange(-reach, reach + 1, device=point.device)
    columns, rows = torch.round(u).long()[:, None] + offsets, torch.round(v).long()[:, None] + offsets
    du, dv = columns - u[:, None], rows - v[:, None]
    distance2 = (dv * dv)[:, :, None] + (du * du)[:, None, :]
    covered = distance2 < (radius * radius)[:, None, None]
    covered &= ((columns >= 0) & (columns < width))[:, None, :] & ((rows >= 0) & (rows < height))[:, :, None]
    number, row, column = torch.nonzero(covered, as_tuple=True)
    yield point[number], rows[number, row] * width + columns[number, column], distance2[covered]
