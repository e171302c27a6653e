"""Weights files of the right names and shapes with seeded random numbers, for tests that need no trained network."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmark.metrics.extractors.efficientnet_lite0 import EfficientNetLite0
from benchmark.metrics.extractors.i3d import I3D
from benchmark.metrics.extractors.st_lpips import ShiftTolerantAlexNet

Tensors = dict[str, Tensor]


def i3d(seed: int = 0) -> Tensors:
    """As the published checkpoint has them, flattened."""
    tensors: Tensors = {}
    torch.manual_seed(seed)
    for name, weight in I3D().state_dict().items():
        if name == "head.weight":
            tensors["params/Logits/Conv3d_0c_1x1/Conv_0/kernel"] = weight.T.reshape(1, 1, 1, 1024, 400).contiguous()
        elif name == "head.bias":
            tensors["params/Logits/Conv3d_0c_1x1/Conv_0/bias"] = weight
        elif name.endswith(".weight"):
            where = _i3d_name(name.removesuffix(".convolution.weight"))
            outputs = len(weight)
            # without the factor signals die out over twenty layers
            tensors[f"params/{where}/Conv_0/kernel"] = 2.4 * weight.permute(2, 3, 4, 1, 0).contiguous()
            tensors[f"params/{where}/BatchNorm_0/bias"] = torch.rand(outputs) * 0.1
            tensors[f"batch_stats/{where}/BatchNorm_0/mean"] = torch.randn(1, 1, 1, 1, outputs) * 0.1
            tensors[f"batch_stats/{where}/BatchNorm_0/var"] = torch.rand(1, 1, 1, 1, outputs) + 0.5
    return tensors


def _i3d_name(ours: str) -> str:
    if ours.startswith("conv_"):
        return {"conv_1a": "Conv3d_1a_7x7", "conv_2b": "Conv3d_2b_1x1", "conv_2c": "Conv3d_2c_3x3"}[ours]
    _, block, branch, *step = ours.split(".")
    number = branch.removeprefix("branch_")
    kind = "Conv3d_0b_1x1" if number == "3" else "Conv3d_0b_3x3" if step == ["1"] else "Conv3d_0a_1x1"
    return f"Mixed_{block}/Branch_{number}/{kind}"


def efficientnet_lite0(seed: int = 0) -> Tensors:
    """As the published checkpoint has them."""
    tensors: Tensors = {}
    torch.manual_seed(seed)
    for name, weight in EfficientNetLite0().state_dict().items():
        if name.startswith("classifier."):
            tensors[name.replace("classifier", "_fc")] = weight
        elif name.endswith(".weight"):
            convolution, norm = _lite0_names(name.removesuffix(".convolution.weight"))
            outputs = len(weight)
            tensors[f"{convolution}.weight"] = 2.4 * weight
            tensors[f"{norm}.weight"] = torch.rand(outputs) + 0.5
            tensors[f"{norm}.bias"] = torch.rand(outputs) * 0.2
            tensors[f"{norm}.running_mean"] = torch.randn(outputs) * 0.1
            tensors[f"{norm}.running_var"] = torch.rand(outputs) + 0.5
            tensors[f"{norm}.num_batches_tracked"] = torch.tensor(1)
    return tensors


def _lite0_names(ours: str) -> tuple[str, str]:
    if not ours.startswith("blocks."):
        return {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}[ours]
    block, _, step = ours.rpartition(".")
    number = {"expand": 0, "depthwise": 1, "project": 2}[step]
    return f"_{block}._{step}_conv", f"_{block}._bn{number}"


def st_lpips(seed: int = 0) -> Tensors:
    """As the published checkpoint has them, less the blurs, which are no parameters."""
    torch.manual_seed(seed)
    trunk = ShiftTolerantAlexNet()
    places = {"first": "slice1.0", "second": "slice2.5", "third": "slice3.9", "fourth": "slice4.11", "fifth": "slice5.13"}
    tensors: Tensors = {
        "scaling_layer.shift": torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1),
        "scaling_layer.scale": torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1),
    }
    for i, (ours, theirs) in enumerate(places.items()):
        layer = trunk.get_submodule(ours)
        for part, values in layer.state_dict().items():
            tensors[f"net.{theirs}.{part}"] = values
        tensors[f"lin{i}.model.1.weight"] = torch.rand(1, len(layer.state_dict()["weight"]), 1, 1)
    return tensors


def alexnet(seed: int = 0) -> Tensors:
    """torchvision's AlexNet, untrained."""
    import torchvision

    torch.manual_seed(seed)
    return torchvision.models.alexnet(weights=None).state_dict()


def written(tensors: Tensors, path: Path) -> Path:
    """The path, with these tensors in it."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path
