"""A tiny download in the Ego-Exo4D layout, made in a temporary folder: what the reader's tests read and spoil."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from benchmark.video import Frames, write_h264
from egox.cameras import Array, inverse, rigid
from egox.cameras.devices import GOPRO_K, undistorted_focal

ARIA_PARAMS = (
    1220.6,
    1464.6,
    1442.4,
    0.414,
    -0.486,
    0.138,
    1.146,
    -1.668,
    0.63,
    7.9e-4,
    -3.46e-4,
    -1.08e-3,
    7.7e-5,
    5.2e-4,
    -1.07e-4,
)
DEVICE_FROM_RGB = rigid(Rotation.from_quat([0.33425, 0.03661, 0.04107, 0.94088]).as_matrix(), [-0.00465, -0.01178, -0.00526])
RAW_FOCAL = 1769.475
COLUMNS = (
    "cam_uid", "graph_uid", "tx_world_cam", "ty_world_cam", "tz_world_cam", "qx_world_cam", "qy_world_cam", "qz_world_cam",
    "qw_world_cam", "image_width", "image_height", "intrinsics_type", *(f"intrinsics_{i}" for i in range(8)),
    "start_frame_idx", "end_frame_idx", "quality",
)  # fmt: skip


def looking_at(eye: Any, target: Any) -> Array:
    """world_from_camera of an OpenCV camera at `eye` that looks at `target`, world z up."""
    eye, target = np.asarray(eye, float), np.asarray(target, float)
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    return rigid(np.stack([x, np.cross(z, x), z], -1), eye)


EXO_POSES = {
    f"cam0{i + 1}": looking_at([2.2 * np.cos(a), 2.2 * np.sin(a), 0.1], [0, 0, -0.2]) for i, a in enumerate([0.3, 1.9, 3.5, 5.0])
}


def head_path(frames: int) -> Array:
    """world_from_raw [frames, 4, 4] of a head that looks around at the origin."""
    t = np.arange(frames) / 30
    turn = Rotation.from_euler("zyx", np.stack([0.6 * np.sin(2 * t), 0.2 * np.cos(3 * t), 0.3 * np.sin(t)], -1))
    base = Rotation.from_matrix(looking_at([0, 0, 0], [1, 0.2, -0.5])[:3, :3])
    return rigid((turn * base).as_matrix(), np.stack([0.2 * np.sin(t), 0.1 * t, 0.03 * np.cos(2 * t)], -1))


def numbered(frames: int, height: int, width: int) -> list[Frames]:
    """Grey pictures whose level tells the frame number (4 levels a frame)."""
    return [np.full((height, width, 3), (16 + 4 * i) % 224, np.uint8) for i in range(frames)]


@dataclass
class Download:
    """A download with one take per call of `take`. height: of the downscaled videos."""

    root: Path
    height: int = 256
    takes: list[dict[str, Any]] = field(default_factory=list)

    def take(
        self, name: str = "lab_01_2", *, frames: int = 60, cams: tuple[str, ...] = ("cam01", "cam02"), **fields: Any
    ) -> Path:
        """Write a whole take; `fields` replace those of its takes.json record. Returns its folder."""
        folder = self.root / "takes" / name
        width = 2 * round(self.height * 3840 / 2160 / 2)
        videos = {cam: {"0": {"relative_path": f"frame_aligned_videos/{cam}.mp4"}} for cam in cams}
        videos["aria01"] = {"rgb": {"relative_path": "frame_aligned_videos/aria01_214-1.mp4"}}
        nowhere = {"0": {"relative_path": None}}
        record = {
            "take_uid": f"uid-{name}", "take_name": name, "root_dir": f"takes/{name}", "capture_uid": "capture-1",
            "physical_setting_uid": 78, "participant_uid": 657, "university_name": "cmu", "parent_task_name": "Bike Repair",
            "best_exo": None, "is_dropped": False, "validated": True, "duration_sec": frames / 30,
            "timesync_start_idx": 100, "timesync_end_idx": 100 + frames,
            "capture": {
                "capture_name": "lab_01",
                "cameras": [{"cam_id": c, "is_ego": False} for c in cams] + [{"cam_id": "aria01", "is_ego": True}],
            },
            "frame_aligned_videos": {**videos, "best_exo": nowhere, "collage": nowhere},
        }  # fmt: skip
        self.takes.append({**record, **fields})
        self.save_takes()
        for cam in cams:
            self.video(folder, cam, numbered(frames, self.height, width))
        self.video(folder, "aria01_214-1", numbered(frames, self.height, self.height))
        self.calibs(folder, {cam: {} for cam in cams})
        self.online(folder)
        self.poses(name, frames, cams)
        return folder

    def save_takes(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "takes.json").write_text(json.dumps(self.takes))

    def video(self, folder: Path, stem: str, frames: list[Frames], *, under: str = "") -> Path:
        path = folder / "frame_aligned_videos" / "downscaled" / str(self.height) / under / f"{stem}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_h264(path, frames, fps=30)
        return path

    def calibs(self, folder: Path, cams: dict[str, dict[str, Any]], *, quote: bool = False, extra: tuple[str, ...] = ()) -> None:
        """gopro_calibs.csv; each camera's dict replaces cells."""
        (folder / "trajectory").mkdir(parents=True, exist_ok=True)
        with (folder / "trajectory" / "gopro_calibs.csv").open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL)
            writer.writerow([*COLUMNS, *extra])
            for cam, changes in cams.items():
                pose = EXO_POSES.get(cam, EXO_POSES["cam01"])
                cells: list[Any] = [f" {cam}", "world-1", *pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat(), 3840, 2160]
                cells += ["KANNALABRANDTK3", RAW_FOCAL, RAW_FOCAL, 1920, 1080, *GOPRO_K, -1, -1, 1]
                row = {**dict(zip(COLUMNS, cells)), **changes}
                writer.writerow([*(row[c] for c in COLUMNS), *("" for _ in extra)])

    def online(self, folder: Path, params: tuple[float, ...] = ARIA_PARAMS) -> None:
        """online_calibration.jsonl with slam-left first, as released."""
        x, y, z, w = Rotation.from_matrix(DEVICE_FROM_RGB[:3, :3]).as_quat()
        rgb = {"Translation": DEVICE_FROM_RGB[:3, 3].tolist(), "UnitQuaternion": [w, [x, y, z]]}
        slam = {"Translation": [0, 0, 0], "UnitQuaternion": [1, [0, 0, 0]]}
        slam_params = (
            242.2,
            319.0,
            243.2,
            -0.024,
            0.095,
            -0.063,
            0.006,
            0.003,
            -6.5e-4,
            -2e-4,
            1.6e-3,
            1e-4,
            -1.7e-4,
            -1.6e-3,
            1.8e-4,
        )
        cameras = [
            {"Label": label, "Projection": {"Name": "FisheyeRadTanThinPrism", "Params": list(p)}, "T_Device_Camera": place}
            for label, p, place in (("camera-slam-left", slam_params, slam), ("camera-rgb", params, rgb))
        ]
        (folder / "trajectory").mkdir(parents=True, exist_ok=True)
        (folder / "trajectory" / "online_calibration.jsonl").write_text(json.dumps({"CameraCalibrations": cameras}) + "\n")

    def poses(
        self, name: str, frames: int, cams: tuple[str, ...], change: Callable[[dict[str, Any]], None] | None = None
    ) -> Path:
        """The take's camera_pose file; `change` may spoil it."""
        published = undistorted_focal(RAW_FOCAL, width=3840, height=2160, k=GOPRO_K)
        data: dict[str, Any] = {"metadata": {"take_name": name, "take_uid": f"uid-{name}"}}
        for cam in cams:
            data[cam] = {
                "camera_intrinsics": [[published, 0, 1920], [0, published, 1080], [0, 0, 1]],
                "camera_extrinsics": inverse(EXO_POSES[cam])[:3].tolist(),
                "distortion_coeffs": list(GOPRO_K),
            }
        ego = inverse(head_path(frames))[:, :3].tolist()
        data["aria01"] = {
            "camera_intrinsics": [[150, 0, 255.5], [0, 150, 255.5], [0, 0, 1]],
            "camera_extrinsics": {str(i): pose for i, pose in enumerate(ego)},
        }
        if change is not None:
            change(data)
        path = self.root / "annotations" / "ego_pose" / "train" / "camera_pose" / f"uid-{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return path

    def trajectory(
        self, folder: Path, frames: int, *, rate_hz: float = 1000.0, graph: str = "world-1", skip: tuple[float, float] = (0, 0)
    ) -> Array:
        """closed_loop_trajectory.csv over the take and the capture's timesync.csv; returns world_from_device per frame.

        skip: frames [a, b) whose trajectory rows are left out.
        """
        start_us, row_us = 1_794_511_683.0, 1e6 / 30
        times = np.arange(start_us, start_us + (frames + 2) * row_us, 1e6 / rate_hz)
        at_frame = (times - start_us) / row_us
        rows = self._device_poses(at_frame)
        quaternions = Rotation.from_matrix(rows[:, :3, :3]).as_quat()
        names = ["graph_uid", "tracking_timestamp_us", "utc_timestamp_ns"]
        names += [f"{n}_world_device" for n in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")] + ["quality_score", "geo_available"]
        with (folder / "trajectory" / "closed_loop_trajectory.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            for i, time in enumerate(times):
                if not skip[0] <= at_frame[i] < skip[1]:
                    writer.writerow([graph, round(time), -1, *rows[i, :3, 3], *quaternions[i], 1.0, ""])
        capture = self.root / "captures" / "lab_01"
        capture.mkdir(parents=True, exist_ok=True)
        with (capture / "timesync.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["cam01_pts", "aria01_214-1_capture_timestamp_ns"])
            for row in range(100 + frames + 5):
                frame = row - 101  # video frame i lies at row start + 1 + i
                writer.writerow([row, round((start_us + frame * row_us) * 1000)])
        return self._device_poses(np.arange(frames, dtype=float))

    def _device_poses(self, at_frame: Array) -> Array:
        t = at_frame / 30
        turn = Rotation.from_euler("zyx", np.stack([0.6 * np.sin(2 * t), 0.2 * np.cos(3 * t), 0.3 * np.sin(t)], -1))
        return rigid(turn.as_matrix(), np.stack([0.2 * np.sin(t), 0.1 * t, 0.03 * np.cos(2 * t)], -1))
