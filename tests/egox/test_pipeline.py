"""The pipeline on tiny random models: every condition counts, exo stays exo, seeds decide, and what is wrong is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from egox.adapter import AdapterError, add_lora
from egox.attention import GuidanceError, guidance_of
from egox.canvas import CanvasError
from egox.checkpoints import MissingWeights, folder_of
from egox.clip import ClipError
from egox.conditioning import noised
from egox.encoding import encode_clip
from egox.pipeline import EgoXOutput, EgoXPipeline
from egox.pretrained import WeightsError
from egox.recipe import Lora, Sampling
from egox.sampling import SamplingError

from . import tiny
from .tiny_pipeline import PLAIN, STEPS, built, components, having, run

EXO = tiny.CANVAS.latents.exo


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return components()


@pytest.fixture(scope="module")
def pipeline(parts) -> EgoXPipeline:
    return built(parts)


@pytest.fixture(scope="module")
def plain(pipeline) -> EgoXOutput:
    return run(pipeline)


def steps_of(pipeline: EgoXPipeline, **options: Any) -> list[torch.Tensor]:
    """Canvas latents after every step."""
    seen: list[torch.Tensor] = []

    def look(_pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(tensors["latents"].clone())
        return {}

    run(pipeline, callback_on_step_end=look, **options)
    return seen


# What comes out


def test_the_ego_view_alone_comes_out(plain):
    assert plain.frames.shape == (9, 32, 32, 3)
    assert plain.frames.dtype == np.uint8
    assert plain.latents.shape == (1, 16, 3, 4, 4)
    assert (plain.fps, plain.step_cache) == (30.0, False)


def test_outside_of_the_lens_circle_it_is_black(plain):
    circle = tiny.clip().circle
    assert not plain.frames[:, ~circle].any()
    assert plain.frames[:, circle].any()


def test_a_seed_decides_the_bytes(pipeline, plain):
    assert np.array_equal(run(pipeline).frames, plain.frames)
    assert not np.array_equal(run(pipeline, seed=1).frames, plain.frames)


def test_temperature_scales_the_first_noise_to_nothing_at_zero(parts, pipeline, plain):
    def at(temperature: float) -> EgoXPipeline:
        return built(
            parts, msgspec.structs.replace(PLAIN, sampling=msgspec.structs.replace(PLAIN.sampling, temperature=temperature))
        )

    assert np.array_equal(run(at(1.0)).frames, plain.frames)
    cold = at(0.0)
    assert np.array_equal(run(cold, seed=0).frames, run(cold, seed=1).frames)
    assert not np.array_equal(run(cold).frames, plain.frames)


def test_torchs_own_seed_decides_nothing(pipeline, plain):
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    assert np.array_equal(run(pipeline).frames, plain.frames)
    assert torch.equal(torch.random.get_rng_state(), before)


# Every condition counts


_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])


@pytest.mark.parametrize(
    "change",
    [
        lambda clip: {"prior": 255 - clip.prior},
        lambda clip: {"exo": 255 - clip.exo},
        lambda clip: {"prompt": "a spoon"},
        lambda clip: {"depth_m": clip.depth_m[:, ::-1].copy()},
        lambda clip: {"ego_camera": replace(clip.ego_camera, world_from_camera=clip.ego_camera.world_from_camera @ _TURN)},
    ],
    ids=["prior", "exo", "prompt", "depth", "ego pose"],
)
def test_each_part_of_the_clip_changes_the_result(pipeline, plain, change):
    clip = tiny.clip(prompt="a cup")
    other = run(pipeline, replace(clip, **change(clip)))
    assert (other.latents - plain.latents).abs().max() > 1e-5


@pytest.mark.parametrize(
    "rules",
    [
        {"exo_mask": "first_frame"},
        {"exo_mask": "first_and_stray"},
        {"ego_mask": "valid"},
        {"prior": "zero"},
        {"prior_holes": "filled"},
        {"exo": "noised"},
        {"posterior": "sample"},
        {"image_context": "exo_beside_noise"},
        {"text": "raw_padding"},
        {"guidance": {"on": False}},
        {"guidance": {"form": "positive_gain", "gain": 3.0}},
        {"guidance": {"strength": 4.0}},
    ],
    ids=str,
)
def test_each_rule_changes_the_result(parts, plain, rules):
    other = run(built(parts, having(**rules)))
    assert (other.latents - plain.latents).abs().max() > 1e-5


def test_without_a_prior_it_does_not_count(parts):
    pipeline, clip = built(parts, having(prior="zero", ego_mask="valid")), tiny.clip()
    other = replace(clip, prior=255 - clip.prior, prior_valid=~clip.prior_valid)
    assert torch.equal(run(pipeline, clip).latents, run(pipeline, other).latents)


def test_without_guidance_attention_is_stock_and_depth_is_not_needed(parts):
    pipeline = built(parts, having(guidance={"on": False}))
    without = run(pipeline, replace(tiny.clip(), depth_m=None))
    assert guidance_of(pipeline.transformer) is None
    assert torch.equal(without.latents, run(pipeline, tiny.clip()).latents)


def test_the_picture_is_the_exo_frame_and_counts(parts, plain):
    other = run(built(parts, image_encoder=tiny.image_encoder(seed=1)))
    assert (other.latents - plain.latents).abs().max() > 1e-5


def test_text_guidance_and_the_negative_prompt_count(pipeline, plain, parts):
    guided = run(pipeline, guidance_scale=4.0)
    assert (guided.latents - plain.latents).abs().max() > 1e-5
    sampling = msgspec.structs.replace(PLAIN.sampling, guidance_scale=4.0, negative_prompt="blurred")
    other = run(built(parts, msgspec.structs.replace(PLAIN, sampling=sampling)))
    assert (other.latents - guided.latents).abs().max() > 1e-5


def test_steps_and_shift_come_from_the_recipe(parts, pipeline, plain):
    assert pipeline.scheduler.config.flow_shift == 3.0
    assert len(steps_of(pipeline)) == STEPS
    assert len(steps_of(pipeline, num_inference_steps=3)) == 3
    kept = msgspec.structs.replace(PLAIN, sampling=msgspec.structs.replace(PLAIN.sampling, shift=None))
    other = built(parts, kept, scheduler=tiny.scheduler(shift=9.0))
    assert other.scheduler.config.flow_shift == 9.0
    assert (run(other).latents - plain.latents).abs().max() > 1e-5


# Exo stays exo


def test_exo_latents_never_change(pipeline, parts):
    exo = encode_clip(parts["vae"], tiny.clip(), tiny.CANVAS, PLAIN.conditioning).exo
    seen = steps_of(pipeline, num_inference_steps=50)
    assert len(seen) == 50
    assert all(torch.equal(latents[..., :EXO], exo) for latents in seen)


def test_a_zero_velocity_on_exo_would_have_kept_it_too():
    """The published code's way, fact sheet 2.3: both agree to rounding over 50 steps."""
    scheduler, exo = tiny.scheduler(), torch.randn(1, 16, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(50)
    latents = exo
    for timestep in scheduler.timesteps:
        latents = scheduler.step(torch.zeros_like(latents), timestep, latents, return_dict=False)[0]
    assert (latents - exo).abs().max() < 5e-6


def test_what_a_callback_does_to_exo_is_undone_and_to_ego_counts(pipeline, plain):
    def spoil(_pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents = tensors["latents"].clone()
        latents[..., :EXO] = 7
        return {"latents": latents}

    def spoil_in_place(_pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        tensors["latents"][..., :EXO] = 7
        return {}

    def shift(_pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"latents": tensors["latents"] + 0.1}

    assert torch.equal(run(pipeline, callback_on_step_end=spoil).latents, plain.latents)
    assert torch.equal(run(pipeline, callback_on_step_end=spoil_in_place).latents, plain.latents)
    assert not torch.equal(run(pipeline, callback_on_step_end=shift).latents, plain.latents)


def test_a_callback_sees_what_it_asked_for(pipeline):
    asked = ("prompt_embeds",)
    found: list[set[str]] = []
    run(
        pipeline,
        callback_on_step_end=lambda *arguments: found.append(set(arguments[3])) or {},
        callback_on_step_end_tensor_inputs=asked,
    )
    assert found == [set(asked)] * STEPS


def test_callback_objects_of_diffusers_work(pipeline, plain):
    from diffusers.callbacks import PipelineCallback

    class Watch(PipelineCallback):
        tensor_inputs = ["latents"]  # noqa: RUF012 (diffusers' own form)
        steps = 0

        def callback_fn(self, pipeline: Any, step_index: int, timesteps: Any, callback_kwargs: dict[str, Any]) -> dict[str, Any]:
            self.steps += 1
            return callback_kwargs

    watch = Watch(cutoff_step_ratio=None, cutoff_step_index=0)
    assert torch.equal(run(pipeline, callback_on_step_end=watch).latents, plain.latents)
    assert watch.steps == STEPS


def test_noised_exo_follows_the_level_with_one_noise_in_state_and_condition(parts):
    pipeline = built(parts, having(exo="noised"))
    inputs: list[torch.Tensor] = []
    handle = pipeline.transformer.register_forward_pre_hook(
        lambda _module, _args, kwargs: inputs.append(kwargs["hidden_states"].clone()), with_kwargs=True
    )
    after = steps_of(pipeline, num_inference_steps=4)
    handle.remove()
    levels = pipeline.scheduler.sigmas
    clean = encode_clip(parts["vae"], tiny.clip(), tiny.CANVAS, PLAIN.conditioning).exo
    noise = (inputs[0][:, :16, ..., :EXO] - (1 - levels[0]) * clean) / levels[0]
    assert noise.std() == pytest.approx(1, abs=0.1)
    for given, level in zip(inputs, levels):
        expected = noised(clean, noise, level.reshape(1))
        torch.testing.assert_close(given[:, :16, ..., :EXO], expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(given[:, 20:, ..., :EXO], given[:, :16, ..., :EXO])
    assert torch.equal(after[-1][..., :EXO], clean)  # the last level is 0


def test_ablations_start_from_the_same_ego_noise(parts):
    starts = []
    for rules in ({}, {"exo": "noised"}, {"prior": "zero"}):
        pipeline = built(parts, having(**rules))
        handle = pipeline.transformer.register_forward_pre_hook(
            lambda _module, _args, kwargs: starts.append(kwargs["hidden_states"][:, :16, ..., EXO:].clone()), with_kwargs=True
        )
        run(pipeline, num_inference_steps=1)
        handle.remove()
    assert torch.equal(starts[0], starts[1])
    assert torch.equal(starts[0], starts[2])


def test_eq_3_is_what_the_transformer_sees(pipeline, parts):
    inputs: list[torch.Tensor] = []
    handle = pipeline.transformer.register_forward_pre_hook(
        lambda _module, _args, kwargs: inputs.append(kwargs["hidden_states"].clone()), with_kwargs=True
    )
    run(pipeline)
    handle.remove()
    encoded = encode_clip(parts["vae"], tiny.clip(), tiny.CANVAS, PLAIN.conditioning)
    for given in inputs:
        state, mask, condition = given.split([16, 4, 16], dim=1)
        assert torch.equal(state[..., :EXO], encoded.exo)
        assert torch.equal(condition[..., :EXO], encoded.exo)
        assert torch.equal(condition[..., EXO:], encoded.prior)
        assert mask[..., :EXO].eq(1).all()
        assert not mask[..., EXO:].any()


# Embeddings


def test_texts_and_pictures_are_embedded_once(parts):
    pipeline = built(parts, msgspec.structs.replace(PLAIN, sampling=Sampling(steps=1, guidance_scale=2.0)))
    calls: list[str] = []
    handles = [
        parts[name].register_forward_hook(lambda *_, name=name: calls.append(name)) for name in ("text_encoder", "image_encoder")
    ]
    for seed, prompt in enumerate(("a cup", "a cup", "a pan")):
        run(pipeline, tiny.clip(prompt=prompt), seed=seed)
    for handle in handles:
        handle.remove()
    assert sorted(calls) == ["image_encoder", *["text_encoder"] * 3]  # two prompts and the negative one


def test_another_encoder_makes_its_own_embeddings(parts):
    pipeline = built(parts)
    before = pipeline.embed_text("a cup")
    pipeline.text_encoder = tiny.text(seed=1)[1]
    assert not torch.equal(pipeline.embed_text("a cup"), before)
    pipeline.text_encoder = parts["text_encoder"]
    assert pipeline.embed_text("a cup") is before


def test_embeddings_take_the_place_of_the_text_encoder(parts, pipeline, plain):
    mute = built(parts, text_encoder=None, tokenizer=None)
    assert torch.equal(run(mute, prompt_embeds=pipeline.embed_text("a cup")).latents, plain.latents)
    with pytest.raises(SamplingError, match="no text encoder: give prompt_embeds"):
        run(mute)
    with pytest.raises(SamplingError, match="no text encoder"):
        run(mute, prompt_embeds=tiny.prompt_embeds(), guidance_scale=2.0)


def test_latents_and_pixels_give_the_same_video(pipeline, plain):
    from egox.geometry import token_geometry

    clip, rules = tiny.clip(prompt="a cup"), PLAIN.conditioning
    geometry = token_geometry(tiny.CANVAS, depth_m=clip.depth_m, exo=clip.exo_camera, ego=clip.ego_camera, rules=rules.guidance)
    latents = pipeline.sample(
        encode_clip(pipeline.vae, clip, tiny.CANVAS, rules),
        geometry=geometry,
        generator=torch.Generator().manual_seed(0),
        prompt_embeds=pipeline.embed_text("a cup"),
        context_frame=clip.exo[0],
    )
    assert torch.equal(latents, plain.latents)


# The mini layout, offloading, a whole folder


def test_a_transformer_without_an_image_branch_needs_no_picture(parts):
    bare = built(parts, transformer=tiny.transformer(image=False), image_encoder=None, image_processor=None)
    assert run(bare).frames.shape == (9, 32, 32, 3)


def test_preconditioner_and_geometry_are_on_while_sampling_and_off_afterwards(parts, plain):
    from egox.mini import Preconditioner

    random = torch.Generator().manual_seed(0)
    target = torch.randn(6, 16, 3, 4, 4, generator=random)
    condition, valid = target + 0.1, torch.ones(6, 4, 3, 4, 4)
    with_one = built(parts, preconditioner=Preconditioner.fit([(target, condition, valid)]))
    assert (run(with_one).latents - plain.latents).abs().max() > 1e-3
    assert not with_one.transformer._forward_hooks
    with pytest.raises(GuidanceError, match="no geometry is set"):  # nor does it see the last clip's geometry
        with_one.transformer(torch.zeros(1, 36, 3, 4, 10), torch.tensor([500]), torch.zeros(1, 512, 32))
    assert torch.equal(run(with_one).latents, run(with_one).latents)


def test_offloading_changes_nothing(parts, plain):
    from diffusers.hooks import apply_group_offloading

    grouped, cpu = built(parts), torch.device("cpu")
    apply_group_offloading(grouped.transformer, onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
    close(run(grouped).latents, plain.latents)


def test_components_are_those_of_the_stock_pipeline_and_the_preconditioner(pipeline):
    from diffusers import WanImageToVideoPipeline

    expected = {*WanImageToVideoPipeline._optional_components, "tokenizer", "text_encoder", "vae", "scheduler", "preconditioner"}
    assert set(pipeline.components) == expected


LORA = Lora(rank=4, alpha=4, also=("patch_embedding",))
ADAPTED = msgspec.structs.replace(PLAIN, name="tiny/adapted", model=msgspec.structs.replace(PLAIN.model, lora=LORA))


@pytest.fixture(scope="module")
def folder(parts, tmp_path_factory) -> Path:
    """A whole pipeline with an adapter, saved."""
    home = tmp_path_factory.mktemp("model")
    base = built(parts, PLAIN)
    base.save_pretrained(home)
    trained = EgoXPipeline.from_pretrained(home, recipe=PLAIN)
    trained.recipe = ADAPTED
    trained._base_also = {
        name: tensor.clone() for name, tensor in trained.transformer.state_dict().items() if name.startswith("patch_embedding")
    }
    add_lora(trained.transformer, LORA)
    random = torch.Generator().manual_seed(4)
    for parameter in trained.transformer.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=random)
    trained.save_pretrained(home)
    return home


def loaded(*arguments: Any, **options: Any) -> EgoXPipeline:
    pipeline = EgoXPipeline.from_pretrained(*arguments, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=2e-5)


def test_a_saved_pipeline_gives_the_same_videos(folder, plain, tmp_path):
    # Close, not equal: weights that lie in a mapped file have another place in memory, and sums round by it.
    base, adapted = loaded(folder, recipe=PLAIN), loaded(folder, recipe=ADAPTED)
    close(run(base).latents, plain.latents)
    found = run(adapted).latents
    assert (found - plain.latents).abs().max() > 1e-3
    adapted.save_pretrained(tmp_path)
    assert torch.equal(run(adapted).latents, found)  # saving left it as it was
    close(run(loaded(tmp_path, recipe=ADAPTED)).latents, found)
    close(run(loaded(tmp_path, recipe=PLAIN)).latents, plain.latents)
    close(run(loaded(folder, recipe=ADAPTED, lora=tmp_path / "lora" / "adapted")).latents, found)
    close(run(loaded(folder, recipe=ADAPTED, lora=tmp_path)).latents, found)


def test_loading_twice_gives_the_same_bytes(folder):
    one, other = (run(loaded(folder, recipe=ADAPTED)) for _ in range(2))
    assert torch.equal(one.latents, other.latents)
    assert np.array_equal(one.frames, other.frames)


def test_a_mini_pipeline_goes_through_a_folder_whole(parts, tmp_path):
    from egox.mini import FixedBasisCodec, Preconditioner, fit_codec

    videos = [tiny.clip(seed=seed).exo for seed in range(2)]
    codec = fit_codec(videos)
    random = torch.Generator().manual_seed(0)
    target = torch.randn(6, 48, 3, 4, 4, generator=random)
    own = Preconditioner.fit([(target, target + 0.1, torch.ones(6, 4, 3, 4, 4))])
    transformer = tiny.transformer(image=False, in_channels=100, out_channels=48)
    pipeline = built(parts, vae=codec, transformer=transformer, image_encoder=None, image_processor=None, preconditioner=own)
    pipeline.save_pretrained(tmp_path)
    fitted = msgspec.structs.replace(PLAIN, model=msgspec.structs.replace(PLAIN.model, preconditioner="fitted"))
    again = loaded(tmp_path, recipe=fitted)
    assert isinstance(again.vae, FixedBasisCodec)
    assert isinstance(again.preconditioner, Preconditioner)
    np.testing.assert_allclose(run(again).frames.astype(int), run(pipeline).frames.astype(int), atol=2)  # its basis is in fp16


def test_text_can_be_left_out(folder):
    mute = loaded(folder, recipe=PLAIN, with_text=False)
    assert mute.text_encoder is None
    assert run(mute, prompt_embeds=tiny.prompt_embeds()).frames.any()


def test_bf16_keeps_what_must_stay_float32(folder):
    half = msgspec.structs.replace(PLAIN, model=msgspec.structs.replace(PLAIN.model, precision="bf16"))
    pipeline = loaded(folder, recipe=half)
    transformer = pipeline.transformer
    assert transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert transformer.blocks[0].scale_shift_table.dtype == torch.float32
    assert transformer.condition_embedder.time_embedder.linear_1.weight.dtype == torch.float32
    made = run(pipeline)
    assert made.latents.dtype == torch.float32
    exo = encode_clip(pipeline.vae, tiny.clip(), tiny.CANVAS, PLAIN.conditioning).exo
    assert all(torch.equal(latents[..., :EXO], exo) for latents in steps_of(pipeline))  # kept in float32 between steps


# What is wrong is said


def test_missing_weights_say_how_to_get_them(folder, tmp_path):
    with pytest.raises(MissingWeights, match=r"is no model in diffusers' layout: it has no model_index\.json"):
        loaded(tmp_path, recipe=PLAIN)
    nowhere = msgspec.structs.replace(ADAPTED, name="tiny/nowhere")
    with pytest.raises(MissingWeights, match=r"runs with a LoRA, and there is none at .*lora/nowhere.*egox-bench train"):
        loaded(folder, recipe=nowhere)
    with pytest.raises(MissingWeights, match="has no LoRA"):
        loaded(folder, recipe=PLAIN, lora=folder)


def test_the_mini_model_is_there_or_says_how_to_train_it(monkeypatch, tmp_path):
    monkeypatch.setattr("egox.checkpoints.resources.files", lambda _package: tmp_path)
    with pytest.raises(MissingWeights, match=r"mini weights are not .*; .* 'python -m egox\.training\.shipping training"):
        folder_of("mini")


def test_a_preconditioner_that_is_missing_is_said(folder):
    model = msgspec.structs.replace(ADAPTED.model, preconditioner="fitted")
    with pytest.raises(MissingWeights, match=r"samples through a preconditioner, and there is no .*lora/adapted/preconditioner"):
        loaded(folder, recipe=msgspec.structs.replace(ADAPTED, model=model))


def test_a_pipeline_is_not_built_without_the_preconditioner_of_its_recipe(parts):
    model = msgspec.structs.replace(PLAIN.model, preconditioner="fitted")
    with pytest.raises(SamplingError, match="samples through a preconditioner"):
        built(parts, msgspec.structs.replace(PLAIN, model=model))


def test_a_wrong_rank_names_both(folder):
    other = msgspec.structs.replace(ADAPTED, model=msgspec.structs.replace(ADAPTED.model, lora=Lora(rank=8, alpha=8)))
    with pytest.raises(AdapterError, match="has rank 4, the recipe rank 8"):
        loaded(folder, recipe=other)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (["os", "system"], r"names os\.system as vae"),
        (["egox.adapter", "Path"], "expected a model of"),
        (["diffusers", "Nothing"], r"diffusers\.Nothing"),
    ],
)
def test_an_index_does_not_choose_what_is_imported(folder, tmp_path, entry, said):
    index = json.loads((folder / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "vae": entry}))
    with pytest.raises(WeightsError, match=said):
        loaded(tmp_path, recipe=PLAIN)


@pytest.mark.parametrize("damage", ["cut", "folder gone"])
def test_a_damaged_component_is_named(folder, tmp_path, damage):
    import shutil

    home = tmp_path / "model"
    shutil.copytree(folder, home)
    weights = home / "vae" / "diffusion_pytorch_model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    else:
        shutil.rmtree(home / "vae")
    with pytest.raises(WeightsError, match="model/vae"):
        loaded(home, recipe=PLAIN)


def test_latents_that_are_not_finite_name_the_step(parts):
    pipeline = built(parts)

    def spoil(_pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"latents": tensors["latents"] * (torch.nan if step == 0 else 1)}

    with pytest.raises(SamplingError, match="callback_on_step_end made latents that are not finite after step 1 of 3"):
        run(pipeline, num_inference_steps=3, callback_on_step_end=spoil)
    pipeline.transformer.proj_out.weight.data[0, 0] = torch.inf
    with pytest.raises(SamplingError, match="not finite after step 1 of 2"):
        run(pipeline)


def test_a_callback_that_returns_nothing_is_told_what_to_return(pipeline):
    with pytest.raises(SamplingError, match="returned NoneType after step 1 of 2, expected a dict"):
        run(pipeline, callback_on_step_end=lambda *_: None)


def test_an_error_leaves_the_pipeline_usable(parts, plain):
    pipeline = built(parts)
    with pytest.raises(SamplingError):
        run(pipeline, callback_on_step_end=lambda *arguments: {"latents": arguments[3]["latents"] * torch.nan})
    assert torch.equal(run(pipeline).latents, plain.latents)


def test_a_clip_without_depth_is_refused_where_guidance_needs_it(pipeline):
    with pytest.raises(ClipError, match="the clip has no depth, and recipe tiny/plain guides attention by it"):
        run(pipeline, replace(tiny.clip(), depth_m=None))
    with pytest.raises(ValueError, match="no depth"):
        run(pipeline, replace(tiny.clip(), depth_m=np.zeros((9, 32, 48), np.float32)))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"frames": 8}, "8 frames do not fit the latent codec"),
        ({"height": 40, "ego": 40}, "height 40 is not a multiple of 16 px"),
        ({"exo": 56}, "exo width 56"),
        ({"exo": 512}, r"the canvas has 3x2x34 tokens, this transformer knows places up to 32"),
    ],
)
def test_a_canvas_that_the_model_cannot_take_is_named(pipeline, sizes, said):
    with pytest.raises(CanvasError, match=said):
        run(pipeline, tiny.clip(pixels=replace(tiny.PIXELS, **sizes)))


def test_other_canvases_follow_one_another(pipeline, plain):
    other = run(pipeline, tiny.clip(pixels=replace(tiny.PIXELS, frames=5, exo=64)))
    assert other.frames.shape == (5, 32, 32, 3)
    assert torch.equal(run(pipeline).latents, plain.latents)


def test_a_generator_that_is_not_on_the_cpu_or_none_is_refused(pipeline):
    with pytest.raises(SamplingError, match=r"generator must be a torch\.Generator on the CPU"):
        pipeline(tiny.clip(), generator=7)


def test_a_step_cache_is_refused_unless_it_is_owned_up_to(parts):
    from diffusers import FirstBlockCacheConfig

    pipeline = built(parts)
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    with pytest.raises(SamplingError, match="a step cache is on"):
        run(pipeline)
    assert run(pipeline, allow_step_cache=True).step_cache
    pipeline.transformer.disable_cache()
    assert not run(pipeline).step_cache


def test_embeddings_of_another_width_are_refused(pipeline):
    with pytest.raises(SamplingError, match=r"prompt embeddings are \(3, 7\), expected \[length, 32\]"):
        run(pipeline, prompt_embeds=torch.zeros(3, 7))


@pytest.mark.parametrize("embeds", [torch.zeros(1, 257, 32), torch.zeros(257, 31), torch.zeros(0, 32)])
def test_picture_embeddings_of_another_shape_are_refused(pipeline, embeds):
    with pytest.raises(SamplingError, match=r"picture embeddings are \(.*\), expected \[n, 32\]"):
        pipeline.sample(
            encode_clip(pipeline.vae, tiny.clip(), tiny.CANVAS, PLAIN.conditioning),
            geometry=None,
            generator=torch.Generator(),
            prompt_embeds=tiny.prompt_embeds(),
            image_embeds=embeds,
        )


def test_another_text_length_is_refused_where_the_transformer_takes_a_picture(parts):
    """The stock attention takes all embeddings but the last 512 for the picture's."""
    short = msgspec.structs.replace(PLAIN, model=msgspec.structs.replace(PLAIN.model, text_tokens=64))
    with pytest.raises(SamplingError, match=r"model\.text_tokens is 64, .*set text_tokens = 512"):
        built(parts, short)
    bare = built(parts, short, transformer=tiny.transformer(image=False), image_encoder=None, image_processor=None)
    assert run(bare).frames.shape == (9, 32, 32, 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_inference_steps": 0}, "0 steps: sampling takes at least one"),
        ({"num_inference_steps": 1001}, "1001 steps: .* this scheduler has 1000 levels"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan, expected a finite number"),
        ({"guidance_scale": float("inf")}, "guidance_scale is inf"),
    ],
)
def test_settings_that_cannot_be_sampled_are_named(pipeline, options, said):
    with pytest.raises(SamplingError, match=said):
        run(pipeline, **options)


def test_a_seed_that_torch_does_not_take_is_named(pipeline):
    with pytest.raises(SamplingError, match=rf"seed is {2**70}, expected a whole number from 0 to"):
        pipeline(tiny.clip(), seed=2**70)


def test_a_text_to_video_base_is_refused(parts):
    with pytest.raises(SamplingError, match=r"takes 16 channels and gives 16; .* 16 \+ 4 \+ 16 = 36"):
        built(parts, transformer=tiny.transformer(in_channels=16))


def test_a_scheduler_that_does_not_sample_flows_is_refused(parts):
    from diffusers import UniPCMultistepScheduler

    unshifted = msgspec.structs.replace(PLAIN, sampling=msgspec.structs.replace(PLAIN.sampling, shift=None))
    with pytest.raises(SamplingError, match="does not sample flow matching"):
        built(parts, unshifted, scheduler=UniPCMultistepScheduler())


def test_a_scheduler_whose_shift_cannot_be_set_is_not_replaced(parts):
    from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

    with pytest.raises(SamplingError, match=r"sampling\.shift = 3\.0, and FlowMatchEulerDiscreteScheduler has no flow_shift"):
        built(parts, scheduler=FlowMatchEulerDiscreteScheduler())
    other = built(parts, scheduler=DPMSolverMultistepScheduler()).scheduler
    assert isinstance(other, DPMSolverMultistepScheduler)
    assert (other.config.flow_shift, other.config.use_flow_sigmas) == (3.0, True)


def test_an_image_encoder_that_is_missing_is_said(parts):
    with pytest.raises(SamplingError, match="no image encoder"):
        run(built(parts, image_encoder=None))


def test_the_training_picture_is_no_picture_for_sampling(parts):
    with pytest.raises(SamplingError, match="the true ego frame, which is for training alone"):
        run(built(parts, having(image_context="exo_beside_truth_darkened")))


def test_calls_of_the_stock_loop_without_a_clip_are_refused(pipeline):
    with pytest.raises(SamplingError, match="no clip is in work"):
        pipeline.prepare_latents(None, 1)
