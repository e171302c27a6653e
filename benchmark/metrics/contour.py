"""Contour accuracy: the boundary F of two masks (as in DAVIS), where they are or with their centres laid on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .mask_tracks import Masks

TOLERANCE = 0.008
"""Of the frame's diagonal: how far a boundary pixel may lie from the other boundary and still count."""

Points = NDArray[np.int64]
"""[boundary pixels, 2] x, y."""


def tolerance_px(height: int, width: int) -> int:
    """Whole pixels, rounded up: 6 for 448x448."""
    return math.ceil(TOLERANCE * math.hypot(height, width))


def boundary(mask: Masks) -> Masks:
    """Pixels of [height, width] that differ from their right, lower or lower right neighbour within the picture."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def boundary_in_frame(crop: Masks, left: int, top: int, *, height: int, width: int) -> Points:
    """Boundary of a mask given within its box, in the frame's coordinates; there is none along the frame's own edge."""
    above, before = int(top > 0), int(left > 0)
    below, after = int(top + crop.shape[0] < height), int(left + crop.shape[1] < width)
    y, x = np.nonzero(boundary(np.pad(crop, ((above, below), (before, after)))))
    return np.stack([x + left - before, y + top - above], axis=1)


def boundary_about(crop: Masks, left: int, top: int, centre: tuple[float, float]) -> Points:
    """Boundary of a mask given within its box, about its own centre (x, y), which is rounded to a whole pixel.

    The mask stands on a canvas with room around it, so what the frame cuts off has a boundary along the cut.
    """
    y, x = np.nonzero(boundary(np.pad(crop, 1)))
    # not np.rint, which rounds 10.5 down and 11.5 up: a mask moved by one pixel would be registered one pixel off
    return np.stack([x + left - 1 - math.floor(centre[0] + 0.5), y + top - 1 - math.floor(centre[1] + 0.5)], axis=1)


def boundary_f(truth: Sequence[Points], prediction: Sequence[Points], tolerance: int) -> NDArray[np.float64]:
    """[truth objects, predicted objects]: harmonic mean of the shares of either boundary within `tolerance` of the other.

    Distances are Euclidean between pixels, which is what dilating by a disk of that radius does. Two masks without any
    boundary agree (1); one without has 0.
    """
    origin, shape = _canvas([*truth, *prediction], tolerance)
    precision = _shares([points - origin for points in prediction], _near([p - origin for p in truth], shape, tolerance)).T
    recall = _shares([points - origin for points in truth], _near([p - origin for p in prediction], shape, tolerance))
    together = precision + recall
    return 2 * precision * recall / np.where(together > 0, together, 1)


def _canvas(boundaries: Sequence[Points], tolerance: int) -> tuple[NDArray[np.int64], tuple[int, int]]:
    points = np.concatenate([np.zeros((1, 2), np.int64), *boundaries])
    origin = points.min(axis=0) - tolerance
    width, height = (points.max(axis=0) + tolerance + 1 - origin).tolist()
    return origin, (height, width)


def _near(boundaries: Sequence[Points], shape: tuple[int, int], tolerance: int) -> NDArray[np.bool_]:
    """[objects, height, width]: what lies within `tolerance` of each boundary."""
    near = np.zeros((len(boundaries), *shape), np.bool_)
    for picture, points in zip(near, boundaries):
        if not len(points):
            continue
        left, top = points.min(axis=0) - tolerance
        right, bottom = points.max(axis=0) + tolerance + 1
        away = np.ones((bottom - top, right - left), np.uint8)
        away[points[:, 1] - top, points[:, 0] - left] = 0
        # squared distances are whole numbers: the hundredth only takes up the root's rounding
        picture[top:bottom, left:right] = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= tolerance + 0.01
    return near


def _shares(boundaries: Sequence[Points], near: NDArray[np.bool_]) -> NDArray[np.float64]:
    """[boundaries, objects]: the share of each boundary's pixels that lie near each object's."""
    shares = np.zeros((len(boundaries), len(near)))
    blank = ~near.any(axis=(1, 2))
    for i, points in enumerate(boundaries):
        if len(points):
            shares[i] = np.count_nonzero(near[:, points[:, 1], points[:, 0]], axis=1) / len(points)
        else:
            shares[i] = blank
    return shares
