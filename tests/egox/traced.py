"""Tiny worlds of boxes with exact pictures and depth: what the tests of the prior and of its scale look at.

World axes: x right, y away, z up, metres; the floor is z = 0. Any lens sees the same world, so exo and ego agree to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egox.cameras import Camera, KannalaBrandt, Lens, Pinhole, rigid
from egox.cameras.devices import GOPRO_K, default_aria_lens

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Box:
    """low, high: opposite corners in metres; paint: its colour, on which `trace` lays a pattern."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    paint: tuple[int, int, int] = (120, 120, 120)

    def moved(self, by: ArrayLike) -> Box:
        return Box(tuple(np.add(self.low, by)), tuple(np.add(self.high, by)), self.paint)


ROOM = Box((-3.0, -1.0, 0.0), (3.0, 5.0, 2.6), (120, 130, 140))


@dataclass(frozen=True)
class Seen:
    """picture: [height, width, 3] uint8; depth_m: [height, width] float32 z; hit: [height, width, 3] world points, NaN where
    the ray meets nothing; which: [height, width] number of the box in the order they were given, the room last, -1 nothing."""

    picture: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    hit: NDArray[np.float64]
    which: NDArray[np.int64]


def looking(eye: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """world_from_camera of a camera at `eye` that looks at `target`, upright."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, UP)
    right /= np.linalg.norm(right)
    return rigid(np.stack([right, np.cross(forward, right), forward], -1), eye)


def gopro(height: int) -> KannalaBrandt:
    """The exo lens of a picture of this height, 16:9."""
    return KannalaBrandt(fx=0.815 * height, fy=0.815 * height, cx=(height * 16 // 9 - 1) / 2, cy=(height - 1) / 2, k=GOPRO_K)


def exo_camera(eye: ArrayLike, target: ArrayLike, *, frames: int = 1, height: int = 108) -> Camera:
    poses = np.repeat(looking(eye, target)[None], frames, 0)
    return Camera(lens=gopro(height), width=height * 16 // 9, height=height, world_from_camera=poses)


def ego_camera(eyes: ArrayLike, targets: ArrayLike, *, side: int = 96, lens: Lens | None = None) -> Camera:
    """One pose for each eye and target, [frames, 3] each; the Aria lens where no other is given."""
    poses = np.stack([looking(eye, target) for eye, target in zip(np.atleast_2d(eyes), np.atleast_2d(targets))])
    return Camera(lens=lens or default_aria_lens(side), width=side, height=side, world_from_camera=poses)


def pinhole(side: int) -> Pinhole:
    """It sees 90 degrees."""
    return Pinhole(fx=side / 2, fy=side / 2, cx=(side - 1) / 2, cy=(side - 1) / 2)


def trace(camera: Camera, frame: int, boxes: Sequence[Box], *, room: Box | None = ROOM, pattern: float = 10.0) -> Seen:
    """What one frame of a camera sees of boxes, inside a room or before nothing. pattern: its amplitude in levels."""
    rays, eye = camera.lens.unproject(camera.pixel_grid()), camera.centres[frame]
    direction = rays @ camera.world_from_camera[frame, :3, :3].T
    things = [*boxes] if room is None else [*boxes, room]
    reaches = np.stack([_reach(box, eye, direction, inside=box is room) for box in things])
    which, range_m = reaches.argmin(0), reaches.min(0)
    known = np.isfinite(range_m)
    hit = eye + direction * np.where(known, range_m, np.nan)[..., None]
    wave = np.sin(6 * hit).sum(-1, keepdims=True) / 3
    colour = np.where(known[..., None], np.array([box.paint for box in things])[which] + pattern * wave, 0)
    depth = np.where(known, range_m, 0) * np.nan_to_num(rays[..., 2])
    return Seen(
        picture=np.clip(np.rint(colour), 0, 255).astype(np.uint8),
        depth_m=np.where(depth > 0, depth, 0).astype(np.float32),
        hit=hit,
        which=np.where(known, which, -1),
    )


def _reach(box: Box, eye: NDArray, direction: NDArray, *, inside: bool) -> NDArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(np.array(corner) - eye) / direction for corner in (box.low, box.high)])
    enters, leaves = sides.min(0).max(-1), sides.max(0).min(-1)
    if inside:
        return np.where(np.isfinite(leaves), leaves, np.inf)
    return np.where((enters < leaves) & (enters > 0), enters, np.inf)
