"""The published attention on tiny weights: the recipe "released" against the square matrix that the published code builds.

Fact sheet 2.6: cosines of all pairs, zero but for ego queries on exo keys; positive ones times 3; log(C + 1 + 1e-6);
added for ego queries alone, by two calls of attention.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from egox.attention import install_guidance
from egox.conditioning import Guidance
from egox.geometry import TokenGeometry, token_geometry
from egox.recipe import load_recipe

from . import tiny

CLIP, CANVAS = tiny.clip(), tiny.CANVAS
GRID = CANVAS.tokens


def geometry(rules: Guidance) -> TokenGeometry:
    assert CLIP.depth_m is not None
    return token_geometry(CANVAS, depth_m=CLIP.depth_m, exo=CLIP.exo_camera, ego=CLIP.ego_camera, rules=rules)


def published_square(found: TokenGeometry, factor: float) -> Tensor:
    """The bias of all pairs, [1, 1, N, N]; rows of exo queries are left out by the second call, so they hold 0 here."""
    cosines = torch.zeros(GRID.cells, GRID.cells)
    for frame, rows in enumerate(GRID.ego_rows):
        cosines[rows[:, None], GRID.exo_rows.flatten()] = found.rays[frame] @ found.directions[frame].T
    cosines = cosines.clamp(-1, 1)
    scaled = torch.where(cosines > 0, cosines * factor, cosines) if factor > 1 else cosines * factor
    bias = torch.log(scaled + 1 + 1e-6)
    bias[GRID.exo_rows.flatten()] = 0
    return bias[None, None]


@torch.no_grad()
def output(transformer: Any) -> Tensor:
    random = torch.Generator().manual_seed(3)
    latents = CANVAS.latents
    return transformer(
        hidden_states=torch.randn(1, 36, latents.frames, latents.height, latents.width, generator=random),
        timestep=torch.tensor([700]),
        encoder_hidden_states=torch.randn(1, 512, tiny.TEXT_WIDTH, generator=random),
        encoder_hidden_states_image=torch.randn(1, 257, tiny.IMAGE_WIDTH, generator=random),
        return_dict=False,
    )[0]


def with_square(square: Tensor) -> Any:
    """A transformer whose self-attentions add this matrix, by diffusers' own processor."""
    from diffusers.models.transformers.transformer_wan import WanAttnProcessor

    class Squared(WanAttnProcessor):
        def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, rotary_emb=None):
            return super().__call__(attn, hidden_states, encoder_hidden_states, square, rotary_emb)

    transformer = tiny.transformer()
    for block in transformer.blocks:
        block.attn1.set_processor(Squared())
    return transformer


@pytest.mark.parametrize(
    ("rules", "factor"),
    [
        (load_recipe("released").conditioning.guidance, 3.0),
        (load_recipe("released").training_conditioning.guidance, 1.0),
    ],
    ids=["sampling", "training"],
)
def test_section_2_6_released_guidance_is_the_published_square(rules, factor):
    found = geometry(rules)
    guided = tiny.transformer()
    installed = install_guidance(guided, GRID, rules)
    assert installed is not None
    installed.set(found)
    torch.testing.assert_close(output(guided), output(with_square(published_square(found, factor))), atol=2e-5, rtol=2e-5)


def test_paper_and_released_guidance_tell_on_the_output():
    outputs = {}
    for name in ("paper", "released"):
        rules = load_recipe(name).conditioning.guidance
        transformer = tiny.transformer()
        installed = install_guidance(transformer, GRID, rules)
        assert installed is not None
        installed.set(geometry(rules))
        outputs[name] = output(transformer)
    plain = output(tiny.transformer())
    for one, other in ((outputs["paper"], outputs["released"]), (outputs["paper"], plain), (outputs["released"], plain)):
        assert (one - other).abs().max() > 1e-3
