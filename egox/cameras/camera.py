"""A posed camera: a lens at a picture size with one pose a frame, changed exactly as its picture is changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import Array, floats, like, turned
from .devices import ARIA_CIRCLE_RAD
from .lenses import Fisheye624, KannalaBrandt, Lens, Pinhole
from .poses import UPRIGHT_FROM_RAW, rigid

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera:
    """A lens at a picture size, with one pose a frame.

    Points and pixels may be lists, numpy or torch: a tensor keeps its dtype and device, all else is numpy in float64.

    world_from_camera: [frames, 4, 4] float64, rigid. A still camera repeats its pose.
    Raises ValueError on a wrong shape, a value that is not finite, or a rotation off by more than 1e-3.
    """

    lens: Lens
    width: int
    height: int
    world_from_camera: Array

    def __post_init__(self) -> None:
        poses = np.array(self.world_from_camera, dtype=np.float64)
        if poses.ndim != 3 or poses.shape[1:] != (4, 4) or len(poses) == 0:
            raise ValueError(f"world_from_camera must be [frames, 4, 4], got {poses.shape}")
        bad = ~np.isfinite(poses).all((1, 2))
        if bad.any():
            raise ValueError(f"world_from_camera is not finite at frame {int(np.flatnonzero(bad)[0])}")
        rotation = poses[:, :3, :3]
        off = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max((1, 2))
        off = np.maximum(off, np.abs(np.linalg.det(rotation) - 1))
        if off.max() > 1e-3:
            frame = int(off.argmax())
            raise ValueError(f"world_from_camera is not a rotation at frame {frame}: off by {off[frame]:.2g}")
        poses.setflags(write=False)
        object.__setattr__(self, "world_from_camera", poses)

    def __len__(self) -> int:
        return len(self.world_from_camera)

    @property
    def centres(self) -> Array:
        """Camera centres in world metres, [frames, 3]."""
        return self.world_from_camera[:, :3, 3]

    @overload
    def project(self, points: Tensor, frame: int) -> Tensor: ...
    @overload
    def project(self, points: ArrayLike, frame: int) -> Array: ...
    def project(self, points: Any, frame: int) -> Any:
        """World points [..., 3] to pixels [..., 2] of one frame; NaN where the lens does not see them."""
        return self.lens.project(self.to_camera(points, frame))

    @overload
    def to_camera(self, points: Tensor, frame: int) -> Tensor: ...
    @overload
    def to_camera(self, points: ArrayLike, frame: int) -> Array: ...
    def to_camera(self, points: Any, frame: int) -> Any:
        """World points [..., 3] to camera axes of one frame, [..., 3]."""
        _, points = floats(points, 3)
        pose = like(self.world_from_camera[frame], points)
        return turned(points - pose[:3, 3], pose[:3, :3])

    @overload
    def to_world(self, points: Tensor, frame: int) -> Tensor: ...
    @overload
    def to_world(self, points: ArrayLike, frame: int) -> Array: ...
    def to_world(self, points: Any, frame: int) -> Any:
        """Camera points [..., 3] of one frame to world axes, [..., 3]."""
        _, points = floats(points, 3)
        pose = like(self.world_from_camera[frame], points)
        return turned(points, pose[:3, :3].T) + pose[:3, 3]

    @overload
    def lift(self, pixels: Tensor, depth: Tensor | ArrayLike, frame: int) -> Tensor: ...
    @overload
    def lift(self, pixels: ArrayLike, depth: ArrayLike, frame: int) -> Array: ...
    def lift(self, pixels: Any, depth: Any, frame: int) -> Any:
        """World points [..., 3] of pixels [..., 2] at z-depth [...] metres (z, not ray length), in the pixels' kind."""
        rays = self.lens.unproject(pixels)
        return self.to_world(rays / rays[..., 2:] * like(depth, rays)[..., None], frame)

    def pixel_grid(self) -> Array:
        """Pixel centres [height, width, 2] as (u, v)."""
        v, u = np.mgrid[: self.height, : self.width].astype(np.float64)
        return np.stack([u, v], -1)

    def visible(self) -> NDArray[np.bool_]:
        """Pixels [height, width] inside the lens circle; all of them where the lens fills its picture."""
        if not isinstance(self.lens, Fisheye624):
            return np.ones((self.height, self.width), bool)
        return self.lens.unproject(self.pixel_grid())[..., 2] > np.cos(ARIA_CIRCLE_RAD)

    def select(self, frames: Sequence[int]) -> Camera:
        """The camera at these frames only."""
        return replace(self, world_from_camera=self.world_from_camera[list(frames)])

    def resized(self, width: int, height: int) -> Camera:
        """For the picture resized to this size."""
        lens = self.lens.resized(width / self.width, height / self.height)
        return replace(self, lens=lens, width=width, height=height)

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """For the picture cut to this rectangle."""
        return replace(self, lens=self.lens.cropped(left, top), width=width, height=height)

    def upright(self) -> Camera:
        """For the picture turned 90 degrees clockwise: lens, size and poses turn together, rays stay."""
        turn = rigid(UPRIGHT_FROM_RAW.T, np.zeros(3))
        return replace(
            self,
            lens=self.lens.upright(self.height),
            width=self.height,
            height=self.width,
            world_from_camera=self.world_from_camera @ turn,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back without loss."""
        fields = {name: getattr(self.lens, name) for name in self.lens.__slots__}
        return {
            "lens": {"model": type(self.lens).__name__, **fields},
            "width": self.width,
            "height": self.height,
            "world_from_camera": self.world_from_camera.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Camera:
        """Inverse of `to_json`. Raises ValueError on an unknown lens model or field."""
        fields = dict(data["lens"])
        name = fields.pop("model", None)
        models: dict[str, Callable[..., Lens]] = {model.__name__: model for model in (Pinhole, KannalaBrandt, Fisheye624)}
        if name not in models:
            raise ValueError(f"lens model {name!r} is not one of {', '.join(sorted(models))}")
        values = {key: tuple(v) if isinstance(v, list) else float(v) for key, v in fields.items()}
        try:
            lens = models[name](**values)
        except TypeError as error:
            raise ValueError(f"lens {name}: {error}") from None
        poses = np.asarray(data["world_from_camera"], np.float64)
        return cls(lens=lens, width=int(data["width"]), height=int(data["height"]), world_from_camera=poses)

    def digest(self) -> str:
        """Identity of lens, size and poses to the last bit."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]
