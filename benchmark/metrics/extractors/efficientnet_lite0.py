"""EfficientNet-lite0 (Tan and Le 2019, the variant without squeeze-and-excite): pooled features of a picture, for `eff-i`.

TensorFlow's "SAME" padding and its own scaling of pixels are part of the network: with symmetric padding or ImageNet's mean
it still classifies, with other features. Batch normalisation is folded into the convolutions in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...video import Frames
from ..metric import Arrays
from .network import filled, finite, named, pictures, tensors_of
from .padding import same_padding

SIDE = 224
FEATURES = 1280

_EPSILON = 1e-3
_BATCH = 8
_WIDTHS = (16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320)
_KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3)
_STRIDED = (1, 3, 5, 11)
_EXPANSION = 6


class Unit(nn.Module):
    """Convolution with "SAME" padding and batch normalisation folded in."""

    def __init__(self, inputs: int, outputs: int, *, size: int = 1, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__()
        self.size, self.stride = size, stride
        padding = size // 2 if stride == 1 else 0
        groups = inputs if depthwise else 1
        self.convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride != 1:
            x = F.pad(x, same_padding(x.shape[2:], [self.size] * 2, [self.stride] * 2))
        return self.convolution(x)


class Block(nn.Module):
    """Inverted bottleneck: wider, depthwise, narrower; added to what came in where both have one shape."""

    def __init__(self, inputs: int, outputs: int, *, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = Unit(inputs, wide) if expansion > 1 else None
        self.depthwise = Unit(wide, wide, size=size, stride=stride, depthwise=True)
        self.project = Unit(wide, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """[N, 3, 224, 224] of (level - 127) / 128 to 1000 ImageNet logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Unit(3, 32, size=3, stride=2)
        self.blocks = nn.ModuleList()
        inputs = 32
        for i, (width, size) in enumerate(zip(_WIDTHS, _KERNELS)):
            stride, expansion = 2 if i in _STRIDED else 1, 1 if i == 0 else _EXPANSION
            self.blocks.append(Block(inputs, width, size=size, stride=stride, expansion=expansion))
            inputs = width
        self.top = Unit(inputs, FEATURES)
        self.classifier = nn.Linear(FEATURES, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 1000]."""
        return self.classifier(self.pooled(x))

    def pooled(self, x: Tensor) -> Tensor:
        """[N, 1280], 0..6: the last layer's features, averaged over the picture."""
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.top(x)).mean(dim=(2, 3))


def load_efficientnet_lite0(path: Path, device: str) -> EfficientNetLite0:
    """The network with the weights of a converted checkpoint, whose names are kept: `_conv_stem.weight`, `_bn0.bias` …"""
    tensors = tensors_of(path)
    units = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}
    for i in range(len(_WIDTHS)):
        ours, theirs = f"blocks.{i}", f"_blocks.{i}"
        if i:
            units[f"{ours}.expand"] = (f"{theirs}._expand_conv", f"{theirs}._bn0")
        units[f"{ours}.depthwise"] = (f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        units[f"{ours}.project"] = (f"{theirs}._project_conv", f"{theirs}._bn2")
    state: dict[str, Tensor] = {}
    for ours, (convolution, norm) in units.items():
        scale = named(tensors, f"{norm}.weight", source=path)
        scale = scale * (named(tensors, f"{norm}.running_var", source=path) + _EPSILON).rsqrt()
        shift = named(tensors, f"{norm}.bias", source=path) - named(tensors, f"{norm}.running_mean", source=path) * scale
        kernel = named(tensors, f"{convolution}.weight", source=path)
        state[f"{ours}.convolution.weight"] = (kernel * scale.view(-1, 1, 1, 1)).float()
        state[f"{ours}.convolution.bias"] = shift.float()
    for name in ("weight", "bias"):
        state[f"classifier.{name}"] = named(tensors, f"_fc.{name}", source=path).float()
    return filled(EfficientNetLite0(), state, source=path, device=device)


def prepared(frames: Frames, device: str) -> Tensor:
    """[frames, 3, 224, 224]: whole frames resized bilinearly with antialias, aspect not kept; (level - 127) / 128."""
    images = pictures(frames, device)
    if images.shape[2:] != (SIDE, SIDE):
        images = F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return (images - 127) / 128


class EfficientNetFeatures:
    """ "embedding" [T, 1280] float32, 0..6: pooled features of every frame."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        self._network = load_efficientnet_lite0(weights["efficientnet-lite0"], device)
        self._device = device

    def __call__(self, frames: Frames) -> Arrays:
        """frames: [T, height, width, 3] uint8 RGB of any size."""
        with torch.inference_mode():
            found = [self._network.pooled(prepared(frames[i : i + _BATCH], self._device)) for i in range(0, len(frames), _BATCH)]
        return {"embedding": finite(torch.cat(found), network="efficientnet-lite0")}
