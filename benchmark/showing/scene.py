"""A clip as things in space: cameras, head poses, joints, a point cloud of one frame, floor and up. Arrays only, no pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egox.cameras import Array, Camera

from ..clip import Clip
from ..video import Frames

MOST_POINTS = 120_000
AXIS_WITHIN_DEG = 40.0
"""A guessed "up" this near to an axis of the world is taken to be that axis."""

FEET = ("ankle", "foot", "heel", "toe")
"""Parts of joint names that tell where the floor is."""

_GRAZING = 0.06
_FLOOR_NORMAL = 0.85
_FLOOR_SHARE = 4.0
_FEWEST_FLOOR_POINTS = 150


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cloud:
    """points and normals [n, 3] in the world, colours [n, 3] uint8, spacing_m [n]: how far the next point is."""

    points: Array
    normals: Array
    colours: NDArray[np.uint8]
    spacing_m: Array

    def only(self, chosen: NDArray[np.bool_]) -> Cloud:
        return Cloud(
            points=self.points[chosen],
            normals=self.normals[chosen],
            colours=self.colours[chosen],
            spacing_m=self.spacing_m[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExoCamera:
    """An exo camera; main: the one that the clip's question is asked with."""

    name: str
    camera: Camera
    main: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What there is to draw in space, at `frame` of `frames`.

    up: [3] unit, and why it is thought to be up. floor_m: height of the floor along up, None where nothing tells it.
    """

    frame: int
    frames: int
    exo: tuple[ExoCamera, ...]
    ego: Camera | None
    joints: Mapping[str, Array]
    cloud: Cloud | None
    up: Array
    up_source: str
    floor_m: float | None
    floor_source: str | None

    @property
    def main_exo(self) -> Camera | None:
        return next((exo.camera for exo in self.exo if exo.main), None)

    @property
    def empty(self) -> bool:
        return self.ego is None and not self.exo

    def places(self) -> Array:
        """[n, 3]: the head, or where it is not known the joints, at all frames; the main exo camera."""
        found = [] if self.ego is None else [self.ego.centres]
        found += [track.reshape(-1, 3) for track in self.joints.values()] if self.ego is None else []
        found += [exo.camera.centres for exo in self.exo if exo.main or self.ego is None]
        return np.concatenate(found)

    def heights(self, points: ArrayLike) -> Array:
        """[...] metres along up of points [..., 3]."""
        return np.asarray(points, np.float64) @ self.up


def scene_of(clip: Clip, *, frame: int, cloud: Cloud | None) -> Scene:
    """Gather what the clip has, at one of its frames."""
    exo = tuple(
        ExoCamera(name=view.name, camera=view.camera, main=number == 0)
        for number, view in enumerate(clip.exo)
        if view.camera is not None
    )
    joints = {name: np.asarray(track, np.float64) for name, track in (clip.body_pose or {}).items()}
    up, up_source = _up_of(clip.up, exo, clip.ego_camera)
    floor_m, floor_source = _floor_of(cloud, joints, up, clip.ego_camera, frame)
    return Scene(
        frame=frame, frames=len(clip.frame_indices), exo=exo, ego=clip.ego_camera, joints=joints, cloud=cloud,
        up=up, up_source=up_source, floor_m=floor_m, floor_source=floor_source,
    )  # fmt: skip


def _up_of(known: ArrayLike | None, exo: tuple[ExoCamera, ...], ego: Camera | None) -> tuple[Array, str]:
    """The clip's own up; else what the pictures' upper edges agree on, snapped to a world axis that is near."""
    if known is not None:
        up = np.asarray(known, np.float64)
        return up / np.linalg.norm(up), "given by the data"
    if exo:
        mean, source = sum(-e.camera.world_from_camera[0, :3, 1] for e in exo), "guessed: upper edge of the exo picture"
    elif ego is not None:
        mean, source = -ego.world_from_camera[:, :3, 1].mean(0), "guessed: upper edge of the ego picture"
    else:
        return np.array([0.0, 0.0, 1.0]), "unknown"
    mean = np.asarray(mean, np.float64)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        return np.array([0.0, 0.0, 1.0]), "unknown"
    axis = int(np.abs(mean).argmax())
    if abs(mean[axis]) / length > np.cos(np.deg2rad(AXIS_WITHIN_DEG)):
        return np.sign(mean[axis]) * np.eye(3)[axis], source
    return mean / length, source


def _floor_of(
    cloud: Cloud | None, joints: Mapping[str, Array], up: Array, ego: Camera | None, frame: int
) -> tuple[float | None, str | None]:
    """The lowest joint of a foot; else the lowest level surface of the cloud below the head; else nothing.

    Joints first: they are of the world of the poses, while shipped depth may be off by a factor.
    """
    feet = [track for name, track in joints.items() if any(part in name for part in FEET)]
    if feet:
        return float(min((track @ up).min() for track in feet)), "lowest joint of a foot"
    if cloud is None:
        return None, None
    heights = cloud.points @ up
    level = np.abs(cloud.normals @ up) > _FLOOR_NORMAL
    if ego is not None:
        level &= heights < ego.centres[frame] @ up - 0.3
    if level.sum() < _FEWEST_FLOOR_POINTS:
        return None, None
    return float(np.percentile(heights[level], _FLOOR_SHARE)), "lowest level surface of the depth as shipped"


def lift_cloud(picture: Frames, depth_m: NDArray, camera: Camera, frame: int) -> Cloud:
    """The point cloud of one exo frame. picture [h, w, 3], depth_m [h, w] z-depth (0 or not finite: unknown).

    Thinned by whole rows and columns to MOST_POINTS. Raises ValueError where sizes differ.
    """
    size = (camera.height, camera.width)
    if picture.shape[:2] != size or depth_m.shape != size:
        raise ValueError(f"picture {picture.shape[:2]}, depth {depth_m.shape} and camera {size} are not of one size")
    step = max(1, int(np.ceil(np.sqrt(picture.shape[0] * picture.shape[1] / MOST_POINTS))))
    pixels, depth, colours = camera.pixel_grid()[::step, ::step], depth_m[::step, ::step], picture[::step, ::step]
    known = np.isfinite(depth) & (depth > 0) & (camera.lens.unproject(pixels)[..., 2] > 1e-3)
    with np.errstate(invalid="ignore", divide="ignore"):
        points = np.where(known[..., None], camera.lift(pixels, np.where(known, depth, np.nan), frame), np.nan)
        normals, spacing = _surface(points)
    toward = camera.centres[frame] - points
    facing = np.sum(normals * toward, -1) / np.linalg.norm(toward, axis=-1)
    known &= np.abs(facing) > _GRAZING  # also leaves out what has no neighbour, and strays between two surfaces
    normals = np.where((facing < 0)[..., None], -normals, normals)
    return Cloud(
        points=points[known],
        normals=normals[known],
        colours=np.ascontiguousarray(colours[known]),
        spacing_m=spacing[known],
    )


def _surface(points: Array) -> tuple[Array, Array]:
    """Unit normals [h, w, 3] and distance to the next point [h, w] of an organised cloud, NaN where neighbours are unknown.

    In each direction the nearer neighbour counts, so that the distance does not reach across a step in depth.
    """
    axes, spacings = [], []
    for axis in (1, 0):
        step = np.diff(points, axis=axis)
        gap = np.full((1, points.shape[1], 3) if axis == 0 else (points.shape[0], 1, 3), np.nan)
        after, before = np.concatenate([step, gap], axis), np.concatenate([gap, step], axis)
        length_after, length_before = np.linalg.norm(after, axis=-1), np.linalg.norm(before, axis=-1)
        nearer = np.isnan(length_before) | (length_after <= length_before)
        axes.append(np.where(nearer[..., None], after, before))
        spacings.append(np.fmin(length_after, length_before))
    normals = np.cross(axes[0], axes[1])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return normals, np.fmax(*spacings)
