"""Objects drawn by hand, as a video extractor would have found them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.mask_tracks import Masks, TrackWriter
from benchmark.metrics.metric import Arrays
from benchmark.metrics.object_pairs import record_pairs

SIDE = 96


def square(left: int, top: int, side: int = 20, *, height: int = SIDE, width: int = SIDE) -> Masks:
    """[height, width], cut off at the frame's edges."""
    mask = np.zeros((height, width), np.bool_)
    mask[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = True
    return mask


def nothing() -> Masks:
    return np.zeros((SIDE, SIDE), np.bool_)


def found(frames: Sequence[Sequence[Masks]], features: Sequence[Sequence[float]]) -> dict[str, NDArray]:
    """Masks by frame and object; one feature an object, which serves in every frame that the object is in."""
    writer = TrackWriter(SIDE, SIDE, min_area=1)
    for masks in frames:
        writer.add(np.array(masks, np.bool_).reshape(-1, SIDE, SIDE))
    arrays = writer.arrays()
    feature = np.zeros((len(features), 4), np.float32)
    for vector, given in zip(feature, features):
        vector[: len(given)] = given
    feature = feature / np.maximum(np.linalg.norm(feature, axis=1, keepdims=True), 1e-12)
    arrays["feature"] = feature
    arrays["frame_feature"] = np.where(arrays["areas"][..., None] > 0, feature, 0).astype(np.float32)
    return arrays


def likes(count: int) -> NDArray[np.float32]:
    """Features of which each is like itself only."""
    return np.eye(max(count, 4), dtype=np.float32)[:count]


def still(*masks: Masks, frames: int = 2) -> dict[str, NDArray]:
    """Objects that do not move, each like itself only."""
    return found([masks] * frames, likes(len(masks)))


def pairs(prediction: Arrays, truth: Arrays) -> dict[str, NDArray]:
    """What the pair extractor keeps."""
    return record_pairs(truth, prediction).arrays()
