"""Known damage to a video, one function each: pure, on [frames, height, width, 3] uint8 RGB, same shape out as in."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from egox.cameras import ARIA_CIRCLE_RAD, Camera

from ..video import Frames

_RIM_PX = 2.0
"""How far inside the lens circle the mirror stands for what lies beyond it: the rim itself is a mix with black."""


def blurred(frames: Frames, sigma_px: float) -> Frames:
    """Every frame under a Gaussian of this standard deviation, cut at four of them; edges mirrored."""
    side = 2 * max(1, round(4 * sigma_px)) + 1
    return np.stack([cv2.GaussianBlur(f, (side, side), sigma_px, borderType=cv2.BORDER_REFLECT_101) for f in frames])


def noisy(frames: Frames, sd: float, rng: np.random.Generator) -> Frames:
    """With independent Gaussian noise of this standard deviation (8-bit levels) on every channel, rounded and cut to 0..255."""
    noise = (sd * rng.standard_normal(frame.shape, np.float32) for frame in frames)
    return np.stack([np.clip(np.rint(frame + added), 0, 255).astype(np.uint8) for frame, added in zip(frames, noise)])


def shifted(frames: Frames, px: int) -> Frames:
    """The whole picture to the right by this many pixels; what comes in from the left is mirrored."""
    width = frames.shape[2]
    if not 0 <= px < width:
        raise ValueError(f"shift of {px} px of a picture {width} px wide")
    return np.pad(frames, ((0, 0), (0, 0), (px, 0), (0, 0)), mode="reflect")[:, :, :width]


def delayed(frames: Frames, by: int) -> Frames:
    """Later by this many frames; the first one is held until then."""
    return frames[np.maximum(np.arange(len(frames)) - by, 0)]


def frozen(frames: Frames, share: float) -> Frames:
    """Still for this share of its length, at the end: the frame that is reached is held. 1 is the first frame repeated."""
    last = round((1 - share) * (len(frames) - 1))
    return frames[np.minimum(np.arange(len(frames)), last)]


def turned(frames: Frames, camera: Camera, rotations: NDArray[np.float64]) -> Frames:
    """As a head would have seen it that was turned: each frame by a rotation of its own, through the camera's lens.

    rotations: [frames, 3, 3], axes of the camera from those of the turned one. A head in the same place sees the same rays,
    so this is exact but for what lies outside of the lens circle (or the picture, where the lens fills it): that is
    mirrored at its edge. Pixels outside of the circle stay as they are.
    Raises ValueError where camera and frames differ in size or number.
    """
    if frames.shape[1:3] != (camera.height, camera.width) or not len(frames) == len(camera) == len(rotations):
        raise ValueError(f"frames {frames.shape}, camera {len(camera)} of {camera.width}x{camera.height}")
    rays, seen = camera.lens.unproject(camera.pixel_grid()), camera.visible()
    beyond = ~seen & np.isfinite(rays).all(-1)
    mirror = _places(camera, beyond, _mirrored(camera, rays[beyond]))
    out = frames.copy()
    source, before = mirror, None
    for frame, rotation, result in zip(frames, rotations, out):
        if before is None or not np.array_equal(rotation, before):
            source, before = _places(camera, seen, rays[seen] @ rotation.T), rotation
        result[seen] = _picked(_picked(frame, mirror), source)[seen]
    return out


def small_turns(degrees: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`count` rotations [count, 3, 3] by this angle, each about a random axis across the viewing direction.

    Across it, so that the direction of view is off by just this angle: a roll would leave the centre of the picture alone.
    """
    from scipy.spatial.transform import Rotation

    heading = rng.uniform(0, 2 * np.pi, count)
    axes = np.stack([np.cos(heading), np.sin(heading), np.zeros(count)], axis=1)
    return Rotation.from_rotvec(np.deg2rad(degrees) * axes).as_matrix()


def _mirrored(camera: Camera, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rays [n, 3] from beyond the lens circle to within it, as far from its rim as they were."""
    rim = ARIA_CIRCLE_RAD - _RIM_PX / camera.lens.pixels_per_radian
    off_axis = 2 * rim - np.arccos(np.clip(rays[:, 2:], -1, 1))
    heading = rays[:, :2] / np.linalg.norm(rays[:, :2], axis=1, keepdims=True)
    return np.concatenate([heading * np.sin(off_axis), np.cos(off_axis)], axis=1)


def _places(camera: Camera, pixels: NDArray[np.bool_], rays: NDArray[np.float64]) -> NDArray[np.float32]:
    """Where each pixel takes its colour from, [height, width, 2]: these pixels from where their rays land, others from
    themselves (also where the lens does not reach a ray)."""
    places = camera.pixel_grid()
    landed = camera.lens.project(rays)
    places[pixels] = np.where(np.isfinite(landed), landed, places[pixels])
    return places.astype(np.float32)


def _picked(frame: Frames, places: NDArray[np.float32]) -> Frames:
    """The picture at these places, cubic, mirrored at its edges."""
    picked = cv2.remap(frame, places[..., 0], places[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return picked.astype(np.uint8, copy=False)
