"""Repeats the first true frame."""

from __future__ import annotations

import numpy as np

from benchmark.clip import ClipInputs
from benchmark.errors import Undefined
from benchmark.registry import NoOptions
from benchmark.video import Frames


class RepeatFirst:
    """Privileged: sees the first true frame and no other."""

    def __init__(self, options: NoOptions) -> None:
        del options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        if inputs.truth is None:
            raise Undefined("no ego truth")
        return np.repeat(inputs.truth.read([0]), inputs.n_frames, axis=0)
