"""Where the four exo cameras of a take stand: free sight of head, hands and surface, apart from each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from .shapes import Array, frame, unit

EXO_CAMERAS = ("cam01", "cam02", "cam03", "cam04")
NEAR_M, FAR_M = 1.5, 4.0
TRIES = 300
_APART_RAD = (0.9, 0.5, 0.2, 0.0)

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
    score: float
    azimuth: float
    at: Array


def place_cameras(
    rng: Generator, *, room: tuple[float, float, float], world_from_work: Array, marks: Array, blocked: Sight
) -> list[ExoCamera]:
    """Four cameras about the work, the best view first.

    room: (w, d, h) metres; marks: [n, 3] world points that should be seen (head, hands, surface).
    """
    options = []
    for _ in range(TRIES):
        azimuth, distance, height = rng.uniform(-np.pi, np.pi), rng.uniform(NEAR_M, FAR_M), rng.uniform(1.2, 1.95)
        at = (world_from_work @ (np.sin(azimuth) * distance, np.cos(azimuth) * distance, 0, 1))[:3]
        at[2] = height
        if not (0.12 < at[0] < room[0] - 0.12 and 0.12 < at[1] < room[1] - 0.12):
            continue
        to = marks - at
        far = np.linalg.norm(to, axis=1)
        start = np.repeat(at[None].astype(np.float32), len(marks), 0)
        free = 1 - blocked(start, (to / far[:, None]).astype(np.float32), far - 0.12).mean()
        front = 1.0 - abs(abs(azimuth) - 0.9) / 2
        options.append(_Option(free + 0.7 * front - 0.06 * abs(distance - 1.9) + rng.normal(0, 0.05), azimuth, at))
    options.sort(key=lambda option: -option.score)
    target = (world_from_work @ (0, 0.02, 0.22, 1))[:3]
    cameras = []
    for name, option in zip(EXO_CAMERAS, _spread(options), strict=True):
        forward = unit(target + rng.normal(0, 0.08, 3) - option.at)
        tilt = np.array([0, 0, rng.normal(0, 0.015)])
        down = unit(np.cross(forward, unit(np.cross(forward, (0, 0, 1))) + tilt))
        # unit(down) is orthogonal to forward but for the tilt's share along it: take that out, or the pose is no rotation
        down = unit(down - (down @ forward) * forward)
        pose = frame(option.at, np.cross(down, forward), down, forward)
        cameras.append(ExoCamera(name=name, focal_px=float(rng.uniform(1749.2, 1785.9)), world_from_camera=pose))
    return cameras


def _spread(options: list[_Option]) -> list[_Option]:
    chosen: list[_Option] = []
    for apart in _APART_RAD:
        for option in options:
            if len(chosen) == len(EXO_CAMERAS):
                return chosen
            if all(abs((option.azimuth - c.azimuth + np.pi) % (2 * np.pi) - np.pi) > apart for c in chosen):
                chosen.append(option)
    return chosen
