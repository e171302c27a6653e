"""From the method's options to a prior: which estimator, which masks, which renderer. For clips and for videos of one's own."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import Undefined, UserError
from egox.cameras import Array, Camera
from egox.depth import DepthEstimate, TransformersDepth, align, z_from_range
from egox.motion import PointPrompt, Sam2Masks, first_inside, motion_masks, moving_things
from egox.pretrained import WeightsError
from egox.prior import PYTORCH3D_PARITY, EgoPrior, PriorSettings, RenderSettings, ego_prior

from . import Options


class Maker:
    """Makes priors with one set of options; networks are loaded when the first clip needs them."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def make(
        self,
        frames: NDArray[np.uint8],
        *,
        exo: Camera,
        ego: Camera,
        depth: DepthEstimate | None,
        ids: NDArray[np.integer] | None = None,
        up: Array | None = None,
        points: Array | None = None,
    ) -> EgoPrior:
        """A clip's prior. depth: None where the options name a network. Raises UserError where weights are missing."""
        options = self.options
        try:
            estimate = self._estimator.estimate(frames) if depth is None else depth
            if options.depth_is == "range":
                estimate = _z_of(estimate, exo)
            moving = self._moving(frames, estimate, ids, exo, ego)
        except WeightsError as error:
            raise UserError(str(error)) from error
        settings = PriorSettings(render=self._render(ego), fuse=options.fuse, dynamic=options.dynamic, scale=options.scale)
        return ego_prior(
            frames, estimate, exo, ego, up=up, points=points, moving=moving, settings=settings, device=options.device
        )

    def _render(self, ego: Camera) -> RenderSettings:
        if self.options.renderer == "surface":
            return RenderSettings()
        return RenderSettings(
            radius_px=PYTORCH3D_PARITY.radius_px * ego.height / 448,
            slots=PYTORCH3D_PARITY.slots,
            surface=False,
            backend=self.options.backend,
        )

    @cached_property
    def _estimator(self) -> TransformersDepth:
        options = self.options
        return TransformersDepth(options.depth_model, options.disparity_model or None, device=options.device)

    @cached_property
    def _sam2(self) -> Sam2Masks:
        return Sam2Masks(self.options.sam2_model, device=self.options.device)

    def _moving(
        self, frames: NDArray[np.uint8], estimate: DepthEstimate, ids: NDArray | None, exo: Camera, ego: Camera
    ) -> NDArray[np.bool_] | None:
        """Masks by the options; None leaves it to the prior to find motion."""
        if self.options.masks == "motion":
            return None
        motion = motion_masks(align(estimate).depth_m, frames).moving
        if self.options.masks == "ids":
            if ids is None:
                raise Undefined("masks missing for the exo view; masks=motion needs none")
            return moving_things(ids, motion)
        head = np.stack([exo.project(ego.centres[t], t) for t in range(len(frames))])
        wearer: PointPrompt | None = first_inside(head, width=exo.width, height=exo.height)
        return motion if wearer is None else motion | self._sam2.masks(frames, [wearer])


def _z_of(estimate: DepthEstimate, exo: Camera) -> DepthEstimate:
    """The estimate with metric maps that held ranges; disparity is affine in neither and stays as it is."""
    z_m = z_from_range(estimate.metric_m, exo.lens.unproject(exo.pixel_grid()))
    return DepthEstimate(metric_m=z_m, disparity=estimate.disparity)
