"""Hands back the dataset's own prior."""

from __future__ import annotations

from benchmark.clip import ClipInputs
from benchmark.errors import Undefined
from benchmark.registry import NoOptions
from benchmark.video import Frames


class ShippedPrior:
    """The prior as shipped; a prior of another size is an error of the dataset and is not resized here."""

    def __init__(self, options: NoOptions) -> None:
        del options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        if inputs.ego_prior is None:
            raise Undefined("the dataset ships no ego prior for this clip")
        return inputs.ego_prior.read()
