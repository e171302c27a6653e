"""Free floor of a room, for walking: from the plan's rectangles, without a mesh."""

from __future__ import annotations

import numpy as np

from .places import PlaceSpec, near_item
from .shapes import Array, pose

BODY_M = 0.34
"""Half-width that a walking person needs."""
NEAR_M, FAR_M = 0.7, 2.2
_GRID = 9


def free_spots(place: PlaceSpec) -> tuple[tuple[float, float], ...]:
    """Places of the floor (x, y in the work frame) that the actor can walk to straight from the work, and stand at."""
    world_from_work = pose(*place.work[:3], yaw=place.work[3])
    start = (world_from_work @ (0.0, -0.3, 0.0, 1.0))[:2]
    spots = []
    for x in np.linspace(-1.8, 1.8, _GRID):
        for y in np.linspace(-2.1, -0.5, _GRID):
            distance = float(np.hypot(x, y + 0.24))
            at = (world_from_work @ (x, y, 0.0, 1.0))[:2]
            way = start + np.linspace(0.15, 1.0, 12)[:, None] * (at - start)
            if NEAR_M <= distance <= FAR_M and _clear(place, way):
                spots.append((round(float(x), 3), round(float(y), 3)))
    return tuple(spots)


def _clear(place: PlaceSpec, points: Array) -> bool:
    """Whether all floor points [n, 2] keep a body's width from walls and from whatever stands on the floor."""
    w, d, _ = place.size
    low, high = points.min(0), points.max(0)
    if low.min() < BODY_M or high[0] > w - BODY_M or high[1] > d - BODY_M:
        return False
    # the front of the work surface is near by nature: standing at it takes less room than passing a thing
    return not any(near_item(item, points, BODY_M - 0.12) for item in place.items)
