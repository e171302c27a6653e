"""I3D (Carreira and Zisserman 2017) trained on Kinetics-400: the 400 logits that Fréchet video distance is defined on.

The graph is TensorFlow's, "SAME" padding included: with symmetric padding the same weights give other distances.
Batch normalisation is folded into the convolutions in float64; pools are taken one axis after the other and channels lie
innermost, which halves the time and changes no value beyond rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import Undefined
from ...video import Frames
from ..metric import Arrays
from .network import filled, finite, named, pictures, tensors_of
from .padding import same_padding

SIDE = 224
MINIMUM_FRAMES = 9
"""Time is halved three times, rounded up, and the head averages windows of two: fewer frames leave no window."""

_EPSILON = 1e-3
_CHUNK = 8
_HEAD = "Logits/Conv3d_0c_1x1"

_CHANNELS = {
    # in, branch 0, branch 1 (reduced, out), branch 2 (reduced, out), branch 3
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


class Unit(nn.Module):
    """Convolution with "SAME" padding, batch normalisation folded in, and ReLU."""

    def __init__(self, inputs: int, outputs: int, *, size: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.convolution = nn.Conv3d(inputs, outputs, size, stride=stride, padding=size // 2 if stride == 1 else 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride != 1:
            x = F.pad(x, same_padding(x.shape[2:], self.convolution.kernel_size, self.convolution.stride))
        return self.convolution(x).relu_()


class Mixed(nn.Module):
    """Four branches side by side; their outputs are joined along channels in their order."""

    def __init__(self, name: str) -> None:
        super().__init__()
        inputs, direct, narrow_1, wide_1, narrow_2, wide_2, pooled = _CHANNELS[name]
        self.branch_0 = Unit(inputs, direct, size=1)
        self.branch_1 = nn.Sequential(Unit(inputs, narrow_1, size=1), Unit(narrow_1, wide_1, size=3))
        self.branch_2 = nn.Sequential(Unit(inputs, narrow_2, size=1), Unit(narrow_2, wide_2, size=3))
        self.branch_3 = Unit(inputs, pooled, size=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = _max_pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(pooled)], dim=1)


class I3D(nn.Module):
    """[N, 3, T >= 9, 224, 224] in -1..1 to 400 logits, the mean over time before any softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_1a = Unit(3, 64, size=7, stride=2)
        self.conv_2b = Unit(64, 64, size=1)
        self.conv_2c = Unit(64, 192, size=3)
        self.mixed = nn.ModuleDict({name: Mixed(name) for name in _CHANNELS})
        self.head = nn.Linear(1024, 400)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 400]."""
        # the head is linear: the logits' mean over time is the logits of the mean
        return self.head(self.pooled(x))

    def pooled(self, x: Tensor) -> Tensor:
        """[N, 1024]: what the head sees, averaged over windows of two steps and then over time."""
        x = self.conv_1a(x.contiguous(memory_format=torch.channels_last_3d))
        x = _max_pool(x, (1, 3, 3), (1, 2, 2))
        x = self.conv_2c(self.conv_2b(x))
        x = _max_pool(x, (1, 3, 3), (1, 2, 2))
        for name, block in self.mixed.items():
            if name == "4b":
                x = _max_pool(x, (3, 3, 3), (2, 2, 2))
            elif name == "5b":
                x = _max_pool(x, (2, 2, 2), (2, 2, 2))
            x = block(x)
        return F.avg_pool3d(x, (2, 7, 7), stride=1).mean(dim=(2, 3, 4))


def load_i3d(path: Path, device: str) -> I3D:
    """I3D with the weights of a converted checkpoint: names as in it, joined by "/"; kernels (kT, kH, kW, in, out)."""
    tensors = tensors_of(path)
    state: dict[str, Tensor] = {}
    units = {"conv_1a": "Conv3d_1a_7x7", "conv_2b": "Conv3d_2b_1x1", "conv_2c": "Conv3d_2c_3x3"}
    for name in _CHANNELS:
        ours, theirs = f"mixed.{name}.branch", f"Mixed_{name}/Branch"
        units |= {
            f"{ours}_0": f"{theirs}_0/Conv3d_0a_1x1",
            f"{ours}_1.0": f"{theirs}_1/Conv3d_0a_1x1",
            f"{ours}_1.1": f"{theirs}_1/Conv3d_0b_3x3",
            f"{ours}_2.0": f"{theirs}_2/Conv3d_0a_1x1",
            f"{ours}_2.1": f"{theirs}_2/Conv3d_0b_3x3",
            f"{ours}_3": f"{theirs}_3/Conv3d_0b_1x1",
        }
    for ours, theirs in units.items():
        kernel = named(tensors, f"params/{theirs}/Conv_0/kernel", source=path).permute(4, 3, 0, 1, 2)
        bias = named(tensors, f"params/{theirs}/BatchNorm_0/bias", source=path)
        mean = named(tensors, f"batch_stats/{theirs}/BatchNorm_0/mean", source=path).flatten()
        # this normalisation has an offset and no scale
        scale = (named(tensors, f"batch_stats/{theirs}/BatchNorm_0/var", source=path).flatten() + _EPSILON).rsqrt()
        state[f"{ours}.convolution.weight"] = (kernel * scale.view(-1, 1, 1, 1, 1)).float()
        state[f"{ours}.convolution.bias"] = (bias - mean * scale).float()
    state["head.weight"] = named(tensors, f"params/{_HEAD}/Conv_0/kernel", source=path).flatten(0, 3).T.float()
    state["head.bias"] = named(tensors, f"params/{_HEAD}/Conv_0/bias", source=path).float()
    return filled(I3D(), state, source=path, device=device)


class I3DLogits:
    """ "feature" [400] float32 of all frames of a video as one window."""

    window: int | None = None
    """How many frames from the first on are seen; None: all."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        self._network = load_i3d(weights["i3d"], device)
        self._device = device

    def __call__(self, frames: Frames) -> Arrays:
        """frames: [T, height, width, 3] uint8 RGB of any size. Raises Undefined for fewer frames than the window."""
        least = self.window or MINIMUM_FRAMES
        if len(frames) < least:
            raise Undefined(f"the video has {_count(len(frames))}, I3D needs at least {least}")
        with torch.inference_mode():
            logits = self._network(window_of(frames[: self.window], self._device))
        return {"feature": finite(logits[0], network="i3d")}


class I3DLogits16(I3DLogits):
    """ "feature" [400] float32 of a video's first 16 frames."""

    window = 16


def window_of(frames: Frames, device: str) -> Tensor:
    """[1, 3, T, 224, 224] in -1..1: each frame resized bilinearly without antialias, its aspect not kept."""
    small = [
        F.interpolate(pictures(frames[i : i + _CHUNK], device), (SIDE, SIDE), mode="bilinear", align_corners=False)
        for i in range(0, len(frames), _CHUNK)
    ]
    return (torch.cat(small) / 127.5 - 1).transpose(0, 1)[None]


def _count(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"


def _max_pool(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Max pool with "SAME" padding. One axis after the other: six times as fast as one pool over a box."""
    # what comes in is never negative, so padding by zeros is as good as by -inf
    x = F.pad(x, same_padding(x.shape[2:], kernel, stride))
    for axis, (k, s) in enumerate(zip(kernel, stride), start=2):
        if k == 1:
            continue
        steps = (x.shape[axis] - k) // s + 1
        taps = [x.narrow(axis, i, (steps - 1) * s + 1)[(slice(None),) * axis + (slice(None, None, s),)] for i in range(k)]
        best = torch.maximum(taps[0], taps[1])
        for tap in taps[2:]:
            torch.maximum(best, tap, out=best)
        x = best
    return x
