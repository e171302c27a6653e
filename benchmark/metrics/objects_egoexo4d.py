"""Object criteria as the public evaluation of Ego-Exo4D's correspondence task computes them, for objects found by matching.

Source: EGO4D/ego-exo4d-relation, correspondence/evaluation, January 2025. That task names its objects; here each of the
truth takes the predicted one that looks most like it. Deviation: distances are divided by the real frame's diagonal, not
by that of a 480-pixel square.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from .metric import Arrays, ClipValue
from .object_matching import mean_of_matches, most_alike
from .object_pairs import ObjectPairs


def location_error(arrays: Arrays, *, tau: float) -> ClipValue:
    """Mean distance of the boxes' midpoints in diagonals of the frame, 0..1, over every truth object in all its frames.

    A predicted object that is absent lies in the middle of the frame. Undefined without objects in the truth.
    """
    return _mean(arrays, tau=tau, of=_distances, lost=_to_middle)


def iou(arrays: Arrays, *, tau: float) -> ClipValue:
    """As `location_error`, of the masks' IoU; an absent predicted object has 0."""
    return _mean(arrays, tau=tau, of=lambda pairs: pairs.mask_iou, lost=lambda pairs: 0.0)


def contour(arrays: Arrays, *, tau: float) -> ClipValue:
    """As `iou`, of the boundary F where the masks are."""
    return _mean(arrays, tau=tau, of=lambda pairs: pairs.contour, lost=lambda pairs: 0.0)


def _pool(values: NDArray, present: NDArray) -> float:
    return float(values[present].mean())


_mean = partial(mean_of_matches, match=most_alike, pool=_pool)


def _midpoints(boxes: NDArray[np.int32]) -> NDArray[np.int32]:
    # of the outermost pixels, rounded down
    return (boxes[..., :2] + boxes[..., 2:] - 1) // 2


def _distances(pairs: ObjectPairs) -> NDArray[np.float64]:
    truth, predicted = _midpoints(pairs.truth_boxes), _midpoints(pairs.predicted_boxes)
    return np.linalg.norm(truth[:, :, None] - predicted[:, None, :], axis=-1) / pairs.diagonal


def _to_middle(pairs: ObjectPairs) -> NDArray[np.float64]:
    height, width = pairs.size.tolist()
    return np.linalg.norm(_midpoints(pairs.truth_boxes) - np.array([width // 2, height // 2]), axis=-1) / pairs.diagonal
