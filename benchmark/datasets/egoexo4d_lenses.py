"""Lenses of Ego-Exo4D: gopro_calibs.csv, the exo entries of camera_pose, and Aria's online calibration.

What the numbers mean, at which size, and how they are resized is camera knowledge: see `egox.cameras.devices`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy.spatial.transform import Rotation

from egox.cameras import Array, Fisheye624, KannalaBrandt, inverse, rigid
from egox.cameras.devices import GOPRO_K, aria_lens_1408, plain_scaled, raw_aria_lens, raw_lens_of_undistorted

from ..errors import UserError

ROTATION_OFF = 1e-3
"""A matrix further than this from a rotation is a fault of the file: what `egox.cameras.Camera` takes, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExoCalibration:
    """One still exo camera at its full size. first, last: take frames it holds for, -1 where for all."""

    name: str
    lens: KannalaBrandt
    width: int
    height: int
    world_from_camera: Array
    source: str
    first: int = -1
    last: int = -1
    graph_uid: str = ""

    def covers(self, first: int, last: int) -> bool:
        return (self.first < 0 or first >= self.first) and (self.last < 0 or last <= self.last)

    def lens_at(self, width: int, height: int) -> KannalaBrandt:
        """The raw lens of the video at this size, by plain scaling. Raises UserError where the orientation differs."""
        if (self.width > self.height) != (width > height):
            raise UserError(
                f"camera {self.name}: calibrated at {self.width}x{self.height} but its video is {width}x{height};"
                " one of them is turned: check image_width in gopro_calibs.csv"
            )
        return plain_scaled(self.lens, width / self.width, height / self.height)


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Rows by header name; names and cells stripped (the files carry leading spaces). Raises UserError if unreadable."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, skipinitialspace=True):
                yield {key.strip(): (value or "").strip() for key, value in row.items() if key is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table ({error}); fetch it again") from None


def rotation_xyzw(values: Any, where: str) -> Array:
    """Rotation matrix of a scalar-last quaternion. Raises UserError unless its norm is 1 within 1e-3."""
    norm = float(np.linalg.norm(values))
    if not abs(norm - 1) < 1e-3:
        raise UserError(f"{where}: the quaternion has norm {norm:.4g}, expected 1 (order x, y, z, w); fetch the file again")
    return Rotation.from_quat(values).as_matrix()


def rotation_off(matrix: Array) -> float:
    """How far the rotation of a finite [3, 4] or [4, 4] matrix is from orthonormal and right-handed, 0 for a true one."""
    turn = matrix[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        off = float(max(np.abs(turn @ turn.T - np.eye(3)).max(), abs(np.linalg.det(turn) - 1)))
    return off if np.isfinite(off) else np.inf


def calibrations_from_csv(path: Path) -> tuple[dict[str, ExoCalibration], dict[str, str]]:
    """Cameras of gopro_calibs.csv with quality 1, and why each other one is left out: a bad cell refuses its camera only.

    Raises UserError where the file has no rows or lacks a column.
    """
    found: dict[str, ExoCalibration] = {}
    refused: dict[str, str] = {}
    for row in read_csv(path):
        name = row.get("cam_uid", "")
        try:
            found[name] = _calibration_of_row(name, row, f"{path}: camera {name}")
        except KeyError as error:
            raise UserError(f"{path}: column {error.args[0]!r} is missing; fetch the part take_trajectory again") from None
        except UserError as error:
            refused[name] = str(error)
    if not found and not refused:
        raise UserError(f"{path}: no rows; fetch the part take_trajectory again")
    return found, refused


def _calibration_of_row(name: str, row: Mapping[str, str], where: str) -> ExoCalibration:
    """Raises KeyError for an absent column, UserError naming camera and column for a cell that no camera can have."""
    quality = _cell(row, "quality", where)
    if quality != 1:
        raise UserError(f"{where} has quality {quality:g}, only 1 is localised")
    if not row["intrinsics_type"].upper().startswith("KANNALABRANDT"):
        raise UserError(f"{where} has lens type {row['intrinsics_type']}, expected KANNALABRANDTK3")
    fx, fy = (_cell(row, f"intrinsics_{i}", where, positive=True) for i in (0, 1))
    cx, cy, *k = (_cell(row, f"intrinsics_{i}", where) for i in range(2, 8))
    turn = rotation_xyzw([_cell(row, f"q{axis}_world_cam", where) for axis in "xyzw"], where)
    return ExoCalibration(
        name=name,
        lens=KannalaBrandt(fx=fx, fy=fy, cx=cx, cy=cy, k=(k[0], k[1], k[2], k[3])),
        width=int(_cell(row, "image_width", where, positive=True)),
        height=int(_cell(row, "image_height", where, positive=True)),
        world_from_camera=rigid(turn, [_cell(row, f"t{axis}_world_cam", where) for axis in "xyz"]),
        source="gopro_calibs",
        first=int(_cell(row, "start_frame_idx", where)),
        last=int(_cell(row, "end_frame_idx", where)),
        graph_uid=row.get("graph_uid", ""),
    )


def _cell(row: Mapping[str, str], column: str, where: str, *, positive: bool = False) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or (positive and value < 1):
        wanted = "1 or more" if positive else "a finite number"
        raise UserError(f"{where}: {column} is {row[column]!r}, expected {wanted}; fetch the part take_trajectory again")
    return value


def lens_of_published(
    intrinsics: Any, *, where: str, k: tuple[float, float, float, float] = GOPRO_K
) -> tuple[KannalaBrandt, int, int]:
    """`raw_lens_of_undistorted` for a K that stands at `where` in a file. Raises UserError naming it and the way out."""
    try:
        return raw_lens_of_undistorted(intrinsics, k=k)
    except ValueError as error:
        raise UserError(f"{where}: {error}; use gopro_calibs.csv instead") from None


def calibrations_from_pose_file(
    cameras: Mapping[str, Mapping[str, Any]], path: Path
) -> tuple[dict[str, ExoCalibration], dict[str, str]]:
    """Exo cameras of a camera_pose file: raw lens by the closed-form root, pose from its world-to-camera matrix."""
    found: dict[str, ExoCalibration] = {}
    refused: dict[str, str] = {}
    for name, entry in cameras.items():
        if name == "metadata" or name.startswith("aria"):
            continue
        where = f"{path}: camera {name}"
        try:
            k = tuple(float(value) for value in entry.get("distortion_coeffs") or GOPRO_K)
            if len(k) != 4 or not np.isfinite(k).all():
                raise UserError(f"{where}: distortion_coeffs is {k}, expected 4 finite numbers")
            matrix = np.asarray(entry["camera_extrinsics"], np.float64)
            if matrix.shape != (3, 4) or not np.isfinite(matrix).all():
                raise UserError(f"{where}: camera_extrinsics must be a finite 3x4 matrix")
            if rotation_off(matrix) > ROTATION_OFF:
                raise UserError(f"{where}: camera_extrinsics is no rotation (off by {rotation_off(matrix):.2g})")
            lens, width, height = lens_of_published(entry["camera_intrinsics"], where=where, k=(k[0], k[1], k[2], k[3]))
        except UserError as error:
            refused[name] = str(error)
            continue
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            refused[name] = f"{where}: cannot be read ({type(error).__name__}: {error})"
            continue
        pose = inverse(matrix)
        found[name] = ExoCalibration(
            name=name, lens=lens, width=width, height=height, world_from_camera=pose, source="camera_pose"
        )
    return found, refused


class _Projection(msgspec.Struct, rename="pascal"):
    name: str
    params: list[float]


class _Placement(msgspec.Struct, rename="pascal"):
    translation: tuple[float, float, float]
    unit_quaternion: tuple[float, tuple[float, float, float]]


class _CameraCalibration(msgspec.Struct):
    label: str = msgspec.field(name="Label")
    projection: _Projection = msgspec.field(name="Projection")
    placement: _Placement = msgspec.field(name="T_Device_Camera")


class _OnlineLine(msgspec.Struct):
    cameras: list[_CameraCalibration] = msgspec.field(name="CameraCalibrations")


@dataclass(frozen=True, slots=True, kw_only=True)
class AriaRgb:
    """Aria's RGB camera: raw (not upright) lens at 1408x1408, and where it sits on the device."""

    lens_1408: Fisheye624
    device_from_camera: Array

    def raw_lens_at(self, side: int) -> Fisheye624:
        """The raw lens at side x side pixels, by the half-pixel rule."""
        return raw_aria_lens(self.lens_1408, side)


def read_aria_rgb(path: Path) -> AriaRgb:
    """camera-rgb (by label, never by position) of the first line of online_calibration.jsonl.

    One line is enough: the RGB numbers do not change within a take. Raises UserError naming file and line.
    """
    try:
        with path.open("rb") as file:
            line = next((line for line in file if line.strip()), None)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); fetch the part take_trajectory") from None
    if line is None:
        raise UserError(f"{path}: empty; fetch the part take_trajectory again")
    try:
        calibration = msgspec.json.decode(line, type=_OnlineLine)
    except msgspec.DecodeError as error:
        raise UserError(f"{path}, line 1: {error}; fetch the part take_trajectory again") from None
    rgb = [camera for camera in calibration.cameras if camera.label == "camera-rgb"]
    if len(rgb) != 1:
        raise UserError(f"{path}, line 1: {len(rgb)} cameras labelled camera-rgb, expected one")
    scalar, vector = rgb[0].placement.unit_quaternion
    turn = rotation_xyzw([*vector, scalar], f"{path}: camera-rgb")
    try:
        lens = aria_lens_1408(rgb[0].projection.params)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    return AriaRgb(lens_1408=lens, device_from_camera=rigid(turn, rgb[0].placement.translation))
