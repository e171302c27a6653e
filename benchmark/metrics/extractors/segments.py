"""Segments of a picture by graph-based grouping (Felzenszwalb), and their way through a video by optical flow.

A partition of the picture, not objects: it stands in where no segmentation network is to be had.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb

from ...video import Frames
from .dis import flow_between, one_thread

SIDE = 224
"""px: pictures are segmented at this size, since the segments' sizes follow the picture's."""
SCALE, SIGMA, MIN_SIZE = 200, 0.8, 150
AREA = (0.003, 0.4)
"""Smallest and largest kept segment, share of the picture."""
BLACK = 17
"""A pixel without any level as bright as this is black; a segment that is black for the most part is lens surround."""
MOST = 12
DRIFT_PX = 3.0
"""Forward and backward flow that miss each other by more than this disagree."""

Labels = NDArray[np.int32]
"""[height, width]: 1.. for the objects, 0 for everything else."""


def segment(picture: Frames) -> Labels:
    """The largest segments of [height, width, 3] uint8, largest first; none in a flat or black picture."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA if min(height, width) > SIDE else cv2.INTER_LINEAR)
    found = felzenszwalb(small, scale=SCALE, sigma=SIGMA, min_size=MIN_SIZE)
    areas = np.bincount(found.ravel())
    black = np.bincount(found[small.max(axis=2) < BLACK], minlength=len(areas))
    kept = np.flatnonzero((areas >= AREA[0] * SIDE**2) & (areas <= AREA[1] * SIDE**2) & (black <= areas / 2))
    kept = kept[np.argsort(-areas[kept], kind="stable")][:MOST]
    numbers = np.zeros(len(areas), np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return cv2.resize(numbers[found], (width, height), interpolation=cv2.INTER_NEAREST).astype(np.int32, copy=False)


def carry(frames: Frames, labels: Labels) -> Iterator[Labels]:
    """Labels of the first frame, then of each further one, moved along the flow.

    Each pixel takes the label of the pixel it came from; pixels that came from outside the picture take the commonest
    label beside them. A segment is given up where forward and backward flow disagree over most of it, for good: nothing
    here could find it again.
    """
    yield labels
    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False) for frame in frames)
    for before, after in pairwise(grey):
        with one_thread():
            forward, backward = flow_between(before, after), flow_between(after, before)
        labels = _without_drifted(_moved(labels, backward), _miss(forward, backward) > DRIFT_PX)
        yield labels


def _sources(backward: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Column and row that each pixel came from, float32."""
    rows, columns = np.indices(backward.shape[:2], dtype=np.float32)
    return columns + backward[..., 0], rows + backward[..., 1]


def _moved(labels: Labels, backward: NDArray[np.float32]) -> Labels:
    height, width = labels.shape
    columns, rows = (np.floor(source + 0.5).astype(np.int64) for source in _sources(backward))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    moved = np.where(inside, labels[rows.clip(0, height - 1), columns.clip(0, width - 1)], -1)
    return _filled(moved)


def _filled(labels: NDArray) -> Labels:
    """Unknown pixels (-1) get the commonest known label of the 3x3 about them, 0 where none is known."""
    filled = labels.copy()
    padded = np.pad(labels, 1, constant_values=-1)
    for y, x in np.argwhere(labels < 0).tolist():
        about = padded[y : y + 3, x : x + 3].ravel()
        known = about[about >= 0]
        filled[y, x] = np.bincount(known).argmax() if len(known) else 0
    return filled.astype(np.int32)


def _miss(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.float32]:
    """[height, width] px: how far from itself each pixel ends that goes backward and forward again."""
    columns, rows = _sources(backward)
    back = cv2.remap(forward, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) + backward
    return np.linalg.norm(back, axis=-1)


def _without_drifted(labels: Labels, drifted: NDArray[np.bool_]) -> Labels:
    areas = np.bincount(labels.ravel(), minlength=1)
    lost = np.bincount(labels[drifted], minlength=len(areas)) > areas / 2
    return np.where(lost[labels], 0, labels).astype(np.int32)
