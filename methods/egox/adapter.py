"""Runs EgoX on clips of the benchmark: the same prior as `ego-prior` makes, then the pipeline of the library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch

from benchmark.clip import ClipInputs
from benchmark.errors import UserError
from benchmark.video import Frames
from egox.clip import clip_of_prior
from egox.pipeline import EgoXPipeline
from egox.pretrained import WeightsError
from egox.recipe import Recipe, load_recipe
from methods.ego_prior import Options as PriorOptions
from methods.ego_prior.adapter import prior_of
from methods.ego_prior.making import Maker

from . import Options


class EgoX:
    """One pipeline a recipe, loaded when the first clip asks for it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._maker = Maker(PriorOptions(depth_model=options.depth_model, device=options.device))
        self._pipelines: dict[str, EgoXPipeline] = {}

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        """Raises Undefined for a clip without depth or cameras, UserError where weights are missing or sizes do not fit."""
        with _one_thread():
            prior = prior_of(inputs, self._maker)
            try:
                pipeline = self._pipeline(inputs.size[0])
                clip = clip_of_prior(prior, prompt=inputs.caption or "", fps=inputs.fps)
                return pipeline(clip, generator=torch.Generator("cpu").manual_seed(seed)).frames
            except (ValueError, WeightsError) as error:
                raise UserError(str(error)) from error

    def close(self) -> None:
        """Free the weights."""
        self._pipelines.clear()

    def _pipeline(self, side: int) -> EgoXPipeline:
        options = self.options
        name = options.recipe_at(side)
        if name not in self._pipelines:
            recipe = _changed(load_recipe(name), options)
            pipeline = EgoXPipeline.from_pretrained(
                options.checkpoint or recipe.model.checkpoint,
                recipe=recipe,
                lora=Path(options.lora) if options.lora else None,
                backend=options.backend,
            )
            self._pipelines[name] = pipeline.to(options.device)
        return self._pipelines[name]


def _changed(recipe: Recipe, options: Options) -> Recipe:
    """The recipe with what the options set in it."""
    sampling: dict[str, Any] = {}
    if options.steps:
        sampling["steps"] = options.steps
    if options.guidance_scale:
        sampling["guidance_scale"] = options.guidance_scale
    changed = msgspec.structs.replace(recipe, sampling=msgspec.structs.replace(recipe.sampling, **sampling))
    if options.strength:
        guidance = msgspec.structs.replace(recipe.conditioning.guidance, strength=options.strength)
        changed = msgspec.structs.replace(changed, conditioning=msgspec.structs.replace(recipe.conditioning, guidance=guidance))
    if options.dtype:
        changed = msgspec.structs.replace(changed, model=msgspec.structs.replace(recipe.model, precision=options.dtype))
    return changed


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of many terms depend on how many threads share them: with one, a video does not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
