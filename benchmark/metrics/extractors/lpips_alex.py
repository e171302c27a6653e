"""LPIPS v0.1 on AlexNet by the `lpips` package: its trunk, scaling and linear heads; AlexNet's weights come from a file here.

Regions are what the package has not; the arithmetic on its features is in `perceptual` and agrees with its own values.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import Unavailable
from .network import filled, named, tensors_of
from .perceptual import LayerMaps

LEAST = 31
"""Pixels: a shorter side leaves AlexNet's second pool nothing to pool."""


class AlexNetMaps(LayerMaps):
    """What LPIPS of every frame at its own size is the mean of: see `LayerMaps`."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        path = weights["alexnet"]
        model = package_model().to(device)
        tensors = tensors_of(path)
        # the package's "slice2.3.weight" is torchvision's "features.3.weight"
        names = {name: f"features.{name.partition('.')[2]}" for name in model.net.state_dict()}
        trunk = {ours: named(tensors, theirs, source=path).float() for ours, theirs in names.items()}
        filled(model.net, trunk, source=path, device=device)
        heads = [head.model[-1].weight.detach() for head in model.lins]

        def features(images: Tensor) -> list[Tensor]:
            return list(model.net(model.scaling_layer(images)))

        super().__init__(features, heads, network="lpips-alex", least=LEAST, device=device)


def package_model() -> Any:
    """`lpips.LPIPS` with its own heads and an untrained trunk, so that nothing is downloaded.

    Raises Unavailable where the package cannot be imported: it needs a torchvision that fits torch.
    """
    try:
        import lpips
    except (ImportError, RuntimeError) as error:
        raise Unavailable(f"package 'lpips' cannot be imported: {error}") from error
    with warnings.catch_warnings():
        # it asks torchvision for the untrained network by a name that torchvision has retired
        warnings.simplefilter("ignore", UserWarning)
        return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
