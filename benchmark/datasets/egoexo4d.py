"""Reader of the official Ego-Exo4D download layout: takes become clips, what is not there becomes a stated reason.

Conventions (docs/data.md): frame i of every video is one instant; exo lens raw fisheye by plain scaling, ego lens
Fisheye624 by the half-pixel rule and turned upright with its poses; nothing is guessed, held or dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from egox.cameras import Camera

from ..canvas import Canvas
from ..clip import Z_UP, Clip, Input, View
from ..errors import UserError, unknown
from ..splits.manifest import Manifest, Row, load_manifest
from ..video import FileSource, Video, count_packets
from .dataset import ClipDigests, Problem, Progress
from .egoexo4d_layout import RGB_STREAM, Take, VideoFile, check_root, cut_videos, find_video, pose_files, read_takes, whole_video
from .egoexo4d_lenses import (
    AriaRgb,
    ExoCalibration,
    calibrations_from_csv,
    calibrations_from_pose_file,
    read_aria_rgb,
)
from .egoexo4d_points import FILE as POINTS_FILE
from .egoexo4d_points import SemidensePoints, check_points
from .egoexo4d_poses import (
    FIRST_SYNC_ROW,
    EgoTrack,
    read_frame_times,
    read_pose_file,
    read_trajectory,
    track_from_pose_file,
    track_from_trajectory,
)
from .egoexo4d_text import Narrations
from .file_digests import FileDigests
from .identity import clip_digests

FRAMES = 49
"""Length of a clip on the take's 30 fps clock."""

_TAKES_KEPT = 16
_POINTS_KEPT = 2
"""Takes whose points stay in memory: clips of one take come one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeCameras:
    """Everything calibrated of a take. A thing that is not there is None or absent, with its reason in the field beside."""

    exo: dict[str, ExoCalibration]
    exo_reasons: dict[str, str]
    rgb: AriaRgb | None
    rgb_reason: str
    track: EgoTrack | None
    track_reason: str

    @property
    def source(self) -> str:
        """Where the numbers come from, for `Row.pose_source`."""
        exo = "+".join(sorted({calibration.source for calibration in self.exo.values()})) or "none"
        return f"exo:{exo} ego:{self.track.source if self.track else 'none'}"

    @property
    def worlds(self) -> frozenset[str]:
        """graph_uid of the worlds that the calibrations are in; empty where the files name none."""
        named = {calibration.graph_uid for calibration in self.exo.values()} | {self.track.graph_uid if self.track else ""}
        return frozenset(named - {""})


class EgoExo4D:
    """A download root (the folder that holds takes/)."""

    name = "egoexo4d"
    default_protocol = "rgb"

    def __init__(self, root: Path, *, digests: FileDigests | None = None) -> None:
        check_root(root)
        self.root = root
        self._digests = digests or FileDigests()
        self._cameras: OrderedDict[tuple[str, int], TakeCameras] = OrderedDict()
        self._points: OrderedDict[str, SemidensePoints | str] = OrderedDict()

    @cached_property
    def _listing(self) -> tuple[dict[str, Take], list[tuple[str, str]]]:
        return read_takes(self.root)

    @property
    def takes(self) -> dict[str, Take]:
        """Takes by name."""
        return self._listing[0]

    @property
    def faults(self) -> list[tuple[str, str]]:
        """(where, what) for each take record that could not be read."""
        return self._listing[1]

    @cached_property
    def _pose_files(self) -> dict[str, Path]:
        return pose_files(self.root)

    def pose_file(self, take: Take) -> Path | None:
        """The take's camera_pose file."""
        return self._pose_files.get(take.uid)

    @cached_property
    def narrations(self) -> Narrations:
        """Captions of all takes."""
        return Narrations(self.root)

    def cameras(self, take: Take, *, row_offset: int = 0) -> TakeCameras:
        """All calibration of a take, kept for the next clip of it. row_offset: see FIRST_SYNC_ROW; trajectories only."""
        key = (take.name, row_offset)
        if key not in self._cameras:
            self._cameras[key] = self._read_cameras(take, row_offset)
            if len(self._cameras) > _TAKES_KEPT:
                self._cameras.popitem(last=False)
        self._cameras.move_to_end(key)
        return self._cameras[key]

    def points(self, take: Take, cameras: TakeCameras) -> SemidensePoints | str:
        """The take's semi-dense points, still to be read, or why there are none; kept for the next clip of it."""
        if take.name not in self._points:
            path = take.folder / "trajectory" / POINTS_FILE
            try:
                if not path.is_file():
                    raise UserError(f"no points for {take.name}: {path} is missing; fetch the part take_point_cloud")
                check_points(path, cameras.worlds)
                self._points[take.name] = SemidensePoints(path, self._digests)
            except UserError as error:
                self._points[take.name] = str(error)
            if len(self._points) > _POINTS_KEPT:
                self._points.popitem(last=False)
        self._points.move_to_end(take.name)
        return self._points[take.name]

    def _read_cameras(self, take: Take, row_offset: int) -> TakeCameras:
        exo: dict[str, ExoCalibration] = {}
        reasons: dict[str, str] = {}
        entries: dict = {}
        pose_path = self.pose_file(take)
        csv_path = take.folder / "trajectory" / "gopro_calibs.csv"
        try:
            if csv_path.is_file():
                exo, reasons = calibrations_from_csv(csv_path)
        except UserError as error:
            reasons = dict.fromkeys(take.exo, str(error))
        pose_error = f"no camera_pose file for {take.name}"
        if pose_path is not None:
            try:
                entries = read_pose_file(pose_path)
                more, refused = calibrations_from_pose_file(entries, pose_path)
                exo = {**{name: c for name, c in more.items() if name not in reasons}, **exo}
                reasons = {**refused, **reasons}
            except UserError as error:
                pose_error = str(error)
        rgb, rgb_reason = self._read_rgb(take)
        track: EgoTrack | None = None
        track_reason = take.aria_reason
        try:
            if take.aria in entries:
                track = track_from_pose_file(entries[take.aria], where=f"{pose_path}: camera {take.aria}")
            elif take.aria is not None:
                if rgb is None:
                    raise UserError(rgb_reason)
                track = self._track_of_trajectory(take, rgb, row_offset, pose_error)
        except UserError as error:
            track_reason = str(error)
        if track is not None and track.graph_uid:
            worlds = {calibration.graph_uid for calibration in exo.values() if calibration.graph_uid}
            if worlds - {track.graph_uid}:
                track, track_reason = None, f"{take.name}: trajectory and gopro_calibs.csv name different worlds (graph_uid)"
        return TakeCameras(exo=exo, exo_reasons=reasons, rgb=rgb, rgb_reason=rgb_reason, track=track, track_reason=track_reason)

    def _read_rgb(self, take: Take) -> tuple[AriaRgb | None, str]:
        path = take.folder / "trajectory" / "online_calibration.jsonl"
        if not path.is_file():
            return None, f"no ego lens: {path} is missing; fetch the part take_trajectory"
        try:
            return read_aria_rgb(path), ""
        except UserError as error:
            return None, f"no ego lens: {error}"

    def _track_of_trajectory(self, take: Take, rgb: AriaRgb, row_offset: int, pose_error: str) -> EgoTrack:
        path = take.folder / "trajectory" / "closed_loop_trajectory.csv"
        if not path.is_file():
            raise UserError(f"no ego poses: {pose_error} and {path} is missing; fetch the part take_trajectory")
        sync = self.root / "captures" / take.capture_name / "timesync.csv"
        if not take.capture_name or not sync.is_file() or take.sync_rows is None:
            raise UserError(
                f"no ego poses: {sync} or the take's timesync rows are missing; fetch the parts metadata and captures"
            )
        start, end = take.sync_rows
        times = read_frame_times(
            sync,
            column=f"{take.aria}_{RGB_STREAM}_capture_timestamp_ns",
            first_row=start + FIRST_SYNC_ROW + row_offset,
            n_rows=max(end - start - FIRST_SYNC_ROW - row_offset, 0),
        )
        return track_from_trajectory(read_trajectory(path), times, rgb)

    # -- Dataset -------------------------------------------------------------------------------------------------------

    def splits(self) -> tuple[str, ...]:
        named = sorted(path.stem for path in (self.root / "splits").glob("*.jsonl"))
        return ("all", *(name for name in named if name != "all"))

    def manifest(self, split: str) -> Manifest:
        if split not in self.splits():
            raise unknown("split", split, self.splits())
        if split != "all":
            return load_manifest(self.root / "splits" / f"{split}.jsonl")
        return Manifest.of("all", self.name, [row for take in self.takes.values() for row in self.windows(take)])

    def windows(self, take: Take, *, gap: int = 0) -> list[Row]:
        """Non-overlapping 49-frame windows of a take that have video and poses; none where `take.unusable`.

        gap: frames left out between two windows.
        """
        cameras = self.cameras(take)
        exo = self.main_exo(take, cameras)
        if take.unusable or exo is None or cameras.track is None or cameras.rgb is None or take.aria is None:
            return []
        usable = cameras.track.valid()[: self.video_frames(take, exo)]
        if take.task_frames is not None:
            inside = np.arange(len(usable))
            usable = usable & (inside >= take.task_frames[0]) & (inside <= take.task_frames[1])
        rows, first = [], 0
        while first + FRAMES <= len(usable):
            gaps = np.flatnonzero(~usable[first : first + FRAMES])
            if len(gaps):
                first += int(gaps[-1]) + 1
                continue
            if cameras.exo[exo].covers(first, first + FRAMES - 1):
                rows.append(self._row(take, cameras, exo, first))
            first += FRAMES + gap
        return rows

    def _row(self, take: Take, cameras: TakeCameras, exo: str, first: int) -> Row:
        last = first + FRAMES - 1
        return Row(
            clip_id=f"{take.name}_{first}_{last}",
            take_uid=take.uid,
            take_name=take.name,
            first_frame=first,
            last_frame=last,
            exo_cam=exo,
            aria_id=take.aria or "",
            capture_uid=take.capture_uid,
            place=take.place,
            participant=take.participant,
            scenario=take.scenario,
            university=take.university,
            pose_source=cameras.source,
        )

    def main_exo(self, take: Take, cameras: TakeCameras) -> str | None:
        """best_exo where it can be used, else the first calibrated landscape camera with a video; None where there is none."""
        usable = [name for name in take.exo if name in cameras.exo and cameras.exo[name].width > cameras.exo[name].height]
        usable = [name for name in usable if isinstance(whole_video(take, name, height=0), Path) or cut_videos(take, name)]
        return take.best_exo if take.best_exo in usable else usable[0] if usable else None

    def video_frames(self, take: Take, exo: str) -> int:
        """Frames that the take's ego and exo video both hold, by their packets; 0 where one is missing or broken."""
        paths = [whole_video(take, name, height=0) for name in (exo, take.aria or "")]
        try:
            return min(count_packets(path) if isinstance(path, Path) else 0 for path in paths)
        except UserError:
            return 0  # `verify` says which file and why

    def digests(self, row: Row, canvas: Canvas) -> ClipDigests:
        return clip_digests(self.clip(row, canvas), canvas)

    def prepare(self, rows: Sequence[Row], canvas: Canvas, *, needs: frozenset[Input], workers: int, progress: Progress) -> None:
        """Nothing to make: recordings are there or they are not."""

    def verify(self, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
        from .verify_egoexo4d import problems_of

        return problems_of(self, progress=progress, limit=limit)

    def clip(self, row: Row, canvas: Canvas) -> Clip:
        missing: dict[Input, str] = {
            Input.DEPTH: f"no depth for {row.clip_id}: the Ego-Exo4D download has none; estimate it first",
            Input.MASKS: f"no masks for {row.clip_id}: the Ego-Exo4D download has none for whole clips",
            Input.EGO_PRIOR: f"no ego prior for {row.clip_id}: the Ego-Exo4D download has none; render it first",
            Input.BODY_POSE: f"no body pose for {row.clip_id}: not read from the Ego-Exo4D download",
        }
        take = self.takes.get(row.take_name)
        exo: tuple[View, ...] = ()
        ego_camera: Camera | None = None
        truth: View | None = None
        caption: str | None = None
        points: SemidensePoints | str = ""
        if take is None or (row.take_uid and take.uid and row.take_uid != take.uid):
            reason = f"take {row.take_name} ({row.take_uid or 'no uid'}) is not in {self.root}; see 'egox-bench data plan'"
            missing.update(
                dict.fromkeys(
                    (Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA, Input.TRUTH, Input.CAPTION, Input.POINTS), reason
                )
            )
        else:
            cameras = self.cameras(take, row_offset=row.row_offset)
            if not row.exo_cam:  # a list that names none; the view's name in the clip is the choice
                row = msgspec.structs.replace(row, exo_cam=self.main_exo(take, cameras) or "")
            exo = self._exo_views(take, cameras, row, canvas, missing)
            ego_camera = self._ego_camera(cameras, row, canvas, missing)
            truth = self._truth(take, row, canvas, ego_camera, missing)
            points = self.points(take, cameras)
            if isinstance(points, str):
                missing[Input.POINTS] = points
            missing[Input.CAPTION] = f"no atomic descriptions for {row.clip_id} in {self.root / 'annotations'}"
            try:
                caption = self.narrations.caption(take.uid, row.first_frame, row.last_frame)
            except UserError as error:
                missing[Input.CAPTION] = f"no caption: {error}"
            if caption is not None:
                del missing[Input.CAPTION]
        return Clip(
            id=row.clip_id,
            place=row.place or (take.place if take else ""),
            take=row.cluster,
            fps=canvas.fps,
            frame_indices=canvas.window(row.first_frame),
            exo=exo,
            ego_camera=ego_camera,
            ego_size=(canvas.ego_side, canvas.ego_side),
            up=Z_UP,  # worlds of Aria's trajectories are aligned with gravity
            caption=caption,
            points=None if isinstance(points, str) else points,
            truth=truth,
            missing=missing,
        )

    def _exo_views(
        self, take: Take, cameras: TakeCameras, row: Row, canvas: Canvas, missing: dict[Input, str]
    ) -> tuple[View, ...]:
        try:
            if not row.exo_cam:
                raise UserError(f"{take.name} has no calibrated landscape exo camera with a video; see 'egox-bench data verify'")
            main = self._exo_view(take, cameras, row.exo_cam, row, canvas)
        except UserError as error:
            missing[Input.EXO_VIDEO] = missing[Input.EXO_CAMERA] = str(error)
            return ()
        if main.camera is None:
            missing[Input.EXO_CAMERA] = cameras.exo_reasons.get(row.exo_cam) or self._uncalibrated(take, row.exo_cam, row)
        views = [main]
        for name in take.exo:
            if name == row.exo_cam or name not in cameras.exo:
                continue
            try:
                view = self._exo_view(take, cameras, name, row, canvas)
            except UserError:
                continue  # a further view that is not there or stands upright: `verify` names it, N-view methods count views
            if view.camera is not None:
                views.append(view)
        return tuple(views)

    def _uncalibrated(self, take: Take, name: str, row: Row) -> str:
        return f"camera {name} of {take.name} has no calibration for frames {row.first_frame}..{row.last_frame}"

    def _video(self, take: Take, camera: str, row: Row, canvas: Canvas, *, height: int) -> Video:
        file = find_video(take, camera, height=height, first=row.first_frame, last=row.last_frame, step=canvas.step)
        if not isinstance(file, VideoFile):
            raise UserError(file)
        source = FileSource(file.path, key=file.key or self._digests.of(file.path))
        indices = tuple((frame - file.first) // file.step for frame in canvas.window(row.first_frame))
        return Video(source=source, indices=indices, fps=canvas.fps)

    def _exo_view(self, take: Take, cameras: TakeCameras, name: str, row: Row, canvas: Canvas) -> View:
        video = self._video(take, name, row, canvas, height=canvas.exo_size[0])
        calibration, camera = cameras.exo.get(name), None
        if calibration is not None and calibration.covers(row.first_frame, row.last_frame):
            height, width = video.size
            poses = np.repeat(calibration.world_from_camera[None], canvas.frames, 0)
            lens = calibration.lens_at(width, height)
            camera = Camera(lens=lens, width=width, height=height, world_from_camera=poses)
        return canvas.fit_exo(View(name=name, video=video, camera=camera))

    def _ego_camera(self, cameras: TakeCameras, row: Row, canvas: Canvas, missing: dict[Input, str]) -> Camera | None:
        if cameras.track is None or cameras.rgb is None:
            missing[Input.EGO_CAMERA] = cameras.track_reason or cameras.rgb_reason
            return None
        gap = cameras.track.missing_in(row.first_frame, row.last_frame)
        if gap is not None:
            missing[Input.EGO_CAMERA] = cameras.track.reason(gap)
            return None
        return upright_ego(cameras.rgb, cameras.track.world_from_raw[list(canvas.window(row.first_frame))], canvas.ego_side)

    def _truth(self, take: Take, row: Row, canvas: Canvas, ego_camera: Camera | None, missing: dict[Input, str]) -> View | None:
        if take.aria is None:
            missing[Input.TRUTH] = f"no aria video: {take.aria_reason}"
            return None
        try:
            view = canvas.fit_ego(
                View(name=take.aria, video=self._video(take, take.aria, row, canvas, height=canvas.ego_side), camera=None)
            )
        except UserError as error:
            missing[Input.TRUTH] = f"no aria video: {error}"
            return None
        return replace(view, camera=ego_camera)


def upright_ego(rgb: AriaRgb, world_from_raw: np.ndarray, side: int) -> Camera:
    """The ego camera of the upright picture at side x side from raw poses [frames, 4, 4]."""
    return Camera(lens=rgb.raw_lens_at(side), width=side, height=side, world_from_camera=world_from_raw).upright()
