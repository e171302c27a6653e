"""The average of the weights over the last part of training (EMA): what is validated and kept where a recipe has one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .sharding import local

EVERY = 4
"""Steps between two averagings: the average over hundreds of steps does not see the difference, the step does."""


class Average:
    """Exponential moving average, float32: a <- d a + (1 - d) w a step, d = min(decay, (1 + n) / (10 + n)) at step n.

    It is taken every fourth step with d ** 4, and at the last one. parameters: the trained ones, by name; they may be shards.
    """

    def __init__(self, parameters: Mapping[str, Tensor], *, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"ema is {decay}, expected a decay between 0 and 1 such as 0.999")
        self.decay = decay
        self._parameters = dict(parameters)
        self.values = {name: value.detach().clone().float() for name, value in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int, *, last: bool = False) -> None:
        """After step `step` (the first is 1)."""
        due = step % EVERY or EVERY
        if due != EVERY and not last:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** due
        theirs = [local(value.detach()).float() for value in self._parameters.values()]
        ours = [local(value) for value in self.values.values()]
        torch._foreach_lerp_(ours, theirs, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The averaged weights in the model, for the time of a block; then the trained ones again, bit for bit."""
        kept = {name: value.detach().clone() for name, value in self._parameters.items()}
        self._write(self.values)
        try:
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            local(parameter.data).copy_(local(values[name]))
