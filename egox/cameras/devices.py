"""What is known of the recording devices themselves: GoPro exo cameras and Aria's RGB camera.

Two resizing rules meet here, each stated once. GoPro: focal and principal point are scaled plainly (c = W/2 is nominal, so
796x448 gets c = (398, 224)). Aria: the half-pixel rule, 2880 -> crop 32 a side -> half -> 1408 -> n.
Sources: Ego-Exo4D documentation, its published calibrations and videos (measured); OpenCV's fisheye
`estimateNewCameraMatrixForUndistortRectify` with balance 0.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .lenses import Fisheye624, KannalaBrandt

GOPRO_SIZE = (2160, 3840)
"""(height, width) that the calibration of an exo camera is stated for; (3840, 2160) where it stands upright."""

GOPRO_K = (0.036902, 0.057131, -0.057154, 0.018458)
"""The shared factory model of the exo cameras: every measured camera has exactly these four numbers."""

RAW_FOCAL_RANGE_PX = (1450.0, 2500.0)
"""Where the raw focal length of an exo camera is looked for, at its full size; measured ones are 1749 to 1786."""

ARIA_CIRCLE_RAD = float(np.deg2rad(59.0))
"""Half-angle of the visible circle of Aria's RGB camera; the picture is black outside of it."""

ARIA_DEFAULT_2880 = (
    1220.592182729911, 1464.618192267255, 1442.370245962395,
    0.4143793791836057, -0.4859785980738274, 0.1384912170175902, 1.146000597558113, -1.66762626342011, 0.6300994877479119,
    0.0007903390814906743, -0.0003460749279699183,
    -0.001078250965388323, 0.00007704910825386041, 0.0005214350246391408, -0.0001066039798202996,
)  # fmt: skip
"""camera-rgb of one measured device at 2880x2880, raw: what stands in where no lens is given. Devices vary little, but they
vary."""


def gopro_lens(focal_px: float) -> KannalaBrandt:
    """The raw lens of an exo camera at its full size, from its focal length: all else is shared."""
    height, width = GOPRO_SIZE
    return KannalaBrandt(fx=focal_px, fy=focal_px, cx=width / 2, cy=height / 2, k=GOPRO_K)


def plain_scaled(lens: KannalaBrandt, sx: float, sy: float) -> KannalaBrandt:
    """Focal and centre times the scales; k acts on angles and stays."""
    return replace(lens, fx=lens.fx * sx, fy=lens.fy * sy, cx=lens.cx * sx, cy=lens.cy * sy)


def undistorted_focal(raw_focal: float, *, width: int, height: int, k: tuple[float, float, float, float]) -> float:
    """Focal length of the published undistorted picture from the raw one (square pixels, centred principal point)."""
    lens = KannalaBrandt(fx=raw_focal, fy=raw_focal, cx=0.0, cy=0.0, k=k)
    sides = np.array([[width / 2, 0.0], [0.0, height / 2]])
    rays = lens.unproject(sides)
    a, b = sides[0, 0] * rays[0, 2] / rays[0, 0], sides[1, 1] * rays[1, 2] / rays[1, 1]
    return 0.8 * min(a, b) + 0.2 * max(a, b)


def raw_lens_of_undistorted(intrinsics: Any, *, k: tuple[float, float, float, float] = GOPRO_K) -> tuple[KannalaBrandt, int, int]:
    """The raw fisheye of an exo camera from its published undistorted 3x3 K at full size; with width and height.

    The published focal length rises with the raw one, so the raw one is the root of `undistorted_focal`.
    Raises ValueError where K is not centred with square pixels, or no raw focal in RAW_FOCAL_RANGE_PX gives it.
    """
    from scipy.optimize import brentq  # here: nothing else of this package needs scipy

    try:
        matrix = np.asarray(intrinsics, np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise ValueError("intrinsics must be a finite 3x3 matrix")
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    width, height = round(2 * cx), round(2 * cy)
    sizes = {GOPRO_SIZE, GOPRO_SIZE[::-1]}
    if abs(fx / fy - 1) > 1e-6 or (height, width) not in sizes or abs(2 * cx - width) > 1e-3:
        raise ValueError(f"K with f ({fx:.1f}, {fy:.1f}), c ({cx:.1f}, {cy:.1f}) is not centred")
    low, high = RAW_FOCAL_RANGE_PX

    def excess(focal: float) -> float:
        return undistorted_focal(focal, width=width, height=height, k=k) - fx

    if not excess(low) * excess(high) <= 0:
        raise ValueError(f"no raw focal in {low:.0f}..{high:.0f} px gives the published {fx:.1f}")
    focal = float(brentq(excess, low, high, xtol=1e-10))  # pyright: ignore[reportArgumentType]
    return KannalaBrandt(fx=focal, fy=focal, cx=float(cx), cy=float(cy), k=k), width, height


def aria_lens_1408(params: Sequence[float]) -> Fisheye624:
    """The raw lens at 1408 from Aria's 15 numbers for 2880 or 1408 pixels: the principal point says which.

    Raises ValueError where the numbers are no lens, or the principal point is more than 8 % off the middle of both.
    """
    if len(params) != 15:
        raise ValueError(f"camera-rgb has {len(params)} parameters, expected the 15 of FisheyeRadTanThinPrism")
    if not np.isfinite(params).all() or params[0] <= 0:
        raise ValueError(f"camera-rgb has parameters that no lens can have (focal length {params[0]:g})")
    lens = Fisheye624.from_params(params)
    for side in (2880, 1408):
        if max(abs(lens.cx / (side / 2) - 1), abs(lens.cy / (side / 2) - 1)) <= 0.08:
            return lens if side == 1408 else lens.cropped(32, 32).resized(0.5, 0.5)
    raise ValueError(
        f"camera-rgb has its principal point at ({lens.cx:.1f}, {lens.cy:.1f}), the middle of neither"
        " 2880 nor 1408 pixels; the calibration is of another camera or size"
    )


def raw_aria_lens(lens_1408: Fisheye624, side: int) -> Fisheye624:
    """The raw lens at side x side pixels, by the half-pixel rule: as the sensor lies, its x axis to the floor."""
    return lens_1408.resized(side / 1408, side / 1408)


def upright_aria_lens(lens_1408: Fisheye624, side: int) -> Fisheye624:
    """The lens of the upright ego picture, which is the raw one turned 90 degrees clockwise. Poses turn with it."""
    return raw_aria_lens(lens_1408, side).upright(side)


def default_aria_lens(side: int) -> Fisheye624:
    """The documented Aria-like lens of an upright side x side ego picture, for clips that come without a calibration."""
    return upright_aria_lens(aria_lens_1408(ARIA_DEFAULT_2880), side)
