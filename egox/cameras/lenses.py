"""Lens models: camera points to pixels and pixels to rays, and what resizing, cropping and turning a picture does to them.

Every lens works on lists, numpy (in float64) and torch (in the tensor's own dtype, on its device) with the same formulas.
What a lens cannot map is NaN: points that it does not see, pixels that no ray reaches. Fisheye polynomials that turn back
are cut at their first turn; the lenses of the recorded devices have none (GoPro rises up to 180 degrees, Aria up to 90;
with its tangential and prism terms Aria's model stays one-to-one up to 82 degrees).
Sources: Ego-Exo4D documentation (Kannala-Brandt exo cameras), Project Aria tools (Fisheye624).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array, floats, smallest_length
from .radial import NEWTON_STEPS, distorted, turning_angle, undistorted

if TYPE_CHECKING:
    from torch import Tensor


_LENGTHS = {("KannalaBrandt", "k"): 4, ("Fisheye624", "k"): 6, ("Fisheye624", "p"): 2, ("Fisheye624", "s"): 4}


def _check_field(lens: str, name: str, value: Any) -> None:
    """Raises ValueError where a parameter is one that no lens has."""
    length = _LENGTHS.get((lens, name))
    if length is not None:
        if len(value) != length or not all(math.isfinite(number) for number in value):
            raise ValueError(f"{lens}: {name} is {value}, expected {length} finite numbers")
        return
    if name in ("f", "fx", "fy"):
        if not 0 < value < math.inf:
            raise ValueError(f"{lens}: focal length {name} is {value}, expected a finite number above 0")
    elif not math.isfinite(value):
        raise ValueError(f"{lens}: {name} is {value}, expected a finite number")


class _Formulas:
    """What the lens models share: sound numbers, and the kinds of arrays. Each model brings formulas on single coordinates.

    Raises ValueError, naming the field, where a focal length is not above 0 or any number is not finite.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if name in ("k", "p", "s"):
                object.__setattr__(self, name, tuple(getattr(self, name)))
            _check_field(type(self).__name__, name, getattr(self, name))

    def _project(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def _unproject(self, xp: Any, u: Any, v: Any) -> tuple[Any, Any, Any]:
        raise NotImplementedError

    def _magnification(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    @overload
    def project(self, points: Tensor) -> Tensor: ...
    @overload
    def project(self, points: ArrayLike) -> Array: ...
    def project(self, points: Any) -> Any:
        """Camera points [..., 3] to pixels [..., 2]; NaN where the lens does not see them (see the class)."""
        xp, points = floats(points, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            return xp.stack(self._project(xp, points[..., 0], points[..., 1], points[..., 2]), axis=-1)

    @overload
    def unproject(self, pixels: Tensor) -> Tensor: ...
    @overload
    def unproject(self, pixels: ArrayLike) -> Array: ...
    def unproject(self, pixels: Any) -> Any:
        """Pixels [..., 2] to unit rays [..., 3]; NaN where no ray reaches them (see the class)."""
        xp, pixels = floats(pixels, 2)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return xp.stack(self._unproject(xp, pixels[..., 0], pixels[..., 1]), axis=-1)

    @property
    def pixels_per_radian(self) -> float:
        """Scale on the axis."""
        return float(np.sqrt(np.prod(self.magnification([0.0, 0.0, 1.0]))))

    @overload
    def magnification(self, points: Tensor) -> Tensor: ...
    @overload
    def magnification(self, points: ArrayLike) -> Array: ...
    def magnification(self, points: Any) -> Any:
        """Local scale at camera points [..., 3]: pixels per radian [..., 2], radial and tangential; NaN as for `project`.

        How many pixels the image moves when the ray turns by one radian away from the axis, and across that direction; on
        the axis, along x and along y. The points' distance does not matter.
        """
        xp, points = floats(points, 3)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return xp.stack(self._magnification(xp, points[..., 0], points[..., 1], points[..., 2]), axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinhole(_Formulas):
    """Ideal perspective lens; fx, fy, cx, cy in pixels. It sees what has z > 0."""

    fx: float
    fy: float
    cx: float
    cy: float

    def _project(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        a, b = xp.where(z > 0, x / z, xp.nan), xp.where(z > 0, y / z, xp.nan)
        return self.fx * a + self.cx, self.fy * b + self.cy

    def _unproject(self, xp: Any, u: Any, v: Any) -> tuple[Any, Any, Any]:
        a, b = (u - self.cx) / self.fx, (v - self.cy) / self.fy
        length = xp.sqrt(a * a + b * b + 1)
        return a / length, b / length, 1 / length

    def _magnification(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        """f / cos^2 and f / cos."""
        radius, radial, tangential = _focals_around(xp, self, x, y)
        cosine = xp.where(z > 0, z / xp.hypot(radius, z), xp.nan)
        return radial / (cosine * cosine), tangential / cosine

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
class KannalaBrandt(_Formulas):
    """OpenCV's `fisheye` model (Ego-Exo4D exo cameras): k acts on angles, so resizing leaves it alone.

    It sees behind itself, as far as the polynomial rises: up to 180 degrees from the axis for GoPro, where rays of pixels far
    outside of the picture have z < 0.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    k: tuple[float, float, float, float]

    def _project(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        small = smallest_length(xp, x)
        radius = xp.hypot(x, y)
        theta = xp.atan2(radius, z)
        bent, _ = distorted(xp, theta, self.k)
        on_axis = xp.where(z > 0, 1 / z, xp.nan)
        scale = xp.where(radius > small, bent / radius, on_axis)
        scale = xp.where(theta <= turning_angle(self.k, np.pi), scale, xp.nan)
        return self.cx + self.fx * x * scale, self.cy + self.fy * y * scale

    def _unproject(self, xp: Any, u: Any, v: Any) -> tuple[Any, Any, Any]:
        small = smallest_length(xp, u)
        mx, my = (u - self.cx) / self.fx, (v - self.cy) / self.fy
        rho = xp.hypot(mx, my)
        theta = undistorted(xp, rho, self.k, turning_angle(self.k, np.pi))
        side = xp.where(rho > small, xp.sin(theta) / rho, 1.0)
        return mx * side, my * side, xp.cos(theta)

    def _magnification(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        """f d'(theta) and f d(theta) / sin(theta)."""
        radius, radial, tangential = _focals_around(xp, self, x, y)
        slope, spread = _bending(xp, radius, z, self.k, np.pi)
        return radial * slope, tangential * spread

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
class Fisheye624(_Formulas):
    """Aria's FisheyeRadTanThinPrism with one focal length: six radial (k), two tangential (p), four prism (s) terms.

    The formula is even in z: points behind the camera would land on valid pixels, so `project` masks z <= 0 itself. The
    model reaches far beyond the lens circle (59 degrees, see `Camera.visible`), where it is only the formula's word.
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

    def _bent(self, xr: Any, yr: Any) -> tuple[Any, Any]:
        (p0, p1), (s0, s1, s2, s3) = self.p, self.s
        rd2, q = xr * xr + yr * yr, xr * p0 + yr * p1
        return (
            xr + 2 * q * xr + rd2 * p0 + s0 * rd2 + s1 * rd2 * rd2,
            yr + 2 * q * yr + rd2 * p1 + s2 * rd2 + s3 * rd2 * rd2,
        )

    def _unbent(self, xp: Any, mx: Any, my: Any) -> tuple[Any, Any]:
        """Invert `_bent` by Newton from (mx, my); NaN where it does not arrive (far outside of the picture)."""
        xr, yr = mx, my
        (p0, p1), (s0, s1, s2, s3) = self.p, self.s
        for _ in range(NEWTON_STEPS):
            bx, by = self._bent(xr, yr)
            rd2 = xr * xr + yr * yr
            gx, gy = s0 + 2 * s1 * rd2, s2 + 2 * s3 * rd2
            j00, j01 = 1 + 6 * xr * p0 + 2 * yr * p1 + 2 * gx * xr, 2 * yr * p0 + 2 * xr * p1 + 2 * gx * yr
            j10, j11 = 2 * xr * p1 + 2 * yr * p0 + 2 * gy * xr, 1 + 6 * yr * p1 + 2 * xr * p0 + 2 * gy * yr
            det, ex, ey = j00 * j11 - j01 * j10, bx - mx, by - my
            xr, yr = xr - (j11 * ex - j01 * ey) / det, yr - (j00 * ey - j10 * ex) / det
        bx, by = self._bent(xr, yr)
        tolerance = float(xp.finfo(mx.dtype).eps) ** 0.5
        arrived = xp.hypot(bx - mx, by - my) <= tolerance * (1 + xp.hypot(mx, my))
        return xp.where(arrived, xr, xp.nan), xp.where(arrived, yr, xp.nan)

    def _project(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        small = smallest_length(xp, x)
        a, b = xp.where(z > 0, x / z, xp.nan), xp.where(z > 0, y / z, xp.nan)
        radius = xp.hypot(a, b)
        theta = xp.atan(radius)
        bent, _ = distorted(xp, theta, self.k)
        scale = xp.where(radius > small, bent / radius, 1.0)
        scale = xp.where(theta <= turning_angle(self.k, np.pi / 2), scale, xp.nan)
        u, v = self._bent(a * scale, b * scale)
        return self.f * u + self.cx, self.f * v + self.cy

    def _unproject(self, xp: Any, u: Any, v: Any) -> tuple[Any, Any, Any]:
        small = smallest_length(xp, u)
        xr, yr = self._unbent(xp, (u - self.cx) / self.f, (v - self.cy) / self.f)
        rho = xp.hypot(xr, yr)
        theta = undistorted(xp, rho, self.k, turning_angle(self.k, np.pi / 2 - 1e-6))
        side = xp.where(rho > small, xp.sin(theta) / rho, 1.0)
        return xr * side, yr * side, xp.cos(theta)

    def _magnification(self, xp: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        """f d'(theta) and f d(theta) / sin(theta): tangential and prism terms are left out.

        They move it by 0.4 % at most within the lens circle of Aria, measured.
        """
        slope, spread = _bending(xp, xp.hypot(x, y), xp.where(z > 0, z, xp.nan), self.k, np.pi / 2)
        return self.f * slope, self.f * spread

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


def _focals_around(xp: Any, lens: Pinhole | KannalaBrandt, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """|(x, y)|, and the focal length along (x, y) and across it: the same two where pixels are square."""
    radius = xp.hypot(x, y)
    off_axis = radius > smallest_length(xp, radius)
    cosine, sine = xp.where(off_axis, x / radius, 1.0), xp.where(off_axis, y / radius, 0.0)
    return radius, xp.hypot(lens.fx * cosine, lens.fy * sine), xp.hypot(lens.fx * sine, lens.fy * cosine)


def _bending(xp: Any, radius: Any, z: Any, k: Sequence[float], limit: float) -> tuple[Any, Any]:
    """d'(theta) and d(theta) / sin(theta) at theta = atan2(radius, z); NaN beyond the polynomial's turn, and straight behind."""
    theta = xp.atan2(radius, z)
    bent, slope = distorted(xp, theta, k)
    off_axis = radius > smallest_length(xp, radius)
    spread = xp.where(off_axis, bent * xp.hypot(radius, z) / radius, 1.0)
    known = (theta <= turning_angle(k, limit)) & (off_axis | (z > 0))
    return xp.where(known, slope, xp.nan), xp.where(known, spread, xp.nan)
