"""Wrong readings of the written files, one function each: what a reader might mistake, and what it makes of the cameras."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from benchmark.datasets.sim.lens import ARIA_PARAMS, DEVICE_FROM_RGB_M, DEVICE_FROM_RGB_XYZW
from egox.cameras import Array, Camera, Fisheye624, KannalaBrandt, Pinhole, inverse, rigid
from egox.cameras.devices import GOPRO_SIZE, plain_scaled


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The right cameras of a window, and the files they come from."""

    exo: Camera
    ego: Camera
    pose_file: Path
    calibrations: Path
    exo_name: str
    frames: tuple[int, ...]

    @property
    def pose_entries(self) -> dict:
        return json.loads(self.pose_file.read_bytes())

    def ego_raw(self, keys: list[str] | None = None) -> Array:
        """world_from_camera [frames, 4, 4] of the raw sensor, with these keys for the frames."""
        matrices = self.pose_entries["aria01"]["camera_extrinsics"]
        return inverse(np.array([matrices[key] for key in keys or [str(frame) for frame in self.frames]]))

    def exo_row(self) -> dict[str, str]:
        with self.calibrations.open(newline="", encoding="utf-8") as file:
            return next(row for row in csv.DictReader(file) if row["cam_uid"] == self.exo_name)


Wrong = Callable[[Rig], tuple[Camera, Camera]]


def _poses(camera: Camera, poses: Array) -> Camera:
    return replace(camera, world_from_camera=poses)


def _upright(rig: Rig, raw: Array) -> Camera:
    """The ego camera from raw poses, turned as it should be."""
    turn = inverse(rigid(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.zeros(3)))
    return _poses(rig.ego, raw @ turn)


def _flip_axes(poses: Array) -> Array:
    return poses @ np.diag([1.0, -1.0, -1.0, 1.0])


def _transposed(poses: Array) -> Array:
    return rigid(np.swapaxes(poses[:, :3, :3], 1, 2), poses[:, :3, 3])


def _t_as_centre(poses: Array) -> Array:
    return rigid(poses[:, :3, :3], inverse(poses)[:, :3, 3])


def _quaternion_w_first(rig: Rig) -> Array:
    row = rig.exo_row()
    w, x, y, z = (float(row[f"q{axis}_world_cam"]) for axis in "xyzw")
    turned = Rotation.from_quat([x, y, z, w]).as_matrix()
    return rigid(np.repeat(turned[None], len(rig.frames), 0), rig.exo.centres)


def _pinhole(lens: KannalaBrandt | Fisheye624, f: float | None = None) -> Pinhole:
    fx, fy = (lens.f, lens.f) if isinstance(lens, Fisheye624) else (lens.fx, lens.fy)
    return Pinhole(fx=f or fx, fy=f or fy, cx=lens.cx, cy=lens.cy)


def _published_pinhole(rig: Rig) -> Pinhole:
    focal = rig.pose_entries[rig.exo_name]["camera_intrinsics"][0][0]
    return _pinhole(_kb(rig), focal * rig.exo.height / GOPRO_SIZE[0])


def _kb(rig: Rig) -> KannalaBrandt:
    assert isinstance(rig.exo.lens, KannalaBrandt)
    return rig.exo.lens


def _fisheye(rig: Rig) -> Fisheye624:
    assert isinstance(rig.ego.lens, Fisheye624)
    return rig.ego.lens


def _plain_2880(rig: Rig) -> Fisheye624:
    scale = rig.ego.width / 2880
    return Fisheye624.from_params(ARIA_PARAMS).resized(scale, scale).upright(rig.ego.height)


def _squeezed(rig: Rig) -> KannalaBrandt:
    """228 px wide squeezed into 224 instead of cut."""
    full = rig.exo.height * GOPRO_SIZE[1] / GOPRO_SIZE[0]
    lens = replace(_kb(rig), cx=_kb(rig).cx + (2 * round(full / 2) - rig.exo.width) / 2)
    return plain_scaled(lens, rig.exo.width / (2 * round(full / 2)), 1.0)


def _device_poses(rig: Rig) -> Array:
    """Poses of the device, taken for those of its camera."""
    device_from_rgb = rigid(Rotation.from_quat(DEVICE_FROM_RGB_XYZW).as_matrix(), DEVICE_FROM_RGB_M)
    return rig.ego_raw() @ inverse(device_from_rgb)


def _string_sorted(rig: Rig) -> Array:
    keys = sorted(rig.pose_entries["aria01"]["camera_extrinsics"])
    return rig.ego_raw([keys[frame] for frame in rig.frames])


def _counter_clockwise(rig: Rig) -> Camera:
    """As if the picture had been turned the other way: pixels end up at the opposite side."""
    turn = rigid(np.diag([-1.0, -1.0, 1.0]), np.zeros(3))
    n = rig.ego.width - 1
    lens = _fisheye(rig)
    return replace(
        rig.ego, lens=replace(lens, cx=n - lens.cx, cy=n - lens.cy), world_from_camera=rig.ego.world_from_camera @ turn
    )


def _shifted(by: int) -> Wrong:
    return lambda rig: (rig.exo, _upright(rig, rig.ego_raw([str(frame + by) for frame in rig.frames])))


WRONG: dict[str, Wrong] = {
    "ego world-to-camera read as camera-to-world": lambda rig: (rig.exo, _upright(rig, inverse(rig.ego_raw()))),
    "exo camera-to-world read as world-to-camera": lambda rig: (_poses(rig.exo, inverse(rig.exo.world_from_camera)), rig.ego),
    "OpenGL axes, ego": lambda rig: (rig.exo, _poses(rig.ego, _flip_axes(rig.ego.world_from_camera))),
    "OpenGL axes, exo": lambda rig: (_poses(rig.exo, _flip_axes(rig.exo.world_from_camera)), rig.ego),
    "quaternion read w first": lambda rig: (_poses(rig.exo, _quaternion_w_first(rig)), rig.ego),
    "raw ego pose with upright pixels": lambda rig: (rig.exo, _poses(rig.ego, rig.ego_raw())),
    "turned counter-clockwise": lambda rig: (rig.exo, _counter_clockwise(rig)),
    "principal point swapped only (no turn of the lens)": lambda rig: (
        rig.exo,
        replace(rig.ego, lens=replace(_fisheye(rig), cx=_fisheye(rig).cy, cy=_fisheye(rig).cx)),
    ),
    "pinhole for the exo lens": lambda rig: (replace(rig.exo, lens=_pinhole(_kb(rig))), rig.ego),
    "published exo K on raw video": lambda rig: (replace(rig.exo, lens=_published_pinhole(rig)), rig.ego),
    "pinhole for the ego lens": lambda rig: (rig.exo, replace(rig.ego, lens=_pinhole(_fisheye(rig)))),
    "ego focal scaled by n/2880": lambda rig: (rig.exo, replace(rig.ego, lens=_plain_2880(rig))),
    "ego pose one frame late": _shifted(1),
    "ego pose one frame early": _shifted(-1),
    "t taken as the ego centre": lambda rig: (rig.exo, _upright(rig, _t_as_centre(rig.ego_raw()))),
    "R transposed, ego": lambda rig: (rig.exo, _upright(rig, _transposed(rig.ego_raw()))),
    "R transposed, exo": lambda rig: (_poses(rig.exo, _transposed(rig.exo.world_from_camera)), rig.ego),
    "exo squeezed instead of cut": lambda rig: (replace(rig.exo, lens=_squeezed(rig)), rig.ego),
    "device pose without T_Device_Camera": lambda rig: (rig.exo, _upright(rig, _device_poses(rig))),
    "frame keys sorted as strings": lambda rig: (rig.exo, _upright(rig, _string_sorted(rig))),
}
"""Readings by name. Depth along the ray and half-pixel shifts are tested apart: they are not a matter of cameras."""
