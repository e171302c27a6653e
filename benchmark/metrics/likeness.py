"""Cosine of two embeddings, frame by frame: whether two pictures show the same to a network, wherever it stands in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import Undefined
from .metric import ClipValue


def mean_cosine(prediction: NDArray, truth: NDArray, *, origin: NDArray | None = None) -> ClipValue:
    """Mean over frames of the cosine, -1..1, between [frames, D] each, seen from `origin` [D] where there is one.

    Undefined where an embedding lies in the origin and so has no direction.
    """
    a, b = (values.astype(np.float64) - (0.0 if origin is None else origin) for values in (prediction, truth))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    if not lengths.all():
        raise Undefined("a frame's embedding has no length, and so no direction to compare")
    # rounding must not take a cosine out of its range
    frames = np.clip((a * b).sum(axis=1) / lengths, -1.0, 1.0)
    return ClipValue(value=float(frames.mean()), frames=tuple(frames.tolist()))
