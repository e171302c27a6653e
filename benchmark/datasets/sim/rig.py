"""Where the four exo cameras of a take stand: free sight of head, hands and surface, apart from each other.

A place is sound where it keeps 1.5 to 4 m from the person and its picture is not filled by something right before the lens;
unsound ones are taken only where a room has no others, the least bad first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from .lens import exo_lens, exo_width
from .shapes import Array, frame, unit

EXO_CAMERAS = ("cam01", "cam02", "cam03", "cam04")
NEAR_M, FAR_M = 1.5, 4.0
"""Distance from the person's pelvis to a camera."""
CLEAR_M, CLEAR_SHARE = 0.8, 0.03
"""At most this share of a picture may show something nearer than this."""
TRIES = 500
_APART_RAD = (0.9, 0.5, 0.2, 0.0)
_HEIGHTS_M = (1.2, 1.95)
_GRID = (16, 9)

Sight = Callable[[Array, Array, Array], Array]
"""(origins, unit directions, distances) -> what is blocked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExoCamera:
    """A still camera: name, raw focal length (pixels at 3840 wide), world_from_camera 4x4 (OpenCV axes, metres)."""

    name: str
    focal_px: float
    world_from_camera: Array


@dataclass(frozen=True, slots=True)
class _Option:
    """fault: how far from sound, 0 for sound; camera without its name."""

    fault: float
    score: float
    azimuth: float
    focal_px: float
    pose: Array


def place_cameras(
    rng: Generator,
    *,
    room: tuple[float, float, float],
    world_from_work: Array,
    marks: Array,
    pelvis: Array,
    blocked: Sight,
) -> list[ExoCamera]:
    """Four cameras about the person, the best view first.

    room: (w, d, h) metres; marks: [n, 3] world points that should be seen (head, hands, surface); pelvis: [n, 3] world
    points where the person's pelvis is at times spread evenly over the take.
    """
    usual = np.median(pelvis, axis=0)
    target = (world_from_work @ (0, 0.02, 0.22, 1))[:3]
    options = []
    for _ in range(TRIES):
        azimuth, distance, height = rng.uniform(-np.pi, np.pi), rng.uniform(NEAR_M, FAR_M), rng.uniform(*_HEIGHTS_M)
        at = usual + world_from_work[:3, :3] @ (np.sin(azimuth) * distance, np.cos(azimuth) * distance, 0)
        at[2] = height
        if not (0.12 < at[0] < room[0] - 0.12 and 0.12 < at[1] < room[1] - 0.12):
            continue
        focal_px, pose = float(rng.uniform(1749.2, 1785.9)), _aimed(rng, at, target)
        to = marks - at
        far = np.linalg.norm(to, axis=1)
        start = np.repeat(at[None].astype(np.float32), len(marks), 0)
        free = 1 - blocked(start, (to / far[:, None]).astype(np.float32), far - 0.12).mean()
        front = 1.0 - abs(abs(azimuth) - 0.9) / 2
        score = free + 0.7 * front - 0.06 * abs(distance - 2.1) + rng.normal(0, 0.05)
        fault = _range_fault(at, usual, pelvis) + _clutter(pose, blocked)
        options.append(_Option(fault, score, azimuth, focal_px, pose))
    return [
        ExoCamera(name=name, focal_px=option.focal_px, world_from_camera=option.pose)
        for name, option in zip(EXO_CAMERAS, _spread(options), strict=True)
    ]


def _aimed(rng: Generator, at: Array, target: Array) -> Array:
    """A camera pose [4, 4] at a point, turned to about the target, nearly level."""
    forward = unit(target + rng.normal(0, 0.08, 3) - at)
    tilt = np.array([0, 0, rng.normal(0, 0.015)])
    down = unit(np.cross(forward, unit(np.cross(forward, (0, 0, 1))) + tilt))
    # unit(down) is orthogonal to forward but for the tilt's share along it: take that out, or the pose is no rotation
    down = unit(down - (down @ forward) * forward)
    return frame(at, np.cross(down, forward), down, forward)


def _range_fault(at: Array, usual: Array, pelvis: Array) -> float:
    """1 where the person's usual place or the median over the take is out of range, plus the share of the take that is."""
    distance = np.linalg.norm(pelvis - at, axis=1)
    usually = (float(np.linalg.norm(usual - at)), float(np.median(distance)))
    out = (distance < NEAR_M) | (distance > FAR_M)
    return float(not all(NEAR_M <= d <= FAR_M for d in usually)) + float(out.mean())


@lru_cache(1)
def _coarse_rays() -> Array:
    """Unit directions [n, 3] in the camera's frame, spread over the picture; lenses differ too little to matter here."""
    height = 9 * _GRID[1]
    u = (np.arange(_GRID[0]) + 0.5) * exo_width(height) / _GRID[0] - 0.5
    v = (np.arange(_GRID[1]) + 0.5) * height / _GRID[1] - 0.5
    rays = exo_lens(1767.0, height).unproject(np.stack(np.meshgrid(u, v), -1).reshape(-1, 2))
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _clutter(pose: Array, blocked: Sight) -> float:
    """Share of the picture that something right before the lens fills; 0 where that is little."""
    rays = np.ascontiguousarray(_coarse_rays() @ pose[:3, :3].T, np.float32)
    start = np.repeat(pose[None, :3, 3].astype(np.float32), len(rays), 0)
    share = float(blocked(start, rays, np.full(len(rays), CLEAR_M)).mean())
    return share if share > CLEAR_SHARE else 0.0


def _spread(options: list[_Option]) -> list[_Option]:
    """The best sound options that are apart, then nearer to each other; what is missing comes from the least bad others."""
    chosen: list[_Option] = []
    sound = sorted((o for o in options if o.fault == 0), key=lambda o: -o.score)
    rest = sorted((o for o in options if o.fault > 0), key=lambda o: (round(o.fault, 1), -o.score))
    for pool, gaps in ((sound, _APART_RAD[:-1]), (rest, _APART_RAD[1:]), (sound, _APART_RAD[-1:])):
        for apart in gaps:
            for option in pool:
                if len(chosen) == len(EXO_CAMERAS):
                    return chosen
                if all(abs((option.azimuth - c.azimuth + np.pi) % (2 * np.pi) - np.pi) > apart for c in chosen):
                    chosen.append(option)
    return chosen
