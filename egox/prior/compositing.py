"""From the points that cover a pixel to its colour."""

from __future__ import annotations

import torch
from torch import Tensor

from .rasterize import Fragments

LEAST_WEIGHT = 1e-4
"""PyTorch3D's: sums of weights below it are divided by it."""


def disc_weights(fragments: Fragments, radius_px: Tensor) -> Tensor:
    """1 at a disc's centre, 0 at its rim, parabolic (PyTorch3D): [height, width, slots], 0 in empty slots.

    radius_px: [n], of each point.
    """
    filled = fragments.index >= 0
    if len(radius_px) == 0:
        return torch.zeros_like(fragments.distance2)
    radius = radius_px.index_select(0, fragments.index.clamp_min(0).view(-1)).view(fragments.index.shape)
    return torch.where(filled, 1 - fragments.distance2 / (radius * radius), 0.0)


def alpha_composite(weights: Tensor, colours: Tensor) -> Tensor:
    """Front to back, each weight as an opacity: PyTorch3D's AlphaCompositor. [..., slots] and [..., slots, 3] to [..., 3].

    The sum is not divided by the opacity that was reached: rims fade to black.
    """
    behind = torch.cumprod(1 - weights, -1)
    through = torch.cat([torch.ones_like(behind[..., :1]), behind[..., :-1]], -1)
    return ((through * weights)[..., None] * colours).sum(-2)


def mean_composite(weights: Tensor, colours: Tensor) -> Tensor:
    """Weighted mean over the slots, whatever their depth: PyTorch3D's NormWeightedCompositor. Shapes as above.

    After a rasterisation with `slack` the slots hold one surface, and this is its colour.
    """
    return (weights[..., None] * colours).sum(-2) / weights.sum(-1, keepdim=True).clamp_min(LEAST_WEIGHT)
