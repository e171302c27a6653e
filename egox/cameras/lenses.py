"""Lens models: camera points to pixels and pixels to rays, and what resizing, cropping and turning a picture does to them.

Sources: Ego-Exo4D documentation (Kannala-Brandt exo cameras), Project Aria tools (Fisheye624).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

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
