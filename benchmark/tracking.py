"""Points followed through a video: corners, Lucas-Kanade from frame to frame, and back again to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from egox.cameras import Array

_MAX_BACKWARD_PX = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Points seen in frame `first` and frame `second` of a video: pixels [points, 2] each."""

    first: int
    second: int
    before: Array
    after: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """How points are found and followed.

    corners: at most so many. quality: of the weakest, as a share of the strongest. apart_px: least distance of two.
    window_px: side of what is compared. radius: points further from the middle than this share of the side are left out.
    """

    corners: int
    quality: float
    apart_px: float
    window_px: int
    radius: float

    def follow(self, pictures: Sequence[NDArray[np.uint8]], first: int) -> Tracks:
        """Tracks through consecutive grey pictures [side, side], of which the first is frame `first`; there may be none."""
        side = pictures[0].shape[0]
        found = cv2.goodFeaturesToTrack(
            pictures[0], maxCorners=self.corners, qualityLevel=self.quality, minDistance=self.apart_px
        )
        if found is None:
            nothing = np.zeros((0, 2))
            return Tracks(first=first, second=first + len(pictures) - 1, before=nothing, after=nothing)
        forward, seen = self._through(pictures, found)
        backward, seen_back = self._through(pictures[::-1], forward)
        start, end = found.reshape(-1, 2).astype(np.float64), forward.reshape(-1, 2).astype(np.float64)
        keep = seen & seen_back & (np.linalg.norm(backward.reshape(-1, 2) - start, axis=1) < _MAX_BACKWARD_PX)
        for points in (start, end):
            keep &= np.linalg.norm(points - (side - 1) / 2, axis=1) < self.radius * side
        return Tracks(first=first, second=first + len(pictures) - 1, before=start[keep], after=end[keep])

    def _through(self, pictures: Sequence[NDArray[np.uint8]], points: NDArray) -> tuple[NDArray, NDArray[np.bool_]]:
        seen, window = np.ones(len(points), bool), (self.window_px, self.window_px)
        for before, after in pairwise(pictures):
            points, status, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=window, maxLevel=3)  # pyright: ignore
            seen &= status.ravel() == 1
        return points, seen
