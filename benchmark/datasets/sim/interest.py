"""Which windows of a take are worth a clip: from the scripted poses alone, without a mesh.

A window is lively where the head turns or a hand moves, and sighted where the wearer has hands, work surface or the open room
before the eyes rather than a bare wall.
"""

from __future__ import annotations

import numpy as np

from .actor import LEFT, RIGHT, Pose
from .motion import Motion
from .places import PlaceSpec
from .shapes import Array, pose, unit

LOOKS = 5
"""How many instants of a window are looked at."""
GOOD_ENOUGH = 0.99
"""No better window is looked for from here on."""
TURN_DEG, MOVE_M = 15.0, 0.2
"""What makes a window lively: the head turns this much or a hand moves this far."""
IN_VIEW_DEG, WALL_M, SURFACE_FAR_M = 38.0, 1.6, 2.2
"""Within this angle of the head's axis a thing is well in view; a wall nearer than this fills it; a surface farther is small."""
_EYES = (0.12, 0.68)
"""Eyes before and above the pelvis, metres, for an actor of scale 1 who stands straight."""


def interest(place: PlaceSpec, motion: Motion, begin: float, end: float) -> float:
    """0..1 for the window from begin to end (seconds): half for motion, half for sight."""
    poses = [motion.pose(float(t)) for t in np.linspace(begin, end, LOOKS)]
    gaze = np.stack([body.gaze for body in poses])
    turn = np.rad2deg(np.arccos(np.clip((gaze @ gaze.T).min(), -1, 1)))
    move = max(float(np.linalg.norm(np.ptp([body.hands[side].grip for body in poses], axis=0))) for side in (RIGHT, LEFT))
    lively = min(max(turn / TURN_DEG, move / MOVE_M), 1.0)
    sighted = float(np.mean([_sighted(place, body, motion.script.look.scale) for body in poses]))
    return round(0.5 * lively + 0.5 * sighted, 6)


def _sighted(place: PlaceSpec, body: Pose, scale: float) -> bool:
    """Whether hands, surface or room are before the eyes."""
    ahead = np.array([-np.sin(body.yaw), np.cos(body.yaw), 0.0])
    eyes = body.pelvis + _EYES[0] * ahead + np.array([0.0, 0.0, _EYES[1] * scale])
    surface = np.array([0.0, 0.25, 0.0])
    marks = [body.hands[RIGHT].grip, body.hands[LEFT].grip]
    if np.linalg.norm(surface - eyes) < SURFACE_FAR_M:
        marks.append(surface)
    if any(unit(mark - eyes) @ body.gaze > np.cos(np.deg2rad(IN_VIEW_DEG)) for mark in marks):
        return True
    return _wall_distance(place, eyes, body.gaze) > WALL_M


def _wall_distance(place: PlaceSpec, eyes: Array, gaze: Array) -> float:
    """Metres along the gaze to the nearest wall; eyes and gaze in the work frame."""
    world_from_work = pose(*place.work[:3], yaw=place.work[3])
    at = (world_from_work[:3, :3] @ eyes + world_from_work[:3, 3])[:2]
    along = (world_from_work[:3, :3] @ gaze)[:2]
    size = np.array(place.size[:2])
    reach = np.where(along > 0, size - at, at) / np.maximum(np.abs(along), 1e-6)
    return float(reach.min())
