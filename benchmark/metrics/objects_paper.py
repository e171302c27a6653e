"""Object criteria as a public calibration found the paper's to come nearest: every look-alike pair counts, frame by frame.

Source: suhwan-cho/exoego-wip, reproducing_egox.md. What this rewards is worth knowing: nothing is one to one, and an object
that is missing, or that nothing looks like, is left out of the mean instead of counting against the method.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import Undefined
from .mask_overlap import box_iou
from .metric import Arrays, ClipValue
from .object_pairs import NO_FEATURE, ObjectPairs


def location_error(arrays: Arrays, *, tau: float) -> ClipValue:
    """Mean distance of the box centres in pixels over all pairs of all frames with a cosine of at least tau.

    Undefined without objects in the truth, and where no pair is alike enough. Chance is the mean over all pairs, however
    unlike.
    """
    return _mean(arrays, _distances, tau)


def iou(arrays: Arrays, *, tau: float) -> ClipValue:
    """As `location_error`, of the boxes' IoU."""
    return _mean(arrays, _box_ious, tau)


def contour(arrays: Arrays, *, tau: float) -> ClipValue:
    """As `location_error`, of the masks' IoU after each is cut to its box and the predicted cut resized to the true one."""
    return _mean(arrays, _shapes, tau)


def _mean(arrays: Arrays, of: Callable[[ObjectPairs], NDArray], tau: float) -> ClipValue:
    pairs = ObjectPairs.read(arrays)
    alike = pairs.frame_cosine >= tau
    if not alike.any():
        raise Undefined(f"no predicted object is like one of the truth's (cosine {tau:g})")
    frames, truths, predictions = alike.shape
    in_frames, in_truth, in_prediction = (int(alike.any(axis=axes).sum()) for axes in ((1, 2), (0, 2), (0, 1)))
    note = (
        f"{in_truth} of {truths} objects matched, {predictions - in_prediction} spurious; "
        f"{int(alike.sum())} pairs in {in_frames} of {frames} frames"
    )
    values = of(pairs)
    chance = float(values[pairs.frame_cosine > NO_FEATURE].mean(dtype=np.float64))
    return ClipValue(value=float(values[alike].mean(dtype=np.float64)), notes=(note,), chance=chance)


def _distances(pairs: ObjectPairs) -> NDArray[np.float64]:
    truth, predicted = ((boxes[..., :2] + boxes[..., 2:]) / 2 for boxes in (pairs.truth_boxes, pairs.predicted_boxes))
    return np.linalg.norm(truth[:, :, None] - predicted[:, None, :], axis=-1)


def _box_ious(pairs: ObjectPairs) -> NDArray[np.float64]:
    return box_iou(pairs.truth_boxes, pairs.predicted_boxes)


def _shapes(pairs: ObjectPairs) -> NDArray[np.float32]:
    return pairs.aligned_iou
