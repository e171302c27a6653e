"""Points to pixels: which discs cover each pixel, nearest first. The semantics are those of PyTorch3D's point rasteriser.

A point covers the pixels whose centres lie strictly within its radius on the picture. Per pixel the covering points are kept
in the order of depth, then index, up to a number of slots. Everything is vectorised torch: no loop over points or pixels.

Units are pixels with centres at integers; PyTorch3D's are normalised device coordinates, see `pytorch3d_backend`.
Source: PyTorch3D 0.7.9, `renderer.points.rasterize_points`, CPU kernel (ties, rims and negative depth as there).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Fragments:
    """What covers each pixel, nearest first; -1 in all three marks an empty slot, and empty slots come last.

    index: [height, width, slots] int64, the point. depth: float32, its z. distance2: squared distance of its centre from the
    pixel's, in pixels, of the points' dtype.
    """

    index: Tensor
    depth: Tensor
    distance2: Tensor


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
    point = _nearest_first(pixels, depth, radius_px, size)
    (u, v), z = pixels.index_select(0, point).unbind(-1), depth.index_select(0, point).float()
    # A key is a pixel and the point's place in the order of depth: sorted keys list each pixel's points, nearest first.
    bits = len(point).bit_length()
    keys = _sorted(torch.cat([point[:0], *_covered(u, v, radius_px.index_select(0, point), bits, size)]))
    if len(keys) == 0:
        nothing = z.new_full((height, width, slots), -1.0)
        return Fragments(index=nothing.long(), depth=nothing, distance2=nothing.to(u.dtype))
    count = torch.bincount(keys >> bits, minlength=height * width)
    start, slot = torch.cumsum(count, 0) - count, torch.arange(slots, device=keys.device)
    at = (start[:, None] + slot).clamp_max(len(keys) - 1)
    place = keys.index_select(0, at.view(-1)).view(at.shape) & ((1 << bits) - 1)
    filled = slot < count[:, None]
    if slack is not None:
        farthest = z.index_select(0, place[:, 0]) * (1 + slack)
        filled &= place < torch.searchsorted(z, farthest, right=True)[:, None]

    def dense(values: Tensor) -> Tensor:
        return values.index_select(0, place.view(-1)).view(height, width, slots)

    filled = filled.view(height, width, slots)
    row, column = torch.arange(height, device=u.device)[:, None, None], torch.arange(width, device=u.device)[:, None]
    distance2 = (row - dense(v)).square() + (column - dense(u)).square()
    return Fragments(
        index=torch.where(filled, dense(point), -1),
        depth=torch.where(filled, dense(z), -1.0),
        distance2=torch.where(filled, distance2, -1.0),
    )


def _nearest_first(pixels: Tensor, depth: Tensor, radius_px: Tensor, size: tuple[int, int]) -> Tensor:
    """The points that may cover pixels of the picture, by depth, then index."""
    height, width = size
    u, v = pixels.unbind(-1)
    drawn = (depth >= 0) & (u > -radius_px) & (v > -radius_px) & (u < width - 1 + radius_px) & (v < height - 1 + radius_px)
    point = torch.nonzero(drawn)[:, 0]
    z = depth.index_select(0, point).float() + 0.0  # makes -0.0 to 0.0
    # bits of a float that is not negative order like the float, and torch sorts integers several times faster
    return point.index_select(0, torch.sort(z.view(torch.int32), stable=True).indices)


def _sorted(keys: Tensor) -> Tensor:
    """Ascending. numpy's sort of integers uses vector instructions: five to fifty times faster than torch's on the CPU."""
    return torch.sort(keys).values if keys.device.type != "cpu" else torch.from_numpy(np.sort(keys.numpy()))


def _covered(u: Tensor, v: Tensor, radius_px: Tensor, bits: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """Keys pixel << bits | point of every pair of a point and a pixel that it covers, in any order."""
    reach = torch.ceil(radius_px).long()
    for r in torch.unique(reach).tolist():
        group = torch.nonzero(reach == r)[:, 0]
        part = _discs(group, u.index_select(0, group), v.index_select(0, group), radius_px.index_select(0, group), r, bits, size)
        yield from part


def _discs(point: Tensor, u: Tensor, v: Tensor, radius: Tensor, reach: int, bits: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """One offset from the point's own pixel at a time: whole columns of numbers, no three-dimensional masks."""
    height, width = size
    limit = radius * radius
    largest = float(limit.max())
    key = ((torch.round(v).long() * width + torch.round(u).long()) << bits) | point
    across, along = list(_squares(u, reach, width)), list(_squares(v, reach, height))
    for rows, dv2 in along:
        for columns, du2 in across:
            if max(abs(rows) - 0.5, 0) ** 2 + max(abs(columns) - 0.5, 0) ** 2 < largest:  # else no disc reaches that far
                hit = torch.nonzero(dv2 + du2 < limit)[:, 0]
                yield key.index_select(0, hit) + ((rows * width + columns) << bits)


def _squares(at: Tensor, reach: int, side: int) -> Iterator[tuple[int, Tensor]]:
    """Each offset, and the squared distance along one axis of the pixels there; infinite outside of the picture."""
    own = torch.round(at)
    for offset in range(-reach, reach + 1):
        there = own + offset
        yield offset, torch.where((there >= 0) & (there < side), (there - at).square(), torch.inf)
