"""A pipeline of tiny random models, and a recipe for it."""

from __future__ import annotations

from typing import Any

import msgspec
import torch

from egox.clip import EgoXClip
from egox.pipeline import EgoXOutput, EgoXPipeline
from egox.recipe import Model, Recipe, Sampling

from . import tiny

STEPS = 2
PLAIN = Recipe(
    name="tiny/plain",
    summary="tiny",
    model=Model(checkpoint="nowhere", text_tokens=512, precision="fp32"),
    sampling=Sampling(steps=STEPS, guidance_scale=1.0, shift=3.0),
)


def having(recipe: Recipe = PLAIN, *, guidance: dict[str, Any] | None = None, **rules: Any) -> Recipe:
    """The recipe with other conditioning."""
    if guidance is not None:
        rules["guidance"] = msgspec.structs.replace(recipe.conditioning.guidance, **guidance)
    return msgspec.structs.replace(recipe, conditioning=msgspec.structs.replace(recipe.conditioning, **rules))


def components() -> dict[str, Any]:
    """All but the transformer, which `built` makes anew."""
    tokenizer, text_encoder = tiny.text()
    return {
        "vae": tiny.codec(),
        "scheduler": tiny.scheduler(),
        "tokenizer": tokenizer,
        "text_encoder": text_encoder,
        "image_processor": tiny.image_processor(),
        "image_encoder": tiny.image_encoder(),
    }


def built(parts: dict[str, Any], recipe: Recipe = PLAIN, **changes: Any) -> EgoXPipeline:
    pipeline = EgoXPipeline(**{"transformer": tiny.transformer(), **parts, **changes}, recipe=recipe)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def run(pipeline: EgoXPipeline, clip: EgoXClip | None = None, *, seed: int = 0, **options: Any) -> EgoXOutput:
    return pipeline(tiny.clip(prompt="a cup") if clip is None else clip, generator=torch.Generator().manual_seed(seed), **options)
