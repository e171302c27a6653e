"""Segments of a picture that a little damage leaves as they are, and their way through a video by optical flow.

Regions of like colour, not objects: they stand in where no segmentation network is to be had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ...video import Frames
from ..mask_tracks import Masks
from .dis import flow_between, one_thread
from .region_tree import Regions, region_tree

SIGMAS = (1.0, 1.5, 2.25, 3.375)
"""px at a picture of 128: what is a segment at one smoothing only is not one that lasts."""
AREA = (0.01, 0.4)
"""Smallest and largest segment, share of the picture."""
BLACK = 17
"""A pixel without any level as bright as this is black; a segment that is black for the most part is lens surround."""
FAINTEST = 0.1
"""Shortest life of a segment: what stands out by less is grain of a flat picture."""
AREA_POWER = 0.1
"""A segment twice as large as another comes before it by two to this power."""
SAME = 0.65
"""IoU from which two segments are taken for one."""
COVERED = 0.3
"""Share of an object that may lie on clearer ones."""
OBJECTS, ALL = 12, 24
"""At most so many objects, and so many segments with the alternatives."""
DRIFT_PX = 3.0
"""Forward and backward flow that miss each other by more than this disagree."""

Pieces = NDArray[np.int32]
"""[height, width]: the piece that each pixel belongs to, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Segments as unions of pieces: pieces do not overlap, segments may.

    pieces: the picture's. members: [segments, pieces]. objects: so many of the first segments are the picture's objects,
    which hardly overlap. The others are further ways to part it, among which another picture's objects may find their like.
    """

    pieces: Pieces
    members: NDArray[np.bool_]
    objects: int

    def masks(self) -> Masks:
        """[segments, height, width]."""
        return self.members[:, self.pieces]


def segment(picture: Frames) -> Segments:
    """The clearest segments of [height, width, 3] uint8, at the picture's own size; none in a flat or black picture.

    Clear is what lives long in a tree of regions and has a counterpart in the trees of all other smoothings.
    """
    with one_thread():
        trees = [_fit(region_tree(picture, sigma=sigma), picture) for sigma in SIGMAS]
    overlap = np.block([[one.iou(other) for other in trees] for one in trees])
    scores = np.concatenate([_clearness(tree, [one for one in trees if one is not tree]) for tree in trees])
    regions = [(tree, number) for tree in trees for number in range(len(tree.areas))]
    objects, others = [], []
    masks: dict[int, Masks] = {}
    covered = np.zeros(picture.shape[:2], np.bool_)
    for one in np.argsort(-scores, kind="stable").tolist():
        if len(objects) == OBJECTS and len(masks) >= ALL:
            break
        if overlap[one, list(masks)].max(initial=0) > SAME:
            continue
        tree, number = regions[one]
        masks[one] = mask = tree.members[number].astype(np.bool_)[tree.basins]
        if len(objects) < OBJECTS and np.count_nonzero(mask & covered) <= COVERED * np.count_nonzero(mask):
            objects.append(one)
            covered |= mask
        else:
            others.append(one)
    return _in_pieces([masks[one] for one in (objects + others)[:ALL]], picture.shape[:2], objects=len(objects))


def _fit(tree: Regions, picture: Frames) -> Regions:
    """The regions that may be segments."""
    share = tree.areas / tree.basins.size
    count = tree.members.shape[1]
    black = tree.members @ np.bincount(tree.basins.ravel(), (picture.max(axis=2) < BLACK).ravel(), count)
    fits = (share >= AREA[0]) & (share <= AREA[1]) & (black <= tree.areas / 2) & (tree.life >= FAINTEST)
    return tree.only(fits)


def _clearness(tree: Regions, others: Sequence[Regions]) -> NDArray[np.float64]:
    """[regions]: how well a region is found again in the other trees, times the root of its life."""
    found = np.mean([tree.iou(other).max(axis=1, initial=0) for other in others], axis=0)
    return found * np.sqrt(tree.life) * (tree.areas / tree.basins.size) ** AREA_POWER


def _in_pieces(masks: Sequence[Masks], shape: tuple[int, ...], *, objects: int) -> Segments:
    code = np.zeros(shape, np.int64)
    for bit, mask in enumerate(masks):
        code |= mask.astype(np.int64) << bit
    codes, pieces = np.unique(code, return_inverse=True)
    members = codes[None] >> np.arange(len(masks))[:, None] & 1
    return Segments(pieces=pieces.reshape(shape).astype(np.int32), members=members.astype(np.bool_), objects=objects)


def carry(frames: Frames, segments: Segments) -> Iterator[Masks]:
    """Masks [segments, height, width] of the first frame, then of each further one, moved along the flow.

    Each pixel takes the piece of the pixel it came from; pixels that came from outside the picture take the commonest piece
    beside them. A segment is given up where forward and backward flow disagree over most of it, for good: nothing here could
    find it again.
    """
    pieces, there = segments.pieces, np.ones(len(segments.members), np.bool_)
    yield segments.masks()
    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False) for frame in frames)
    for before, after in pairwise(grey):
        with one_thread():
            forward, backward = flow_between(before, after), flow_between(after, before)
            drifted = _miss(forward, backward) > DRIFT_PX
        pieces = _moved(pieces, backward)
        count = segments.members.shape[1]
        areas = segments.members @ np.bincount(pieces.ravel(), minlength=count)
        there &= segments.members @ np.bincount(pieces[drifted], minlength=count) <= areas / 2
        yield (segments.members & there[:, None])[:, pieces]


def _sources(backward: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Column and row that each pixel came from, float32."""
    rows, columns = np.indices(backward.shape[:2], dtype=np.float32)
    return columns + backward[..., 0], rows + backward[..., 1]


def _moved(pieces: Pieces, backward: NDArray[np.float32]) -> Pieces:
    height, width = pieces.shape
    columns, rows = (np.floor(source + 0.5).astype(np.int64) for source in _sources(backward))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    moved = np.where(inside, pieces[rows.clip(0, height - 1), columns.clip(0, width - 1)], -1)
    return _filled(moved)


def _filled(pieces: NDArray) -> Pieces:
    """Unknown pixels (-1) get the commonest known piece of the 3x3 about them, piece 0 where none is known."""
    filled = pieces.copy()
    padded = np.pad(pieces, 1, constant_values=-1)
    for y, x in np.argwhere(pieces < 0).tolist():
        about = padded[y : y + 3, x : x + 3].ravel()
        known = about[about >= 0]
        filled[y, x] = np.bincount(known).argmax() if len(known) else 0
    return filled.astype(np.int32)


def _miss(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.float32]:
    """[height, width] px: how far from itself each pixel ends that goes backward and forward again."""
    columns, rows = _sources(backward)
    back = cv2.remap(forward, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) + backward
    return np.linalg.norm(back, axis=-1)
