"""What is shown beside a generated video: the exo video and, where there is depth, what geometry alone gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.clip import Clip, ClipInputs, inputs_for
from benchmark.errors import Undefined
from benchmark.registry import Method
from benchmark.video import Frames
from egox.prior import EgoPrior
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


def preview(clip: Clip, generated: Frames, prior: Callable[[], EgoPrior], *, title: str) -> Preview:
    """generated: [frames, height, width, 3]. prior: makes the one to compare with, or raises Undefined."""
    exo = clip.exo[0].video.read()
    try:
        known = prior()
    except Undefined as reason:
        strip = Strip(clip=title, scale="", exo=exo, generated=generated)
        return Preview(strip=strip, scale=None, coverage=None, lines=(f"no ego prior to compare with: {reason}",))
    rendered = list(known.rendered())
    valid = np.stack([frame.valid for frame in rendered])
    coverage = float(valid.sum() / (len(known) * known.ego.visible().sum()))
    pictures = np.stack([frame.picture for frame in rendered])
    strip = Strip(clip=title, scale=str(known.scale), exo=exo, prior=pictures, generated=generated)
    lines = (*known.report(), f"coverage: {100 * coverage:.1f} % of what the lens sees is known from outside")
    return Preview(strip=strip, scale=known.scale.factor, coverage=coverage, lines=lines)


def prior_beside(clip: Clip, inputs: ClipInputs, method: Method, options: Any) -> EgoPrior:
    """The prior that this method saw: its own where it offers one, else made as its options say.

    Raises Undefined where there is no depth for one.
    """
    if hasattr(method, "prior"):
        return method.prior(inputs)  # pyright: ignore[reportAttributeAccessIssue]
    asked = options if isinstance(options, Options) else Options(depth_model=getattr(options, "depth_model", ""))
    declared = asked.declared()
    return prior_of(inputs_for(clip, needs=declared.needs, optional=declared.optional), Maker(asked))
