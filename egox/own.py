"""A video of one's own with its pose file and its depth, as what the model takes: scaled, cut, with cameras that follow.

`own_clip` is what the four lines of docs/egox.md call; `read_footage` is the same without the prior, for other methods.
What does not fit is found before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from .cameras import Array, Camera
from .depth.estimate import DepthEstimate, DepthEstimator, GivenDepth
from .pose_file import PoseFile, load_pose_file
from .resizing import resized
from .video_file import coded_pictures, decoded, picture_size

if TYPE_CHECKING:
    from .clip import EgoXClip

DEPTH_HEIGHT = 448
"""Depth networks gain nothing above it: maps of a video scaled to this height are taken like those of the video itself."""


class OwnVideoError(ValueError):
    """Footage that the model cannot take; one sentence with the file, what was found, what is expected, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What a clip has at one size: so many frames, exo pictures of exo_size (height, width), and square ego pictures of `side`.

    The prior is made of such exo pictures; of `EgoXClip` they are as high as the ego picture (`egox.clip.beside_ego`).
    step: of a 30 frames/s video every so many-th frame. fps: of the result, where the pose file tells no rate.
    """

    side: int
    exo_size: tuple[int, int]
    frames: int
    step: int
    fps: float

    @property
    def span(self) -> int:
        """Frames of a 30 frames/s video from the first to the last one."""
        return (self.frames - 1) * self.step + 1

    def chosen(self, poses: PoseFile) -> tuple[range, float]:
        """Which frames are taken of those that the pose file describes, and how many a second they are.

        Raises OwnVideoError for another count.
        """
        step = {self.frames: 1, self.span: self.step}.get(poses.frames)
        if step is None:
            other = "" if self.step == 1 else f", or {self.span}, of which one in {self.step} is taken"
            raise OwnVideoError(
                f"{poses.path}: has poses for {poses.frames} frames, at size {self.side} the model takes {self.frames}{other};"
                " set the frames of the pose file and cut the video to begin where they do"
            )
        return range(0, poses.frames, step), self.fps if poses.fps is None else poses.fps / step


FORMATS = {
    128: Format(side=128, exo_size=(256, 448), frames=17, step=3, fps=10.0),
    448: Format(side=448, exo_size=(448, 784), frames=49, step=1, fps=30.0),
}
"""By the side of the ego picture: the mini model and the full one."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Footage:
    """Exo frames [t, height, width, 3] uint8 with both cameras (t poses each); depth: None where it is to be estimated.

    up: unit vector against gravity in the world, where the pose file says it.
    """

    frames: NDArray[np.uint8]
    exo: Camera
    ego: Camera
    depth: DepthEstimate | None
    up: Array | None
    fps: float


def own_clip(
    video: str | Path,
    pose: str | Path,
    *,
    depth: str | Path | DepthEstimator,
    size: int = 128,
    prompt: str = "",
    device: str = "cpu",
) -> EgoXClip:
    """The clip that EgoXPipeline takes, its ego prior rendered.

    video: an exo video from a camera that stands still. pose: see docs/poses.md. depth: metres, a folder of 00000.npy ... or
    one .npz with `depth` (and `disparity`), one map a frame that the pose file describes; or an estimator such as
    `egox.depth.TransformersDepth(name)`. size: side of the ego picture, 128 (the mini model) or 448.
    Raises ValueError in one sentence for what is missing or does not fit.
    """
    if not isinstance(depth, str | Path) and not hasattr(depth, "estimate"):
        raise OwnVideoError(
            f"depth is {depth!r}, expected a folder, an .npz file, or an estimator such as TransformersDepth(NAME)"
        )
    footage = read_footage(video, pose, depth=depth if isinstance(depth, str | Path) else None, size=size)
    estimate = footage.depth if isinstance(depth, str | Path) else depth.estimate(footage.frames)
    assert estimate is not None  # it was asked for
    from .clip import clip_of_prior
    from .prior import ego_prior

    prior = ego_prior(footage.frames, estimate, footage.exo, footage.ego, up=footage.up, device=device)
    return clip_of_prior(prior, prompt=prompt, fps=footage.fps)


def read_footage(video: str | Path, pose: str | Path, *, depth: str | Path | None, size: int = 128) -> Footage:
    """Frames, cameras and depth at one of the model's sizes; see `own_clip`. Raises ValueError in one sentence."""
    if size not in FORMATS:
        raise OwnVideoError(f"size is {size}, the models take {' and '.join(map(str, FORMATS))} (the side of the ego picture)")
    kind, video, poses = FORMATS[size], Path(video), load_pose_file(pose)
    chosen, fps = kind.chosen(poses)
    fit = _Fit.of(video, kind)
    exo = poses.exo_camera(fit.found[1], fit.found[0], chosen)
    try:
        exo = fit.camera(exo)
    except ValueError as error:
        raise OwnVideoError(f"{pose}: exo: {error}; scale the video to a height of {kind.exo_size[0]} yourself") from None
    ego = poses.ego_camera(size, chosen)
    check_length(video, poses)
    maps = None if depth is None else _depth(Path(depth), fit, poses.frames, chosen)
    return Footage(frames=_frames(video, fit, chosen), exo=exo, ego=ego, depth=maps, up=poses.up, fps=fps)


def check_length(video: Path, poses: PoseFile) -> None:
    """Raises OwnVideoError for a video that is shorter than its poses, without decoding it."""
    pictures = coded_pictures(video)
    if pictures < poses.frames:
        raise OwnVideoError(
            f"{video}: has {pictures} frames, but {poses.path} has poses for {poses.frames};"
            " set its frames to what the video has, or take the longer video"
        )


def depth_files(path: Path) -> list[Path]:
    """The files of given depth: a map a frame in a folder, or the one .npz."""
    return sorted(path.glob("*.npy")) if path.is_dir() else [path]


def given_depth(path: Path) -> GivenDepth:
    """Depth of a folder or an .npz. Raises OwnVideoError for what is neither, or holds something else."""
    if path.is_file() and not is_zipfile(path):
        raise OwnVideoError(f"{path}: is no depth; expected a folder of 00000.npy ... or one .npz with 'depth'")
    try:
        return GivenDepth.read(path)
    except (FileNotFoundError, ValueError) as error:
        raise OwnVideoError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """From a video's (height, width) to the model's: scaled to its height, never up, then cut about the middle."""

    found: tuple[int, int]
    scaled: tuple[int, int]
    wanted: tuple[int, int]

    @classmethod
    def of(cls, video: Path, kind: Format) -> _Fit:
        (height, width), (high, wide) = picture_size(video), kind.exo_size
        if height < high:
            raise OwnVideoError(f"{video}: {width}x{height} is too small, at size {kind.side} it must be {high} px high or more")
        scaled = (height, width) if height == high else (high, 2 * round(width * high / height / 2))
        if scaled[1] < wide:
            raise OwnVideoError(
                f"{video}: {width}x{height} is {scaled[1]} px wide at a height of {high}, at size {kind.side} it must be {wide};"
                " portrait videos and those narrower than 7:4 do not fit: cut the height"
            )
        return cls(found=(height, width), scaled=scaled, wanted=kind.exo_size)

    @property
    def left(self) -> int:
        """Columns that are cut off on the left."""
        return (self.scaled[1] - self.wanted[1]) // 2

    def camera(self, camera: Camera) -> Camera:
        """The camera of the picture that comes out. Raises ValueError where its lens cannot be scaled like the picture."""
        if self.scaled != self.found:
            camera = camera.resized(self.scaled[1], self.scaled[0])
        if self.scaled != self.wanted:
            camera = camera.cropped(self.left, 0, self.wanted[1], self.wanted[0])
        return camera

    def picture(self, picture: NDArray) -> NDArray:
        """A picture of the video, or a map of depth of any size, as it comes out."""
        height, width = self.scaled
        return resized(picture, width=width, height=height)[:, self.left : self.left + self.wanted[1]]


def _frames(video: Path, fit: _Fit, chosen: Sequence[int]) -> NDArray[np.uint8]:
    taken: list[NDArray] = []
    for index, frame in enumerate(decoded(video)):
        if index in chosen:
            taken.append(fit.picture(frame))
        if len(taken) == len(chosen):
            return np.stack(taken)
    raise OwnVideoError(f"{video}: frame {chosen[len(taken)]} cannot be decoded; the file may be truncated: fetch it again")


def _depth(path: Path, fit: _Fit, count: int, chosen: Sequence[int]) -> DepthEstimate:
    """Maps of the video's own size, of the size that it is scaled to, or of DEPTH_HEIGHT; `count` of them."""
    given = given_depth(path)
    height, width = fit.found
    sizes = [fit.found, (DEPTH_HEIGHT, round(width * DEPTH_HEIGHT / height)), fit.scaled]
    sizes = [size for number, size in enumerate(sizes) if size not in sizes[:number] and size[0] <= height]
    reasons = []
    for size in sizes:
        try:
            # given maps are compared with count and size of the frames only: this stands in for them and takes no memory
            estimate = given.estimate(np.broadcast_to(np.uint8(0), (count, *size, 3)))
        except ValueError as error:
            reasons.append(str(error))
            continue
        rows = list(chosen)
        metric, disparity = estimate.metric_m[rows], None if estimate.disparity is None else estimate.disparity[rows]
        return DepthEstimate(
            metric_m=np.stack([fit.picture(values) for values in metric]),
            disparity=None if disparity is None else np.stack([fit.picture(values) for values in disparity]),
        )
    others = ", ".join(f"{width}x{height}" for height, width in sizes[1:])
    raise OwnVideoError(reasons[0] + (f", or of {others}, to which the video is scaled" if others else ""))
