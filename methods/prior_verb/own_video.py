"""A video of one's own with its pose file and its depth, as a clip's inputs. What does not fit is found before reading."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.clip import ClipInputs, Maps, View
from benchmark.datasets.file_digests import FileDigests
from benchmark.errors import UserError
from benchmark.video import FileSource, Video
from egox.cameras import Camera
from egox.depth import GivenDepth
from egox.own import DEPTH_HEIGHT, OwnVideoError, check_length, depth_files, given_depth
from egox.pose_file import PoseFileError, load_pose_file
from egox.video_file import VideoFileError
from methods.ego_prior import Options
from methods.own_video.inputs import GivenMaps, given_twice, no_depth_at

from .subjects import Subject

MOST_HEIGHT = DEPTH_HEIGHT
"""Higher videos are scaled down to this: it is the model's exo height, and depth networks gain nothing above it."""

MOST_BYTES = 2 * 2**30
"""Of frames, depth and prior together; the work needs 5.4 times as much memory, measured on 49 and 147 frames."""

DEFAULT_FPS = 30.0
"""Where the pose file has none. Rate tags of videos are not trusted; the number only decides how fast results play."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OwnVideo:
    """One video as a source of one subject, called after the file. view: the exo side, not yet scaled."""

    video: Path
    pose: Path
    depth: Path | None
    view: View
    ego: Camera
    up: NDArray[np.float64] | None

    @classmethod
    def open(cls, video: Path, *, pose: Path, depth: Path | None, side: int, options: Options) -> OwnVideo:
        """Look at headers and the pose file. Raises UserError for what is missing, does not fit or takes too much memory."""
        _check_choices(depth, side, options)
        try:
            poses = load_pose_file(pose)
            source = FileSource(video)
            height, width = source.size
            view = View(
                name="exo",
                video=Video(source=source, indices=tuple(range(poses.frames)), fps=poses.fps or DEFAULT_FPS),
                camera=poses.exo_camera(width, height, poses.frames),
            )
            ego = poses.ego_camera(side, poses.frames)
            check_length(video, poses)
        except (PoseFileError, OwnVideoError, VideoFileError) as error:
            raise UserError(str(error)) from None
        own = cls(video=video, pose=pose, depth=depth, view=view, ego=ego, up=poses.up)
        own._check_memory()
        return own

    @property
    def names(self) -> tuple[str, ...]:
        return (self.video.stem,)

    @property
    def frames(self) -> int:
        return len(self.ego)

    def identity(self, name: str) -> dict[str, Any]:
        digests = FileDigests()
        depth = None if self.depth is None else digests.of_many(depth_files(self.depth))
        return {"video": digests.of(self.video), "pose": digests.of(self.pose), "depth": depth, "size": self.ego.width}

    def prepare(self, names: Sequence[str]) -> None:
        """Nothing to do."""

    def subject(self, name: str) -> Subject:
        inputs = ClipInputs(
            clip_id=name,
            size=(self.ego.height, self.ego.width),
            n_frames=self.frames,
            fps=self.view.video.fps,
            exo=(self._view_with_depth(),),
            ego_camera=self.ego,
            up=self.up,
        )
        return Subject(inputs=inputs)

    def _scaled(self, view: View) -> View:
        """At most MOST_HEIGHT high: pixels, camera, and the depth that it has so far."""
        height, width = view.video.size
        if height <= MOST_HEIGHT:
            return view
        try:
            return view.resized(round(width * MOST_HEIGHT / height), MOST_HEIGHT)
        except ValueError as error:
            raise UserError(f"{self.pose}: exo: {error}; scale the video to a height of {MOST_HEIGHT} yourself") from None

    def _view_with_depth(self) -> View:
        """The scaled view. Depth may be given at the video's own size, or at the size that it is scaled to."""
        if self.depth is None:
            return self._scaled(self.view)
        try:
            given = given_depth(self.depth)
        except OwnVideoError as error:
            raise UserError(str(error)) from None
        try:
            return self._scaled(_with_depth(self.view, given))
        except ValueError as error:
            reason = str(error)
        scaled = self._scaled(self.view)
        if scaled.video.size == self.view.video.size:
            raise UserError(reason)
        try:
            return _with_depth(scaled, given)
        except ValueError:
            height, width = scaled.video.size
            raise UserError(f"{reason}, or {width}x{height}, to which the video is scaled") from None

    def _check_memory(self) -> None:
        height, width = self._scaled(self.view).video.size
        depth = self.frames * height * width * 4 if self.depth is None else _size_of_depth(self.depth)
        wanted = self.frames * (height * width * 3 + self.ego.width**2 * 4) + depth
        if wanted > MOST_BYTES:
            raise UserError(
                f"{self.video}: {self.frames} frames of {width}x{height} with their depth and prior are {wanted / 2**30:.1f} GiB,"
                f" {MOST_BYTES // 2**30} GiB are the most; cut video, poses and depth into parts"
            )


def _with_depth(view: View, given: GivenDepth) -> View:
    """Raises ValueError where count or size of the maps are not the video's."""
    # given maps are compared with count and size of the frames only: this stands in for them and takes no memory
    estimate = given.estimate(np.broadcast_to(np.uint8(0), (len(view.video), *view.video.size, 3)))
    indices = tuple(range(len(view.video)))
    disparity = estimate.disparity
    return replace(
        view,
        depth=Maps(source=GivenMaps(key="depth", maps=estimate.metric_m), indices=indices),
        disparity=None if disparity is None else Maps(source=GivenMaps(key="disparity", maps=disparity), indices=indices),
    )


def _check_choices(depth: Path | None, side: int, options: Options) -> None:
    if side % 2:
        raise UserError(f"--size {side}: give an even number, players cannot show others")
    if depth is None and not options.depth_model:
        raise UserError("--video needs its depth: --depth FOLDER|FILE.npz, or --set depth_model=NAME to estimate it")
    if depth is not None and options.depth_model:
        raise UserError(given_twice(depth))
    if depth is not None and not depth.exists():
        raise UserError(no_depth_at(depth))
    if options.masks == "ids":
        raise UserError("--set masks=ids needs instance ids, which a video of your own has not; use motion or sam2")


def _size_of_depth(depth: Path) -> int:
    """Bytes once it is unpacked."""
    if not zipfile.is_zipfile(depth):
        return sum(path.stat().st_size for path in depth_files(depth))
    with zipfile.ZipFile(depth) as archive:
        return sum(member.file_size for member in archive.infolist())
