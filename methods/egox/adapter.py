"""Runs EgoX on clips of the benchmark: the same prior as `ego-prior` makes, then the pipeline of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import msgspec
import torch

from benchmark.clip import ClipInputs
from benchmark.errors import LoadError, UserError
from benchmark.video import Frames
from egox.clip import EgoXClip, clip_of_prior
from egox.pipeline import EgoXPipeline
from egox.pretrained import WeightsError
from egox.recipe import Recipe, load_recipe
from egox.sampling import check_settings
from egox.threads import one_thread
from methods.ego_prior import Options as PriorOptions
from methods.ego_prior.adapter import LastPrior
from methods.ego_prior.making import Maker

from . import Options


class EgoX:
    """One pipeline a recipe, loaded when the first clip asks for it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.prior = LastPrior(Maker(PriorOptions(depth_model=options.depth_model, device=options.device)))
        """What the model is given of a clip's inputs."""
        self._pipelines: dict[str, EgoXPipeline] = {}
        self.on_step: Callable[[int, int], None] | None = None

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        """Raises Undefined for a clip without depth or cameras, UserError where sizes do not fit, LoadError without weights."""
        with one_thread():
            pipeline, clip = self.prepared(inputs)
            try:
                return pipeline(
                    clip, seed=seed, callback_on_step_end=self._step(pipeline), callback_on_step_end_tensor_inputs=()
                ).frames
            except ValueError as error:
                raise UserError(str(error)) from error

    def prepared(self, inputs: ClipInputs) -> tuple[EgoXPipeline, EgoXClip]:
        """What `generate` runs, and what on. Raises like it."""
        pipeline = self._pipeline(inputs.size[0])
        prior = self.prior(inputs)
        try:
            return pipeline, clip_of_prior(prior, prompt=inputs.caption or "", fps=inputs.fps)
        except ValueError as error:
            raise UserError(str(error)) from error

    def close(self) -> None:
        """Free the weights."""
        self._pipelines.clear()
        self.prior.forget()

    def _step(self, pipeline: EgoXPipeline) -> Callable[..., dict[str, Any]] | None:
        """Tells whoever set `on_step`; changes nothing."""
        told = self.on_step
        if told is None:
            return None

        def after(_pipeline: Any, step: int, _timestep: Any, _tensors: Any) -> dict[str, Any]:
            told(step + 1, pipeline.recipe.sampling.steps)
            return {}

        return after

    def _pipeline(self, side: int) -> EgoXPipeline:
        """Raises LoadError, which ends the run, where the weights are missing or do not fit: no clip would go better."""
        try:
            name = self.options.recipe_at(side)
        except ValueError as error:
            raise UserError(str(error)) from None
        if name not in self._pipelines:
            try:
                self._pipelines[name] = _loaded(load_recipe(name), self.options)
            except (ValueError, WeightsError) as error:
                raise LoadError(str(error)) from error
        return self._pipelines[name]


def _loaded(recipe: Recipe, options: Options) -> EgoXPipeline:
    try:
        torch.empty(1, device=options.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise LoadError(f"--set device={options.device}: {reason}; 'egox-bench doctor' shows what is there") from None
    with _quiet():
        pipeline = EgoXPipeline.from_pretrained(
            options.checkpoint or None, recipe=changed(recipe, options), lora=options.lora or None, backend=options.backend
        )
    # before a prior is made for nothing
    check_settings(pipeline.recipe.sampling.steps, pipeline.recipe.sampling.guidance_scale, pipeline.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(options.device)


def changed(recipe: Recipe, options: Options) -> Recipe:
    """The recipe with what the options set in it. Raises ValueError for a strength of guidance where there is none."""
    replace, sampling, guidance = msgspec.structs.replace, recipe.sampling, recipe.conditioning.guidance
    if options.steps:
        sampling = replace(sampling, steps=options.steps)
    if options.guidance_scale:
        sampling = replace(sampling, guidance_scale=options.guidance_scale)
    if options.strength and not guidance.on:
        raise ValueError(f"strength is {options.strength:g}, but recipe {recipe.name} does not guide attention: leave it out")
    if options.strength:
        guidance = replace(guidance, strength=options.strength)
    model = replace(recipe.model, precision=options.dtype) if options.dtype else recipe.model
    return replace(recipe, model=model, sampling=sampling, conditioning=replace(recipe.conditioning, guidance=guidance))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars of loading: the runner shows how far a run is.

    A bar's own lock is a semaphore between processes, which a worker that is ended leaves behind, and Python complains of it.
    """
    from tqdm import tqdm
    from transformers.utils import logging

    tqdm.set_lock(RLock())
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
