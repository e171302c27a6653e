"""Clouds to ego pictures (paper Eq. 2): samples, splats, z-buffer, colour, and which pixels are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..cameras import Camera
from . import pytorch3d_backend
from .cloud import PointCloud
from .compositing import LEAST_WEIGHT, alpha_composite, disc_weights, mean_composite
from .rasterize import Fragments, rasterize
from .sampling import Samples, sample

SAME_SURFACE = 0.05
"""Samples within this fraction behind the nearest one of a pixel are its surface and share its colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """How points become pixels.

    radius_px: of every splat, in pixels of the ego picture. slots: points kept for a pixel.
    surface: True samples surfaces as densely as the picture asks for (`sampling`) and shows the nearest surface of a pixel,
    its samples weighted by their distance; False draws each point as it is and composites all slots front to back, which is
    PyTorch3D's renderer. step_px, most: see `sampling.sample`; of no effect without surface.
    backend: "torch", or "pytorch3d" where that is installed (with surface=False).
    """

    radius_px: float = 1.1
    slots: int = 16
    surface: bool = True
    step_px: float = 1.1
    most: int = 7
    backend: Literal["torch", "pytorch3d"] = "torch"

    def __post_init__(self) -> None:
        for name in ("radius_px", "step_px"):
            if not 0 < getattr(self, name) <= 64:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0 and at most 64")
        for name in ("slots", "most"):
            if not 1 <= getattr(self, name) <= 150:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 to 150")
        if self.backend not in ("torch", "pytorch3d"):
            raise ValueError(f"backend is {self.backend!r}, expected 'torch' or 'pytorch3d'")
        if self.backend == "pytorch3d" and self.surface:
            raise ValueError("the backend 'pytorch3d' draws points as they are: set surface=False with it")


PYTORCH3D_PARITY = RenderSettings(radius_px=5.0, slots=20, surface=False)
"""The published renderer's settings at 448 pixels: radius 5 px, 20 points a pixel, alpha compositing."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rendered:
    """picture: [height, width, 3] uint8, black where nothing fell; valid: [height, width]; depth_m: z, 0 where not valid."""

    picture: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    depth_m: NDArray[np.float32]


class Renderer:
    """Renders clouds into one ego camera."""

    def __init__(self, camera: Camera, settings: RenderSettings = RenderSettings()) -> None:
        self.camera, self.settings = camera, settings
        self._visible = torch.from_numpy(camera.visible())

    def render(self, cloud: PointCloud, frame: int) -> Rendered:
        """The cloud as the camera sees it in one frame; nothing is drawn outside of the lens circle."""
        settings, device = self.settings, cloud.points.device
        samples = self._samples(cloud, frame)
        radius = torch.full_like(samples.depth_m, settings.radius_px)
        fragments = self._fragments(samples, radius)
        weights = disc_weights(fragments, radius)
        colours = weights.new_zeros(*weights.shape, 3)
        if len(samples.colours):
            colours = samples.colours.index_select(0, fragments.index.clamp_min(0).view(-1)).view(colours.shape)
        valid = (fragments.index[..., 0] >= 0) & self._visible.to(device)
        if settings.surface:
            valid &= weights.sum(-1) > LEAST_WEIGHT  # the very rim of one splat shows nothing
            picture = mean_composite(weights, colours)
            depth = mean_composite(weights, fragments.depth[..., None])[..., 0]  # the nearest sample's would lie before a slope
        else:
            picture, depth = alpha_composite(weights, colours), fragments.depth[..., 0]
        depth = torch.where(valid, depth, 0.0)
        levels = torch.where(valid[..., None], picture, 0.0).round().clamp(0, 255).to(torch.uint8)
        return Rendered(picture=levels.cpu().numpy(), valid=valid.cpu().numpy(), depth_m=depth.cpu().numpy())

    def _samples(self, cloud: PointCloud, frame: int) -> Samples:
        if self.settings.surface:
            return sample(cloud, self.camera, frame, step_px=self.settings.step_px, most=self.settings.most)
        in_camera = self.camera.to_camera(cloud.points, frame)
        return Samples(
            pixels=self.camera.lens.project(in_camera), depth_m=in_camera[:, 2].contiguous(), colours=cloud.colours.float()
        )

    def _fragments(self, samples: Samples, radius: Tensor) -> Fragments:
        size = (self.camera.height, self.camera.width)
        if self.settings.backend == "pytorch3d":
            return pytorch3d_backend.rasterize(samples.pixels, samples.depth_m, radius, size=size, slots=self.settings.slots)
        slack = SAME_SURFACE if self.settings.surface else None
        return rasterize(samples.pixels, samples.depth_m, radius, size=size, slots=self.settings.slots, slack=slack)
