"""Which pixels the ego prior covers, with the method's default options: what metrics split into seen and imagined."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from benchmark.clip import Clip, inputs_for
from benchmark.inputs import Input
from benchmark.registry import deciding_options

from . import SPEC, Options


class EgoPriorCover:
    """The valid pixels of `ego-prior`; the renderer is imported when the first clip needs it."""

    def __init__(self) -> None:
        self._options = Options()

    @property
    def key(self) -> str:
        """Digest of the method's version, code and default options."""
        parts = [SPEC.id, SPEC.version, SPEC.source_digest(), deciding_options(self._options)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def needs(self) -> frozenset[Input]:
        """What the method takes, optional inputs included."""
        spec = SPEC.with_options(self._options)
        return spec.needs | spec.optional

    def cover(self, clip: Clip) -> NDArray[np.bool_]:
        """[frames, height, width] bool. Raises Undefined, with the reason, where the clip lacks depth, a camera or frames."""
        from .adapter import prior_of
        from .making import Maker

        spec = SPEC.with_options(self._options)
        inputs = inputs_for(clip, needs=spec.needs, optional=spec.optional)
        return np.stack([frame.valid for frame in prior_of(inputs, Maker(self._options)).rendered()])
