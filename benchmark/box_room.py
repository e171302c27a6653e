"""A tiny clip with exact geometry: the inside of a painted box, traced analytically. For checking methods, not for scores.

No mesh, no renderer, no file: any lens model sees the same room, so pixels, depth, ids and poses agree to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egox.cameras import Camera, Fisheye624, KannalaBrandt, rigid

from .clip import Z_UP, Clip, Maps, MapSource, View
from .video import Frames, Video

HALF_M = np.array([2.5, 2.0, 1.3])
"""Half of the room's width, depth and height; the origin is its centre, z points up."""

EXO_SIZE = (256, 448)
EGO_SIDE = 128
FPS = 10.0

_EXO_LENS = KannalaBrandt(fx=148.4, fy=148.4, cx=223.5, cy=127.5, k=(0.03, -0.01, 0.004, -0.001))
_EGO_LENS = Fisheye624(
    f=54.3, cx=63.2, cy=64.1, k=(0.4, -0.48, 0.15, 0.06, -0.05, 0.01), p=(0.0004, -0.0003), s=(-0.0008, 2e-5, 0.0005, -1e-5)
)
_PAINT = np.array([[150, 120, 100], [110, 130, 140], [140, 140, 110], [120, 110, 130], [130, 105, 85], [190, 190, 180]], float)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayMaps:
    """Maps that are already in memory, [frames, height, width]."""

    maps: NDArray
    key: str

    def frame(self, index: int) -> NDArray:
        return self.maps[index]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPoints:
    """Points that are already in memory, [n, 3]."""

    points: NDArray
    key: str

    def read(self) -> NDArray:
        return self.points


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Traced:
    """What a camera sees: pictures [frames, h, w, 3] uint8, z-depth [frames, h, w] float32 metres, face ids int16."""

    pictures: Frames
    depth_m: NDArray[np.float32]
    faces: NDArray[np.int16]


def box_room_clip(clip_id: str, *, seed: int = 0, frames: int = 5, ego_side: int = EGO_SIDE, exo_views: int = 1) -> Clip:
    """A clip with every input and the truth. `seed` moves the head and changes the paint; the exo cameras stand still."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (6, 3))
    ego_camera = _head(rng, frames, ego_side)
    ego = trace(ego_camera, phase)
    exo = tuple(_exo_view(number, frames, phase) for number in range(max(1, exo_views)))
    hole = np.indices((ego_side, ego_side)).sum(0) % 3 == 0
    prior = np.where(hole[None, :, :, None], 0, ego.pictures).astype(np.uint8)
    joints = {"head": ego_camera.centres.copy(), "pelvis": ego_camera.centres - [0, 0, 0.7]}
    return Clip(
        id=clip_id,
        place="box-room",
        take=f"box-room-{seed}",
        fps=FPS,
        frame_indices=tuple(range(frames)),
        exo=exo,
        ego_camera=ego_camera,
        ego_size=(ego_side, ego_side),
        up=Z_UP,
        caption="A person looks around in an empty painted room.",
        ego_prior=Video.of_array(prior, fps=FPS, label=f"{clip_id} ego prior"),
        body_pose=joints,
        points=ArrayPoints(_wall_points(), "box room points"),
        truth=View(name="ego", video=Video.of_array(ego.pictures, fps=FPS, label=f"{clip_id} truth"), camera=ego_camera),
    )


def trace(camera: Camera, phase: NDArray) -> Traced:
    """Look at the room: exact where a ray meets its wall. phase: [6, 3], shifts the paint of each wall."""
    rays, visible = camera.lens.unproject(camera.pixel_grid()), camera.visible()[..., None]
    shape = (len(camera), camera.height, camera.width)
    pictures, depth, faces = np.empty((*shape, 3), np.uint8), np.empty(shape, np.float32), np.empty(shape, np.int16)
    for frame, pose in enumerate(camera.world_from_camera):
        direction = rays @ pose[:3, :3].T
        with np.errstate(divide="ignore"):
            reach = (np.sign(direction) * HALF_M - pose[:3, 3]) / direction
        axis = np.where(np.isfinite(reach), reach, np.inf).argmin(-1)
        range_m = np.take_along_axis(reach, axis[..., None], -1)
        face = 2 * axis + (np.take_along_axis(direction, axis[..., None], -1)[..., 0] > 0)
        hit = pose[:3, 3] + direction * range_m
        waves = np.sin(3 * hit + phase[face]).sum(-1) + 0.5 * np.sin(11 * hit[..., ::-1] + phase[face]).sum(-1)
        colour = np.clip(_PAINT[face] + 14 * waves[..., None], 0, 255)
        pictures[frame] = np.where(visible, np.rint(np.nan_to_num(colour)), 0)
        depth[frame] = range_m[..., 0] * rays[..., 2]
        faces[frame] = face
    return Traced(pictures=pictures, depth_m=np.where(depth > 0, depth, 0), faces=faces)


def _exo_view(number: int, frames: int, phase: NDArray) -> View:
    corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])[number % 4] * (0.9 - 0.1 * (number // 4))
    pose = looking(np.array([*(corner * HALF_M[:2]), 0.7]), np.zeros(3))
    camera = Camera(lens=_EXO_LENS, width=EXO_SIZE[1], height=EXO_SIZE[0], world_from_camera=np.repeat(pose[None], frames, 0))
    still, name = trace(camera.select([0]), phase), f"exo{number + 1}"  # nothing moves in the room but the head
    seen = Traced(**{part: np.repeat(getattr(still, part), frames, axis=0) for part in ("pictures", "depth_m", "faces")})
    return View(
        name=name,
        video=Video.of_array(seen.pictures, fps=FPS, label=name),
        camera=camera,
        depth=_maps(ArrayMaps(seen.depth_m, f"{name} depth"), frames),
        disparity=_maps(ArrayMaps(_relative(seen.depth_m), f"{name} disparity"), frames),
        masks=_maps(ArrayMaps(seen.faces, f"{name} faces"), frames),
    )


def _wall_points() -> NDArray[np.float64]:
    """[600, 3] points on the walls."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (600, 3))
    wall = np.arange(600) % 6
    points[np.arange(600), wall // 2] = np.where(wall % 2, 1.0, -1.0)
    return points * HALF_M


def _relative(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse depth by a scale and a shift that say nothing about metres; NaN where depth is unknown."""
    with np.errstate(divide="ignore"):
        return np.where(depth_m > 0, 3.0 / depth_m + 0.4, np.nan).astype(np.float32)


def _maps(source: MapSource, frames: int) -> Maps:
    return Maps(source=source, indices=tuple(range(frames)))


def _head(rng: np.random.Generator, frames: int, side: int) -> Camera:
    turn, start = rng.uniform(-0.15, 0.15, 2), rng.uniform(0, 2 * np.pi)
    poses = []
    for i in range(frames):
        angle = start + 0.04 * i
        eye = np.array([0.3 * np.cos(angle), 0.3 * np.sin(angle), 0.3 + 0.01 * i]) + [*turn, 0]
        poses.append(looking(eye, np.array([1.6 * np.cos(angle + 0.6), 1.6 * np.sin(angle + 0.6), -0.6])))
    scale = side / EGO_SIDE
    lens = _EGO_LENS if side == EGO_SIDE else _EGO_LENS.resized(scale, scale)
    return Camera(lens=lens, width=side, height=side, world_from_camera=np.stack(poses))


def looking(eye: NDArray, target: NDArray) -> NDArray[np.float64]:
    """world_from_camera [4, 4] of a camera at `eye` that looks at `target`, its y axis as near to down as can be."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return rigid(np.stack([right, np.cross(forward, right), forward], -1), eye)
