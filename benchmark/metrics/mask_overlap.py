"""Intersection over union of masks and of boxes: where they are, or after one is stretched onto the other's box."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .mask_tracks import Masks


def mask_iou(truth: Masks, prediction: Masks) -> NDArray[np.float64]:
    """[truth objects, predicted objects] of [objects, height, width] bool each; 0 where either is empty."""
    a, b = (np.packbits(masks.reshape(len(masks), -1), axis=1) for masks in (truth, prediction))
    area_a, area_b = (np.bitwise_count(bits).sum(axis=1, dtype=np.int64) for bits in (a, b))
    both = np.array([np.bitwise_count(row & b).sum(axis=1, dtype=np.int64) for row in a]).reshape(len(a), len(b))
    either = area_a[:, None] + area_b[None, :] - both
    return both / np.maximum(either, 1)


def box_iou(truth: NDArray, prediction: NDArray) -> NDArray[np.float64]:
    """[..., truth objects, predicted objects] of [..., objects, 4] boxes, right and bottom exclusive; 0 for empty ones."""
    a, b = truth[..., :, None, :].astype(np.float64), prediction[..., None, :, :].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.maximum(sides, 0).prod(axis=-1)
    either = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - both
    return both / np.maximum(either, 1)


def aligned_iou(truth: Sequence[Masks | None], prediction: Sequence[Masks | None]) -> NDArray[np.float64]:
    """[truth objects, predicted objects]: IoU of shapes alone, position and size taken away.

    Each mask is cut to its box; the predicted cut is resized (nearest) to the true one's size. 0 where either is None.
    """
    values = np.zeros((len(truth), len(prediction)))
    cuts = [None if mask is None else mask.view(np.uint8) for mask in prediction]
    for i, mask in enumerate(truth):
        if mask is None:
            continue
        a = np.ascontiguousarray(mask.view(np.uint8))
        area = cv2.countNonZero(a)
        for j, cut in enumerate(cuts):
            if cut is None:
                continue
            b = cv2.resize(cut, a.shape[::-1], interpolation=cv2.INTER_NEAREST)
            both = cv2.countNonZero(cv2.bitwise_and(a, b))
            values[i, j] = both / (area + cv2.countNonZero(b) - both)
    return values
