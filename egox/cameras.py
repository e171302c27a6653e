"""Lens models and posed cameras: project, unproject, resize, crop and upright turn, all exact.

Everything here is numpy in float64. Axes are OpenCV's (x right, y down, z forward), distances metres, angles radians;
pixel centres sit at integer coordinates, so a picture of width W spans [-0.5, W - 0.5]. Poses are `world_from_camera`
(4x4), one a frame. Nothing here opens a file or touches pixels; pictures and cameras are changed together by
`benchmark.clip.View`.

Sources: Ego-Exo4D documentation (Kannala-Brandt exo cameras), Project Aria tools (Fisheye624).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

ARIA_CIRCLE_RAD = float(np.deg2rad(59.0))
"""Half-angle of the visible circle of Aria's RGB camera; the picture is black outside of it."""

_NEWTON_STEPS = 12
_SMALL = 1e-12


def _odd_polynomial(theta: Array, k: Sequence[float]) -> tuple[Array, Array]:
    """theta (1 + k0 theta^2 + k1 theta^4 + ...) and its derivative."""
    squared = theta * theta
    value, slope = np.zeros_like(theta), np.zeros_like(theta)
    for i in range(len(k) - 1, -1, -1):
        value = (value + k[i]) * squared
        slope = (slope + (2 * i + 3) * k[i]) * squared
    return theta * (1 + value), 1 + slope


def _angle_of_radius(rho: Array, k: Sequence[float], limit: float) -> Array:
    """Invert `_odd_polynomial` by Newton from theta = rho; 1e-12 within the steps for the lenses met here."""
    theta = np.minimum(rho, limit)
    for _ in range(_NEWTON_STEPS):
        value, slope = _odd_polynomial(theta, k)
        theta = np.clip(theta - (value - rho) / slope, 0, limit)
    return theta


def _split(points: ArrayLike, size: int) -> tuple[Array, ...]:
    array = np.asarray(points, dtype=np.float64)
    if array.shape[-1:] != (size,):
        raise ValueError(f"expected an array [..., {size}], got shape {array.shape}")
    return tuple(np.moveaxis(array, -1, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinhole:
    """Ideal perspective lens; fx, fy, cx, cy in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float

    def project(self, points: ArrayLike) -> Array:
        """Camera points [..., 3] to pixels [..., 2]; NaN where z <= 0."""
        x, y, z = _split(points, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = np.where(z > 0, x / z, np.nan), np.where(z > 0, y / z, np.nan)
        return np.stack([self.fx * a + self.cx, self.fy * b + self.cy], -1)

    def unproject(self, pixels: ArrayLike) -> Array:
        """Pixels [..., 2] to unit rays [..., 3]."""
        u, v = _split(pixels, 2)
        rays = np.stack([(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones_like(u)], -1)
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)

    def resized(self, scale_x: float, scale_y: float) -> Pinhole:
        """The lens of the picture resized by these factors (half-pixel rule: c' = s (c + 0.5) - 0.5)."""
        return replace(self, fx=self.fx * scale_x, fy=self.fy * scale_y, **_scaled_centre(self, scale_x, scale_y))

    def cropped(self, left: float, top: float) -> Pinhole:
        """The lens of the picture whose new origin is pixel (left, top)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top)

    def upright(self, height: int) -> Pinhole:
        """The lens of the picture turned 90 degrees clockwise; `height` is the height before the turn."""
        return replace(self, fx=self.fy, fy=self.fx, cx=height - 1 - self.cy, cy=self.cx)


@dataclass(frozen=True, slots=True, kw_only=True)
class KannalaBrandt:
    """OpenCV's `fisheye` model (Ego-Exo4D exo cameras): k acts on angles, so resizing leaves it alone."""

    fx: float
    fy: float
    cx: float
    cy: float
    k: tuple[float, float, float, float]

    def project(self, points: ArrayLike) -> Array:
        """Camera points [..., 3] to pixels [..., 2]; points behind the camera are valid up to pi."""
        x, y, z = _split(points, 3)
        radius = np.hypot(x, y)
        distorted, _ = _odd_polynomial(np.arctan2(radius, z), self.k)
        with np.errstate(divide="ignore", invalid="ignore"):
            on_axis = np.where(z > 0, 1 / z, np.nan)
            scale = np.where(radius > _SMALL, distorted / np.maximum(radius, _SMALL), on_axis)
        return np.stack([self.cx + self.fx * x * scale, self.cy + self.fy * y * scale], -1)

    def unproject(self, pixels: ArrayLike) -> Array:
        """Pixels [..., 2] to unit rays [..., 3]; may point backwards (z < 0) far outside of the picture."""
        u, v = _split(pixels, 2)
        mx, my = (u - self.cx) / self.fx, (v - self.cy) / self.fy
        rho = np.hypot(mx, my)
        theta = _angle_of_radius(rho, self.k, np.pi)
        side = np.where(rho > _SMALL, np.sin(theta) / np.maximum(rho, _SMALL), 1.0)
        return np.stack([mx * side, my * side, np.cos(theta)], -1)

    def resized(self, scale_x: float, scale_y: float) -> KannalaBrandt:
        """The lens of the picture resized by these factors (half-pixel rule: c' = s (c + 0.5) - 0.5)."""
        return replace(self, fx=self.fx * scale_x, fy=self.fy * scale_y, **_scaled_centre(self, scale_x, scale_y))

    def cropped(self, left: float, top: float) -> KannalaBrandt:
        """The lens of the picture whose new origin is pixel (left, top)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top)

    def upright(self, height: int) -> KannalaBrandt:
        """The lens of the picture turned 90 degrees clockwise; `height` is the height before the turn."""
        return replace(self, fx=self.fy, fy=self.fx, cx=height - 1 - self.cy, cy=self.cx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fisheye624:
    """Aria's FisheyeRadTanThinPrism with one focal length: six radial (k), two tangential (p), four prism (s) terms.

    The formula is even in z: points behind the camera would land on valid pixels, so `project` masks z <= 0 itself.
    """

    f: float
    cx: float
    cy: float
    k: tuple[float, float, float, float, float, float]
    p: tuple[float, float]
    s: tuple[float, float, float, float]

    @classmethod
    def from_params(cls, params: Sequence[float]) -> Fisheye624:
        """From Aria's 15 numbers f, cx, cy, k0..k5, p0, p1, s0..s3."""
        if len(params) != 15:
            raise ValueError(f"Fisheye624 takes 15 parameters, got {len(params)}")
        f, cx, cy, k0, k1, k2, k3, k4, k5, p0, p1, s0, s1, s2, s3 = (float(value) for value in params)
        return cls(f=f, cx=cx, cy=cy, k=(k0, k1, k2, k3, k4, k5), p=(p0, p1), s=(s0, s1, s2, s3))

    @property
    def params(self) -> tuple[float, ...]:
        """Aria's 15 numbers, in Aria's order."""
        return (self.f, self.cx, self.cy, *self.k, *self.p, *self.s)

    def _bent(self, xr: Array, yr: Array) -> tuple[Array, Array]:
        (p0, p1), (s0, s1, s2, s3) = self.p, self.s
        rd2, q = xr * xr + yr * yr, xr * p0 + yr * p1
        return (
            xr + 2 * q * xr + rd2 * p0 + s0 * rd2 + s1 * rd2 * rd2,
            yr + 2 * q * yr + rd2 * p1 + s2 * rd2 + s3 * rd2 * rd2,
        )

    def project(self, points: ArrayLike) -> Array:
        """Camera points [..., 3] to pixels [..., 2]; NaN where z <= 0."""
        x, y, z = _split(points, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = np.where(z > 0, x / z, np.nan), np.where(z > 0, y / z, np.nan)
        radius = np.hypot(a, b)
        distorted, _ = _odd_polynomial(np.arctan(radius), self.k)
        scale = np.where(radius > _SMALL, distorted / np.maximum(radius, _SMALL), 1.0)
        u, v = self._bent(a * scale, b * scale)
        return np.stack([self.f * u + self.cx, self.f * v + self.cy], -1)

    def unproject(self, pixels: ArrayLike) -> Array:
        """Pixels [..., 2] to unit rays [..., 3]; meaningful inside the lens circle only (the angle is clamped)."""
        u, v = _split(pixels, 2)
        mx, my = (u - self.cx) / self.f, (v - self.cy) / self.f
        xr, yr = mx.copy(), my.copy()
        (p0, p1), (s0, s1, s2, s3) = self.p, self.s
        for _ in range(_NEWTON_STEPS):
            bx, by = self._bent(xr, yr)
            rd2 = xr * xr + yr * yr
            gx, gy = s0 + 2 * s1 * rd2, s2 + 2 * s3 * rd2
            j00, j01 = 1 + 6 * xr * p0 + 2 * yr * p1 + 2 * gx * xr, 2 * yr * p0 + 2 * xr * p1 + 2 * gx * yr
            j10, j11 = 2 * xr * p1 + 2 * yr * p0 + 2 * gy * xr, 1 + 6 * yr * p1 + 2 * xr * p0 + 2 * gy * yr
            det, ex, ey = j00 * j11 - j01 * j10, bx - mx, by - my
            xr, yr = xr - (j11 * ex - j01 * ey) / det, yr - (j00 * ey - j10 * ex) / det
        rho = np.hypot(xr, yr)
        theta = _angle_of_radius(rho, self.k, np.pi / 2 - 1e-6)
        side = np.where(rho > _SMALL, np.sin(theta) / np.maximum(rho, _SMALL), 1.0)
        return np.stack([xr * side, yr * side, np.cos(theta)], -1)

    def resized(self, scale_x: float, scale_y: float) -> Fisheye624:
        """The lens of the picture resized (half-pixel rule); one focal length allows one scale only.

        Raises ValueError where the two scales differ by more than 1e-6.
        """
        if abs(scale_x / scale_y - 1) > 1e-6:
            raise ValueError(f"Fisheye624 has one focal length: cannot resize by {scale_x} and {scale_y}")
        return replace(self, f=self.f * scale_x, **_scaled_centre(self, scale_x, scale_y))

    def cropped(self, left: float, top: float) -> Fisheye624:
        """The lens of the picture whose new origin is pixel (left, top)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top)

    def upright(self, height: int) -> Fisheye624:
        """The lens of the picture turned 90 degrees clockwise; tangential and prism terms turn with it."""
        (p0, p1), (s0, s1, s2, s3) = self.p, self.s
        return replace(self, cx=height - 1 - self.cy, cy=self.cx, p=(-p1, p0), s=(-s2, -s3, s0, s1))


Lens = Pinhole | KannalaBrandt | Fisheye624


def _scaled_centre(lens: Lens, scale_x: float, scale_y: float) -> dict[str, float]:
    return {"cx": scale_x * (lens.cx + 0.5) - 0.5, "cy": scale_y * (lens.cy + 0.5) - 0.5}


UPRIGHT_FROM_RAW = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Camera axes of the picture turned 90 degrees clockwise, from those before: x' = -y, y' = x."""


def rigid(rotation: ArrayLike, translation: ArrayLike) -> Array:
    """4x4 matrices [..., 4, 4] from rotations [..., 3, 3] and translations [..., 3]."""
    rotation, translation = np.asarray(rotation, np.float64), np.asarray(translation, np.float64)
    matrix = np.zeros((*rotation.shape[:-2], 4, 4))
    matrix[..., :3, :3], matrix[..., :3, 3], matrix[..., 3, 3] = rotation, translation, 1.0
    return matrix


def inverse(matrix: ArrayLike) -> Array:
    """Inverse of rigid transforms given as [..., 3, 4] or [..., 4, 4]; exact for orthonormal rotations."""
    matrix = np.asarray(matrix, np.float64)
    back = np.swapaxes(matrix[..., :3, :3], -1, -2)
    return rigid(back, -(back @ matrix[..., :3, 3:])[..., 0])


def nearest_rotation(matrix: ArrayLike) -> Array:
    """The closest rotation (Frobenius) to each [..., 3, 3]; for poses printed with few decimals."""
    u, _, vt = np.linalg.svd(np.asarray(matrix, np.float64))
    sign = np.linalg.det(u @ vt)
    u = u.copy()
    u[..., :, 2] *= sign[..., None]
    return u @ vt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera:
    """A lens at a picture size, with one pose a frame.

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

    def project(self, points: ArrayLike, frame: int) -> Array:
        """World points [..., 3] to pixels [..., 2] of one frame; NaN where the lens does not see them."""
        return self.lens.project(self.to_camera(points, frame))

    def to_camera(self, points: ArrayLike, frame: int) -> Array:
        """World points [..., 3] to camera axes of one frame, [..., 3]."""
        pose = self.world_from_camera[frame]
        return (np.asarray(points, np.float64) - pose[:3, 3]) @ pose[:3, :3]

    def to_world(self, points: ArrayLike, frame: int) -> Array:
        """Camera points [..., 3] of one frame to world axes, [..., 3]."""
        pose = self.world_from_camera[frame]
        return np.asarray(points, np.float64) @ pose[:3, :3].T + pose[:3, 3]

    def lift(self, pixels: ArrayLike, depth: ArrayLike, frame: int) -> Array:
        """World points [..., 3] of pixels [..., 2] at z-depth [...] metres (z, not ray length)."""
        rays = self.lens.unproject(pixels)
        return self.to_world(rays / rays[..., 2:] * np.asarray(depth, np.float64)[..., None], frame)

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
