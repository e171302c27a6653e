"""Validation during training: the loss at fixed levels, with fixed noise.

Equal weights give equal numbers, at any step and for any number of processes, so that two lines of a curve can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from .batch import names_of
from .order import generator_of
from .tasks import Task


def evenly(count: int, most: int | None) -> list[int]:
    """Numbers of the examples that are measured on: all of `count`, or `most` of them, evenly chosen."""
    some = count if most is None else min(count, most)
    return [k * count // some for k in range(some)]


def loss_at(
    level: float,
    task: Task,
    losses_of: Callable[[Any, Any], Tensor],
    examples: Sequence[Mapping[str, Tensor]],
    shown: Sequence[int],
    *,
    size: int,
    seed: int,
    accelerator: Accelerator,
) -> float:
    """Mean loss at one level. shown: numbers of the examples, of which `size` at once. All processes must call it."""
    names, device = names_of(examples), accelerator.device
    firsts = list(range(0, len(shown), size))
    sums = torch.zeros(2, dtype=torch.float64)
    for turn in range(-(-len(firsts) // accelerator.num_processes)):
        # Every process runs every turn, because sharded weights need all of them; surplus ones do not count.
        mine = turn * accelerator.num_processes + accelerator.process_index
        first = firsts[min(mine, len(firsts) - 1)]
        picked = shown[first : first + size]
        generators = [generator_of(seed, "val", k) for k in picked]
        batch, draws = task.prepare([examples[k] for k in picked], generators, names=[names[k] for k in picked], level=level)
        losses = losses_of(batch.to(device), draws.to(device)).double().cpu()
        if mine < len(firsts):
            sums += torch.tensor([float(losses.sum()), len(losses)], dtype=torch.float64)
    total = accelerator.reduce(sums.to(device), reduction="sum")
    assert isinstance(total, Tensor)
    return float(total[0] / total[1])
