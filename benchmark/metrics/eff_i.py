"""Likeness to EfficientNet-lite0, frame by frame: what CLIP-I asks, of a network that is on the package index."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .likeness import mean_cosine
from .metric import Arrays, ClipValue

MEAN_FILE = Path(__file__).with_name("efficientnet_lite0_mean.safetensors")
"""Mean features of true ego frames of the simulated training split, made by tests/bench/efficientnet_mean.py."""


def eff_i(prediction: Arrays, truth: Arrays) -> ClipValue:
    """Mean over frames of the cosine of the two "embedding"s [frames, 1280], a fixed mean subtracted from both.

    The features are never negative, so their plain cosines crowd near 1. The mean is the same for every data set: one taken
    from the clips at hand would let a clip's value depend on its neighbours.
    """
    return mean_cosine(prediction["embedding"], truth["embedding"], origin=_mean())


@cache
def _mean() -> NDArray[np.float64]:
    from safetensors.numpy import load_file

    return load_file(MEAN_FILE)["mean"].astype(np.float64)
