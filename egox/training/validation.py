"""Validation during training: the loss at fixed levels, with fixed noise.

Equal weights give equal numbers, at any step and for any number of processes, so that two lines of a curve can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from .batch import names_of
from .noise import FIXED_LEVELS
from .order import generator_of
from .tasks import Task


def loss_by_level(
    task: Task, model: nn.Module, examples: Sequence[Mapping[str, Tensor]], *, size: int, seed: int, accelerator: Accelerator
) -> dict[float, float]:
    """Mean loss at each of `FIXED_LEVELS`. size: examples at once. All processes must call it."""
    return {
        level: _loss_at(level, task, model, examples, size=size, seed=seed, accelerator=accelerator) for level in FIXED_LEVELS
    }


def _loss_at(
    level: float,
    task: Task,
    model: nn.Module,
    examples: Sequence[Mapping[str, Tensor]],
    *,
    size: int,
    seed: int,
    accelerator: Accelerator,
) -> float:
    names, device = names_of(examples), accelerator.device
    firsts = list(range(0, len(examples), size))
    sums = torch.zeros(2, dtype=torch.float64)
    for turn in range(-(-len(firsts) // accelerator.num_processes)):
        # Every process runs every turn, because sharded weights need all of them; surplus ones do not count.
        mine = turn * accelerator.num_processes + accelerator.process_index
        first = firsts[min(mine, len(firsts) - 1)]
        picked = range(first, min(first + size, len(examples)))
        generators = [generator_of(seed, "val", k) for k in picked]
        batch, draws = task.prepare([examples[k] for k in picked], generators, names=[names[k] for k in picked], level=level)
        losses = task.losses(model, batch.to(device), draws.to(device)).double().cpu()
        if mine < len(firsts):
            sums += torch.tensor([float(losses.sum()), len(losses)], dtype=torch.float64)
    total = accelerator.reduce(sums.to(device), reduction="sum")
    assert isinstance(total, Tensor)
    return float(total[0] / total[1])
