"""Which predicted object is which of the truth's, by the cosine of their features alone: never by where they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .metric import Arrays, ClipValue
from .object_pairs import ObjectPairs

NOBODY = -1

Partners = NDArray[np.intp]
"""[truth objects] the predicted object of each, or NOBODY."""


def most_alike(cosine: NDArray, tau: float) -> Partners:
    """Each truth object's most alike predicted one, where the cosine is at least tau; several may take the same."""
    if not cosine.shape[1]:
        return np.full(len(cosine), NOBODY)
    best = cosine.argmax(axis=1)
    return np.where(cosine.max(axis=1) >= tau, best, NOBODY)


def one_to_one(cosine: NDArray, tau: float) -> Partners:
    """The assignment of the greatest total cosine above tau; no object is taken twice, none at less than tau."""
    from scipy.optimize import linear_sum_assignment

    allowed = cosine >= tau
    # the offset lets a pair at exactly tau be preferred to none
    truths, predictions = linear_sum_assignment(np.where(allowed, cosine - tau + 1e-6, 0.0), maximize=True)
    partners = np.full(len(cosine), NOBODY)
    partners[truths] = np.where(allowed[truths, predictions], predictions, NOBODY)
    return partners


def mean_of_matches(
    arrays: Arrays,
    *,
    match: Callable[[NDArray, float], Partners],
    tau: float,
    of: Callable[[ObjectPairs], NDArray],
    lost: Callable[[ObjectPairs], NDArray | float],
    pool: Callable[[NDArray, NDArray], float],
) -> ClipValue:
    """Match by cosine, take each truth object's value with its partner, and pool.

    of: [frames, truth objects, predicted objects]. lost: what an object has that has no partner, or whose partner is not in
    the frame; [frames, truth objects] or one number. pool: one number of values [frames, truth objects] and of where the
    truth's objects are there. Chance is the value with a partner drawn at random for every object that has one: what a
    matching is worth that knows nothing of where things are. Undefined without objects in the truth.
    """
    pairs = ObjectPairs.read(arrays)
    partners = match(pairs.cosine, tau)
    matched = np.flatnonzero(partners != NOBODY)
    of_lost = np.broadcast_to(np.asarray(lost(pairs), np.float64), pairs.truth_present.shape)
    candidates = np.where(pairs.predicted_present[:, None, :], of(pairs), of_lost[:, :, None])[:, matched]
    values, expected = of_lost.copy(), of_lost.copy()
    if len(matched):
        values[:, matched] = candidates[:, np.arange(len(matched)), partners[matched]]
        expected[:, matched] = candidates.mean(axis=2)
    truths, predictions = pairs.cosine.shape
    note = f"{len(matched)} of {truths} objects matched"
    # among alternatives for the same pixels, most are without a partner though nothing is amiss
    if not pairs.alternatives[0]:
        note += f", {predictions - len(np.unique(partners[matched]))} spurious"
    present = pairs.truth_present
    return ClipValue(value=pool(values, present), notes=(note,), chance=pool(expected, present))
