"""The epipolar self-check: do an ego video, its lens and its poses belong together? Needs no depth and no exo view.

Points are tracked over a few frames (KLT, checked forward and backward); a track's second ray must lie in the plane that
its first ray and the baseline span. The median angle off that plane, over tracks and then over frame pairs, is 0.07 degrees
where all conventions hold; a pose read the wrong way round, an unturned sensor or one frame of time shift raise it
many times. Blind to shifts of half a pixel: those are tested by exact formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from egox.cameras import Array, Lens

from ..tracking import Tracker, Tracks
from ..video import Frames

SPAN = 6
"""Frames between the two pictures of a pair."""

LIMIT_DEG = 0.15
"""A take with a larger error is reported."""

SHIFTS = (-3, -2, -1, 0, 1, 2, 3)
"""Time shifts tried, in frames: the smallest error must be at 0."""

MIN_MOTION_PX = 4.0
MIN_TRACKS = 20
MAX_RADIUS = 200 / 448
"""Tracks further from the middle than this share of the side are left out: the lens is black or blurred there."""

_TRACKER = Tracker(corners=600, quality=0.01, apart_px=6, window_px=15, radius=MAX_RADIUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpipolarResult:
    """error_deg: median angle at shift 0; best_shift: where the error is smallest; pairs: frame pairs that moved enough."""

    error_deg: float
    best_shift: int
    pairs: int
    by_shift: dict[int, float]

    @property
    def accepted(self) -> bool:
        return self.error_deg < LIMIT_DEG and self.best_shift == 0


def track_pairs(frames: Iterable[Frames], *, every: int = 2) -> list[Tracks]:
    """Tracks over SPAN frames, from every `every`-th frame of a square video, read once in bounded memory.

    Pairs with less than MIN_MOTION_PX median motion or fewer than MIN_TRACKS tracks are left out: they say nothing.
    """
    recent: dict[int, NDArray[np.uint8]] = {}
    found: list[Tracks] = []
    for number, frame in enumerate(frames):
        recent[number] = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)  # pyright: ignore[reportArgumentType]
        first = number - SPAN
        if first >= 0 and first % every == 0:
            tracks = _tracked([recent[first + i] for i in range(SPAN + 1)], first)
            if tracks is not None:
                found.append(tracks)
        recent.pop(first, None)
    return found


def _tracked(pictures: Sequence[NDArray[np.uint8]], first: int) -> Tracks | None:
    """Tracks through consecutive pictures; None where too little moves."""
    tracks, side = _TRACKER.follow(pictures, first), pictures[0].shape[0]
    if len(tracks.before) < MIN_TRACKS:
        return None
    motion_px = float(np.median(np.linalg.norm(tracks.after - tracks.before, axis=1)))
    return None if motion_px <= MIN_MOTION_PX * side / 448 else tracks


def plane_angles_deg(rays_before: Array, rays_after: Array, before: Array, after: Array) -> Array:
    """Angle of each second ray off the epipolar plane of its first, degrees [points].

    rays: unit vectors [points, 3] in camera axes; before, after: world_from_camera 4x4.
    """
    turn = after[:3, :3].T @ before[:3, :3]
    baseline = after[:3, :3].T @ (before[:3, 3] - after[:3, 3])
    normals = np.cross(baseline, rays_before @ turn.T)
    lengths = np.linalg.norm(normals, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sines = np.abs((normals * rays_after).sum(1)) / lengths
    return np.degrees(np.arcsin(np.clip(sines, 0, 1)))


def epipolar_error_deg(tracks: Sequence[Tracks], lens: Lens, world_from_camera: Array, *, shift: int = 0) -> float:
    """Median over tracks, then over pairs; frame i takes pose i + shift. NaN where no pair has both its poses.

    lens and world_from_camera [frames, 4, 4] belong to the pictures as they were tracked (upright).
    """
    medians = []
    for pair in tracks:
        i, j = pair.first + shift, pair.second + shift
        if i < 0 or j >= len(world_from_camera):
            continue
        before, after = world_from_camera[i], world_from_camera[j]
        if np.isfinite(before).all() and np.isfinite(after).all():
            angles = plane_angles_deg(lens.unproject(pair.before), lens.unproject(pair.after), before, after)
            if np.isfinite(angles).any():
                medians.append(np.nanmedian(angles))
    return float(np.median(medians)) if medians else float("nan")


def check_epipolar(tracks: Sequence[Tracks], lens: Lens, world_from_camera: Array) -> EpipolarResult | None:
    """The check over all SHIFTS; None where no pair moves enough to tell."""
    by_shift = {shift: epipolar_error_deg(tracks, lens, world_from_camera, shift=shift) for shift in SHIFTS}
    known = {shift: error for shift, error in by_shift.items() if np.isfinite(error)}
    if 0 not in known:
        return None
    best = min(known, key=lambda shift: (known[shift], abs(shift)))
    return EpipolarResult(error_deg=known[0], best_shift=best, pairs=len(tracks), by_shift=by_shift)
