"""Where the wearer's camera is at each video frame: camera_pose files, or Aria's trajectory on the capture's clock.

Poses are of the RAW sensor (its x axis points to the floor); `egox.cameras.Camera.upright` turns them with the lens.
A frame without a pose is NaN: nothing is held, copied or extrapolated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from egox.cameras import Array, inverse, rigid

from ..errors import UserError
from .egoexo4d_lenses import ROTATION_OFF, AriaRgb, read_csv, rotation_off

NEAREST_US = 2000.0
"""A trajectory row this near is taken as it is."""

BRIDGE_US = 5000.0
"""Two neighbours at most this far apart are interpolated between."""

LAST_FRAME = 1_000_000
"""9 hours at 30 fps: a frame number above is a fault of the file."""

FIRST_SYNC_ROW = 1
"""Video frame i lies at timesync row start + 1 + i + `Row.row_offset`. The documentation leaves start + i open, too: that is
row_offset -1; the epipolar check tells which one a release follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgoTrack:
    """world_from_raw: [frames, 4, 4], frame i of the video at i, NaN where there is no pose. graph_uid: its world.

    invalid: frames that have none because what the file holds is no rotation.
    """

    source: str
    world_from_raw: Array
    graph_uid: str = ""
    invalid: frozenset[int] = frozenset()

    def reason(self, frame: int) -> str:
        """Why this frame has no pose."""
        return f"pose is no rotation at frame {frame}" if frame in self.invalid else f"pose missing at frame {frame}"

    def missing_in(self, first: int, last: int) -> int | None:
        """The first frame of [first, last] without a pose."""
        have = self.world_from_raw[max(first, 0) : last + 1]
        bad = np.flatnonzero(~np.isfinite(have).all((1, 2)))
        if first < 0:
            return first
        if len(bad):
            return first + int(bad[0])
        return first + len(have) if len(have) < last + 1 - first else None

    def valid(self) -> NDArray[np.bool_]:
        """Which frames have a pose, [frames]."""
        return np.asarray(np.isfinite(self.world_from_raw).all((1, 2)))


def read_pose_file(path: Path) -> dict[str, Any]:
    """A camera_pose file: "metadata" and one entry a camera. Raises UserError where it is not that."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); fetch the annotations part again") from None
    if not isinstance(data, dict) or not all(isinstance(value, dict) for value in data.values()):
        raise UserError(f"{path}: expected an object with one entry a camera; fetch the annotations part again")
    return data


def matrix_or_nan(value: Any, where: str, *, rotation_within: float = ROTATION_OFF) -> Array:
    """A 3x4 world-to-camera matrix as world_from_camera 4x4.

    NaN for null, a matrix with null or NaN in it, and one whose rotation is off by more than `rotation_within`: one frame
    without a pose is no reason to refuse the others. Raises UserError for any other shape or type.
    """
    if value is None:
        return np.full((4, 4), np.nan)
    try:
        matrix = np.array(value, dtype=np.float64)  # None inside becomes NaN
    except (TypeError, ValueError):
        raise UserError(f"{where}: not a 3x4 matrix of numbers") from None
    if matrix.shape == (4, 4):
        matrix = matrix[:3]
    if matrix.shape != (3, 4):
        raise UserError(f"{where}: a matrix of shape {matrix.shape}, expected 3x4 (world to camera)")
    usable = np.isfinite(matrix).all() and rotation_off(matrix) <= rotation_within
    return inverse(matrix) if usable else np.full((4, 4), np.nan)


def all_numbers(value: Any) -> bool:
    """Whether a value that `matrix_or_nan` took is there and finite: then it was no rotation."""
    return value is not None and bool(np.isfinite(np.array(value, dtype=np.float64)).all())


def track_from_pose_file(aria: Mapping[str, Any], *, where: str) -> EgoTrack:
    """Key i of camera_extrinsics is video frame i; keys are sorted as integers. Raises UserError naming the key."""
    poses: dict[int, Array] = {}
    extrinsics = aria.get("camera_extrinsics")
    if not isinstance(extrinsics, dict) or not extrinsics:
        raise UserError(f"{where}: camera_extrinsics must map frame numbers to 3x4 matrices")
    for key, value in extrinsics.items():
        if not key.isdecimal():
            raise UserError(f"{where}: camera_extrinsics has the key {key!r}, expected a frame number")
        poses[int(key)] = matrix_or_nan(value, f"{where}, frame {key}")
    if max(poses) > LAST_FRAME:
        raise UserError(f"{where}: camera_extrinsics has the key {max(poses)}, no frame of a take")
    track = np.full((max(poses) + 1, 4, 4), np.nan)
    for frame, pose in poses.items():
        track[frame] = pose
    bad = (frame for frame, pose in poses.items() if not np.isfinite(pose).all())
    values = {int(key): value for key, value in extrinsics.items()}
    invalid = frozenset(frame for frame in bad if all_numbers(values[frame]))
    return EgoTrack(source="camera_pose", world_from_raw=track, invalid=invalid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """closed_loop_trajectory.csv: device clock [rows] in microseconds, rising, and world_from_device."""

    time_us: Array
    world_from_device: Array
    graph_uid: str

    def at(self, time_us: Array) -> Array:
        """world_from_device [n, 4, 4] at these times; NaN rows where the trajectory has no pose.

        Between two rows at most BRIDGE_US apart: linear and slerp. Else the nearest row within NEAREST_US. Else none.
        """
        have = self.time_us
        out = np.full((len(time_us), 4, 4), np.nan)
        known = np.isfinite(time_us)
        after = np.clip(np.searchsorted(have, np.where(known, time_us, have[0])), 1, len(have) - 1)
        before = after - 1
        inside = known & (time_us >= have[before]) & (time_us <= have[after]) & (have[after] - have[before] <= BRIDGE_US)
        if inside.any():
            out[inside] = self._between(time_us[inside])
        nearest = np.where(np.abs(have[before] - time_us) <= np.abs(have[after] - time_us), before, after)
        near = known & ~inside & (np.abs(have[nearest] - time_us) <= NEAREST_US)
        out[near] = self.world_from_device[nearest[near]]
        return out

    def _between(self, time_us: Array) -> Array:
        turns = Slerp(self.time_us, Rotation.from_matrix(self.world_from_device[:, :3, :3]))(time_us).as_matrix()
        shifts = [np.interp(time_us, self.time_us, self.world_from_device[:, axis, 3]) for axis in range(3)]
        return rigid(turns, np.stack(shifts, -1))


def read_trajectory(path: Path) -> Trajectory:
    """Columns by name; rows with an empty cell are left out. Raises UserError naming file and column."""
    times, shifts, turns, graph = [], [], [], ""
    names = [f"{name}_world_device" for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")]
    for row in read_csv(path):
        try:
            cells = [row["tracking_timestamp_us"], *(row[name] for name in names)]
            if not all(cells):
                continue
            values = [float(cell) for cell in cells]
        except KeyError as error:
            raise UserError(f"{path}: column {error.args[0]!r} is missing; fetch the part take_trajectory again") from None
        except ValueError as error:
            raise UserError(f"{path}, row {len(times) + 1}: {error}; fetch the part take_trajectory again") from None
        times.append(values[0])
        shifts.append(values[1:4])
        turns.append(values[4:])
        graph = graph or row.get("graph_uid", "")
    time_us, quaternions = np.array(times), np.array(turns)
    if len(times) < 2 or not (np.diff(time_us) > 0).all():
        raise UserError(f"{path}: needs two rows or more with rising tracking_timestamp_us; fetch it again")
    off = np.abs(np.linalg.norm(quaternions, axis=1) - 1)
    if not off.max() < 1e-3:
        raise UserError(f"{path}, row {int(off.argmax()) + 1}: the quaternion is not of norm 1; fetch it again")
    poses = rigid(Rotation.from_quat(quaternions).as_matrix(), np.array(shifts))
    return Trajectory(time_us=time_us, world_from_device=poses, graph_uid=graph)


def read_frame_times(path: Path, *, column: str, first_row: int, n_rows: int) -> Array:
    """Device time in microseconds of `n_rows` rows of timesync.csv from `first_row` on; NaN for empty cells.

    Raises UserError where the column is missing. Rows past the end of the file are not returned.
    """
    times: list[float] = []
    for number, row in enumerate(read_csv(path)):
        if column not in row:
            raise UserError(f"{path}: column {column!r} is missing; the capture was recorded with another device")
        if number >= first_row + n_rows:
            break
        if number >= first_row:
            cell = row[column]
            try:
                times.append(float(cell) / 1000 if cell else np.nan)
            except ValueError:
                raise UserError(f"{path}, row {number + 1}, {column}: {cell!r} is not a number; fetch it again") from None
    return np.array(times)


def track_from_trajectory(trajectory: Trajectory, frame_times_us: Array, rgb: AriaRgb) -> EgoTrack:
    """Poses of the raw RGB sensor: world_from_device at each frame's time, then device_from_camera."""
    poses = trajectory.at(frame_times_us) @ rgb.device_from_camera
    return EgoTrack(source="mps", world_from_raw=poses, graph_uid=trajectory.graph_uid)
