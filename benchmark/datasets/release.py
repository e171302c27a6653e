"""Reader of EgoX release folders: `meta.json` beside videos/ and depth_maps/, as the authors publish them.

What the release leaves open is settled here and recorded in `Row.pose_source`: the exo K of its Ego-Exo4D clips is that of
an undistorted 3840x2160 picture, so the raw lens is recovered from it; the ego lens is not in the release at all, so the
documented Aria default stands in; ego poses are of the raw sensor. Source: the release's files, measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np

from egox.cameras import Array, Camera, Lens, Pinhole, nearest_rotation, rigid
from egox.cameras.devices import ARIA_DEFAULT_2880, aria_lens_1408, plain_scaled

from ..canvas import Canvas
from ..clip import Z_UP, Clip, Input, Maps, View
from ..errors import UserError, unknown
from ..splits.manifest import Manifest, Row
from ..video import Crop, FileSource, Video
from .dataset import ClipDigests, Problem, Progress
from .depth_files import DepthFiles, check_depth_files
from .egoexo4d import FRAMES, upright_ego
from .egoexo4d_lenses import AriaRgb, lens_of_published
from .egoexo4d_poses import all_numbers, matrix_or_nan
from .file_digests import FileDigests
from .identity import clip_digests

MENDED_OFF = 1e-2
"""Rotations up to this far from orthonormal are rounding (four decimals are printed) and mended."""

UNDISTORTED_K = "release-undistorted-K"
"""Lens source of clips that the release took from Ego-Exo4D; those in the wild have a pinhole of their own."""

DEFAULT_LENS_NOTE = "ego-lens:aria-default"
_CLIP_NAME = re.compile(r"(.+)_(\d+)_(\d+)")


class _Entry(msgspec.Struct):
    exo_path: str
    camera_intrinsics: list[list[float]]
    camera_extrinsics: list[list[float]]
    ego_extrinsics: list[Any]
    ego_gt_path: str | None = None
    ego_prior_path: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseClip:
    """One entry: files resolved against the folder, poses raw world-to-camera as they stand."""

    name: str
    take: str
    first_frame: int
    entry: _Entry
    exo: Path
    truth: Path | None
    prior: Path | None
    depth: Path
    where: str


class EgoXRelease:
    """A release folder. Lists without local videos load too: their clips say what is missing."""

    name = "egox-release"
    default_protocol = "rgb"

    def __init__(self, root: Path, *, meta: Path | None = None, digests: FileDigests | None = None) -> None:
        self.root = root
        self._metas = [meta] if meta else sorted(root.glob("meta*.json"))
        if not self._metas:
            raise UserError(f"{root}: no meta.json; name the folder that holds meta.json and videos/")
        self._digests = digests or FileDigests()

    @cached_property
    def _lists(self) -> dict[str, dict[str, ReleaseClip]]:
        """Clips by name, by list: meta.json is "all", meta_seen.json is "seen"."""
        return self._read_all[0]

    @property
    def faults(self) -> list[tuple[str, str]]:
        """(where, what) for each list or item that cannot be used."""
        return self._read_all[1]

    @cached_property
    def _read_all(self) -> tuple[dict[str, dict[str, ReleaseClip]], list[tuple[str, str]]]:
        lists: dict[str, dict[str, ReleaseClip]] = {}
        faults: list[tuple[str, str]] = []
        for path in self._metas:
            name = path.stem.removeprefix("meta").strip("_-") or "meta"
            lists[name] = {clip.name: clip for clip in self._read(path, faults)}
        return lists, faults

    @cached_property
    def clips(self) -> dict[str, ReleaseClip]:
        """All clips by name."""
        return {name: clip for clips in self._lists.values() for name, clip in clips.items()}

    def _read(self, path: Path, faults: list[tuple[str, str]]) -> Iterator[ReleaseClip]:
        try:
            data = json.loads(path.read_bytes())  # not msgspec: lists written by Python may hold NaN, which this reads
            entries = data["test_datasets"]
            if not isinstance(entries, list):
                raise TypeError(f"test_datasets is {type(entries).__name__}, expected a list")
        except (OSError, ValueError, KeyError, TypeError) as error:
            faults.append((str(path), f'{path}: not a release list ({error}); expected {{"test_datasets": [...]}}'))
            return
        for number, item in enumerate(entries):
            where = f"{path}, item {number}"
            try:
                yield self._resolved(msgspec.convert(item, _Entry), where)
            except msgspec.ValidationError as error:
                faults.append((where, f"{where}: {error}; fetch the file again or drop the item"))
            except UserError as error:
                faults.append((where, str(error)))

    def _resolved(self, entry: _Entry, where: str) -> ReleaseClip:
        name = PurePosixPath(entry.exo_path).parent.name
        if not name or name in {".", ".."}:
            raise UserError(f"{where}: exo_path {entry.exo_path!r} has no clip folder; expected .../videos/<clip>/exo.mp4")
        match = _CLIP_NAME.fullmatch(name)
        named = match and int(match[3]) - int(match[2]) == FRAMES - 1
        return ReleaseClip(
            name=name,
            take=match[1] if match and named else name,
            first_frame=int(match[2]) if match and named else 0,
            entry=entry,
            exo=self._file(entry.exo_path, where),
            truth=self._file(entry.ego_gt_path, where) if entry.ego_gt_path else None,
            prior=self._file(entry.ego_prior_path, where) if entry.ego_prior_path else None,
            depth=self.root / "depth_maps" / name,
            where=where,
        )

    def _file(self, written: str, where: str) -> Path:
        """Paths are relative to some checkout: the longest tail that exists under the root, else its last three parts."""
        parts = [part for part in PurePosixPath(written).parts if part not in {".", "/"}]
        if ".." in parts:
            raise UserError(f"{where}: path {written!r} leaves the folder")
        for start in range(len(parts)):
            candidate = self.root.joinpath(*parts[start:])
            if candidate.is_file():
                return candidate
        return self.root.joinpath(*parts[-3:])

    # -- Dataset -------------------------------------------------------------------------------------------------------

    def splits(self) -> tuple[str, ...]:
        return ("all", *sorted(name for name in self._lists if name not in {"meta", "all"}))

    def manifest(self, split: str) -> Manifest:
        if split not in self.splits():
            raise unknown("split", split, self.splits())
        if self.faults:
            more = f" ({len(self.faults) - 1} more: see 'egox-bench data verify')" if len(self.faults) > 1 else ""
            raise UserError(self.faults[0][1] + more)  # never a smaller split under the same name
        clips = self.clips if split == "all" else self._lists[split]
        return self._manifest(split, clips)

    def sound(self) -> Manifest:
        """All clips but those with `faults`."""
        return self._manifest("all", self.clips)

    def _manifest(self, split: str, clips: dict[str, ReleaseClip]) -> Manifest:
        return Manifest.of(split, self.name, [self._row(clip) for clip in clips.values()])

    def _row(self, clip: ReleaseClip) -> Row:
        try:
            _, lens_source = self._exo_lens(clip)
        except UserError:
            lens_source = "none"  # `clip` says why
        return Row(
            clip_id=clip.name,
            take_uid="",
            take_name=clip.take,
            first_frame=clip.first_frame,
            last_frame=clip.first_frame + FRAMES - 1,
            exo_cam="exo",
            pose_source=f"exo:{lens_source} ego:release {DEFAULT_LENS_NOTE}",
        )

    def digests(self, row: Row, canvas: Canvas) -> ClipDigests:
        return clip_digests(self.clip(row, canvas), canvas)

    def prepare(self, rows: Sequence[Row], canvas: Canvas, *, needs: frozenset[Input], workers: int, progress: Progress) -> None:
        """Nothing to make: the files are there or they are not."""

    def verify(self, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
        from .verify_release import problems_of

        return problems_of(self, progress=progress, limit=limit)

    def clip(self, row: Row, canvas: Canvas) -> Clip:
        if row.clip_id not in self.clips:
            raise unknown(f"clip of {self.root}", row.clip_id, self.clips)
        clip = self.clips[row.clip_id]
        missing: dict[Input, str] = {
            Input.MASKS: f"no masks for {clip.name}: releases have none",
            Input.BODY_POSE: f"no body pose for {clip.name}: releases have none",
            Input.POINTS: f"no points for {clip.name}: releases have none",
        }
        ego_camera = self._ego_camera(clip, canvas, missing)
        if not clip.entry.prompt:
            missing[Input.CAPTION] = f"no prompt for {clip.name} in {clip.where}"
        return Clip(
            id=clip.name,
            place=row.place,
            take=row.cluster,
            fps=canvas.fps,
            frame_indices=canvas.window(row.first_frame),
            exo=self._exo(clip, canvas, missing),
            ego_camera=ego_camera,
            ego_size=(canvas.ego_side, canvas.ego_side),
            up=self._up(clip),
            caption=clip.entry.prompt or None,
            ego_prior=self._prior(clip, canvas, missing),
            truth=self._truth(clip, canvas, ego_camera, missing),
            missing=missing,
        )

    def _video(self, path: Path, canvas: Canvas) -> Video:
        # Files of 50 frames repeat the last one and are tagged 20 fps: frames 0..48, addressed by number.
        source = FileSource(path, key=self._digests.of(path))
        return Video(source=source, indices=canvas.window(0), fps=canvas.fps)

    def _exo_lens(self, clip: ReleaseClip) -> tuple[Lens, str]:
        """The lens at 784x448 and where it comes from. Raises UserError where K fits neither kind of list."""
        where = f"{clip.where}: camera_intrinsics"
        try:
            matrix = np.asarray(clip.entry.camera_intrinsics, np.float64)
        except ValueError:
            raise UserError(f"{where}: rows of different length, expected a 3x3 matrix") from None
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
            raise UserError(f"{where}: expected a finite 3x3 matrix with focal lengths above 0")
        if matrix[0, 2] > 784:
            lens, width, height = lens_of_published(matrix, where=where)
            return plain_scaled(lens, 796 / width, 448 / height).cropped(6, 0), UNDISTORTED_K
        pinhole = Pinhole(fx=float(matrix[0, 0]), fy=float(matrix[1, 1]), cx=float(matrix[0, 2]), cy=float(matrix[1, 2]))
        return pinhole, "release-pinhole"

    def _up(self, clip: ReleaseClip) -> Array | None:
        """z in the worlds of Ego-Exo4D clips; None in the wild, where the world is the exo camera."""
        try:
            return Z_UP if self._exo_lens(clip)[1] == UNDISTORTED_K else None
        except UserError:
            return None

    def _exo(self, clip: ReleaseClip, canvas: Canvas, missing: dict[Input, str]) -> tuple[View, ...]:
        camera: Camera | None = None
        try:
            lens, _ = self._exo_lens(clip)
            where = f"{clip.where}: camera_extrinsics"
            pose = proper(matrix_or_nan(clip.entry.camera_extrinsics, where, rotation_within=MENDED_OFF))
            if not np.isfinite(pose).all():
                raise UserError(f"{where} is {'no rotation' if all_numbers(clip.entry.camera_extrinsics) else 'not finite'}")
            camera = Camera(lens=lens, width=784, height=448, world_from_camera=np.repeat(pose[None], canvas.frames, 0))
        except UserError as error:
            missing[Input.EXO_CAMERA] = str(error)
        depth = self._depth(clip, canvas, missing)
        try:
            video = self._video(clip.exo, canvas)
            if video.size != (448, 784):
                raise UserError(f"{clip.exo}: {video.width}x{video.height}, expected the release's 784x448")
            return (canvas.fit_exo(View(name="exo", video=video, camera=camera, depth=depth)),)
        except UserError as error:
            for need in (Input.EXO_VIDEO, Input.EXO_CAMERA, Input.DEPTH):
                missing.setdefault(need, str(error))
            return ()

    def _depth(self, clip: ReleaseClip, canvas: Canvas, missing: dict[Input, str]) -> Maps | None:
        paths = [clip.depth / f"{index:05d}.npy" for index in range(FRAMES)]
        absent = next((path for path in paths if not path.is_file()), None)
        if absent is not None:
            missing[Input.DEPTH] = f"depth missing, {absent} is not there: copy the release's depth_maps or estimate depth"
            return None
        try:
            height, width = check_depth_files(paths)
            if height != 448 or width not in {784, 796}:
                raise UserError(f"{paths[0]}: {width}x{height}, expected 796x448 or 784x448")
        except (UserError, ValueError) as error:
            missing[Input.DEPTH] = f"depth missing, {error}"
            return None
        ops = (Crop(6, 0, 784, 448),) if width == 796 else ()
        return Maps(source=DepthFiles(paths, self._digests), indices=canvas.window(0), ops=ops)

    def ego_poses(self, clip: ReleaseClip) -> Array:
        """world_from_raw [49, 4, 4], NaN where the list has null. Raises UserError for fewer than 49 or a wrong shape."""
        poses = clip.entry.ego_extrinsics
        if len(poses) < FRAMES:
            raise UserError(f"{clip.where}: ego_extrinsics has {len(poses)} poses, expected {FRAMES}")
        return np.stack(
            [
                proper(
                    matrix_or_nan(pose, f"{clip.where}: ego_extrinsics, frame {clip.first_frame + i}", rotation_within=MENDED_OFF)
                )
                for i, pose in enumerate(poses[:FRAMES])
            ]
        )

    def _ego_camera(self, clip: ReleaseClip, canvas: Canvas, missing: dict[Input, str]) -> Camera | None:
        try:
            poses = self.ego_poses(clip)
        except UserError as error:
            missing[Input.EGO_CAMERA] = str(error)
            return None
        bad = np.flatnonzero(~np.isfinite(poses).all((1, 2)))
        if len(bad):
            frame = clip.first_frame + int(bad[0])
            no_rotation = all_numbers(clip.entry.ego_extrinsics[int(bad[0])])
            missing[Input.EGO_CAMERA] = f"pose {'is no rotation' if no_rotation else 'missing'} at frame {frame}"
            return None
        return upright_ego(default_aria(), poses[list(canvas.window(0))], canvas.ego_side)

    def _prior(self, clip: ReleaseClip, canvas: Canvas, missing: dict[Input, str]) -> Video | None:
        if clip.prior is None:
            missing[Input.EGO_PRIOR] = f"no ego_prior_path for {clip.name} in {clip.where}"
            return None
        try:
            return canvas.fit_ego(View(name="prior", video=self._video(clip.prior, canvas), camera=None)).video
        except UserError as error:
            missing[Input.EGO_PRIOR] = str(error)
            return None

    def _truth(self, clip: ReleaseClip, canvas: Canvas, camera: Camera | None, missing: dict[Input, str]) -> View | None:
        if clip.truth is None:
            missing[Input.TRUTH] = f"no ego video for {clip.name} (in the wild): metrics against truth are undefined"
            return None
        try:
            view = canvas.fit_ego(View(name="ego", video=self._video(clip.truth, canvas), camera=None))
        except UserError as error:
            missing[Input.TRUTH] = str(error)
            return None
        return View(name="ego", video=view.video, camera=camera)


def default_aria() -> AriaRgb:
    """The stand-in lens; a release has no device frame, so the camera is the device."""
    return AriaRgb(lens_1408=aria_lens_1408(ARIA_DEFAULT_2880), device_from_camera=np.eye(4))


def proper(world_from_camera: Array) -> Array:
    """The pose with its rotation made orthonormal, NaN left NaN: in-the-wild matrices are printed with four decimals.

    The file holds world-to-camera (R, t): R is mended and t kept, as the file's own user would apply it.
    """
    if not np.isfinite(world_from_camera).all():
        return world_from_camera
    written = world_from_camera[:3, :3].T
    shift = -np.linalg.solve(written.T, world_from_camera[:3, 3])  # undoes `inverse`, which takes R^T for R^-1
    turn = nearest_rotation(written)
    return rigid(turn.T, -turn.T @ shift)
