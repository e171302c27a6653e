"""Hands back another clip's truth."""

from __future__ import annotations

from benchmark.clip import ClipInputs
from benchmark.errors import Undefined
from benchmark.registry import NoOptions
from benchmark.video import Frames


class Shuffled:
    """Privileged: is given the truth of another clip of the split, from another place where there is one."""

    def __init__(self, options: NoOptions) -> None:
        del options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        if inputs.truth is None:
            raise Undefined("no other clip's ego truth")
        return inputs.truth.read()
