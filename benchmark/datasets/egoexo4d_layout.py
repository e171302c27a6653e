"""The Ego-Exo4D download on disk: which takes there are, who wears the camera, where each video lies. No camera numbers.

Source: the dataset's documentation (v2 layout). `takes.json` is read where it is; a folder with only `takes/` is read
from its file names, and what those cannot tell (place, participant, scenario) stays unknown.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..errors import UserError
from ..splits.takes import participant_digest

RGB_STREAM = "214-1"
NOT_CAMERAS = frozenset({"collage", "best_exo", "metadata"})
_EXO_NAME = re.compile(r"(cam|gp)\d+")
_ARIA_VIDEO = re.compile(rf"(aria\d+)_{RGB_STREAM}")


class _Device(msgspec.Struct):
    cam_id: str | None = None
    is_ego: bool | None = None


class _Capture(msgspec.Struct):
    capture_name: str | None = None
    capture_uid: str | None = None
    physical_setting_uid: int | str | None = None
    cameras: list[_Device] | None = None


class _Stream(msgspec.Struct):
    relative_path: str | None = None


class TakeRecord(msgspec.Struct):
    """The fields of takes.json that are used. Decoded leniently: "1" and 1 are both true, unknown keys are allowed."""

    take_uid: str
    take_name: str
    root_dir: str | None = None
    capture_uid: str | None = None
    physical_setting_uid: int | str | None = None
    participant_uid: int | str | None = None
    university_name: str | None = None
    parent_task_name: str | None = None
    best_exo: str | None = None
    is_dropped: bool | None = None
    validated: bool | None = None
    duration_sec: float | None = None
    task_start_sec: float | None = None
    task_end_sec: float | None = None
    timesync_start_idx: int | None = None
    timesync_end_idx: int | None = None
    capture: _Capture | None = None
    frame_aligned_videos: dict[str, dict[str, _Stream]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One take: ids, folder, cameras and files. Unknown text is ""; unknown numbers are None.

    exo: names of the fixed cameras, sorted. aria: the wearer's device, None with `aria_reason`. stems: file name without
    suffix by camera. unusable: why a split must not draw from it ("" where it may).
    """

    uid: str
    name: str
    folder: Path
    exo: tuple[str, ...]
    aria: str | None
    aria_reason: str = ""
    stems: dict[str, str] = field(default_factory=dict)
    capture_uid: str = ""
    capture_name: str = ""
    place: str = ""
    participant: str = ""
    scenario: str = ""
    university: str = ""
    best_exo: str = ""
    unusable: str = ""
    task_frames: tuple[int, int] | None = None
    sync_rows: tuple[int, int] | None = None
    declared_frames: int | None = None

    @property
    def videos(self) -> Path:
        return self.folder / "frame_aligned_videos"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """A video on disk. key: its maker's own identity, None where its bytes decide. first, step: take frame of file frame 0."""

    path: Path
    key: str | None = None
    first: int = 0
    step: int = 1


class Window(msgspec.Struct, frozen=True):
    """`window.json` beside cut videos: file frame j is frame first + j * step of the take."""

    digest: str
    first: int
    last: int
    step: int
    fps: float


def check_root(root: Path) -> None:
    """Refuse what cannot be a download root, with what to do."""
    if not (root / "takes").is_dir():
        raise UserError(f"{root}: no takes/ folder; name the download root (the folder that holds takes/ and takes.json)")
    if (root / "takes" / "takes").is_dir():
        raise UserError(f"{root}: takes/takes/ is a nested download of an old tool; move its folders up into {root / 'takes'}")


def read_takes(root: Path) -> tuple[dict[str, Take], list[tuple[str, str]]]:
    """All takes by name, and (where, what) for each record that cannot be used.

    Raises UserError where takes.json is not a JSON list, or one name stands for two takes.
    """
    listed = root / "takes.json"
    if not listed.is_file():
        return {take.name: take for take in _takes_of_folders(root)}, []
    try:
        # Parsed by json: a list written by Python may hold NaN, which msgspec refuses.
        raw = msgspec.convert(json.loads(listed.read_bytes()), list)
    except (OSError, ValueError) as error:
        raise UserError(f"{listed}: {error}; expected a list of takes: fetch the metadata part again") from None
    takes: dict[str, Take] = {}
    faults: list[tuple[str, str]] = []
    for number, item in enumerate(raw):
        try:
            take = _take_of_record(root, msgspec.convert(_known(item), TakeRecord, strict=False))
        except (msgspec.ValidationError, UserError) as error:
            faults.append((f"{listed}, item {number}", str(error)))
            continue
        if take.name in takes and takes[take.name].uid != take.uid:
            raise UserError(f"{listed}: two takes are called {take.name!r} ({takes[take.name].uid}, {take.uid}); keep one")
        takes[take.name] = take
    return dict(sorted(takes.items())), faults


def _known(item: object) -> object:
    """The record without numbers that are none: NaN in a field means that it is not known."""
    if not isinstance(item, dict):
        return item
    return {key: value for key, value in item.items() if not (isinstance(value, float) and not math.isfinite(value))}


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _take_of_record(root: Path, record: TakeRecord) -> Take:
    written = Path(record.root_dir or f"takes/{record.take_name}")
    folder = root / written
    # Judged as written: takes/ itself may well be a link to another disk.
    if written.is_absolute() or ".." in written.parts or not record.take_name or "/" in record.take_name:
        raise UserError(f"take {record.take_name!r}: its folder {record.root_dir!r} leaves the download root")
    capture = record.capture or _Capture()
    ego = {device.cam_id for device in capture.cameras or [] if device.is_ego}
    streams = record.frame_aligned_videos or {}
    paths = {
        cam: Path(stream.relative_path).stem
        for cam, by_stream in streams.items()
        for name, stream in by_stream.items()
        if stream.relative_path and (name in {"rgb", "0"})
    }
    arias = sorted(cam for cam in paths if cam.startswith("aria") and (cam in ego or not ego))
    exo = sorted(cam for cam in paths if not cam.startswith("aria") and cam not in NOT_CAMERAS and cam not in ego)
    place = record.physical_setting_uid if record.physical_setting_uid is not None else capture.physical_setting_uid
    rows = (record.timesync_start_idx, record.timesync_end_idx)
    duration = record.duration_sec
    task = (record.task_start_sec, record.task_end_sec)
    return Take(
        uid=record.take_uid,
        name=record.take_name,
        folder=folder,
        exo=tuple(exo),
        aria=arias[0] if len(arias) == 1 else None,
        aria_reason=_aria_reason(arias),
        stems={cam: paths[cam] for cam in (*exo, *arias)},
        capture_uid=_text(record.capture_uid or capture.capture_uid or capture.capture_name),
        capture_name=Path(_text(capture.capture_name)).name,
        place=_text(place),
        participant=participant_digest(record.participant_uid),
        scenario=_text(record.parent_task_name),
        university=_text(record.university_name),
        best_exo=_text(record.best_exo),
        unusable="is_dropped is true" if record.is_dropped else "validated is false" if record.validated is False else "",
        task_frames=None if task[0] is None or task[1] is None else (round(task[0] * 30), round(task[1] * 30)),
        sync_rows=None if rows[0] is None or rows[1] is None else (rows[0], rows[1]),
        declared_frames=None if duration is None else round(duration * 30),
    )


def _aria_reason(arias: list[str]) -> str:
    if len(arias) == 1:
        return ""
    return f"several Aria devices with an RGB video ({', '.join(arias)})" if arias else "no Aria device with an RGB video"


def _takes_of_folders(root: Path) -> Iterator[Take]:
    uids = {name: path.stem for name, path in _pose_files_by_name(root).items()}
    for folder in sorted(path for path in (root / "takes").iterdir() if path.is_dir()):
        stems = {path.stem for path in (folder / "frame_aligned_videos").rglob("*.mp4")}
        arias = sorted({match[1] for match in map(_ARIA_VIDEO.fullmatch, stems) if match})
        exo = sorted(stem for stem in stems if _EXO_NAME.fullmatch(stem))
        yield Take(
            uid=uids.get(folder.name, ""),
            name=folder.name,
            folder=folder,
            exo=tuple(exo),
            aria=arias[0] if len(arias) == 1 else None,
            aria_reason=_aria_reason(arias),
            stems={**{cam: cam for cam in exo}, **{aria: f"{aria}_{RGB_STREAM}" for aria in arias}},
        )


def pose_files(root: Path) -> dict[str, Path]:
    """camera_pose files by take uid, which is their name."""
    return {path.stem: path for path in sorted((root / "annotations" / "ego_pose").glob("*/camera_pose/*.json"))}


def _pose_files_by_name(root: Path) -> dict[str, Path]:
    """camera_pose files by the take name inside. Raises UserError where a file is not JSON or names no take."""
    found: dict[str, Path] = {}
    for path in pose_files(root).values():
        try:
            found[json.loads(path.read_bytes())["metadata"]["take_name"]] = path
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}: no metadata.take_name in it; fetch the annotations part again") from None
    return found


def find_video(take: Take, camera: str, *, height: int, first: int, last: int, step: int) -> VideoFile | str:
    """The video of a camera that serves a window [first, last] at every `step`-th frame, or why there is none.

    The smallest `downscaled/<H>` with H >= height is taken; in it, a window cut to exactly these frames before the whole
    take; then the full-size video.
    """
    stem = take.stems.get(camera)
    if stem is None:
        return f"take {take.name} has no camera {camera!r}"
    for folder in _heights(take, height):
        cut = folder / "windows" / f"{first:06d}_{last:06d}_{step}"
        if (cut / f"{stem}.mp4").is_file():
            window = read_window(cut / "window.json")
            if (window.first, window.last, window.step) == (first, last, step):
                return VideoFile(path=cut / f"{stem}.mp4", key=f"{window.digest}/{camera}", first=first, step=step)
    whole = whole_video(take, camera, height=height)
    return VideoFile(path=whole) if isinstance(whole, Path) else whole


def whole_video(take: Take, camera: str, *, height: int) -> Path | str:
    """The whole-take video of a camera at the smallest height that is enough, or why there is none."""
    stem = take.stems.get(camera)
    if stem is None:
        return f"take {take.name} has no camera {camera!r}"
    for folder in (*_heights(take, height), take.videos):
        path = folder / f"{stem}.mp4"
        if path.is_file():
            if path.stat().st_size == 0:
                return f"{path} is empty: fetch it again"
            return path
    return f"no video {stem}.mp4 under {take.videos}: fetch the part downscaled_takes/448"


def cut_videos(take: Take, camera: str) -> list[Path]:
    """Videos of a camera that hold only a window; `window.json` lies beside each."""
    stem = take.stems.get(camera)
    return sorted((take.videos / "downscaled").glob(f"*/windows/*/{stem}.mp4")) if stem else []


def _heights(take: Take, height: int) -> list[Path]:
    folders = [path for path in (take.videos / "downscaled").glob("*") if path.name.isdigit() and int(path.name) >= height]
    return sorted(folders, key=lambda path: int(path.name))


def read_window(path: Path) -> Window:
    """Raises UserError where the file beside cut videos cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Window)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); the cut videos beside it cannot be used") from None
    except msgspec.DecodeError as error:
        raise UserError(f"{path}: {error}; delete the folder so that it is cut again") from None
