"""Object criteria that cannot be won by losing objects: one to one, and every object of the truth counts, found or not."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from .metric import Arrays, ClipValue
from .object_matching import mean_of_matches, one_to_one
from .object_pairs import ObjectPairs


def location_error(arrays: Arrays, *, tau: float) -> ClipValue:
    """Mean distance of the centres of mass in pixels, no more than half the diagonal: frames -> object -> clip.

    An object that is not matched, or whose partner is not in the frame, has half the diagonal. No distance counts for
    more than that, or else losing an object would be better than having it far away. Undefined without objects in the truth.
    """
    return _mean(arrays, tau=tau, of=_distances, lost=lambda pairs: pairs.diagonal / 2)


def iou(arrays: Arrays, *, tau: float) -> ClipValue:
    """As `location_error`, of the masks' IoU; 0 for what is not found."""
    return _mean(arrays, tau=tau, of=lambda pairs: pairs.mask_iou, lost=lambda pairs: 0.0)


def contour(arrays: Arrays, *, tau: float) -> ClipValue:
    """As `iou`, of the boundary F with the masks' centres laid on each other."""
    return _mean(arrays, tau=tau, of=lambda pairs: pairs.registered_contour, lost=lambda pairs: 0.0)


def _pool(values: NDArray, present: NDArray) -> float:
    counts = present.sum(axis=0)
    objects = np.where(present, values, 0).sum(axis=0)[counts > 0] / counts[counts > 0]
    return float(objects.mean())


_mean = partial(mean_of_matches, match=one_to_one, pool=_pool)


def _distances(pairs: ObjectPairs) -> NDArray[np.float64]:
    offsets = pairs.truth_centres[:, :, None].astype(np.float64) - pairs.predicted_centres[:, None, :]
    return np.minimum(np.linalg.norm(offsets, axis=-1), pairs.diagonal / 2)
