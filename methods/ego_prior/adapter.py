"""Renders the ego prior of a clip, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.clip import ClipInputs
from benchmark.errors import Undefined
from benchmark.registry import NoOptions
from benchmark.video import Frames
from egox.prior import Rendered, lift, splat


def rendered(inputs: ClipInputs) -> Iterator[Rendered]:
    """The prior of each frame: exo[0]'s pixels at their depth, splatted into the ego camera. Raises Undefined."""
    view, ego = inputs.exo[0], inputs.ego_camera
    if view.depth is None:
        raise Undefined(f"depth missing for exo view {view.name}")
    if view.camera is None:
        raise Undefined(f"camera missing for exo view {view.name}")
    if ego is None:
        raise Undefined("ego camera missing")
    rays, visible = view.camera.lens.unproject(view.camera.pixel_grid()), ego.visible()
    for frame, picture in enumerate(view.video.stream()):
        cloud = lift(picture, view.depth.frame(frame), view.camera, frame, rays=rays)
        yield splat(cloud, ego, frame, visible=visible)


class EgoPrior:
    """The prior as it is: black where nothing is known."""

    def __init__(self, options: NoOptions) -> None:
        del options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        return np.stack([frame.picture for frame in rendered(inputs)])
