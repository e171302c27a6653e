"""Point clouds lifted from the exo view: world points with colours, and the cells that join neighbours on one surface.

A cell is a square of four neighbouring exo pixels that show one surface. It says what lies between its points, so that a
renderer can sample the surface as densely as the ego picture asks for. Where two neighbours show different surfaces there is no
cell: nothing is stretched from a hand to the wall behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..cameras import Camera

STEEPEST = 20.0
"""Neighbours belong to two surfaces where range grows by more than this for 1 sideways: a surface seen within 3 degrees of
its plane. In angles, so that it means the same at every picture size."""

STEEPEST_RATIO = 0.25
"""... and in any case where range grows by more than this fraction from one pixel to the next (coarse pictures)."""

_LEAST_FORWARD = 1e-3
"""Rays this close to a right angle with the axis have no z-depth worth using."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PointCloud:
    """points: [n, 3] float32 world metres; colours: [n, 3] uint8 RGB.

    cells: [m, 4] int64, the points at top left, top right, bottom left and bottom right of each square of neighbours.
    loose: [k] int64, the points that are no cell's top left: drawn as points beside the cells, they close the rims.
    """

    points: Tensor
    colours: Tensor
    cells: Tensor
    loose: Tensor

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def of_points(cls, points: ArrayLike | Tensor, colours: ArrayLike | Tensor) -> PointCloud:
        """A cloud without surfaces: every point is loose. points: [n, 3] metres; colours: [n, 3] uint8."""
        points = torch.as_tensor(points, dtype=torch.float32)
        colours = torch.as_tensor(colours, device=points.device)
        if points.ndim != 2 or points.shape[-1] != 3 or colours.shape != points.shape or colours.dtype != torch.uint8:
            raise ValueError(
                f"points {tuple(points.shape)} and {colours.dtype} colours {tuple(colours.shape)}:"
                " expected [n, 3] metres and [n, 3] uint8"
            )
        return cls(
            points=points,
            colours=colours,
            cells=torch.empty((0, 4), dtype=torch.int64, device=points.device),
            loose=torch.arange(len(points), device=points.device),
        )


def joined(clouds: Sequence[PointCloud]) -> PointCloud:
    """Several clouds as one."""
    offsets = np.cumsum([0, *(len(cloud) for cloud in clouds)]).tolist()
    return PointCloud(
        points=torch.cat([cloud.points for cloud in clouds]),
        colours=torch.cat([cloud.colours for cloud in clouds]),
        cells=torch.cat([cloud.cells + offset for cloud, offset in zip(clouds, offsets)]),
        loose=torch.cat([cloud.loose + offset for cloud, offset in zip(clouds, offsets)]),
    )


class Lifter:
    """Turns exo pictures with z-depth into clouds. Holds the rays of the lens, which are the same in every frame."""

    def __init__(self, camera: Camera, *, device: str | torch.device = "cpu") -> None:
        self.camera, self.device = camera, torch.device(device)
        rays = camera.lens.unproject(camera.pixel_grid())
        self.rays = torch.from_numpy(rays).to(self.device, torch.float32)
        """Unit viewing directions [height, width, 3] in camera axes."""

    def range_m(self, depth_m: Tensor) -> Tensor:
        """Distance along the ray from z-depth, 0 where depth is unknown or the ray looks sideways."""
        forward = self.rays[..., 2]
        known = torch.isfinite(depth_m) & (depth_m > 0) & (forward > _LEAST_FORWARD)
        return torch.where(known, depth_m / forward.clamp_min(_LEAST_FORWARD), 0.0)

    def lift(
        self, picture: ArrayLike | Tensor, depth_m: ArrayLike | Tensor, frame: int, *, keep: Tensor | None = None
    ) -> PointCloud:
        """One frame's pixels with known depth as world points.

        picture: [height, width, 3] uint8; depth_m: [height, width] z-depth in metres, unknown where it is 0, negative or
        not finite. keep: bool [height, width], False for pixels to leave out.
        A pixel without a neighbour on its surface both across and along is left out: the ramps that networks draw between
        a thing and what is behind it. Raises ValueError where picture, depth and camera are not of one size.
        """
        colours, depth = (_tensor(values).to(self.device) for values in (picture, depth_m))
        depth = depth.to(torch.float32)
        size = (self.camera.height, self.camera.width)
        if tuple(colours.shape) != (*size, 3) or tuple(depth.shape) != size:
            raise ValueError(f"picture {tuple(colours.shape)}, depth {tuple(depth.shape)} and camera {size} are not of one size")
        range_m = self.range_m(depth)
        if keep is not None:
            range_m = torch.where(keep, range_m, 0.0)
        across, along = self._level(range_m[:, 1:], range_m[:, :-1]), self._level(range_m[1:], range_m[:-1])
        cell = across[:-1] & across[1:] & along[:, :-1] & along[:, 1:]
        in_cell = _pad(cell, right=1, bottom=1) | _pad(cell, left=1, bottom=1)
        in_cell |= _pad(cell, right=1, top=1) | _pad(cell, left=1, top=1)
        held = (_pad(across, left=1) | _pad(across, right=1)) & (_pad(along, top=1) | _pad(along, bottom=1))
        used = in_cell | held
        pixel = torch.nonzero(used.view(-1))[:, 0]
        number = torch.full((used.numel(),), -1, dtype=torch.int64, device=self.device)
        number[pixel] = torch.arange(len(pixel), device=self.device)
        corner = torch.nonzero(_pad(cell, right=1, bottom=1).view(-1))[:, 0]
        corners = (corner, corner + 1, corner + size[1], corner + size[1] + 1)
        rays = self.rays.view(-1, 3).index_select(0, pixel)
        return PointCloud(
            points=self.camera.to_world(rays * range_m.view(-1).index_select(0, pixel)[:, None], frame),
            colours=colours.view(-1, 3).index_select(0, pixel),
            cells=torch.stack([number.index_select(0, at) for at in corners], -1),
            loose=number.masked_select((used & ~_pad(cell, right=1, bottom=1)).view(-1)),
        )

    def _level(self, a: Tensor, b: Tensor) -> Tensor:
        """Whether neighbouring ranges are known and of one surface."""
        near = torch.minimum(a, b)
        most = min(STEEPEST / self.camera.lens.pixels_per_radian, STEEPEST_RATIO)
        return (near > 0) & ((a - b).abs() < near * most)


def _tensor(values: ArrayLike | Tensor) -> Tensor:
    """Arrays may be read-only or run backwards (channels turned round by [..., ::-1]); torch takes neither."""
    return values if isinstance(values, Tensor) else torch.from_numpy(np.require(values, requirements=["C", "W"]))


def _pad(mask: Tensor, *, left: int = 0, right: int = 0, top: int = 0, bottom: int = 0) -> Tensor:
    return torch.nn.functional.pad(mask, (left, right, top, bottom))
