"""What the networks share: a weights file filled into a module, frames as tensors, and arrays that are certain to be finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from ...errors import UserError
from ...video import Frames

Module = TypeVar("Module", bound=torch.nn.Module)
FETCH_AGAIN = "run 'egox-bench weights verify' and fetch it again"


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file, on the CPU. Raises UserError where it is missing, cut or something else."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"weights file {path} cannot be read ({error}); {FETCH_AGAIN}") from error


def filled(module: Module, tensors: Mapping[str, torch.Tensor], *, source: Path, device: str) -> Module:
    """The module with these tensors as its weights, in evaluation mode, on the device, its gradients off.

    Raises UserError where a tensor is missing, left over or of another shape.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(
            f"weights file {source} does not fit {type(module).__name__}: {_in_one_line(error)}; {FETCH_AGAIN}"
        ) from error
    return module.eval().requires_grad_(False).to(device)


def named(tensors: Mapping[str, torch.Tensor], name: str, *, source: Path) -> torch.Tensor:
    """One tensor in float64, for folding. Raises UserError where it is missing."""
    if name not in tensors:
        raise UserError(f"weights file {source} has no tensor {name!r}; {FETCH_AGAIN}")
    return tensors[name].double()


def pictures(frames: Frames, device: str) -> torch.Tensor:
    """[frames, 3, height, width] float32, 0..255, of [frames, height, width, 3] uint8 RGB."""
    # a copy: torch takes no array that is read-only or has negative strides
    return torch.from_numpy(np.array(frames, order="C")).to(device).permute(0, 3, 1, 2).float()


def finite(tensor: torch.Tensor, *, network: str) -> NDArray[np.float32]:
    """The tensor as a float32 array. Raises UserError for NaN or infinity: no pixels give that, broken weights do."""
    array = tensor.detach().float().cpu().numpy()
    if not np.isfinite(array).all():
        raise UserError(f"network {network} gave NaN or infinity; its weights are broken: {FETCH_AGAIN}")
    return array


def _in_one_line(error: Exception) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 300 else f"{line[:300]}…"
