"""Noise levels in training: how t is drawn, and the buckets in which losses are looked at.

Levels and noise come from one generator an example, so that neither depends on how a batch is spread over processes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ..recipe import NoiseLevels

if TYPE_CHECKING:
    from torch import Generator, Tensor

GRAINS = 1000
"""Timesteps of Wan: the transformer is given 1000 t, and uniform levels are t = 1/1000, 2/1000, ..., 1, as published."""

BUCKETS = 10
"""Of equal width, over (0, 1]: losses by level are means over these."""

FIXED_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
"""Where a denoiser is validated. Near 1 hardly anything of the truth is left: what is predicted comes from the conditions."""


def draw_level(rules: NoiseLevels, generator: Generator) -> float:
    """One level t in (0, 1]."""
    if rules.kind == "one":
        level = 1.0
    elif rules.kind == "uniform":
        level = (int(torch.randint(GRAINS, (), generator=generator)) + 1) / GRAINS
    else:
        level = 1 / (1 + math.exp(-(rules.mean + rules.std * float(torch.randn((), generator=generator)))))
    return shifted(level, rules.shift)


def validation_levels(rules: NoiseLevels) -> tuple[float, ...]:
    """Where a training validates, in this order: where a regression (kind "one") is trained, at 1, and else at `FIXED_LEVELS`."""
    return (1.0,) if rules.kind == "one" else FIXED_LEVELS


def shifted(level: float, shift: float) -> float:
    """Towards noise for shift > 1, as the scheduler does in sampling: t -> shift t / (1 + (shift - 1) t)."""
    return shift * level / (1 + (shift - 1) * level)


def bucket_of(levels: Tensor) -> Tensor:
    """The bucket, 0 to 9, of each level."""
    return (levels * BUCKETS).long().clamp(0, BUCKETS - 1)
