"""Do an exo video and the ego poses run on one clock? The wearer's head moves in the picture as its projected camera does.

The epipolar check compares ego video and ego poses only; a few takes are known whose exo and ego videos lie frames apart. Here
the picture motion around the projected ego camera (KLT, median) is correlated with the motion of that projection, over time lags.
Heads are not points and turn, so the peak is broad: only a clear lag in a view that agrees well means something.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egox.cameras import Array, Camera

from ..video import Frames

LAGS = range(-9, 10)
"""Lags tried, in frames; positive: the exo video shows a motion later than the poses say."""

CLEAR_LAG = 4
"""A lag of so many frames is reported."""

MIN_AGREEMENT = 0.85
"""Least peak correlation for a view to tell anything."""

HEAD_RADIUS_M = 0.12
_MIN_POINTS = 4
_MIN_FRAMES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMotion:
    """lag: frames that the exo video runs behind the poses; agreement: correlation there, -1..1."""

    lag: int
    agreement: float

    @property
    def suspicious(self) -> bool:
        return self.agreement >= MIN_AGREEMENT and abs(self.lag) >= CLEAR_LAG


def head_motion(frames: Iterable[Frames], exo: Camera, centres: Array) -> HeadMotion | None:
    """Compare a still exo view with ego centres [frames, 3] in world metres (NaN where unknown).

    None where fewer than _MIN_FRAMES frames can be compared or nothing moves.
    """
    seen, predicted = picture_motion(frames, exo, centres)
    scores = {lag: _agreement(seen, predicted, lag) for lag in LAGS}
    known = {lag: score for lag, score in scores.items() if np.isfinite(score)}
    if not known:
        return None
    best = max(known, key=lambda lag: (known[lag], -abs(lag)))
    return HeadMotion(lag=best, agreement=known[best])


def picture_motion(frames: Iterable[Frames], exo: Camera, centres: Array) -> tuple[Array, Array]:
    """Motion from each frame to the next, [frames - 1, 2] pixels: of the picture around the head, and of its projection.

    NaN where the head is outside the picture or has nothing to follow.
    """
    import cv2

    places = exo.project(centres, 0)
    depths = exo.to_camera(centres, 0)[:, 2]
    seen: list[Array] = []
    before: NDArray[np.uint8] | None = None
    for number, frame in enumerate(frames):
        if number >= len(centres):
            break
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)  # pyright: ignore[reportArgumentType]
        if before is not None:
            radius = max(6.0, exo.width / 796 * 366 * HEAD_RADIUS_M / max(depths[number - 1], 0.1))
            seen.append(_motion_around(before, grey, places[number - 1], radius))
        before = grey
    return np.array(seen).reshape(-1, 2), np.diff(places, axis=0)[: len(seen)]


def _motion_around(before: NDArray[np.uint8], after: NDArray[np.uint8], place: Array, radius: float) -> Array:
    """Median KLT motion of the corners in a disc, [2]; NaN where there are too few."""
    import cv2

    nothing = np.full(2, np.nan)
    height, width = before.shape[:2]
    if not np.isfinite(place).all() or not (0 <= place[0] < width and 0 <= place[1] < height):
        return nothing
    disc = np.zeros((height, width), np.uint8)
    cv2.circle(disc, (round(place[0]), round(place[1])), round(radius), 255, -1)
    corners = cv2.goodFeaturesToTrack(before, maxCorners=60, qualityLevel=0.01, minDistance=2, mask=disc)
    if corners is None:
        return nothing
    moved, status, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None, winSize=(11, 11), maxLevel=2)  # pyright: ignore
    found = status.ravel() == 1
    return np.median((moved - corners).reshape(-1, 2)[found], 0) if found.sum() >= _MIN_POINTS else nothing


def _agreement(seen: Array, predicted: Array, lag: int) -> float:
    """Correlation of seen[i + lag] with predicted[i]; tracking slips are clipped, so that one frame does not decide."""
    n = min(len(seen), len(predicted))
    seen, predicted = seen[max(0, lag) : n + min(0, lag)], predicted[max(0, -lag) : n - max(0, lag)]
    both = np.isfinite(seen).all(1) & np.isfinite(predicted).all(1)
    if both.sum() < _MIN_FRAMES:
        return float("nan")
    seen, predicted = seen[both], predicted[both]
    limit = 3 * max(np.percentile(np.abs(predicted), 95), 0.5)
    a, b = np.clip(seen, -limit, limit).ravel(), predicted.ravel()
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0.05 and b.std() > 0.05 else float("nan")
