"""What is shown beside a generated video: the exo video and, where there is depth, what geometry alone gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.clip import Clip, inputs_for
from benchmark.errors import Undefined
from benchmark.video import Frames
from methods.ego_prior import Options
from methods.ego_prior.adapter import prior_of
from methods.ego_prior.making import Maker
from methods.prior_verb.strip import Strip


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Preview:
    """scale, coverage: of the prior, None where there is none. lines: the same for a person."""

    strip: Strip
    scale: float | None
    coverage: float | None
    lines: tuple[str, ...]


def preview(clip: Clip, generated: Frames, *, title: str, depth_model: str) -> Preview:
    """generated: [frames, height, width, 3]. depth_model: what estimates the depth that the clip has not; "" for nothing."""
    options = Options(depth_model=depth_model)
    declared, exo = options.declared(), clip.exo[0].video.read()
    try:
        prior = prior_of(inputs_for(clip, needs=declared.needs, optional=declared.optional), Maker(options))
    except Undefined as reason:
        strip = Strip(clip=title, scale="", exo=exo, generated=generated)
        return Preview(strip=strip, scale=None, coverage=None, lines=(f"no ego prior to compare with: {reason}",))
    rendered = list(prior.rendered())
    valid = np.stack([frame.valid for frame in rendered])
    coverage = float(valid.sum() / (len(prior) * prior.ego.visible().sum()))
    pictures = np.stack([frame.picture for frame in rendered])
    strip = Strip(clip=title, scale=str(prior.scale), exo=exo, prior=pictures, generated=generated)
    lines = (*prior.report(), f"coverage: {100 * coverage:.1f} % of what the lens sees is known from outside")
    return Preview(strip=strip, scale=prior.scale.factor, coverage=coverage, lines=lines)
