"""Where a take's files lie (the Ego-Exo4D download layout, with truth beside it) and the writing of all that is not pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from scipy.spatial.transform import Rotation

from egox.cameras import UPRIGHT_FROM_RAW, Array, inverse, rigid
from egox.cameras.devices import GOPRO_K, GOPRO_SIZE, undistorted_focal

from ...canvas import Canvas
from ...files import atomic_file
from ..egoexo4d_layout import RGB_STREAM
from . import catalogue
from .catalogue import ARIA, TAKE_FRAMES, TakeId
from .lens import ARIA_PARAMS, DEVICE_FROM_RGB_M, DEVICE_FROM_RGB_XYZW
from .rig import EXO_CAMERAS, ExoCamera
from .takes import FPS

ARIA_FILE = f"{ARIA}_{RGB_STREAM}"
VIEWS = (*EXO_CAMERAS, ARIA)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFiles:
    """Files of one window of a take on one canvas; views lie by their heights, as downscaled videos do."""

    root: Path
    take_name: str
    first: int
    last: int
    step: int
    exo_height: int
    ego_side: int

    @classmethod
    def of(cls, root: Path, take_name: str, first: int, canvas: Canvas) -> WindowFiles:
        last = first + canvas.step * (canvas.frames - 1)
        return cls(
            root=root,
            take_name=take_name,
            first=first,
            last=last,
            step=canvas.step,
            exo_height=canvas.exo_size[0],
            ego_side=canvas.ego_side,
        )

    @property
    def folder_name(self) -> str:
        return f"{self.first:06d}_{self.last:06d}_{self.step}"

    def folder(self, camera: str) -> Path:
        aligned = self.root / "takes" / self.take_name / "frame_aligned_videos"
        return aligned / "downscaled" / str(self._height(camera)) / "windows" / self.folder_name

    @property
    def abouts(self) -> tuple[Path, ...]:
        """What window it is, beside the videos of each height."""
        return tuple(self.folder(camera) / "window.json" for camera in (ARIA, EXO_CAMERAS[0]))

    def video(self, camera: str) -> Path:
        return self.folder(camera) / f"{ARIA_FILE if camera == ARIA else camera}.mp4"

    @property
    def truth(self) -> Path:
        return self.root / "truth" / self.take_name / self.folder_name

    def maps(self, camera: str) -> Path:
        return self.truth / str(self._height(camera)) / f"{camera}.npz"

    def caption(self, camera: str) -> Path:
        return self.truth / str(self._height(camera)) / f"{camera}.json"

    @property
    def body(self) -> Path:
        return self.truth / "body.npz"

    @property
    def names(self) -> Path:
        return self.truth / "about.json"

    def digest(self) -> str | None:
        """Identity of the scene that the files were rendered from: None where there are none, "" where they are of several.

        A height without a window.json counts for nothing: another process may be between writing the two.
        """
        found = {digest for path in self.abouts if (digest := _digest_in(path)) is not None}
        return "" if len(found) > 1 else next(iter(found), None)

    def clear(self) -> None:
        """Remove every view, videos first: nothing half-removed is taken for whole."""
        videos = [path for camera in VIEWS for path in self.folder(camera).glob("*.mp4")]
        truth = [path for camera in VIEWS for path in (self.truth / str(self._height(camera))).glob("*")]
        for path in (*videos, *self.abouts, *truth):
            path.unlink(missing_ok=True)

    def holds(self, camera: str) -> bool:
        """Whether a view is rendered whole: its video is written last."""
        return self.video(camera).is_file() and self.maps(camera).is_file()

    def _height(self, camera: str) -> int:
        return self.ego_side if camera == ARIA else self.exo_height


def _digest_in(about: Path) -> str | None:
    try:
        return str(json.loads(about.read_bytes())["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def pose_file(root: Path, take: TakeId) -> Path:
    """The take's camera_pose file; it is written last, so where it is, the take's other files are."""
    return root / "annotations" / "ego_pose" / "train" / "camera_pose" / f"{catalogue.uid('take', take.name)}.json"


def write_take(root: Path, take: TakeId, cameras: Sequence[ExoCamera], ego_world_from_upright: Array) -> None:
    """Calibration and poses of a take in the official formats; ego poses are turned back to the raw sensor.

    ego_world_from_upright: [frames, 4, 4] of the whole take.
    """
    folder = root / "takes" / take.name / "trajectory"
    _write(folder / "gopro_calibs.csv", _gopro_csv(take, cameras))
    _write(folder / "online_calibration.jsonl", json.dumps(_online_line()) + "\n")
    raw = inverse(ego_world_from_upright @ rigid(UPRIGHT_FROM_RAW, np.zeros(3)))[:, :3]
    entries: dict[str, Any] = {"metadata": {"take_name": take.name, "take_uid": catalogue.uid("take", take.name)}}
    height, width = GOPRO_SIZE
    for camera in cameras:
        focal = undistorted_focal(camera.focal_px, width=width, height=height, k=GOPRO_K)
        entries[camera.name] = {
            "camera_intrinsics": [[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]],
            "camera_extrinsics": inverse(camera.world_from_camera)[:3].tolist(),
            "distortion_coeffs": list(GOPRO_K),
        }
    entries[ARIA] = {
        "camera_intrinsics": [[150.0, 0.0, 255.5], [0.0, 150.0, 255.5], [0.0, 0.0, 1.0]],
        "camera_extrinsics": {str(i): matrix.tolist() for i, matrix in enumerate(raw)},
    }
    _write(pose_file(root, take), json.dumps(entries))


def _gopro_csv(take: TakeId, cameras: Sequence[ExoCamera]) -> str:
    world = [f"{name}_world_cam" for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")]
    lens = [f"intrinsics_{i}" for i in range(8)]
    columns = ["cam_uid", "graph_uid", *world, "image_width", "image_height", "intrinsics_type", *lens]
    lines = [",".join([*columns, "start_frame_idx", "end_frame_idx", "quality"])]
    height, width = GOPRO_SIZE
    for camera in cameras:
        pose = camera.world_from_camera
        numbers = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        parameters = [camera.focal_px, camera.focal_px, width / 2, height / 2, *GOPRO_K]
        cells = [camera.name, catalogue.uid("world", take.place_name), *(repr(float(n)) for n in numbers)]
        cells += [str(width), str(height), "KANNALABRANDTK3", *(repr(float(n)) for n in parameters), "-1", "-1", "1"]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def _online_line() -> dict[str, Any]:
    x, y, z, w = (float(n) for n in DEVICE_FROM_RGB_XYZW)
    return {
        "utc_timestamp_ns": -1,
        "tracking_timestamp_us": 0,
        "ImuCalibrations": [],
        "CameraCalibrations": [
            {
                "Calibrated": True,
                "Label": "camera-rgb",
                "SerialNumber": catalogue.NAME,
                "Projection": {"Name": "FisheyeRadTanThinPrism", "Params": list(ARIA_PARAMS), "Description": ""},
                "T_Device_Camera": {"Translation": list(DEVICE_FROM_RGB_M), "UnitQuaternion": [w, [x, y, z]]},
            }
        ],
    }


def take_record(take: TakeId) -> dict[str, Any]:
    """The take's entry of takes.json."""
    capture = {
        "capture_uid": catalogue.uid("capture", take.place_name),
        "capture_name": take.place_name,
        "university_name": "sim",
        "physical_setting_uid": take.place_name,
        "cameras": [{"cam_id": name, "is_ego": False, "device_type": "hero10"} for name in EXO_CAMERAS]
        + [{"cam_id": ARIA, "is_ego": True, "device_type": "aria"}],
    }
    videos = {name: {"0": _stream(name, "0", name)} for name in EXO_CAMERAS}
    videos[ARIA] = {"rgb": _stream(ARIA, "rgb", ARIA_FILE)}
    kind = catalogue.plan_of(take).kind
    return {
        "take_uid": catalogue.uid("take", take.name),
        "take_name": take.name,
        "root_dir": f"takes/{take.name}",
        "take_idx": 1,
        "capture_uid": capture["capture_uid"],
        "participant_uid": take.participant,
        "physical_setting_uid": take.place_name,
        "university_name": "sim",
        "task_name": kind,
        "parent_task_name": kind,
        "duration_sec": TAKE_FRAMES / FPS,
        "best_exo": EXO_CAMERAS[0],
        "is_dropped": False,
        "validated": True,
        "capture": capture,
        "frame_aligned_videos": videos,
    }


def _stream(camera: str, stream: str, stem: str) -> dict[str, str]:
    path = f"frame_aligned_videos/{stem}.mp4"
    return {"cam_id": camera, "stream_id": stream, "readable_stream_id": stream, "relative_path": path}


def write_listing(root: Path, takes: Sequence[TakeId]) -> bool:
    """Make takes.json and captures.json name these takes and those that they name already. True where they grew."""
    (root / "takes").mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".listing.lock"):
        path = root / "takes.json"
        known = json.loads(path.read_bytes()) if path.is_file() else []
        names = {record["take_name"] for record in known}
        new = [take_record(take) for take in takes if take.name not in names]
        if not new and path.is_file():
            return False
        records = sorted([*known, *new], key=lambda record: record["take_name"])
        captures = {record["capture_uid"]: record["capture"] for record in records}
        _write(root / "captures.json", json.dumps([captures[key] for key in sorted(captures)]))
        _write(path, json.dumps(records))
    return True


def _write(path: Path, text: str) -> None:
    atomic_file(path, lambda aside: aside.write_bytes(text.encode()))
