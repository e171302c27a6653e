"""Weights that FSDP has spread over processes: seen locally, put together, spread again.

A sharded tensor is known by its methods. Importing its class would take seconds in trainings that shard nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate import FullyShardedDataParallelPlugin


def fsdp_plugin(mixed_precision: str | None) -> FullyShardedDataParallelPlugin:
    """How FSDP2 casts: weights to bfloat16 where they are used, gradients summed in float32, and inputs not at all.

    Left alone, accelerate has FSDP cast the inputs as well, and a timestep of 651 is 652 in bfloat16. What meets the weights has
    to be cast by autocast then. Everything else is as the environment says (`accelerate launch --config_file`).
    """
    import torch
    from accelerate import FullyShardedDataParallelPlugin
    from torch.distributed.fsdp import MixedPrecisionPolicy

    policy = None
    if mixed_precision == "bf16":
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
    return FullyShardedDataParallelPlugin(fsdp_version=2, mixed_precision_policy=policy)


def is_sharded(value: Tensor) -> bool:
    return hasattr(value, "full_tensor")


def local(value: Tensor) -> Tensor:
    """This process's part of a sharded tensor; any other as it is."""
    sharded: Any = value
    return sharded.to_local() if is_sharded(value) else value


def full(value: Tensor) -> Tensor:
    """Put together where it is sharded, which all processes must ask for."""
    sharded: Any = value
    return sharded.full_tensor() if is_sharded(value) else value


def whole(value: Tensor) -> Tensor:
    """A copy on the CPU, put together where it is sharded."""
    return full(value).detach().to("cpu", copy=True)


def spread_like(value: Tensor, other: Tensor) -> Tensor:
    """A whole tensor on the device of another one and, if that is of its shape and sharded, sharded as that is."""
    moved = value.to(other.device)
    if not is_sharded(other) or value.shape != other.shape:
        return moved
    from torch.distributed.tensor import distribute_tensor

    sharded: Any = other
    return distribute_tensor(moved, sharded.device_mesh, sharded.placements)


def gather(transformer: nn.Module, parameters: Mapping[str, Tensor]) -> None:
    """Put sharded weights together in place, so that they can be written as usual; all processes must call it."""
    for name, value in parameters.items():
        if is_sharded(value):
            owner, _, leaf = name.rpartition(".")
            transformer.get_submodule(owner)._parameters[leaf] = nn.Parameter(whole(value), requires_grad=False)
