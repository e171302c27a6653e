"""Renders the ego prior of a clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.clip import ClipInputs, Maps, PointSource
from benchmark.errors import Undefined
from benchmark.video import Frames
from egox.depth import DepthEstimate
from egox.prior import EgoPrior

from . import Options
from .making import Maker


class EgoPriorMethod:
    """The prior as it is: black where nothing is known."""

    def __init__(self, options: Options) -> None:
        self.prior = LastPrior(Maker(options))

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        return np.stack([frame.picture for frame in self.prior(inputs).rendered()])


class LastPrior:
    """Makes priors and keeps the last one: it is made once for a video and for what is shown beside it."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._last: tuple[ClipInputs, EgoPrior] | None = None

    def __call__(self, inputs: ClipInputs) -> EgoPrior:
        """The prior of exo[0]. Raises Undefined where the clip lacks what it takes."""
        if self._last is None or self._last[0] is not inputs:
            self._last = None  # two need not fit into memory
            self._last = inputs, prior_of(inputs, self._maker)
        return self._last[1]

    def forget(self) -> None:
        """Free the last one."""
        self._last = None


def prior_of(inputs: ClipInputs, maker: Maker) -> EgoPrior:
    """The prior of exo[0], prepared. Raises Undefined, with the reason, where the clip lacks what it takes."""
    view, ego = inputs.exo[0], inputs.ego_camera
    if view.camera is None:
        raise Undefined(f"camera missing for exo view {view.name}")
    if ego is None:
        raise Undefined("ego camera missing")
    given = None
    if not maker.options.depth_model:
        if view.depth is None:
            raise Undefined(f"depth missing for exo view {view.name}")
        given = DepthEstimate(metric_m=view.depth.read(), disparity=_read(view.disparity))
        if not given.metric_m.any():
            raise Undefined(f"depth of exo view {view.name} is unknown everywhere")
    return maker.make(
        view.video.read(),
        exo=view.camera,
        ego=ego,
        depth=given,
        ids=_read(view.masks),
        up=inputs.up,
        points=_read(inputs.points),
    )


def _read(source: Maps | PointSource | None) -> NDArray | None:
    return None if source is None else source.read()
