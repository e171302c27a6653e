"""ST-LPIPS (Ghildyal and Liu 2022): LPIPS with an AlexNet trunk that tolerates shifts. Its values are not LPIPS's.

Written from the paper's description of the trunk: every stride is replaced by a blur. The first layer, a convolution at
stride 1 and a blur at stride 2 with nothing between, is one convolution at stride 2 here: same values to rounding, a seventh
of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network import filled, named, tensors_of
from .perceptual import LayerMaps

LEAST = 21
"""Pixels: a shorter side leaves the third layer nothing to pool."""

_TAPS = (1.0, 2.0, 1.0)
_EDGE = (2.0, 2.0)
_LAYERS = {
    "first": "net.slice1.0",
    "second": "net.slice2.5",
    "third": "net.slice3.9",
    "fourth": "net.slice4.11",
    "fifth": "net.slice5.13",
}


class ShiftTolerantAlexNet(nn.Module):
    """[N, 3, height, width] in -1..1 to the features after the five ReLUs."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))
        self.first = nn.Conv2d(3, 64, 11)
        self.second = nn.Conv2d(64, 192, 5, padding=2)
        self.third = nn.Conv2d(192, 384, 3, padding=1)
        self.fourth = nn.Conv2d(384, 256, 3, padding=1)
        self.fifth = nn.Conv2d(256, 256, 3, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Channels 64, 192, 384, 256, 256."""
        x = F.pad((x - self.shift) / self.scale, (2, 2, 2, 2))
        one = convolved_and_blurred(x, self.first.weight, self.first.bias).relu_()
        two = self.second(blurred(F.max_pool2d(one, 3, stride=1))).relu_()
        three = self.third(blurred(F.max_pool2d(two, 3, stride=1))).relu_()
        four = self.fourth(three).relu_()
        return [one, two, three, four, self.fifth(four).relu_()]


def blurred(x: Tensor) -> Tensor:
    """Each channel by [1 2 1] x [1 2 1] / 16 at stride 2, two pixels mirrored at every side."""
    taps = torch.tensor(_TAPS, device=x.device)
    kernel = (torch.outer(taps, taps) / 16).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def convolved_and_blurred(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`blurred(conv2d(x, weight, bias))` as one convolution at stride 2.

    The mirrored border of the convolution's output needs care. Taps and mirror are symmetric, so the first blurred row
    repeats the second; the last repeats the one before where the convolution's rows are odd in number, and is the mean of
    its last two rows where they are even. So with columns.
    """
    height, width = (n - k + 1 for n, k in zip(x.shape[2:], weight.shape[2:]))
    odd_height, odd_width = height % 2, width % 2

    def strip(top: int, down: tuple[float, ...]) -> Tensor:
        inside = F.conv2d(x[:, :, top:], _with_taps(weight, down, _TAPS), bias, stride=2)
        if odd_width:
            return inside
        edge = F.conv2d(x[:, :, top:, width - 2 :], _with_taps(weight, down, _EDGE), bias, stride=2)
        return torch.cat([inside, edge], dim=3)

    y = strip(0, _TAPS)
    if not odd_height:
        y = torch.cat([y, strip(height - 2, _EDGE)], dim=2)
    return F.pad(y, (1, odd_width, 1, odd_height), mode="replicate")


def _with_taps(weight: Tensor, down: tuple[float, ...], across: tuple[float, ...]) -> Tensor:
    """The kernel of a convolution followed by a blur with these taps over 4, along rows and along columns."""
    outputs, inputs, height, width = weight.shape
    taps = torch.outer(torch.tensor(down), torch.tensor(across)).double().to(weight.device) / 16
    flat = weight.double().reshape(-1, 1, height, width)
    # convolving kernels turns taps around; these read the same both ways
    wide = F.conv2d(flat, taps[None, None], padding=(len(down) - 1, len(across) - 1))
    return wide.reshape(outputs, inputs, *wide.shape[2:]).float()


def load_trunk(tensors: Mapping[str, Tensor], path: Path, device: str) -> ShiftTolerantAlexNet:
    """The trunk with the weights of the published checkpoint, under its own names."""
    state = {"shift": "scaling_layer.shift", "scale": "scaling_layer.scale"}
    state |= {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in _LAYERS.items() for part in ("weight", "bias")}
    found = {ours: named(tensors, theirs, source=path).float() for ours, theirs in state.items()}
    return filled(ShiftTolerantAlexNet(), found, source=path, device=device)


class ShiftTolerantMaps(LayerMaps):
    """What ST-LPIPS of every frame at its own size is the mean of: see `LayerMaps`."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        path = weights["st-lpips-alex"]
        tensors = tensors_of(path)
        heads = [named(tensors, f"lin{i}.model.1.weight", source=path).float().to(device) for i in range(len(_LAYERS))]
        super().__init__(load_trunk(tensors, path, device), heads, network="st-lpips-alex", least=LEAST, device=device)
