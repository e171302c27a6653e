"""Where the scene is looked at from: virtual pinhole cameras around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from egox.cameras import Array, Camera, Pinhole, rigid

from .scene import Scene

OVERVIEW_DEG = (38.0, 26.0)
"""Azimuth from the exo camera's side, and elevation."""
SIDE_DEG = (90.0, 4.0)
ORBIT_ELEVATION_DEG = 24.0

_ALMOST_FLAT_DEG = 14.0
_SOLID_DEG = 38.0
_LEAST_RADIUS_M = 0.7
_MARGIN = 1.12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stand:
    """The middle of what is to be seen, its radius, and level axes: `toward` the exo camera, `right` of it, `up`.

    gaze_m: how long the gaze is drawn.
    """

    middle: Array
    radius_m: float
    gaze_m: float
    toward: Array
    right: Array
    up: Array


def stand_of(scene: Scene) -> Stand:
    """A stand that holds head track and exo camera, and what is between them and the floor."""
    places, up = scene.places(), scene.up
    gaze_m = float(np.clip(0.3 * np.linalg.norm(np.ptp(places, axis=0)), 0.35, 1.2))
    if scene.ego is not None:
        ends = [scene.ego.to_world([0, 0, gaze_m], frame) for frame in (0, scene.frame, scene.frames - 1)]
        places = np.concatenate([places, ends])
    low, high = places.min(0), places.max(0)
    middle = (low + high) / 2
    heights = [float(value) for value in (scene.heights(places).min(), scene.heights(places).max())]
    if scene.floor_m is not None and heights[0] - 4 < scene.floor_m < heights[0]:
        heights[0] = scene.floor_m
    middle += up * ((heights[0] + heights[1]) / 2 - float(middle @ up))
    toward = _level(_exo_side(scene), up)
    reach = np.linalg.norm(places - middle, axis=1).max()
    radius = max(float(reach), (heights[1] - heights[0]) / 2, _LEAST_RADIUS_M)
    return Stand(middle=middle, radius_m=radius, gaze_m=gaze_m, toward=toward, right=np.cross(up, toward), up=up)


def _exo_side(scene: Scene) -> Array:
    """From the head to the exo camera; without one of them, from behind what the other looks at."""
    if scene.ego is not None and scene.main_exo is not None:
        return scene.main_exo.centres[0] - scene.ego.centres.mean(0)
    other = scene.main_exo or (scene.exo[0].camera if scene.exo else scene.ego)
    return np.zeros(3) if other is None else -other.world_from_camera[0, :3, 2]


def _level(direction: Array, up: Array) -> Array:
    flat = direction - (direction @ up) * up
    if np.linalg.norm(flat) < 1e-6:
        flat = np.eye(3)[int(np.abs(up).argmin())]
        flat = flat - (flat @ up) * up
    return flat / np.linalg.norm(flat)


def around(stand: Stand, *, azimuth_deg: float, elevation_deg: float, width: int, height: int) -> Camera:
    """A camera that looks at the middle from this side: azimuth 0 is the exo camera's side."""
    a, e = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    away = np.cos(e) * (np.cos(a) * stand.toward + np.sin(a) * stand.right) + np.sin(e) * stand.up
    return _looking(stand, away, stand.up, angle_deg=_SOLID_DEG, width=width, height=height)


def above(stand: Stand, *, width: int, height: int) -> Camera:
    """A camera over the scene, the exo camera at the lower edge; so far away that it is almost a plan."""
    return _looking(stand, stand.up, -stand.toward, angle_deg=_ALMOST_FLAT_DEG, width=width, height=height)


def _looking(stand: Stand, away: Array, upward: Array, *, angle_deg: float, width: int, height: int) -> Camera:
    """angle_deg: of the shorter side, which the stand's sphere fills."""
    half = np.deg2rad(angle_deg) / 2
    distance = _MARGIN * stand.radius_m / np.sin(half)
    focal = min(width, height) / 2 / np.tan(half)
    right = np.cross(-away, upward)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(-away, right), -away], -1)
    lens = Pinhole(fx=float(focal), fy=float(focal), cx=(width - 1) / 2, cy=(height - 1) / 2)
    pose = rigid(axes, stand.middle + away * distance)
    return Camera(lens=lens, width=width, height=height, world_from_camera=pose[None])
