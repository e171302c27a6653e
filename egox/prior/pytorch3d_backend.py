"""PyTorch3D's rasteriser behind our signature, for those who have built it: the reference of `rasterize`.

Its coordinates: the short side of the picture spans [-1, 1], x grows to the left and y upwards; pixel (row i, column j) has its
centre at ((W - 1 - 2j) / s, (H - 1 - 2i) / s), s the short side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .rasterize import Fragments


def ndc_from_pixels(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """[n, 2] pixels (u, v), centres at integers, to PyTorch3D's normalised device coordinates."""
    height, width = size
    top = torch.tensor([width - 1, height - 1], dtype=pixels.dtype, device=pixels.device)
    return (top - 2 * pixels) / min(size)


def pixels_from_ndc(ndc: Tensor, size: tuple[int, int]) -> Tensor:
    """Inverse of `ndc_from_pixels`."""
    height, width = size
    top = torch.tensor([width - 1, height - 1], dtype=ndc.dtype, device=ndc.device)
    return (top - min(size) * ndc) / 2


def rasterize(pixels: Tensor, depth: Tensor, radius_px: Tensor, *, size: tuple[int, int], slots: int) -> Fragments:
    """As `rasterize.rasterize`, by PyTorch3D. Raises ImportError, with what to do, where it is not installed.

    On CUDA its ties in depth may come in another order, and more than slots points of one depth may be cut differently.
    """
    try:
        from pytorch3d.renderer.points.rasterize_points import rasterize_points  # pyright: ignore[reportMissingImports]
        from pytorch3d.structures import Pointclouds  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            f"the backend 'pytorch3d' needs PyTorch3D ({error}); build it from source (see README, extra 'render') or use 'torch'"
        ) from error
    drawn = torch.nonzero(torch.isfinite(pixels).all(-1))[:, 0]
    to_ndc = 2 / min(size)
    points = torch.cat([ndc_from_pixels(pixels[drawn], size), depth[drawn, None]], -1)
    index, z, distance2 = rasterize_points(
        Pointclouds(points=[points]), image_size=size, radius=(radius_px[drawn] * to_ndc)[None], points_per_pixel=slots
    )
    empty = index[0] < 0
    return Fragments(
        index=torch.where(empty, -1, drawn[index[0].clamp_min(0)]),
        depth=z[0],
        distance2=torch.where(empty, -1.0, distance2[0] / to_ndc**2),
    )
