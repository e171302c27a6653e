"""Objects of a video's first frame, followed through the video and told apart by DINOv3, whoever finds and follows them.

The bounds are those of the public calibration of the paper's protocol (suhwan-cho/exoego-wip, reproducing_egox.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from ...video import Frames
from ..mask_tracks import Masks, Tracks, TrackWriter, box_of
from ..metric import Arrays
from .dinov3 import Dinov3

MIN_SEED_SIDE = 32
"""px: an object whose box is narrower or lower in the first frame is not followed."""
MOST = 32
"""Objects that are followed, the surest; the calibration has no limit, memory and time have."""
MIN_PROMPT_IOU = 0.8
"""Of an object's mask with what the tracker takes it for in the first frame; below it, it follows something else."""
MIN_AREA = 64
"""px: a smaller mask is absent from its frame."""
MIN_CROP_SIDE = 8
"""px: a narrower or lower box has no feature in its frame."""


class FollowedObjects:
    """The first frame's objects through the video, a feature of each, and one of each frame's box."""

    def __init__(
        self, segment: Callable[[Frames], Masks], track: Callable[[Frames, Masks], Iterable[Masks]], features: Dinov3
    ) -> None:
        """segment: masks [objects, height, width] of a picture, the surest first.

        track: of a video and the masks of its first frame, the same objects' masks in every frame, the first included.
        """
        self._segment = segment
        self._track = track
        self._features = features

    def __call__(self, frames: Frames) -> Arrays:
        """What a `TrackWriter` writes, and unit vectors, float32, zero where there is none.

        "feature" [objects, D]: of the mask in the first frame. "frame_feature" [frames, objects, D]: of the crop of the box.
        "seeds", "prompt_failed" [1]: how many objects were to be followed, and how many of these the tracker did not take.
        """
        _, height, width, _ = frames.shape
        seeds = large_enough(self._segment(frames[0]))
        writer, kept = TrackWriter(height, width, min_area=MIN_AREA), np.zeros(len(seeds), np.bool_)
        if len(seeds):
            for i, masks in enumerate(self._track(frames, seeds)):
                if i == 0:
                    kept = taken(seeds, masks)
                writer.add(masks[kept])
        else:
            for _ in frames:
                writer.add(seeds)
        arrays = writer.arrays()
        tracks = Tracks.read(arrays)
        return {
            **arrays,
            "feature": self._features.of_masks(frames[0], tracks.masks(0)),
            "frame_feature": self._of_boxes(frames, tracks.boxes),
            "seeds": np.array([len(seeds)]),
            "prompt_failed": np.array([len(seeds) - int(kept.sum())]),
        }

    def _of_boxes(self, frames: Frames, boxes: NDArray[np.int32]) -> NDArray[np.float32]:
        features = np.zeros((*boxes.shape[:2], self._features.width), np.float32)
        sides = boxes[..., 2:] - boxes[..., :2]
        for t, frame in enumerate(frames):
            able = np.flatnonzero(sides[t].min(axis=1, initial=MIN_CROP_SIDE) >= MIN_CROP_SIDE)
            crops = [frame[top:bottom, left:right] for left, top, right, bottom in boxes[t, able].tolist()]
            features[t, able] = self._features.of_crops(crops)
        return features


def large_enough(masks: Masks) -> Masks:
    """The first MOST of the masks whose boxes are at least MIN_SEED_SIDE wide and high."""
    boxes = np.array([box_of(mask) for mask in masks]).reshape(-1, 4)
    return masks[((boxes[:, 2:] - boxes[:, :2]) >= MIN_SEED_SIDE).all(axis=1)][:MOST]


def taken(seeds: Masks, tracked: Masks) -> NDArray[np.bool_]:
    """[objects]: whether the tracker's mask of the first frame is the one that it was given."""
    both, either = (seeds & tracked).sum(axis=(1, 2)), (seeds | tracked).sum(axis=(1, 2))
    return both >= MIN_PROMPT_IOU * either
