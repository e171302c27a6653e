"""The pipeline where the recipe takes what the prior knows from the prior, on tiny random models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
import torch

from egox.clip import EgoXClip
from egox.encoding import decode_video, encode_clip
from egox.known import with_prior_detail
from egox.mini import Preconditioner
from egox.pipeline import EgoXPipeline
from egox.recipe import Recipe
from egox.sampling import SamplingError

from . import tiny
from .tiny_pipeline import PLAIN, built, components, having, run


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return components()


@pytest.fixture(scope="module")
def half_known() -> EgoXClip:
    """The left half is known, all of it in the middle."""
    whole = tiny.clip(prompt="a cup")
    there = whole.prior_valid & (np.arange(whole.prior.shape[2]) < 16)
    there[:, 8:24, 8:16] = True
    return replace(whole, prior_valid=there, prior=np.where(there[..., None], whole.exo[:, :, : there.shape[2]], 0))


@pytest.fixture(scope="module")
def known_by(parts, half_known) -> Callable[..., EgoXPipeline]:
    """Pipelines of one preconditioner, by sampling.known."""
    encoded = encode_clip(parts["vae"], half_known, half_known.canvas(parts["vae"]), PLAIN.conditioning)
    own = Preconditioner.fit([(encoded.prior + 0.1, encoded.prior, encoded.valid)])

    def pipeline(known: Literal["model", "prior"], **rules: Any) -> EgoXPipeline:
        recipe = Recipe(
            name="tiny/known",
            summary="tiny",
            model=msgspec.structs.replace(PLAIN.model, preconditioner="fitted"),
            conditioning=having(ego_mask="valid", **rules).conditioning,
            sampling=msgspec.structs.replace(PLAIN.sampling, known=known),
        )
        return built(parts, recipe, preconditioner=own)

    return pipeline


def test_known_cells_are_the_guess_and_unknown_ones_the_models(parts, half_known, known_by):
    encoded = encode_clip(parts["vae"], half_known, half_known.canvas(parts["vae"]), PLAIN.conditioning)
    share = encoded.valid.mean(1)
    alone, pipeline = run(known_by("model"), half_known), known_by("prior")
    made = run(pipeline, half_known)
    guess = pipeline.preconditioner.guess(encoded.prior, share)
    whole, none = ((share == value)[:, None].expand(guess.shape) for value in (1, 0))
    assert whole.any()
    assert none.any()
    assert torch.allclose(made.latents[whole], guess[whole], atol=1e-5)
    assert torch.equal(made.latents[none], alone.latents[none])
    assert (made.latents[whole] - alone.latents[whole]).abs().max() > 1e-3


def test_frames_have_the_priors_detail_where_it_is_known(parts, half_known, known_by):
    vae = parts["vae"]
    made = run(known_by("prior"), half_known)
    decoded = decode_video(vae, made.latents)
    encoded = encode_clip(vae, half_known, half_known.canvas(vae), PLAIN.conditioning)
    detailed = with_prior_detail(
        decoded, half_known.prior, round_trip=decode_video(vae, encoded.prior), known=half_known.prior_valid, near_px=17
    )
    assert np.array_equal(made.frames, np.where(half_known.circle[..., None], detailed, 0))
    known = half_known.prior_valid & half_known.circle
    assert (made.frames[known] != decoded[known]).mean() > 0.5


def test_what_is_sampled_between_the_codecs_is_the_models_own(parts, half_known, known_by):
    vae = parts["vae"]
    encoded = encode_clip(vae, half_known, half_known.canvas(vae), PLAIN.conditioning)
    pipeline = known_by("prior", guidance={"on": False})
    sampled = pipeline.sample(
        encoded, geometry=None, generator=torch.Generator().manual_seed(0), prompt_embeds=pipeline.embed_text("a cup"),
        context_frame=half_known.exo[0],
    )  # fmt: skip
    alone = run(known_by("model", guidance={"on": False}), half_known)
    assert torch.equal(sampled.cpu(), alone.latents)


def test_without_a_prior_in_the_conditioning_nothing_is_known(half_known, known_by):
    alone, made = (run(known_by(known, prior="zero"), half_known) for known in ("model", "prior"))
    assert np.array_equal(alone.frames, made.frames)


def test_a_preconditioner_that_was_taken_off_is_missed(half_known, known_by):
    pipeline = known_by("prior")
    pipeline.preconditioner = None
    with pytest.raises(SamplingError, match="tiny/known takes known cells from a preconditioner's guess, and there is none"):
        run(pipeline, half_known)
