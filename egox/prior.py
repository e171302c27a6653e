"""Point clouds from exo depth, splatted into the ego lens (paper Eq. 2): numpy in, numpy out.

A splat is a square around the pixel that a point projects to. Its width is the distance to the point's neighbours on its
surface, as seen in the ego picture: near and grazing surfaces close up, far ones stay sharp; see `splat`. Frames are
rendered one by one, each from the exo frame of the same instant, moving things included. Nothing here is learnt, filled in
or kept over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cameras import ARIA_CIRCLE_RAD, Array, Camera, Fisheye624, Lens

MAX_RADIUS_PX = 4
"""Splats are at most 2 * 4 + 1 pixels wide: a coarse cloud seen from very near stays a cloud of dots."""

SAME_SURFACE = 0.05
"""Splats within this fraction of the nearest one's depth count as one surface, so its own centre wins and not its rim."""

STEP = 0.1
"""Neighbouring pixels whose depths differ by more than this fraction lie on two surfaces."""

_NEAREST_M = 0.05


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PointCloud:
    """points: [n, 3] world metres; colours: [n, 3] uint8; spacing_m: [n] distance to the farthest neighbour on its surface."""

    points: Array
    colours: NDArray[np.uint8]
    spacing_m: Array

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rendered:
    """picture: [height, width, 3] uint8, black where nothing fell; valid: [height, width]; depth_m: z, 0 where not valid."""

    picture: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    depth_m: NDArray[np.float32]


def lift(picture: NDArray[np.uint8], depth_m: NDArray, camera: Camera, frame: int, *, rays: Array | None = None) -> PointCloud:
    """One frame's pixels with known depth as world points.

    picture: [height, width, 3]; depth_m: [height, width] z-depth in metres, unknown where it is 0 or not finite.
    rays: `camera.lens.unproject(camera.pixel_grid())` where it is at hand; a lens has the same rays in every frame.
    Raises ValueError where picture, depth and camera are not of one size.
    """
    size = (camera.height, camera.width)
    if picture.shape != (*size, 3) or depth_m.shape != size:
        raise ValueError(f"picture {picture.shape}, depth {depth_m.shape} and camera {size} are not of one size")
    if rays is None:
        rays = camera.lens.unproject(camera.pixel_grid())
    known = np.isfinite(depth_m) & (depth_m > 0) & (rays[..., 2] > 1e-3)
    ray = rays[known]
    range_m = depth_m[known].astype(np.float64) / ray[:, 2]
    in_camera = np.full((*size, 3), np.nan)
    in_camera[known] = ray * range_m[:, None]
    spacing_m = np.fmax(_neighbour_distance(in_camera)[known], range_m / pixels_per_radian(camera.lens))
    return PointCloud(points=camera.to_world(in_camera[known], frame), colours=picture[known], spacing_m=spacing_m)


def _neighbour_distance(points: Array) -> Array:
    """Metres [h, w] to the farthest of four neighbours, those across a step in depth left out; 0 where none is left.

    points: [h, w, 3], NaN where unknown. Surfaces seen at a grazing angle have neighbours far apart: without this they come
    out in stripes.
    """
    farthest = np.zeros(points.shape[:2])
    for first, second in ((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])):
        a, b = points[first], points[second]
        with np.errstate(invalid="ignore"):
            joined = np.abs(a[..., 2] - b[..., 2]) < STEP * np.minimum(a[..., 2], b[..., 2])
        apart = np.where(joined, np.linalg.norm(a - b, axis=-1), 0)
        for part in (first, second):
            farthest[part] = np.maximum(farthest[part], apart)
    return farthest


def pixels_per_radian(lens: Lens) -> float:
    """Scale of a lens on its axis."""
    return lens.f if isinstance(lens, Fisheye624) else float(np.sqrt(lens.fx * lens.fy))


def splat(
    cloud: PointCloud,
    camera: Camera,
    frame: int,
    *,
    max_radius_px: int = MAX_RADIUS_PX,
    visible: NDArray[np.bool_] | None = None,
) -> Rendered:
    """The cloud as one frame of a camera sees it, with a z-buffer.

    A point covers (2 r + 1)^2 pixels, r = ceil(half of its spacing in pixels of this picture), at most max_radius_px.
    Points behind the camera, nearer than 5 cm or outside the lens circle are not drawn. Where several splats of one surface
    meet (depths within 5 %), the one whose centre is nearest to the pixel wins: a rim never shifts the picture.
    visible: `camera.visible()` where it is at hand; it is the same in every frame.
    """
    if max_radius_px < 0:
        raise ValueError(f"max_radius_px is {max_radius_px}, expected 0 or more")
    point, z, radius, row, column = _landed(cloud, camera, frame, max_radius_px)
    height, width = camera.height, camera.width
    # far to near: of repeated pixels numpy keeps the last, which is the nearest point (ties: the lower index)
    order = np.lexsort((-point, -z))
    depth = np.full((height, width), np.inf)
    index = np.full((height, width), -1, np.int64)
    reach = np.full((height, width), -1, np.int64)
    at = (row[order], column[order])
    depth[at], index[at], reach[at] = z[order], point[order], radius[order]
    chosen, chosen_depth = _grown(depth, index, reach, int(radius.max(initial=0)))
    valid = (chosen >= 0) & (camera.visible() if visible is None else visible)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[valid] = cloud.colours[chosen[valid]]
    return Rendered(picture=picture, valid=valid, depth_m=np.where(valid, chosen_depth, 0).astype(np.float32))


def _landed(cloud: PointCloud, camera: Camera, frame: int, max_radius_px: int) -> tuple[NDArray, ...]:
    """Index, z, splat radius, row and column of the points whose centre lies in the picture."""
    in_camera = camera.to_camera(cloud.points, frame)
    range_m = np.linalg.norm(in_camera, axis=-1)
    widest = np.cos(ARIA_CIRCLE_RAD) if isinstance(camera.lens, Fisheye624) else 0.0
    point = np.flatnonzero((in_camera[:, 2] > _NEAREST_M) & (in_camera[:, 2] > widest * range_m))
    pixel = np.rint(camera.lens.project(in_camera[point]))
    inside = (pixel >= 0).all(-1) & (pixel[:, 0] < camera.width) & (pixel[:, 1] < camera.height)
    point, pixel = point[inside], pixel[inside].astype(np.int64)
    covered_px = cloud.spacing_m[point] / range_m[point] * pixels_per_radian(camera.lens)
    radius = np.minimum(np.ceil(covered_px / 2), max_radius_px).astype(np.int64)
    return point, in_camera[point, 2], radius, pixel[:, 1], pixel[:, 0]


def _grown(depth: Array, index: NDArray, reach: NDArray, radius: int) -> tuple[NDArray, Array]:
    """Let each pixel's point cover its square: which point each pixel shows (-1 for none), and its depth."""
    steps = range(-radius, radius + 1)
    # widest offset first, so that the last writer, the own centre, wins within one surface
    offsets = sorted(((dy, dx) for dy in steps for dx in steps), key=lambda o: (-(o[0] ** 2 + o[1] ** 2), o))
    nearest = np.full_like(depth, np.inf)
    for dy, dx in offsets:
        to, source = _shifted(depth.shape, dy, dx)
        covers = reach[source] >= max(abs(dy), abs(dx))
        np.minimum(nearest[to], np.where(covers, depth[source], np.inf), out=nearest[to])
    front = nearest * (1 + SAME_SURFACE)
    chosen, chosen_depth = np.full_like(index, -1), np.full_like(depth, np.inf)
    for dy, dx in offsets:
        to, source = _shifted(depth.shape, dy, dx)
        wins = (reach[source] >= max(abs(dy), abs(dx))) & (depth[source] <= front[to])
        chosen[to][wins], chosen_depth[to][wins] = index[source][wins], depth[source][wins]
    return chosen, chosen_depth


def _shifted(size: tuple[int, ...], dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a map moved by (dy, dx) lands, and what of it lands there."""
    height, width = size
    to = (slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0)))
    source = (slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0)))
    return to, source
