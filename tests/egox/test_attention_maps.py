"""Where ego tokens look: the maps against softmax rows worked out by hand, and the share on matching tokens in small worlds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from egox.attention import guidance_of, install_guidance
from egox.attention_maps import (
    AttentionMapError,
    AttentionMaps,
    Call,
    attention_maps,
    call_at_step,
    matching_tokens,
    share_on_matching,
)
from egox.canvas import Grid
from egox.conditioning import Conditioning, Guidance
from egox.geometry import TokenGeometry, token_geometry
from egox.pipeline import EgoXPipeline
from egox.recipe import Model, Recipe
from egox.recipe import Sampling as SamplingRules

from . import tiny
from .attention.oracles import GRID, attention, inputs, places, scores, whole_bias, world


class Alone:
    """A transformer of two self-attentions on the same states, which is all that maps ask of one."""

    gradient_checkpointing = False

    def __init__(self) -> None:
        self.blocks = [SimpleNamespace(attn1=attention(seed=seed, dtype=torch.float32)) for seed in (0, 1)]

    def __call__(self, hidden: torch.Tensor) -> None:
        for block in self.blocks:
            block.attn1(hidden, None, None, places(dtype=torch.float32))


HIDDEN = inputs(dtype=torch.float32)
CLIP = world(dtype=torch.float32)
RULES = Guidance(strength=2.0)


def rows_by_hand(model: Alone, bias: torch.Tensor | float, frame: int, blocks: list[int]) -> torch.Tensor:
    """Mean softmax rows of the ego tokens of a frame, [M, N]."""
    weights = [torch.softmax(scores(model.blocks[b].attn1, HIDDEN) + bias, dim=-1)[0].mean(0) for b in blocks]
    return torch.stack(weights).mean(0)[GRID.ego_rows[frame]].float()


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("blocks", [None, [1]])
def test_maps_are_the_mean_softmax_rows(guided, blocks):
    model = Alone()
    found = attention_maps(model, Call((HIDDEN,), {}), GRID, frame=1, guidance=(RULES, CLIP) if guided else None, blocks=blocks)
    bias = whole_bias(CLIP, RULES) if guided else 0.0
    joint = torch.cat([found.exo, found.ego], dim=-1).flatten(1)
    torch.testing.assert_close(joint, rows_by_hand(model, bias, 1, blocks or [0, 1]), rtol=0, atol=1e-6)
    assert found.exo.shape == (4, 3, 2, 3)
    torch.testing.assert_close(found.on_exo + found.ego.flatten(1).sum(-1), torch.ones(4))


def test_chosen_tokens_are_those_of_all():
    model = Alone()
    whole, some = (
        attention_maps(model, Call((HIDDEN,), {}), GRID, frame=2, ego=ego, guidance=(RULES, CLIP)) for ego in (None, [3, 1])
    )
    torch.testing.assert_close(some.exo, whole.exo[[3, 1]], rtol=0, atol=1e-6)


def test_what_was_installed_before_is_put_back():
    model = Alone()
    install_guidance(model, GRID, Guidance(strength=9.0))
    for guidance in (None, (RULES, CLIP)):
        attention_maps(model, Call((HIDDEN,), {}), GRID, frame=0, guidance=guidance)
        assert guidance_of(model).rules.strength == 9.0
    bare = Alone()
    attention_maps(bare, Call((HIDDEN,), {}), GRID, frame=0, guidance=(RULES, CLIP))
    assert guidance_of(bare) is None
    assert not any(block.attn1._forward_pre_hooks for block in bare.blocks)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"frame": 3}, "frame 3: there are 0 to 2"),
        ({"frame": -1}, "frame -1: there are 0 to 2"),
        ({"frame": 0, "ego": [0, 4]}, "ego token 4: there are 0 to 3"),
        ({"frame": 0, "ego": []}, "ego token none"),
        ({"frame": 0, "blocks": [2]}, "block 2: there are 0 to 1"),
        ({"frame": 0, "guidance": (Guidance(on=False), CLIP)}, "guidance is off"),
    ],
)
def test_what_is_not_there_is_told(asked, said):
    with pytest.raises(AttentionMapError, match=said):
        attention_maps(Alone(), Call((HIDDEN,), {}), GRID, **asked)


def test_a_pass_of_several_clips_is_refused():
    with pytest.raises(AttentionMapError, match="of 2 clips"):
        attention_maps(Alone(), Call((HIDDEN.repeat(2, 1, 1),), {}), GRID, frame=0)


def one_frame(directions: list[list[float]], *, known: list[bool] | None = None) -> TokenGeometry:
    """One ego token that looks along z, and exo tokens in these directions."""
    to = torch.nn.functional.normalize(torch.tensor(directions), dim=-1)[None]
    seen = torch.ones(1, len(directions), dtype=torch.bool) if known is None else torch.tensor([known])
    ray = torch.tensor([[[0.0, 0.0, 1.0]]])
    return TokenGeometry(rays=ray, rays_valid=torch.ones(1, 1, dtype=torch.bool), directions=to, directions_valid=seen)


def maps_of(exo: list[float]) -> AttentionMaps:
    return AttentionMaps(exo=torch.tensor(exo).reshape(1, 1, 1, -1), ego=torch.tensor(1 - sum(exo)).reshape(1, 1, 1, 1))


AHEAD, BESIDE, BEHIND = [0.0, 0.1, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, -1.0]


def test_the_share_is_of_what_goes_to_exo_tokens():
    found = share_on_matching(maps_of([0.3, 0.1, 0.0]), one_frame([AHEAD, BESIDE, BEHIND]), frame=0)
    assert found.share.item() == pytest.approx(0.75)
    assert found.chance.item() == pytest.approx(1 / 3)


def test_unknown_points_count_neither_way():
    geometry = one_frame([AHEAD, BESIDE, BESIDE], known=[True, True, False])
    found = share_on_matching(maps_of([0.3, 0.1, 0.5]), geometry, frame=0)
    assert found.share.item() == pytest.approx(0.75)
    assert found.chance.item() == pytest.approx(1 / 2)


def test_a_token_that_looks_at_nothing_known_has_no_share():
    assert share_on_matching(maps_of([0.5, 0.5]), one_frame([BESIDE, BEHIND]), frame=0).share.isnan().all()
    blind = one_frame([AHEAD, BESIDE])
    blind.rays_valid[:] = False
    assert share_on_matching(maps_of([0.5, 0.5]), blind, frame=0).share.isnan().all()


def test_degrees_are_degrees():
    geometry = one_frame([[0.0, 0.17, 1.0], [0.0, 0.18, 1.0]])  # 9.65 and 10.20
    assert matching_tokens(geometry, frame=0).tolist() == [[True, False]]
    assert matching_tokens(geometry, frame=0, degrees=11).tolist() == [[True, True]]
    assert matching_tokens(one_frame([BEHIND]), frame=0, degrees=180).tolist() == [[True]]


def test_geometry_of_other_tokens_is_refused():
    with pytest.raises(AttentionMapError, match=r"maps are of \(1, 3\) tokens, geometry of \(1, 2\)"):
        share_on_matching(maps_of([0.1, 0.1, 0.1]), one_frame([AHEAD, BESIDE]), frame=0)


def test_guidance_raises_the_share_on_matching_tokens():
    grid = Grid(frames=2, height=4, exo=12, ego=4)
    geometry = world(grid, seed=3, lost=0.1, dtype=torch.float32)

    class Wider(Alone):
        def __call__(self, hidden):
            for block in self.blocks:
                block.attn1(hidden, None, None, places(grid, dtype=torch.float32))

    model = Wider()
    call = Call((inputs(grid=grid, dtype=torch.float32),), {})
    shares = [
        share_on_matching(attention_maps(model, call, grid, frame=1, guidance=way), geometry, frame=1, degrees=30)
        for way in (None, (Guidance(), geometry))
    ]
    assert shares[0].share.nanmean() < 0.8 * shares[1].share.nanmean()


@pytest.fixture(scope="module")
def pipeline() -> EgoXPipeline:
    tokenizer, encoder = tiny.text()
    made = EgoXPipeline(
        vae=tiny.codec(),
        transformer=tiny.transformer(image=False),
        scheduler=tiny.scheduler(),
        tokenizer=tokenizer,
        text_encoder=encoder,
        recipe=Recipe(
            summary="for tests",
            model=Model(checkpoint="none", text_tokens=16, precision="fp32"),
            conditioning=Conditioning(guidance=RULES),
            sampling=SamplingRules(steps=3, guidance_scale=2.0),
        ),
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_pass_of_a_step_is_the_one_that_the_sampler_makes(pipeline, scale):
    """Also where text does not guide, and a step is one pass."""
    clip, reached = tiny.clip(prompt="a cup"), {}

    def keep(_, step, timestep, tensors):
        reached[step] = tensors["latents"].clone()
        return {}

    pipeline(clip, seed=4, guidance_scale=scale, callback_on_step_end=keep)
    calls = [call_at_step(pipeline, clip, step=step, seed=4, guidance_scale=scale) for step in (1, 2, 3)]
    for before, call in zip((0, 1), calls[1:]):
        assert torch.equal(call.named["hidden_states"][:, :16], reached[before])
    prompt = pipeline.embed_text("a cup")
    assert all(torch.equal(call.named["encoder_hidden_states"][0, : len(prompt)], prompt) for call in calls)
    assert len({float(call.named["timestep"]) for call in calls}) == 3
    assert not pipeline.transformer._forward_pre_hooks


def test_maps_of_a_clip_differ_with_guidance_and_the_pipeline_goes_on(pipeline):
    clip = tiny.clip(prompt="a cup")
    before = pipeline(clip, seed=1).frames
    geometry = token_geometry(
        tiny.CANVAS, depth_m=clip.depth_m, exo=clip.exo_camera, ego=clip.ego_camera, rules=pipeline.recipe.conditioning.guidance
    )
    call = call_at_step(pipeline, clip, step=2, seed=1)
    found = [
        attention_maps(pipeline.transformer, call, tiny.CANVAS.tokens, frame=1, guidance=way) for way in (None, (RULES, geometry))
    ]
    assert (found[0].exo - found[1].exo).abs().max() > 1e-3
    assert (pipeline(clip, seed=1).frames == before).all()


@pytest.mark.parametrize("step", [0, 4])
def test_steps_that_are_not_there_are_told(pipeline, step):
    with pytest.raises(AttentionMapError, match=f"step {step}: sampling has steps 1 to 3"):
        call_at_step(pipeline, tiny.clip(), step=step, seed=1)
