"""Reader of a folder of one's own: `clips.json` beside videos, cameras and depth. The format is in docs/data.md.

Frames are numbered in the files as they stand; nothing is resampled in time or turned upright.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from egox.cameras import Array, Camera
from egox.cameras.devices import default_aria_lens

from ..canvas import Canvas
from ..clip import Clip, Input, Maps, View
from ..errors import UserError, unknown
from ..splits.manifest import Manifest, Row
from ..video import FileSource, Video
from .dataset import ClipDigests, Problem, Progress
from .depth_files import DepthArchive, DepthFiles, check_depth_files
from .egoexo4d import FRAMES
from .file_digests import FileDigests
from .identity import clip_digests
from .opening import is_simulated
from .release import DEFAULT_LENS_NOTE

SCHEMA = 1
ARIA_DEFAULT = "aria-default"


class _Known(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base: a key that the format does not know is an error, not a silent nothing."""


class CameraJson(_Known):
    """A lens at a picture size and one pose a video frame (or one 4x4 for a still camera); null where there is no pose."""

    world_from_camera: list[Any]
    lens: dict[str, Any] | str
    width: int
    height: int


class ExoJson(_Known):
    """One exo view. camera: inline or the path of a JSON file; depth: a folder of 00000.npy ... or one .npz."""

    video: str
    name: str = "exo"
    camera: CameraJson | str | None = None
    depth: str | None = None


class EgoJson(_Known):
    """The ego side: the camera of the upright picture is the question, the video (if there is one) the truth."""

    camera: CameraJson | str
    video: str | None = None


class ClipJson(_Known):
    """One clip: 49 frames of its files from first_frame on. up: a direction in the world, of any length."""

    id: str
    exo: list[ExoJson]
    ego: EgoJson
    first_frame: int = 0
    fps: float = 30.0
    caption: str | None = None
    ego_prior: str | None = None
    take: str = ""
    place: str = ""
    up: list[float] | None = None


class ClipsJson(_Known):
    """The whole file; its clips are read one by one, so that one fault hides no other."""

    clips: list[Any]
    name: str = "folder"
    schema: int = SCHEMA


def _check_clip(clip: ClipJson) -> None:
    if not clip.id or "/" in clip.id or clip.id.startswith("."):
        raise UserError(f"clip id {clip.id!r} must be a plain file name")
    if not clip.exo or clip.first_frame < 0 or not 0 < clip.fps < math.inf:
        raise UserError(f"clip {clip.id!r} needs an exo view, first_frame >= 0 and fps > 0")
    if clip.up is not None and not (len(clip.up) == 3 and 0 < math.hypot(*clip.up) < math.inf):
        raise UserError(f"clip {clip.id!r}: up is {clip.up}, expected three finite numbers, not all 0")


class Folder:
    """A folder with clips.json."""

    default_protocol = "rgb"

    def __init__(self, root: Path, *, digests: FileDigests | None = None) -> None:
        self.root = root
        self.index = root / "clips.json"
        self._digests = digests or FileDigests()

    @cached_property
    def _content(self) -> ClipsJson:
        try:  # json: what Python writes may hold NaN, which msgspec refuses
            content = msgspec.convert(json.loads(self.index.read_bytes()), ClipsJson)
        except OSError as error:
            raise UserError(f"{self.index}: cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise UserError(f"{self.index}: {error}; the format is in docs/data.md") from None
        if content.schema != SCHEMA:
            raise UserError(f"{self.index}: schema {content.schema}, this version reads {SCHEMA}")
        if is_simulated(content.name):
            raise UserError(f"{self.index}: name {content.name!r} is that of the simulated world; choose another one")
        return content

    @cached_property
    def _listing(self) -> tuple[dict[str, ClipJson], list[tuple[str, str]]]:
        clips: dict[str, ClipJson] = {}
        faults: list[tuple[str, str]] = []
        for number, item in enumerate(self._content.clips):
            try:
                clip = msgspec.convert(item, ClipJson)
                _check_clip(clip)
                if clip.id in clips:
                    raise UserError(f"clip {clip.id!r} comes twice")
            except (ValueError, UserError) as error:
                where = f"{self.index}, clips[{number}]"
                faults.append((where, f"{where}: {error}; the format is in docs/data.md"))
                continue
            clips[clip.id] = clip
        return clips, faults

    @property
    def clips(self) -> dict[str, ClipJson]:
        """Clips by id."""
        return self._listing[0]

    @property
    def faults(self) -> list[tuple[str, str]]:
        """(where, what) for each clip that cannot be read."""
        return self._listing[1]

    @property
    def name(self) -> str:
        """The name in the file; "folder" where the file cannot be read, which every other call says."""
        try:
            return self._content.name
        except UserError:
            return "folder"

    def splits(self) -> tuple[str, ...]:
        return ("all",)

    def manifest(self, split: str) -> Manifest:
        if split != "all":
            raise unknown("split", split, self.splits())
        if self.faults:
            more = f" ({len(self.faults) - 1} more: see 'egox-bench data verify')" if len(self.faults) > 1 else ""
            raise UserError(self.faults[0][1] + more)  # never a smaller split under the same name
        return self.sound()

    def sound(self) -> Manifest:
        """All clips but those with `faults`."""
        return Manifest.of("all", self.name, [self._row(clip) for clip in self.clips.values()])

    def _row(self, clip: ClipJson) -> Row:
        return Row(
            clip_id=clip.id,
            take_uid="",
            take_name=clip.take or clip.id,
            first_frame=clip.first_frame,
            last_frame=clip.first_frame + FRAMES - 1,
            exo_cam=clip.exo[0].name,
            place=clip.place,
            pose_source=f"folder {DEFAULT_LENS_NOTE}" if self.uses_default_lens(clip) else "folder",
        )

    def uses_default_lens(self, clip: ClipJson) -> bool:
        """Whether the clip asks for the stand-in ego lens."""
        try:
            return self._camera_json(clip.ego.camera).lens == ARIA_DEFAULT
        except UserError:
            return False  # `clip` says why

    def digests(self, row: Row, canvas: Canvas) -> ClipDigests:
        return clip_digests(self.clip(row, canvas), canvas)

    def prepare(self, rows: Sequence[Row], canvas: Canvas, *, needs: frozenset[Input], workers: int, progress: Progress) -> None:
        """Nothing to make: the files are there or they are not."""

    def verify(self, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
        from .verify_folder import problems_of

        return problems_of(self, progress=progress, limit=limit)

    def clip(self, row: Row, canvas: Canvas) -> Clip:
        if row.clip_id not in self.clips:
            raise unknown(f"clip of {self.root}", row.clip_id, self.clips)
        clip = self.clips[row.clip_id]
        where = f"{self.index}, clip {clip.id}"
        missing: dict[Input, str] = {
            Input.MASKS: f"no masks for {clip.id}: a folder has none",
            Input.BODY_POSE: f"no body pose for {clip.id}: a folder has none",
            Input.POINTS: f"no points for {clip.id}: a folder has none",
        }
        if not clip.caption:
            missing[Input.CAPTION] = f"no caption for {clip.id} in {self.index}"
        ego_camera = self._ego_camera(clip, canvas, missing, f"{where}, ego camera")
        return Clip(
            id=clip.id,
            place=clip.place,
            take=row.cluster,
            fps=canvas.fps * clip.fps / 30,
            frame_indices=canvas.window(clip.first_frame),
            exo=self._exo(clip, canvas, missing, where),
            ego_camera=ego_camera,
            ego_size=(canvas.ego_side, canvas.ego_side),
            up=None if clip.up is None else np.array(clip.up, np.float64) / math.hypot(*clip.up),
            caption=clip.caption or None,
            ego_prior=self._prior(clip, canvas, missing),
            truth=self._truth(clip, canvas, ego_camera, missing),
            missing=missing,
        )

    def file(self, written: str) -> Path:
        """A file of the folder. Raises UserError where the path is absolute or leaves it."""
        path = self.root / written
        if Path(written).is_absolute() or not path.resolve().is_relative_to(self.root.resolve()):
            raise UserError(f"{self.index}: path {written!r} leaves the folder")
        return path

    def _video(self, clip: ClipJson, written: str, canvas: Canvas) -> Video:
        path = self.file(written)
        source = FileSource(path, key=self._digests.of(path))
        return Video(source=source, indices=canvas.window(clip.first_frame), fps=canvas.fps * clip.fps / 30)

    def _camera_json(self, given: CameraJson | str) -> CameraJson:
        if isinstance(given, CameraJson):
            return given
        path = self.file(given)
        try:
            return msgspec.convert(json.loads(path.read_bytes()), CameraJson)  # json: Python writes NaN, which msgspec refuses
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, msgspec.ValidationError) as error:
            raise UserError(f"{path}: {error}; the format is in docs/data.md") from None

    def _poses(self, given: CameraJson, clip: ClipJson, canvas: Canvas, where: str) -> Array:
        """world_from_camera [canvas.frames, 4, 4]. Raises UserError naming the first frame of the clip without a pose."""
        try:
            still = np.shape(np.array(given.world_from_camera, dtype=np.float64)) == (4, 4)
        except (TypeError, ValueError):
            still = False  # a list with a null or a wrong matrix in it: found by frame below
        if still:
            return np.repeat(np.array(given.world_from_camera, np.float64)[None], canvas.frames, 0)
        first = next((pose for pose in given.world_from_camera if pose is not None), None)
        if first is not None and not (isinstance(first, list) and len(first) == 4 and all(isinstance(r, list) for r in first)):
            raise UserError(f"{where}: world_from_camera must be one 4x4 matrix, or a list with one 4x4 (or null) a video frame")
        for frame in range(clip.first_frame, clip.first_frame + FRAMES):
            pose = given.world_from_camera[frame] if frame < len(given.world_from_camera) else None
            try:
                matrix = np.full((4, 4), np.nan) if pose is None else np.array(pose, dtype=np.float64)
            except (TypeError, ValueError):
                raise UserError(f"{where}, frame {frame}: not a 4x4 matrix of numbers") from None
            if matrix.shape != (4, 4):
                raise UserError(f"{where}, frame {frame}: a matrix of shape {matrix.shape}, expected 4x4 world_from_camera")
            if not np.isfinite(matrix).all():
                raise UserError(f"pose missing at frame {frame}")
        return np.array([given.world_from_camera[frame] for frame in canvas.window(clip.first_frame)], dtype=np.float64)

    def camera(self, given: CameraJson | str, clip: ClipJson, canvas: Canvas, where: str) -> Camera:
        """The camera at the size that the JSON states. Raises UserError naming frame or field."""
        data = self._camera_json(given)
        poses = self._poses(data, clip, canvas, where)
        try:
            if data.lens == ARIA_DEFAULT:
                if data.width != data.height:
                    raise UserError(f"{where}: lens {ARIA_DEFAULT!r} is for a square upright ego picture")
                lens = default_aria_lens(data.width)
                return Camera(lens=lens, width=data.width, height=data.height, world_from_camera=poses)
            if isinstance(data.lens, str):
                raise unknown(f"lens name in {where}", data.lens, [ARIA_DEFAULT])
            written = {"lens": data.lens, "width": data.width, "height": data.height, "world_from_camera": poses}
            camera = Camera.from_json(written)
            numbers = [value for name, value in data.lens.items() if name != "model"]
            if not np.isfinite(np.hstack(numbers)).all() or min(camera.width, camera.height) < 1:
                raise UserError(f"{where}: lens and size must be finite numbers, the size above 0")
            if any(data.lens[name] <= 0 for name in ("f", "fx", "fy") if name in data.lens):
                raise UserError(f"{where}: the focal length must be above 0")
            return camera
        except (ValueError, TypeError) as error:
            raise UserError(f"{where}: {error}") from None

    def _exo(self, clip: ClipJson, canvas: Canvas, missing: dict[Input, str], where: str) -> tuple[View, ...]:
        views: list[View] = []
        for number, exo in enumerate(clip.exo):
            reasons: dict[Input, str] = {}
            try:
                views.append(self._exo_view(clip, exo, canvas, reasons, f"{where}, exo {exo.name}"))
            except UserError as error:
                reasons = dict.fromkeys((Input.EXO_VIDEO, Input.EXO_CAMERA, Input.DEPTH), str(error))
            if number == 0:
                missing.update(reasons)
                if Input.EXO_VIDEO in reasons:
                    return ()
        return tuple(views)

    def further_view_problems(self, clip: ClipJson, exo: ExoJson, canvas: Canvas) -> dict[Input, str]:
        """Why what the view names cannot be used: for views but the first, whose faults are not the clip's."""
        reasons: dict[Input, str] = {}
        where = f"{self.index}, clip {clip.id}, exo {exo.name}"
        try:
            self._exo_view(clip, exo, canvas, reasons, where)
        except UserError as error:
            return {Input.EXO_VIDEO: str(error)}
        named = {Input.EXO_CAMERA: exo.camera, Input.DEPTH: exo.depth}
        return {need: reason for need, reason in reasons.items() if named[need]}

    def _exo_view(self, clip: ClipJson, exo: ExoJson, canvas: Canvas, reasons: dict[Input, str], where: str) -> View:
        video = self._video(clip, exo.video, canvas)
        height, width = video.size
        camera: Camera | None = None
        if exo.camera is None:
            reasons[Input.EXO_CAMERA] = f"{where}: no camera is given"
        else:
            try:
                camera = self.camera(exo.camera, clip, canvas, where)
                if (camera.height, camera.width) != (height, width):
                    raise UserError(f"{where}: camera is for {camera.width}x{camera.height}, its video is {width}x{height}")
            except UserError as error:
                camera, reasons[Input.EXO_CAMERA] = None, str(error)
        depth: Maps | None = None
        try:
            depth = self._depth(clip, exo, canvas, (height, width), where)
        except UserError as error:
            reasons[Input.DEPTH] = f"depth missing, {error}"
        return canvas.fit_exo(View(name=exo.name, video=video, camera=camera, depth=depth))

    def _depth(self, clip: ClipJson, exo: ExoJson, canvas: Canvas, size: tuple[int, int], where: str) -> Maps:
        if exo.depth is None:
            raise UserError(f"{where}: no depth is given")
        path = self.file(exo.depth)
        if path.suffix == ".npz":
            if not path.is_file():
                raise UserError(f"{path} is not there")
            return Maps(source=DepthArchive(path, self._digests), indices=canvas.window(clip.first_frame))
        files = [path / f"{clip.first_frame + index:05d}.npy" for index in range(FRAMES)]
        absent = next((file for file in files if not file.is_file()), None)
        if absent is not None:
            raise UserError(f"{absent} is not there")
        shape = check_depth_files(files)
        if shape != size:
            raise UserError(f"{files[0]}: shape {shape}, expected the video's {size}")
        return Maps(source=DepthFiles(files, self._digests), indices=canvas.window(0))

    def _ego_camera(self, clip: ClipJson, canvas: Canvas, missing: dict[Input, str], where: str) -> Camera | None:
        try:
            camera = self.camera(clip.ego.camera, clip, canvas, where)
            if camera.width != camera.height:
                raise UserError(f"{where}: is {camera.width}x{camera.height}, expected a square picture")
            return camera.resized(canvas.ego_side, canvas.ego_side)
        except UserError as error:
            missing[Input.EGO_CAMERA] = str(error)
            return None

    def _prior(self, clip: ClipJson, canvas: Canvas, missing: dict[Input, str]) -> Video | None:
        if clip.ego_prior is None:
            missing[Input.EGO_PRIOR] = f"no ego_prior for {clip.id} in {self.index}"
            return None
        try:
            return canvas.fit_ego(View(name="prior", video=self._video(clip, clip.ego_prior, canvas), camera=None)).video
        except UserError as error:
            missing[Input.EGO_PRIOR] = str(error)
            return None

    def _truth(self, clip: ClipJson, canvas: Canvas, camera: Camera | None, missing: dict[Input, str]) -> View | None:
        if clip.ego.video is None:
            missing[Input.TRUTH] = f"no ego video for {clip.id}: metrics against truth are undefined"
            return None
        try:
            view = canvas.fit_ego(View(name="ego", video=self._video(clip, clip.ego.video, canvas), camera=None))
        except UserError as error:
            missing[Input.TRUTH] = str(error)
            return None
        return View(name="ego", video=view.video, camera=camera)
