"""From an exo clip with estimated depth to its ego prior: align, scale, separate what moves, fuse, render.

The steps are those of the paper's Sec. 3.1; scale and fusion are ours. Whatever is found on the way is kept in the result, for
reports and for the attention, which needs the same depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..cameras import Array, Camera
from ..depth.alignment import Alignment, align
from ..depth.estimate import DepthEstimate
from ..depth.scale import Scale, combined, floor_gauge, head_gauge, points_gauge
from ..motion import background_depth, motion_masks
from .background import Background, fuse
from .cloud import Lifter, PointCloud, joined
from .render import Rendered, Renderer, RenderSettings

HEAD_RADIUS_M, HEAD_BEHIND_M = 0.18, 0.09
"""The wearer's head: a ball whose middle lies this far behind the ego camera. What the exo view shows of it is not drawn."""

HEAD_DEPTH_M, HEAD_DEPTH_RATIO = 0.35, 0.25
"""Points on rays through that ball are the head where their range is off by less than this. In the frame itself also by less than
this fraction of it: networks draw heads too far, and what a frame shows on such a ray is more likely the head than behind it."""

STILL_M, STILL_RAD = 0.02, 0.01
"""An exo camera that moves or turns by less stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorSettings:
    """fuse: show the static background, as other frames saw it, behind what moves and where a frame's depth is unknown.

    dynamic: draw what moves.
    scale: "auto" finds the metric factor of the depth (`egox.depth.scale`), "none" takes the depth for metric.
    """

    render: RenderSettings = field(default_factory=RenderSettings)
    fuse: bool = True
    dynamic: bool = True
    scale: Literal["auto", "none"] = "auto"

    def __post_init__(self) -> None:
        if self.scale not in ("auto", "none"):
            raise ValueError(f"scale is {self.scale!r}, expected 'auto' or 'none'")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EgoPrior:
    """A clip's prior, rendered frame by frame when asked for.

    depth_m: [frames, height, width] float32, the exo depth that was used: aligned and in metres. moving: bool of that shape.
    background: None without fusion.
    """

    frames: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    moving: NDArray[np.bool_]
    exo: Camera
    ego: Camera
    alignment: Alignment
    scale: Scale
    background: Background | None
    settings: PriorSettings
    device: torch.device

    def __len__(self) -> int:
        return len(self.frames)

    def rendered(self) -> Iterator[Rendered]:
        """Every frame of the prior, in order."""
        lifter, renderer = Lifter(self.exo, device=self.device), Renderer(self.ego, self.settings.render)
        for frame in range(len(self)):
            yield renderer.render(self.cloud(frame, lifter), frame)

    def cloud(self, frame: int, lifter: Lifter) -> PointCloud:
        """The points that one frame shows: the exo frame of the same instant, and what that hides or does not know."""
        moving, depth_m = (torch.from_numpy(maps[frame].copy()).to(self.device) for maps in (self.moving, self.depth_m))
        head = self._head(depth_m, frame, lifter, ratio=HEAD_DEPTH_RATIO)
        drawn = ~head if self.settings.dynamic else ~head & ~moving
        now = lifter.lift(self.frames[frame], depth_m, frame, keep=drawn)
        if self.background is None:
            return now
        behind_m = torch.from_numpy(self.background.depth_m).to(self.device)
        # Somebody still is background to themselves; but what other frames saw near where a head is now is no head.
        hidden = (moving | head | (depth_m <= 0)) & ~self._head(behind_m, frame, lifter, ratio=0)
        return joined([now, lifter.lift(self.background.picture, behind_m, frame, keep=hidden)])

    def _head(self, depth_m: torch.Tensor, frame: int, lifter: Lifter, *, ratio: float) -> torch.Tensor:
        """Exo pixels that show the wearer's head, [height, width]; ratio: see HEAD_DEPTH_RATIO."""
        pose = self.ego.world_from_camera[frame]
        middle = self.exo.to_camera(pose[:3, 3] - HEAD_BEHIND_M * pose[:3, 2], frame)
        distance = float(np.linalg.norm(middle))
        points = lifter.rays * lifter.range_m(depth_m)[..., None]
        along = (points * torch.from_numpy(middle / distance).to(self.device, torch.float32)).sum(-1)
        aside = (points.square().sum(-1) - along.square()).clamp_min(0).sqrt()
        return (aside < HEAD_RADIUS_M) & ((along - distance).abs() < max(HEAD_DEPTH_M, ratio * distance))

    @property
    def exo_is_still(self) -> bool:
        """Whether the exo camera stands still, which all of this takes for granted."""
        poses = self.exo.world_from_camera
        moved_m = np.linalg.norm(poses[:, :3, 3] - poses[0, :3, 3], axis=-1).max()
        turned_rad = np.arccos(np.clip((np.einsum("tij,ij->t", poses[:, :3, :3], poses[0, :3, :3]) - 1) / 2, -1, 1)).max()
        return bool(moved_m <= STILL_M and turned_rad <= STILL_RAD)

    def report(self) -> list[str]:
        """What was found and used, a line each."""
        lines = [f"scale: {self.scale}"]
        if not self.exo_is_still:
            lines.append("exo camera: it moves, and what stands still counts as moving")
        if self.alignment.fitted.any():
            kept = int(self.alignment.fitted.sum())
            lines.append(
                f"alignment: {kept} of {len(self)} frames fitted,"
                f" {100 * float(np.nanmedian(self.alignment.residual)):.1f} % apart (median)"
            )
        lines.append(f"moving: {100 * float(self.moving.mean()):.1f} % of the exo pixels")
        return lines


def ego_prior(
    frames: NDArray[np.uint8],
    estimate: DepthEstimate,
    exo: Camera,
    ego: Camera,
    *,
    up: Array | None = None,
    points: Array | None = None,
    moving: NDArray[np.bool_] | None = None,
    settings: PriorSettings = PriorSettings(),
    device: str | torch.device = "cpu",
) -> EgoPrior:
    """Prepare a clip's prior.

    frames: [t, height, width, 3] uint8 of a still exo camera; estimate: its depth; exo, ego: cameras with t poses.
    up: unit vector against gravity in the world, points: [n, 3] world metres, moving: [t, height, width] masks; each where it
    is known. Without masks, what moves is found against the static background.
    Raises ValueError where sizes or counts differ, up is no unit vector, or no frame has any depth.
    """
    _check(frames, estimate, exo, ego, moving)
    _check_known(up, points)
    alignment = align(estimate, None if moving is None else ~moving)
    if moving is None:
        moving = motion_masks(alignment.depth_m, frames).moving
        if estimate.disparity is not None:
            alignment = align(estimate, ~moving)
    depth_m = alignment.depth_m
    behind_m = background_depth(depth_m)
    scale = Scale(factor=1.0, spread=np.inf, gauges=())
    if settings.scale == "auto":
        scale = combined(
            [
                head_gauge(depth_m, exo, ego),
                floor_gauge(behind_m, moving, exo, ego, up),
                points_gauge(depth_m, exo, points),
            ]
        )
    factor = np.float32(scale.factor)
    background = fuse(frames, depth_m, moving, behind_m) if settings.fuse else None
    if background is not None:
        background = Background(picture=background.picture, depth_m=background.depth_m * factor)
    return EgoPrior(
        frames=frames, depth_m=depth_m * factor, moving=moving, exo=exo, ego=ego, alignment=alignment, scale=scale,
        background=background, settings=settings, device=torch.device(device),
    )  # fmt: skip


def _check(
    frames: NDArray[np.uint8], estimate: DepthEstimate, exo: Camera, ego: Camera, moving: NDArray[np.bool_] | None
) -> None:
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ValueError(f"frames are {frames.dtype} of shape {frames.shape}, expected uint8 [frames, height, width, 3]")
    count, height, width = frames.shape[:3]
    if estimate.metric_m.shape != (count, height, width):
        raise ValueError(f"depth has shape {estimate.metric_m.shape}, expected {(count, height, width)} like the exo frames")
    if (exo.height, exo.width) != (height, width):
        raise ValueError(f"the exo camera is for {exo.width}x{exo.height}, the frames are {width}x{height}")
    for name, camera in (("exo", exo), ("ego", ego)):
        if len(camera) != count:
            raise ValueError(f"the {name} camera has {len(camera)} poses, the clip {count} frames")
    if moving is not None and (moving.shape != (count, height, width) or moving.dtype != np.bool_):
        raise ValueError(f"moving is {moving.dtype} of shape {moving.shape}, expected bool {(count, height, width)}")
    if not (estimate.metric_m > 0).any():
        raise ValueError("no frame has any depth: nothing can be rendered")


def _check_known(up: Array | None, points: Array | None) -> None:
    if up is not None and (np.shape(up) != (3,) or not abs(float(np.linalg.norm(up)) - 1) < 1e-3):
        raise ValueError(f"up is {up}, expected a unit vector against gravity")
    if points is not None and (np.ndim(points) != 2 or np.shape(points)[1] != 3):
        raise ValueError(f"points have shape {np.shape(points)}, expected [n, 3] world metres")
