"""Hands back the truth."""

from __future__ import annotations

from benchmark.clip import ClipInputs
from benchmark.errors import Undefined
from benchmark.registry import NoOptions
from benchmark.video import Frames


class Oracle:
    """Privileged: sees all of the truth."""

    def __init__(self, options: NoOptions) -> None:
        del options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        if inputs.truth is None:
            raise Undefined("no ego truth")
        return inputs.truth.read()
