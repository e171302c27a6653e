"""Clips: the only things that cross rooms. A clip is a question (what a method may see) and its answer (the truth)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from egox.cameras import Camera

from .errors import Undefined
from .inputs import Input, Privilege
from .video import Crop, Frames, PictureOp, Resize, Upright, Video

Z_UP: NDArray[np.float64] = np.array([0.0, 0.0, 1.0])
"""`Clip.up` of worlds whose z axis points up."""
Z_UP.setflags(write=False)


class MapSource(Protocol):
    """A map a frame (z-depth in metres, relative inverse depth, or instance ids), read on demand."""

    @property
    def key(self) -> str: ...

    def frame(self, index: int) -> NDArray:
        """[height, width]; depth is float32 with 0 where unknown, disparity float32 with NaN there, ids are int16."""
        ...


class PointSource(Protocol):
    """Points of the still world, read on demand: files of takes are large and few methods ask for them."""

    @property
    def key(self) -> str:
        """Identity of the points, known without reading them."""
        ...

    def read(self) -> NDArray:
        """[n, 3] world metres, in no order, not to be written to."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Maps:
    """Per-frame maps that follow their picture through crops and resizes (nearest neighbour)."""

    source: MapSource
    indices: tuple[int, ...]
    ops: tuple[PictureOp, ...] = ()

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def key(self) -> str:
        return hashlib.sha256(repr((self.source.key, self.indices, self.ops)).encode()).hexdigest()[:16]

    def frame(self, position: int) -> NDArray:
        """The map [height, width] at a position of the clip."""
        value = self.source.frame(self.indices[position])
        for op in self.ops:
            value = op(value)
        return np.ascontiguousarray(value)

    def read(self) -> NDArray:
        """All maps [frames, height, width]."""
        return np.stack([self.frame(i) for i in range(len(self))])

    def then(self, op: PictureOp) -> Maps:
        return replace(self, ops=(*self.ops, op))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """A video with its camera and, where there are any, its depth and instance ids. What changes one changes all.

    camera is None where a dataset has no calibration for the view. disparity: the temporally smooth twin of depth, as a
    network for videos gives it: relative inverse depth, larger = nearer, known up to one scale and one shift a clip.
    """

    name: str
    video: Video
    camera: Camera | None
    depth: Maps | None = None
    disparity: Maps | None = None
    masks: Maps | None = None

    def cropped(self, left: int, top: int, width: int, height: int) -> View:
        """Cut pixels, camera and maps to one rectangle."""
        op = Crop(left, top, width, height)
        return self._changed(op, self.camera and self.camera.cropped(left, top, width, height))

    def resized(self, width: int, height: int) -> View:
        """Resize pixels, camera and maps."""
        return self._changed(Resize(width, height), self.camera and self.camera.resized(width, height))

    def upright(self) -> View:
        """Turn pixels, camera and maps 90 degrees clockwise."""
        return self._changed(Upright(), self.camera and self.camera.upright())

    def _changed(self, op: PictureOp, camera: Camera | None) -> View:
        return replace(
            self,
            video=self.video.then(op),
            camera=camera,
            depth=self.depth and self.depth.then(op),
            disparity=self.disparity and self.disparity.then(op),
            masks=self.masks and self.masks.then(op),
        )


def _nothing() -> Mapping[Input, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Clip:
    """One question and its answer, on one canvas.

    place and take group clips for splits and statistics. frame_indices are on the take's own clock.
    exo[0] is the view that the manifest names. ego_camera is upright, at the ego canvas; None only with a reason in
    `missing`. `missing` says why an input is not there ("pose missing at frame 1008"); truth may be among them.
    body_pose: joint name to [frames, 3] world metres. points: of the take, not of its frames. up: [3] unit vector of "up" in
    the world; None where the world has no known one (a world that is the exo camera).
    """

    id: str
    place: str
    take: str
    fps: float
    frame_indices: tuple[int, ...]
    exo: tuple[View, ...]
    ego_camera: Camera | None
    ego_size: tuple[int, int]
    up: NDArray | None = None
    caption: str | None = None
    ego_prior: Video | None = None
    body_pose: Mapping[str, NDArray] | None = None
    points: PointSource | None = None
    truth: View | None = None
    missing: Mapping[Input, str] = field(default_factory=_nothing)

    def undefined_for(self, needs: frozenset[Input]) -> str | None:
        """Why a method with these needs cannot answer this clip; None where it can."""
        for need in sorted({Input.EGO_CAMERA, *needs}):
            if need in self.missing:
                return self.missing[need]
        return None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClipInputs:
    """What of a clip a method may see, by its declared needs. Fields that it did not declare are None or empty.

    size: (height, width) and n_frames of the video that is asked for. up comes with the ego camera, a view's disparity with
    its depth. truth: all of it, its first frame only, another clip's, or None, by the method's privilege.
    """

    clip_id: str
    size: tuple[int, int]
    n_frames: int
    fps: float
    exo: tuple[View, ...] = ()
    ego_camera: Camera | None = None
    up: NDArray | None = None
    caption: str | None = None
    ego_prior: Video | None = None
    body_pose: Mapping[str, NDArray] | None = None
    points: PointSource | None = None
    truth: Video | None = None


def inputs_for(
    clip: Clip,
    *,
    needs: frozenset[Input],
    optional: frozenset[Input] = frozenset(),
    exo_views: int = 1,
    privilege: Privilege = Privilege.NONE,
    other: Clip | None = None,
) -> ClipInputs:
    """The inputs that a method with these needs may see, and of the optional ones those that the clip has.

    other: whose truth a method with Privilege.OTHER_TRUTH is given. Raises Undefined, with the reason, where one that it needs
    is missing.
    """
    reason = clip.undefined_for(needs)
    if reason is not None:
        raise Undefined(reason)
    if Input.EXO_VIDEO in needs and len(clip.exo) < exo_views:
        raise Undefined(f"{exo_views} exo views are needed, the clip has {len(clip.exo)}")
    whose = other if privilege is Privilege.OTHER_TRUTH else clip
    if whose is None:
        raise Undefined("the split has no other clip")
    if privilege is not Privilege.NONE and whose.truth is None:
        raise Undefined(whose.missing.get(Input.TRUTH, "no ego truth"))
    given = needs | optional.difference(clip.missing)
    views: Sequence[View] = clip.exo[:exo_views] if Input.EXO_VIDEO in given else ()
    seen = None if whose.truth is None or privilege is Privilege.NONE else whose.truth.video
    return ClipInputs(
        clip_id=clip.id,
        size=clip.ego_size,
        n_frames=len(clip.frame_indices),
        fps=clip.fps,
        exo=tuple(_allowed(view, given) for view in views),
        ego_camera=clip.ego_camera if Input.EGO_CAMERA in given else None,
        up=clip.up if Input.EGO_CAMERA in given else None,
        caption=clip.caption if Input.CAPTION in given else None,
        ego_prior=clip.ego_prior if Input.EGO_PRIOR in given else None,
        body_pose=clip.body_pose if Input.BODY_POSE in given else None,
        points=clip.points if Input.POINTS in given else None,
        truth=seen.select([0]) if seen is not None and privilege is Privilege.FIRST_FRAME else seen,
    )


def _allowed(view: View, given: frozenset[Input]) -> View:
    return replace(
        view,
        camera=view.camera if Input.EXO_CAMERA in given else None,
        depth=view.depth if Input.DEPTH in given else None,
        disparity=view.disparity if Input.DEPTH in given else None,
        masks=view.masks if Input.MASKS in given else None,
    )


def check_prediction(frames: Frames, inputs: ClipInputs) -> None:
    """Raise ValueError unless a method's output has the asked size, length and type; both shapes are named."""
    asked = (inputs.n_frames, *inputs.size, 3)
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
        kind = frames.dtype if isinstance(frames, np.ndarray) else type(frames).__name__
        raise ValueError(f"output is {kind}, expected a uint8 array of shape {asked}")
    if frames.shape != asked:
        raise ValueError(f"output has shape {frames.shape}, expected {asked} (frames, height, width, 3)")
