"""A cloud as one ego frame sees it: points on the picture, dense enough that small splats leave no holes.

Where the ego picture shows a surface larger than the exo picture did, its cells are divided until neighbouring samples are
about a splat apart: positions and colours are interpolated between the four corners. So all splats have one small radius: none
is missing at the lens edge, none is fat at a depth edge. Cells that would have to be stretched too far are not drawn: the exo
view has not seen enough of that surface to say what it looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..cameras import ARIA_CIRCLE_RAD, Camera, Fisheye624
from .cloud import PointCloud

NEAREST_M = 0.15
"""Points nearer to the ego camera are not drawn: they belong to the wearer's head and glasses, or to errors of the depth."""

_RIM_RAD = 0.03
"""Points this far outside of the lens circle still light pixels inside."""

_REACH_RAD = 0.15
"""Corners this far outside of it belong to cells that reach inside with another: 6 pixels at 96 a side, 28 at 448."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Samples:
    """pixels: [n, 2] float32 (u, v), centres at integers; depth_m: [n] z; colours: [n, 3] float32 in 0..255."""

    pixels: Tensor
    depth_m: Tensor
    colours: Tensor


def sample(cloud: PointCloud, camera: Camera, frame: int, *, step_px: float, most: int) -> Samples:
    """Samples of the cloud's cells and loose points in one frame of a camera.

    step_px: how far apart samples may lie. most: cells that would need more than this many samples a side are left out.
    Points behind the camera, nearer than NEAREST_M, outside of the lens circle or without a pixel in the lens are not there.
    """
    in_camera = camera.to_camera(cloud.points, frame)
    pixels, z = camera.lens.project(in_camera), in_camera[:, 2]
    range_m = in_camera.norm(dim=-1)
    seen = (z > 0) & (range_m > NEAREST_M) & pixels.sum(-1).isfinite()
    inside, near = (seen & _around_circle(z, range_m, camera, rim) for rim in (_RIM_RAD, _REACH_RAD))
    colours = cloud.colours.float()
    corners = cloud.cells.index_select(0, torch.nonzero(_taken(near, cloud.cells).all(-1))[:, 0])
    corners = corners.index_select(0, torch.nonzero(_taken(inside, corners).any(-1))[:, 0])
    across, along = _sizes(_taken(pixels, corners))
    columns, rows = (torch.ceil(length / step_px).clamp(1, most + 1).long() for length in (across, along))
    loose = cloud.loose.masked_select(_taken(inside, cloud.loose))
    parts = [tuple(_taken(values, loose) for values in (pixels, z, colours))]
    drawn = torch.nonzero((columns <= most) & (rows <= most))[:, 0]
    between = _between(
        torch.cat([pixels, 1 / z[:, None], colours], -1), *(of.index_select(0, drawn) for of in (corners, columns, rows))
    )
    parts.append((between[:, :2], 1 / between[:, 2], between[:, 3:]))
    return Samples(**dict(zip(("pixels", "depth_m", "colours"), (torch.cat(part) for part in zip(*parts)))))


def _taken(values: Tensor, index: Tensor) -> Tensor:
    """values[index] for an index of any shape: on the CPU index_select is three times faster than indexing."""
    return values.index_select(0, index.reshape(-1)).view(*index.shape, *values.shape[1:])


def _between(values: Tensor, corners: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Values [p, d] of points at every sample of cells, [n, d]: cell after cell, rows * columns of each.

    corners: [m, 4] points of each cell. Samples run from its top left corner on; the next cell has the other sides. The sum over
    corners is written out: a GPU may round products of matrices.
    """
    count = columns * rows
    cell = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    number = torch.arange(len(cell), device=count.device) - (count.cumsum(0) - count).index_select(0, cell)
    across = columns.index_select(0, cell)
    x = (number % across).to(values.dtype) / across
    y = torch.div(number, across, rounding_mode="floor").to(values.dtype) / rows.index_select(0, cell)
    weights = ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y)
    parts = (weight[:, None] * values.index_select(0, corners[:, k].index_select(0, cell)) for k, weight in enumerate(weights))
    return sum(parts, start=values.new_zeros(()))


def _around_circle(z: Tensor, range_m: Tensor, camera: Camera, rim: float) -> Tensor:
    """Whether points lie within the lens circle or this angle outside of it; all of them where there is no circle."""
    if not isinstance(camera.lens, Fisheye624):
        return torch.ones_like(z, dtype=torch.bool)
    return z > float(np.cos(ARIA_CIRCLE_RAD + rim)) * range_m


def _sizes(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Longest side of each cell [m, 4, 2] across and along, in pixels."""
    top_left, top_right, bottom_left, bottom_right = corners.unbind(1)
    across = torch.maximum((top_right - top_left).norm(dim=-1), (bottom_right - bottom_left).norm(dim=-1))
    along = torch.maximum((bottom_left - top_left).norm(dim=-1), (bottom_right - top_right).norm(dim=-1))
    return across, along
