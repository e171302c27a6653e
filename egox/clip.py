"""What the model is given of one clip, in pixels and metres: the exo video, the rendered prior, and the cameras between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .cameras import Camera
from .canvas import JointCanvas
from .resizing import resized

if TYPE_CHECKING:
    from .prior import EgoPrior


class ClipError(ValueError):
    """Parts of a clip that do not belong together; the message names the part, and the frame where there is one."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EgoXClip:
    """One clip of t frames. exo: [t, H, W, 3] uint8; prior: [t, h, w, 3] uint8, black where it knows nothing.

    prior_valid: [t, h, w] bool, where the prior knows something. circle: [h, w] bool, the lens circle of the ego camera.
    depth_m: [t, H, W] float32 z of the exo view in metres, 0 where unknown; None where no guidance will ask for it.
    exo_camera, ego_camera: of these sizes, with t poses each. fps: frames a second.
    Raises ClipError where shapes, kinds or counts differ, or a depth is not finite or below 0.
    """

    exo: NDArray[np.uint8]
    prior: NDArray[np.uint8]
    prior_valid: NDArray[np.bool_]
    circle: NDArray[np.bool_]
    depth_m: NDArray[np.float32] | None
    exo_camera: Camera
    ego_camera: Camera
    prompt: str = ""
    fps: float = 30.0

    def __post_init__(self) -> None:
        for name in ("exo", "prior"):
            video: NDArray = getattr(self, name)
            if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8 or len(video) == 0:
                raise ClipError(f"{name} is {video.dtype} of shape {video.shape}, expected uint8 [frames, height, width, 3]")
        frames, ego_size = len(self.exo), self.ego_size
        if len(self.prior) != frames:
            raise ClipError(f"the prior has {len(self.prior)} frames, the exo video {frames}")
        for name, maps, shape in (("prior_valid", self.prior_valid, (frames, *ego_size)), ("circle", self.circle, ego_size)):
            if maps.shape != shape or maps.dtype != np.bool_:
                raise ClipError(f"{name} is {maps.dtype} of shape {maps.shape}, expected bool {shape}")
        for name, camera, size in (("exo", self.exo_camera, self.exo_size), ("ego", self.ego_camera, ego_size)):
            if len(camera) != frames:
                raise ClipError(f"the {name} camera has {len(camera)} poses, the clip {frames} frames: it takes one a frame")
            if (camera.height, camera.width) != size:
                raise ClipError(f"the {name} camera is for {camera.width}x{camera.height}, the pictures are {size[1]}x{size[0]}")
        if not 0 < self.fps < float("inf"):
            raise ClipError(f"fps is {self.fps}, expected a finite number above 0")
        if self.depth_m is not None:
            _check_depth(self.depth_m, (frames, *self.exo_size))

    @property
    def exo_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.exo.shape[1], self.exo.shape[2]

    @property
    def ego_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.prior.shape[1], self.prior.shape[2]

    def canvas(self, codec: Any, transformer: Any = None) -> JointCanvas:
        """What this clip is laid out on, with the strides of both models; the patch is Wan's without a transformer.

        Raises CanvasError where they do not divide its sizes.
        """
        return JointCanvas.of(
            frames=len(self), exo_size=self.exo_size, ego_size=self.ego_size, codec=codec, transformer=transformer
        )

    def __len__(self) -> int:
        return len(self.exo)


def clip_of_prior(prior: EgoPrior, *, prompt: str, fps: float) -> EgoXClip:
    """Render a prepared prior, frame by frame, and put beside it what it was made from.

    The prior takes every pixel that the exo view has. The model lays exo and ego out side by side, equally high: an exo view that
    is higher than the ego picture is scaled down to it, with its depth (nearest pixel) and its camera.
    """
    rendered = list(prior.rendered())
    height, width = beside_ego((prior.exo.height, prior.exo.width), prior.ego.height)
    exo, depth_m = (
        np.stack([resized(each, width=width, height=height) for each in maps]) for maps in (prior.frames, prior.depth_m)
    )
    return EgoXClip(
        exo=exo,
        prior=np.stack([frame.picture for frame in rendered]),
        prior_valid=np.stack([frame.valid for frame in rendered]),
        circle=prior.ego.visible(),
        depth_m=depth_m,
        exo_camera=prior.exo.resized(width, height),
        ego_camera=prior.ego,
        prompt=prompt,
        fps=fps,
    )


def beside_ego(exo_size: tuple[int, int], ego_height: int) -> tuple[int, int]:
    """(height, width) at which an exo view of (height, width) lies beside an ego picture: as high, but never scaled up."""
    height, width = exo_size
    lower = min(height, ego_height)
    return lower, round(width * lower / height)


def _check_depth(depth_m: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if depth_m.shape != shape or not np.issubdtype(depth_m.dtype, np.floating):
        raise ClipError(f"depth_m is {depth_m.dtype} of shape {depth_m.shape}, expected float32 {shape} like the exo frames")
    for frame, values in enumerate(depth_m):
        if not np.isfinite(values).all() or (values < 0).any():
            raise ClipError(f"depth_m is not finite or below 0 in frame {frame}; write 0 where the depth is unknown")
