"""Where tokens look and lie in the world: what geometry-guided attention compares (paper Sec. 3.3).

An ego token is a viewing ray; an exo token is a point of the scene, seen as a direction from the ego camera. The centre is that
of the query's frame, so directions are kept for every query frame: [f, Nx, 3], 2.8 MB at the size of the paper, once a clip.

Where the paper gives no rule: a token's point is the mean of the known pixels around the token's median range, so that a token
on the rim of a hand is not a point in the air between hand and wall; a latent frame stands at the last of its frames.
The published code's own rays and points are in `egox.released_geometry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .cameras import Camera
from .canvas import JointCanvas
from .conditioning import Guidance
from .prior.cloud import Lifter

SAME_SURFACE = 0.15
"""Pixels of a token belong to its point where their range is within this fraction of the token's median."""

NEAREST_M = 1e-4
"""A point nearer to the ego centre than this has no direction."""


class GeometryError(ValueError):
    """Cameras, depth and canvas that do not belong together; the message says what is expected."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TokenGeometry:
    """One clip's geometry, or several clips' with a leading batch dimension.

    rays: [..., f, M, 3] world, unit: of the M ego tokens of each of f latent frames, in the order of `Grid.ego_rows`.
    rays_valid: [..., f, M] bool; an invalid ray is 0.
    directions: [..., f, Nx, 3] world, unit: from the ego centre of frame f to the point of each of the Nx exo tokens of all
    frames, in the order of `Grid.exo_rows`, flattened. directions_valid: [..., f, Nx] bool; an invalid direction is 0.
    With rules "released" vectors are shorter than 1 where they were averaged, and all are valid.
    Raises GeometryError where shapes do not fit each other.
    """

    rays: Tensor
    rays_valid: Tensor
    directions: Tensor
    directions_valid: Tensor

    def __post_init__(self) -> None:
        for vectors, valid in (("rays", "rays_valid"), ("directions", "directions_valid")):
            shape, flags = getattr(self, vectors).shape, getattr(self, valid)
            if len(shape) < 3 or shape[-1] != 3 or flags.shape != shape[:-1] or flags.dtype != torch.bool:
                raise GeometryError(
                    f"{vectors} {tuple(shape)} with {flags.dtype} {valid} {tuple(flags.shape)}: expected [..., frames, tokens, 3]"
                    " and bool [..., frames, tokens]"
                )
        if self.rays.shape[:-2] != self.directions.shape[:-2]:
            raise GeometryError(
                f"rays {tuple(self.rays.shape)} and directions {tuple(self.directions.shape)} are not of the same clips and"
                " frames"
            )

    @property
    def batch(self) -> tuple[int, ...]:
        """Leading dimensions: () for one clip."""
        return tuple(self.rays.shape[:-3])

    def to(self, device: str | torch.device) -> TokenGeometry:
        return TokenGeometry(**{name: getattr(self, name).to(device) for name in _NAMES})

    @staticmethod
    def stack(clips: Sequence[TokenGeometry]) -> TokenGeometry:
        """Clips of one canvas as a batch. Raises GeometryError where there is none or they differ in size."""
        if not clips:
            raise GeometryError("no clip to stack: a batch needs at least one")
        sizes = {(tuple(clip.rays.shape), tuple(clip.directions.shape)) for clip in clips}
        if len(sizes) > 1:
            raise GeometryError(f"clips of one batch must be of one canvas, got rays and directions of {sorted(sizes)}")
        return TokenGeometry(**{name: torch.stack([getattr(clip, name) for clip in clips]) for name in _NAMES})


_NAMES = tuple(field.name for field in fields(TokenGeometry))


def token_geometry(
    canvas: JointCanvas, *, depth_m: NDArray[np.float32], exo: Camera, ego: Camera, rules: Guidance
) -> TokenGeometry:
    """The geometry of one clip's tokens, float32 on the CPU, without batch dimension.

    depth_m: [frames, height, exo width] z-depth of the exo view in metres, in the scale of the poses; 0, negative or not finite
    where it is unknown. exo, ego: cameras of the canvas's two pictures, a pose a frame, in one world.
    Raises GeometryError where sizes or counts differ, or no instant of a latent frame has any depth.
    """
    _check(canvas, depth_m, exo, ego)
    instants = canvas.token_instants
    depth_m = np.asarray(depth_m)[list(instants)]
    depth_m = np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, np.float32(0))
    if not depth_m.any():
        raise GeometryError(
            "the exo view has no depth at any latent frame: its tokens have no points for the guidance; estimate depth, or take a"
            " recipe without guidance"
        )
    if rules.rays == "lens":
        rays, rays_valid = _lens_rays(canvas, ego, instants)
    else:
        from .released_geometry import released_rays, released_training_rays

        rays = (released_rays if rules.rays == "released" else released_training_rays)(canvas, ego, instants)
        rays_valid = torch.ones(rays.shape[:-1], dtype=torch.bool)
    if rules.points == "pooled":
        directions, directions_valid = _directions(*_points(canvas, depth_m, exo, instants), ego, instants)
    else:
        from .released_geometry import released_directions

        directions = released_directions(canvas, depth_m, exo, ego, instants)
        directions_valid = torch.ones(directions.shape[:-1], dtype=torch.bool)
    return TokenGeometry(
        rays=rays.float(), rays_valid=rays_valid, directions=directions.float(), directions_valid=directions_valid
    )


def _check(canvas: JointCanvas, depth_m: NDArray[np.float32], exo: Camera, ego: Camera) -> None:
    pixels = canvas.pixels
    if pixels.exo == 0:
        raise GeometryError("the canvas has no exo columns: guidance needs an exo view beside the ego view")
    for name, camera, width in (("exo", exo, pixels.exo), ("ego", ego, pixels.ego)):
        if (camera.height, camera.width) != (pixels.height, width):
            raise GeometryError(
                f"the {name} camera is for {camera.width}x{camera.height}, the canvas's {name} view is {width}x{pixels.height}:"
                " resize or crop camera and pictures together"
            )
        if len(camera) != pixels.frames:
            raise GeometryError(
                f"the {name} camera has {len(camera)} poses, the canvas {pixels.frames} frames: it takes one pose a frame"
            )
    expected = (pixels.frames, pixels.height, pixels.exo)
    if tuple(np.shape(depth_m)) != expected:
        raise GeometryError(
            f"depth has shape {tuple(np.shape(depth_m))}, the exo view {expected} (frames, height, width):"
            " resize or crop depth and pictures together"
        )


def _patches(maps: Tensor, rows: int, columns: int) -> Tensor:
    """[height, width, ...] as [rows * columns, pixels of a token, ...]."""
    height, width = maps.shape[:2]
    cells = maps.reshape(rows, height // rows, columns, width // columns, *maps.shape[2:])
    return cells.transpose(1, 2).flatten(2, 3).flatten(0, 1)


def _lens_rays(canvas: JointCanvas, ego: Camera, instants: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Mean rays of the pixels inside the lens circle: [f, M, 3] float64, and whether a token has any, [f, M]."""
    pixel_rays = ego.lens.unproject(ego.pixel_grid())
    seen = ego.visible() & np.isfinite(pixel_rays).all(-1)
    kept = torch.from_numpy(np.where(seen[..., None], pixel_rays, 0.0))
    camera_rays, valid = _unit(_patches(kept, canvas.tokens.height, canvas.tokens.ego).sum(1), least=1e-6)
    # The lens does not change over time: only the turn of the head does.
    turns = torch.from_numpy(ego.world_from_camera[list(instants), :3, :3].copy())
    return torch.einsum("fij,mj->fmi", turns, camera_rays), valid.expand(len(instants), -1).clone()


def _points(canvas: JointCanvas, depth_m: NDArray[np.float32], exo: Camera, instants: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A world point for each exo token: [Nx, 3] float64 metres, and whether it is known, [Nx]. depth_m: of the instants."""
    rows, columns = canvas.tokens.height, canvas.tokens.exo
    lifter = Lifter(exo)
    rays = _patches(lifter.rays.double(), rows, columns)
    points, known = [], []
    for instant, depth in zip(instants, depth_m):
        range_m = _patches(lifter.range_m(torch.from_numpy(depth.astype(np.float64))), rows, columns)
        # Even counts take the lower median: of two surfaces that share a token evenly, the nearer one hides the other.
        median = torch.where(range_m > 0, range_m, torch.nan).nanmedian(-1, keepdim=True).values
        near = (range_m > 0) & ((range_m - median).abs() <= SAME_SURFACE * median)
        count = near.sum(-1)
        lifted = torch.where(near[..., None], rays * range_m[..., None], 0.0).sum(1) / count.clamp_min(1)[:, None]
        points.append(exo.to_world(lifted, instant))
        known.append(count > 0)
    return torch.cat(points), torch.cat(known)


def _directions(points: Tensor, known: Tensor, ego: Camera, instants: Sequence[int]) -> tuple[Tensor, Tensor]:
    """From each frame's ego centre to the points: [f, Nx, 3], and whether there is a direction, [f, Nx]."""
    centres = torch.from_numpy(ego.centres[list(instants)].copy())
    directions, apart = _unit(points - centres[:, None], least=NEAREST_M)
    valid = known & apart
    return torch.where(valid[..., None], directions, 0.0), valid


def _unit(vectors: Tensor, *, least: float) -> tuple[Tensor, Tensor]:
    """Vectors at length 1, and whether they were longer than `least`; shorter ones become 0."""
    length = vectors.norm(dim=-1)
    valid = length > least
    return torch.where(valid[..., None], vectors / length.clamp_min(least)[..., None], 0.0), valid
