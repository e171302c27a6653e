"""What the transformer is given in training, what it is held to, and what is left out by chance."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from egox.cameras import Camera, Pinhole
from egox.cameras.devices import default_aria_lens
from egox.canvas import Grid, JointCanvas
from egox.conditioning import Conditioning, Guidance
from egox.geometry import TokenGeometry, token_geometry
from egox.recipe import NoiseLevels
from egox.training.order import generator_of
from egox.training.tasks import EgoXTask, InpaintTask, TaskError, known_cells, mirrored, task_of
from tests.egox.traced import looking

from .tiny_training import TEXT_TOKENS, UNGUIDED, examples, recipe

STATE, MASK, CONDITION = slice(0, 16), slice(16, 20), slice(20, 36)


class Recorder(nn.Module):
    """Remembers what it was called with, and answers with one velocity for all cells."""

    def __init__(self, *, in_channels: int = 36) -> None:
        super().__init__()
        self.config = SimpleNamespace(patch_size=(1, 2, 2), in_channels=in_channels)
        self.velocity = nn.Parameter(torch.tensor(0.0))
        self.seen: dict[str, Any] = {}

    def forward(self, **arguments: Any) -> tuple[Tensor]:
        self.seen = arguments
        return (self.velocity.expand(arguments["hidden_states"][:, :16].shape),)


def egox(clips, **values) -> EgoXTask:
    rules = values.pop("rules", UNGUIDED)
    task = task_of(recipe(rules=rules, **values), Recorder(), clips[0])
    assert isinstance(task, EgoXTask)
    return task


def inpaint(clips, **values) -> InpaintTask:
    task = task_of(recipe(task="inpaint", **values), Recorder(), clips[0])
    assert isinstance(task, InpaintTask)
    return task


def prepared(task, clips, *, level=None, first=0):
    generators = [generator_of("tests", first + k) for k in range(len(clips))]
    return task.prepare(clips, generators, names=[f"clip {k}" for k in range(len(clips))], level=level)


def called(task, clips, *, level=None, first=0):
    """(what the transformer was given, batch, draws, losses)."""
    batch, draws = prepared(task, clips, level=level, first=first)
    transformer = Recorder()
    losses = task.losses(transformer, batch, draws)
    return transformer.seen, batch, draws, losses


def test_the_state_is_clean_exo_beside_noised_ego_and_the_condition_exo_beside_prior():
    clips = examples(3)
    given, batch, draws, _ = called(egox(clips), clips)
    channels = given["hidden_states"]
    assert channels.shape == (3, 36, 2, 4, 10)
    t = draws.levels[:, None, None, None, None]
    torch.testing.assert_close(channels[:, STATE, ..., :6], batch.exo)
    torch.testing.assert_close(channels[:, STATE, ..., 6:], (1 - t) * batch.ego + t * draws.noise)
    assert (channels[:, MASK, ..., :6] == 1).all()
    assert (channels[:, MASK, ..., 6:] == 0).all()
    torch.testing.assert_close(channels[:, CONDITION, ..., :6], batch.exo)
    torch.testing.assert_close(channels[:, CONDITION, ..., 6:], batch.prior)


def test_one_timestep_of_a_thousand_levels_stands_for_the_whole_canvas():
    clips = examples(3)
    given, _, draws, _ = called(egox(clips), clips)
    assert given["timestep"].shape == (3,)
    torch.testing.assert_close(given["timestep"], 1000 * draws.levels)
    assert len(set(draws.levels.tolist())) == 3
    assert given["encoder_hidden_states"].shape[1] == TEXT_TOKENS
    assert given["encoder_hidden_states_image"] is None


def test_the_loss_is_the_mean_squared_error_of_the_velocity_on_ego_columns():
    clips = examples(2)
    _, batch, draws, losses = called(egox(clips), clips)
    expected = (draws.noise - batch.ego).square().flatten(1).mean(1)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, expected)


def test_what_is_predicted_for_exo_columns_changes_neither_loss_nor_gradient():
    clips = examples(2)
    task = egox(clips)
    batch, draws = prepared(task, clips)

    class Prediction(nn.Module):
        def __init__(self, exo: float) -> None:
            super().__init__()
            self.config = Recorder().config
            self.values = nn.Parameter(torch.zeros(2, 16, 2, 4, 10))
            self.values.data[..., :6] = exo

        def forward(self, **_: Any) -> tuple[Tensor]:
            return (self.values,)

    near, far = Prediction(0.0), Prediction(100.0)
    losses = [task.losses(prediction, batch, draws) for prediction in (near, far)]
    assert torch.equal(losses[0], losses[1])
    losses[1].sum().backward()
    assert far.values.grad is not None
    assert (far.values.grad[..., :6] == 0).all()
    assert (far.values.grad[..., 6:] != 0).all()


def test_without_clean_latents_exo_is_at_the_level_of_the_step_in_state_and_condition():
    clips = examples(2)
    given, batch, draws, _ = called(egox(clips, rules=Conditioning(exo="noised", guidance=Guidance(on=False))), clips)
    t = draws.levels[:, None, None, None, None]
    expected = (1 - t) * batch.exo + t * draws.exo_noise
    torch.testing.assert_close(given["hidden_states"][:, STATE, ..., :6], expected)
    torch.testing.assert_close(given["hidden_states"][:, CONDITION, ..., :6], expected)


def test_an_ablation_of_the_prior_meets_the_same_noise():
    clips = examples(2)
    plain, ablated = egox(clips), egox(clips, rules=Conditioning(prior="zero", guidance=Guidance(on=False)))
    one, other = called(plain, clips), called(ablated, clips)
    assert torch.equal(one[2].noise, other[2].noise)
    assert (other[0]["hidden_states"][:, CONDITION, ..., 6:] == 0).all()


def test_dropped_prompts_are_zero_or_the_encoded_empty_one():
    clips = examples(4)
    given, *_ = called(egox(clips, text_dropout=1.0), clips)
    assert not given["encoder_hidden_states"].any()
    empty = torch.ones(2, 8)
    task = task_of(recipe(rules=UNGUIDED, text_dropout=1.0), Recorder(), clips[0], empty_prompt=empty)
    given, *_ = called(task, clips)
    assert (given["encoder_hidden_states"][:, :2] == 1).all()
    assert not given["encoder_hidden_states"][:, 2:].any()


def test_a_dropped_prior_is_not_known_either():
    clips = examples(4)
    rules = Conditioning(ego_mask="valid", guidance=Guidance(on=False))
    given, *_ = called(egox(clips, rules=rules, prior_dropout=1.0), clips)
    assert not given["hidden_states"][:, MASK, ..., 6:].any()
    assert not given["hidden_states"][:, CONDITION, ..., 6:].any()
    assert given["hidden_states"][:, CONDITION, ..., :6].all()


def test_each_is_dropped_as_often_as_the_recipe_says_and_apart_from_the_other():
    clips = examples(1) * 400
    batch, _ = prepared(egox(clips, text_dropout=0.3, prior_dropout=0.1), clips)
    no_text, no_prior = ~batch.prompt_embeds.flatten(1).any(1), ~batch.prior.flatten(1).any(1)
    assert 0.25 < no_text.float().mean() < 0.35
    assert 0.06 < no_prior.float().mean() < 0.14
    assert 0 < (no_text & no_prior).sum() < 30


def test_dropping_changes_neither_levels_nor_noise():
    clips = examples(3)
    _, kept = prepared(egox(clips), clips)
    _, dropped = prepared(egox(clips, text_dropout=1.0, prior_dropout=1.0), clips)
    assert torch.equal(kept.levels, dropped.levels)
    assert torch.equal(kept.noise, dropped.noise)


def test_an_example_meets_the_same_draws_in_any_batch():
    clips = examples(4)
    for task in (egox(clips, text_dropout=0.5), inpaint(clips, text_dropout=0.5)):
        _, together = prepared(task, clips)
        _, alone = prepared(task, clips[2:3], first=2)
        assert torch.equal(together.levels[2:3], alone.levels)
        assert torch.equal(together.noise[2:3], alone.noise)


def test_validation_is_at_its_level_and_drops_and_mirrors_nothing():
    clips = examples(2)
    task = task_of(
        recipe(rules=UNGUIDED, text_dropout=1.0, prior_dropout=1.0, mirror=1.0),
        Recorder(),
        clips[0],
        mirror_signs=-torch.ones(2, 16),
    )
    given, batch, draws, losses = called(task, clips, level=0.7)
    assert draws.levels.tolist() == pytest.approx([0.7, 0.7])
    assert given["encoder_hidden_states"].any()
    torch.testing.assert_close(given["hidden_states"][:, CONDITION, ..., 6:], batch.prior)
    torch.testing.assert_close(batch.ego, torch.stack([clip["ego"] for clip in clips]))
    torch.testing.assert_close(losses, (draws.noise - batch.ego).square().flatten(1).mean(1))


def test_in_a_mirror_every_view_and_its_geometry_turn_round_together():
    clips = examples(2)
    signs = torch.stack([torch.ones(16), -torch.ones(16)])
    task = task_of(recipe(mirror=1.0), Recorder(), clips[0], mirror_signs=signs)
    batch, _ = prepared(task, clips)
    by_frame = torch.tensor([1.0, *[-1.0] * (clips[0]["ego"].shape[1] - 1)]).view(-1, 1, 1)
    for field in ("exo", "ego", "prior"):
        torch.testing.assert_close(getattr(batch, field)[0], clips[0][field].flip(-1) * by_frame)
    torch.testing.assert_close(batch.valid[0], clips[0]["valid"].flip(-1))
    tokens, geometry = task.tokens, batch.geometry
    frames = tokens.frames
    rays = clips[0]["rays"].view(frames, tokens.height, tokens.ego, 3).flip(2)
    torch.testing.assert_close(geometry.rays[0].view_as(rays), rays)
    directions = clips[0]["directions"].view(frames, frames, tokens.height, tokens.exo, 3).flip(3)
    torch.testing.assert_close(geometry.directions[0].view_as(directions), directions)
    known = clips[0]["rays_valid"].view(frames, tokens.height, tokens.ego).flip(2)
    assert torch.equal(geometry.rays_valid[0].view_as(known), known)
    known = clips[0]["directions_valid"].view(frames, frames, tokens.height, tokens.exo).flip(3)
    assert torch.equal(geometry.directions_valid[0].view_as(known), known)


LEFT_FOR_RIGHT = np.diag([-1.0, 1.0, 1.0, 1.0])


def mirrored_camera(camera: Camera) -> Camera:
    """The camera of the mirrored picture, in the world in a mirror (x changes its sign)."""
    lens: Any = camera.lens
    poses = LEFT_FOR_RIGHT @ camera.world_from_camera @ LEFT_FOR_RIGHT
    return replace(camera, lens=replace(lens, cx=camera.width - 1 - lens.cx), world_from_camera=poses)


def test_a_mirrored_geometry_has_the_angles_of_the_world_in_a_mirror():
    canvas = JointCanvas(pixels=Grid(frames=5, height=64, exo=96, ego=64))
    turns = [looking((0.1 * t, 0.2, 1.6), (0.4 + 0.3 * t, 2.0, 0.9)) for t in range(5)]
    # without tangential terms, whose mirror image is no lens of this kind; off the middle, so that some tokens of one side see
    # nothing
    aria = replace(default_aria_lens(64), p=(0.0, 0.0), s=(0.0, 0.0, 0.0, 0.0), cx=12.0)
    ego = Camera(lens=aria, width=64, height=64, world_from_camera=np.stack(turns))
    stands = np.repeat(looking((0.8, -1.5, 1.9), (0.3, 1.0, 1.0))[None], 5, 0)
    exo = Camera(lens=Pinhole(fx=60.0, fy=60.0, cx=50.0, cy=31.5), width=96, height=64, world_from_camera=stands)
    depth_m = np.random.default_rng(0).uniform(1.0, 4.0, (5, 64, 96)).astype(np.float32)
    depth_m[:, :20, :30] = 0
    found = token_geometry(canvas, depth_m=depth_m, exo=exo, ego=ego, rules=Guidance())
    expected = token_geometry(
        canvas, depth_m=depth_m[..., ::-1].copy(), exo=mirrored_camera(exo), ego=mirrored_camera(ego), rules=Guidance()
    )
    example = {field.name: getattr(found, field.name) for field in fields(TokenGeometry)}
    got = TokenGeometry(**mirrored(example, torch.ones(2, 16), canvas.tokens))
    for name in ("rays_valid", "directions_valid"):
        assert torch.equal(getattr(got, name), getattr(expected, name))
        assert not torch.equal(getattr(got, name), getattr(found, name))
    cosines = [geometry.rays @ geometry.directions.mT for geometry in (got, expected, found)]
    torch.testing.assert_close(cosines[0], cosines[1], atol=1e-5, rtol=0)
    assert (cosines[0] - cosines[2]).abs().max() > 0.1


def test_one_view_is_mirrored_as_well_and_some_examples_are_not():
    clips = examples(8)
    task = task_of(recipe(task="inpaint", mirror=0.5), Recorder(), clips[0], mirror_signs=torch.ones(2, 16))
    batch, _ = prepared(task, clips)
    turned = [torch.equal(made, clip["ego"].flip(-1)) for made, clip in zip(batch.ego, clips, strict=True)]
    same = [torch.equal(made, clip["ego"]) for made, clip in zip(batch.ego, clips, strict=True)]
    assert any(turned)
    assert any(same)
    assert all(a != b for a, b in zip(turned, same, strict=True))


def test_mirroring_latents_that_have_no_mirror_image_is_refused():
    with pytest.raises(TaskError, match="this codec's latents have no mirror image: set mirror = 0"):
        task_of(recipe(rules=UNGUIDED, mirror=0.5), Recorder(), examples(1)[0])


@pytest.mark.parametrize("missing", ["exo", "prior", "valid"])
def test_egox_needs_both_views_and_the_prior(missing):
    clips = [{field: value for field, value in clip.items() if field != missing} for clip in examples(2)]
    with pytest.raises(TaskError, match=f"no {missing}: EgoX needs both views"):
        prepared(egox(clips), clips)


def test_guidance_without_geometry_is_refused_before_anything_is_computed():
    clips = [{k: v for k, v in clip.items() if not k.startswith(("rays", "directions"))} for clip in examples(2)]
    with pytest.raises(TaskError, match="clip 0 has no geometry, but the recipe guides attention"):
        prepared(egox(clips, rules=Conditioning()), clips)


def test_a_canvas_of_broken_tokens_is_refused():
    with pytest.raises(TaskError, match="ego of 5 latent cells is not a multiple of the transformer's patch of 2"):
        task_of(recipe(), Recorder(), examples(1, ego=5)[0])


def test_inpainting_gives_known_cells_their_latents_and_a_mask_in_all_channels():
    clips = examples(8)
    given, batch, draws, _ = called(inpaint(clips), clips)
    channels, known = given["hidden_states"], draws.known
    assert channels.shape == (8, 36, 2, 4, 4)
    t = draws.levels[:, None, None, None, None]
    torch.testing.assert_close(channels[:, STATE], (1 - t) * batch.ego + t * draws.noise)
    assert torch.equal(channels[:, MASK], known.expand(-1, 4, -1, -1, -1))
    assert torch.equal(channels[:, CONDITION], known * batch.ego)
    assert 0 < known.mean() < 1


def test_inpainting_needs_one_view_alone_and_no_geometry():
    clips = [{field: clip[field] for field in ("ego", "prompt_embeds")} for clip in examples(2)]
    given, *_ = called(inpaint(clips), clips)
    assert given["hidden_states"].shape[-1] == 4


def kinds(frames: int) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """(nothing known, first frame known, blocks) of 400 draws."""
    grid = Grid(frames=frames, height=8, exo=0, ego=8)
    drawn = [known_cells(grid, generator_of("known", k)) for k in range(400)]
    nothing = [known for known in drawn if not known.any()]
    first = [known for known in drawn if frames > 1 and known[0].all() and not known[1:].any()]
    taken = {id(known) for known in nothing + first}
    return nothing, first, [known for known in drawn if id(known) not in taken]


def test_clips_know_nothing_the_first_frame_or_blocks_that_stay():
    nothing, first, blocks = kinds(3)
    assert 20 < len(nothing) < 70
    assert 150 < len(first) < 210
    assert all((known == known[0]).all() for known in blocks)
    assert 0.4 < torch.stack(blocks).mean() < 0.6


def test_single_frames_have_no_first_frame_to_go_on_from():
    nothing, first, blocks = kinds(1)
    assert 20 < len(nothing) < 70
    assert not first
    assert len(blocks) > 330


def test_a_transformer_without_channels_for_the_mask_is_refused():
    clips = examples(1)
    task = inpaint(clips)
    with pytest.raises(TaskError, match="takes 32 channels: state and condition of 16 each leave none for the mask"):
        task.losses(Recorder(in_channels=32), *prepared(task, clips))


def test_levels_follow_the_recipe_s_noise():
    clips = examples(1) * 200
    _, low = prepared(egox(clips, noise=NoiseLevels(kind="logit_normal", mean=-3.0)), clips)
    _, high = prepared(egox(clips, noise=NoiseLevels(kind="logit_normal", mean=3.0)), clips)
    assert low.levels.mean() < 0.15
    assert high.levels.mean() > 0.85
