"""Fills the holes of the prior inside the lens circle."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.clip import ClipInputs
from benchmark.errors import Undefined
from benchmark.video import Frames
from methods.ego_prior import Options as PriorOptions
from methods.ego_prior.adapter import LastPrior
from methods.ego_prior.making import Maker

from . import Options


class PriorInpaint:
    """Telea inpainting of every pixel that the prior does not reach; black outside of the lens circle."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.prior = LastPrior(Maker(PriorOptions()))

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        if inputs.ego_camera is None:
            raise Undefined("ego camera missing")
        circle = inputs.ego_camera.visible()
        rendered = self.prior(inputs).rendered()
        return np.stack([filled(f.picture, f.valid, circle, radius_px=self.options.radius_px) for f in rendered])


def filled(picture: Frames, valid: NDArray[np.bool_], circle: NDArray[np.bool_], *, radius_px: float) -> Frames:
    """A picture [height, width, 3] whose pixels that are not valid are filled inside the circle.

    The black outside counts as unknown while filling, or it would bleed into the rim. A picture without any valid pixel
    stays black: there is nothing to fill it from.
    """
    if not valid.any():
        return np.zeros_like(picture)
    complete = cv2.inpaint(picture, np.where(valid, 0, 255).astype(np.uint8), radius_px, cv2.INPAINT_TELEA)
    return np.where(circle[..., None], complete, 0).astype(np.uint8)
