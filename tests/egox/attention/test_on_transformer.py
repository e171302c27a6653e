"""Guidance on the stock transformer, with all that is done to one: training, adapters, compilation, offloading."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from diffusers.models.attention_dispatch import attention_backend
from diffusers.models.transformers.transformer_wan import WanAttnProcessor

from egox.attention import GuidanceError, guidance_of, install_guidance, remove_guidance
from egox.canvas import Grid
from egox.conditioning import Guidance
from egox.geometry import TokenGeometry

from .. import tiny
from .oracles import world

GRID = tiny.CANVAS.tokens
ON = Guidance(strength=2.0)


def geometry(batch: tuple[int, ...] = (), *, seed: int = 0) -> TokenGeometry:
    return world(GRID, batch=batch, seed=seed, dtype=torch.float32)


def transformer(**changes):
    return tiny.transformer(image=False, **changes)


def call(model, batch: int = 1, *, first: int = 0) -> torch.Tensor:
    """The transformer's output for clips first, first + 1, ..."""
    latents = tiny.CANVAS.latents
    states, texts = [], []
    for clip in range(first, first + batch):
        random = torch.Generator().manual_seed(clip)
        states.append(torch.randn(36, latents.frames, latents.height, latents.width, generator=random))
        texts.append(torch.randn(5, tiny.TEXT_WIDTH, generator=random))
    time = torch.full((batch,), 500)
    return model(torch.stack(states), time, torch.stack(texts), return_dict=False)[0]


def guided(model=None, clips: TokenGeometry | None = None, *, rules: Guidance = ON, **how):
    model = transformer() if model is None else model
    found = install_guidance(model, GRID, rules, **how)
    assert found is not None
    found.set(geometry() if clips is None else clips)
    return model


def gradients(model) -> dict[str, torch.Tensor]:
    model.zero_grad()
    call(model, 2).square().sum().backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def plain() -> torch.Tensor:
    with torch.no_grad():
        return call(transformer(), 2)


@pytest.fixture(scope="module")
def expected() -> torch.Tensor:
    """Guided, two clips with one geometry."""
    with torch.no_grad():
        return call(guided(), 2)


def test_guidance_changes_the_output(plain, expected):
    assert (plain - expected).abs().max() > 0.01


@pytest.mark.parametrize(
    ("rules", "grid"), [(Guidance(on=False), GRID), (ON, Grid(frames=3, height=2, exo=0, ego=5))], ids=["off", "no exo"]
)
def test_with_nothing_to_guide_attention_is_the_stock_one_to_the_bit(rules, grid, plain):
    model = guided()
    assert install_guidance(model, grid, rules) is None
    assert guidance_of(model) is None
    assert {type(processor) for processor in model.attn_processors.values()} == {WanAttnProcessor}
    with torch.no_grad():
        assert torch.equal(call(model, 2), plain)


def test_removing_brings_the_stock_attention_back(plain):
    model = guided()
    assert guidance_of(model) is not None
    remove_guidance(model)
    with torch.no_grad():
        assert torch.equal(call(model, 2), plain)


def test_only_self_attention_is_touched_and_no_weight():
    model = transformer()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    guided(model)
    assert {name for name, processor in model.attn_processors.items() if type(processor) is not WanAttnProcessor} == {
        f"blocks.{i}.attn1.processor" for i in range(2)
    }
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_image_branch_works_beside_it():
    model = guided(tiny.transformer())
    random = torch.Generator().manual_seed(0)
    latents = tiny.CANVAS.latents
    state = torch.randn(1, 36, latents.frames, latents.height, latents.width, generator=random)
    text, image = torch.randn(1, 512, tiny.TEXT_WIDTH, generator=random), torch.randn(1, 257, tiny.IMAGE_WIDTH, generator=random)
    with torch.no_grad():
        one = model(state, torch.tensor([500]), text, image, return_dict=False)[0]
        remove_guidance(model)
        other = model(state, torch.tensor([500]), text, image, return_dict=False)[0]
    assert (one - other).abs().max() > 0.01


@pytest.mark.parametrize("backend", ["sdpa", "flex"])
def test_each_clip_of_a_batch_has_its_own_geometry(backend):
    clips = [geometry(seed=seed) for seed in (0, 7, 9)]
    model = guided(clips=TokenGeometry.stack(clips), backend=backend)
    with torch.no_grad():
        together = call(model, 3)
        for i, clip in enumerate(clips):
            guidance_of(model).set(clip)
            torch.testing.assert_close(together[i : i + 1], call(model, 1, first=i), rtol=0, atol=1e-5)
        assert (call(model, 1, first=0) - together[:1]).abs().max() > 1e-3  # with the last clip's geometry


def test_two_passes_of_text_guidance_use_one_geometry(expected):
    model = guided()
    with torch.no_grad():
        torch.testing.assert_close(torch.cat([call(model), call(model, first=1)]), expected, rtol=0, atol=1e-6)


def test_another_clip_s_geometry_replaces_the_last_one(expected):
    model = guided(clips=geometry(seed=7))
    with torch.no_grad():
        call(model, 2)
        guidance_of(model).set(geometry())
        assert torch.equal(call(model, 2), expected)


def test_gradient_checkpointing_gives_the_same_gradients():
    model = guided().train()
    without = gradients(model)
    model.enable_gradient_checkpointing()
    assert_same(gradients(model), without)


def test_adapters_train_and_load_under_guidance(expected):
    from peft import LoraConfig

    model = guided()
    model.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    with torch.no_grad():
        torch.testing.assert_close(call(model, 2), expected, rtol=0, atol=1e-6)  # B is 0
    found = gradients(model)
    assert {name.split(".")[3] for name in found if ".attn1." in name} == {"to_q", "to_k", "to_v", "to_out"}
    assert all(".lora_" in name for name in found)
    assert all(grad.abs().max() > 0 for name, grad in found.items() if ".lora_B." in name)


@pytest.mark.parametrize("compiler", ["eager", "aot_eager"])
def test_compiled_blocks_are_one_graph_and_give_the_same(compiler, expected):
    torch.compiler.reset()
    model = guided()
    model.compile_repeated_blocks(backend=compiler, fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(call(model, 2), expected, rtol=0, atol=1e-6)
    model.enable_gradient_checkpointing()
    assert_same(gradients(model.train()), gradients(guided().train()))


def test_the_kernel_is_part_of_a_compiled_block(expected):
    torch.compiler.reset()
    model = guided(backend="flex")
    model.compile_repeated_blocks(backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(call(model, 2), expected, rtol=0, atol=1e-5)


def test_a_new_clip_does_not_compile_again():
    torch.compiler.reset()
    model, compiled = guided(clips=geometry()), []

    def counting(graph, _):
        compiled.append(graph)
        return graph.forward

    model.compile_repeated_blocks(backend=counting, fullgraph=True)
    with torch.no_grad():
        call(model)
        once = len(compiled)
        guidance_of(model).set(geometry(seed=7))
        found = call(model)
        assert len(compiled) == once
        assert torch.equal(found, call(guided(clips=geometry(seed=7))))


def test_fused_projections_give_the_same(expected):
    model = guided()
    model.fuse_qkv_projections()
    with torch.no_grad():
        torch.testing.assert_close(call(model, 2), expected, rtol=0, atol=1e-5)


def test_group_offload_gives_the_same(expected):
    model = guided()
    model.enable_group_offload(onload_device=torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1)
    with torch.no_grad():
        assert torch.equal(call(model, 2), expected)


@pytest.mark.parametrize("backend", ["sdpa", "flex"])
def test_geometry_follows_the_device_of_the_hidden_states(backend):
    found = guidance_of(guided(backend=backend))
    states = torch.empty(1, GRID.cells, 24, device="meta")
    tables = found.tables_for(states) if backend == "sdpa" else found.flex_tables_for(states)
    assert {table.device.type for table in tables} == {"meta"}


@pytest.mark.parametrize("backend", ["sdpa", "flex"])
def test_autocast_and_bf16_weights_stay_near_single_precision(backend, expected):
    model = guided(backend=backend)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert (call(model, 2) - expected).abs().max() < 0.05
    guidance_of(model).set(geometry())
    model = model.to(torch.bfloat16)
    latents = tiny.CANVAS.latents
    state = torch.zeros(1, 36, latents.frames, latents.height, latents.width, dtype=torch.bfloat16)
    with torch.no_grad():
        out = model(state, torch.tensor([500]), torch.zeros(1, 5, tiny.TEXT_WIDTH, dtype=torch.bfloat16), return_dict=False)[0]
    assert out.dtype == torch.bfloat16


def test_a_copy_of_the_model_has_guidance_of_its_own():
    model = guided()
    other = copy.deepcopy(model)
    guidance_of(model).clear()
    with torch.no_grad():
        call(other)
    assert guidance_of(other) is not guidance_of(model)


def test_a_pass_without_geometry_is_refused():
    model = transformer()
    found = install_guidance(model, GRID, ON)
    with pytest.raises(GuidanceError, match="no geometry is set"):
        call(model)
    found.set(geometry())
    call(model)
    found.clear()
    with pytest.raises(GuidanceError, match="no geometry is set"):
        call(model)


def test_geometry_of_another_batch_or_canvas_is_refused():
    model = guided(clips=geometry((3,)))
    with pytest.raises(GuidanceError, match="geometry is of 3 clips, the batch of 2"):
        call(model, 2)
    other = install_guidance(model, Grid(frames=3, height=2, exo=2, ego=2), ON)
    with pytest.raises(GuidanceError, match=r"directions \(3, 18, 3\), this canvas needs .*\(3, 12, 3\)"):
        other.set(geometry())
    other.set(world(other.tokens, dtype=torch.float32))
    with pytest.raises(GuidanceError, match="runs on 30 tokens, guidance was installed for 24"):
        call(model)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda clip: clip.rays.__setitem__((0, 0, 0), torch.nan), "rays that are not finite"),
        (lambda clip: clip.directions.__setitem__((1, 2, 0), torch.inf), "directions that are not finite"),
        (lambda clip: object.__setattr__(clip, "rays", clip.rays.bfloat16()), "rays in torch.bfloat16, expected float32"),
        (lambda clip: object.__setattr__(clip, "rays", clip.rays[None, None]), r"rays \(1, 1, 3, 4, 3\)"),
    ],
)
def test_spoilt_geometry_is_refused(spoil, said):
    found, clip = install_guidance(transformer(), GRID, ON), geometry()
    spoil(clip)
    with pytest.raises(GuidanceError, match=said):
        found.set(clip)


def test_attention_backends_that_take_no_mask_are_refused(plain):
    model = guided()
    with (
        attention_backend("_native_flash"),
        pytest.raises(GuidanceError, match="'_native_flash' takes no additive mask"),
        torch.no_grad(),
    ):
        call(model)
    with attention_backend("native"):  # puts the process-wide choice back, which set_attention_backend makes too
        model.set_attention_backend("_native_flash")
        with pytest.raises(GuidanceError, match="'_native_flash' takes no additive mask"):
            call(model)
        again = install_guidance(model, GRID, ON)
        again.set(geometry())
        with pytest.raises(GuidanceError, match="takes no additive mask"):  # the choice outlives a new installation
            call(model)
        model.set_attention_backend("_native_math")
        with torch.no_grad():
            assert (call(model, 2) - plain).abs().max() > 0.01


def test_a_transformer_split_over_devices_is_refused():
    model = guided()
    for block in model.blocks:
        block.attn1.processor._parallel_config = SimpleNamespace()
    with pytest.raises(GuidanceError, match="does not work with a parallel config"):
        call(model)
    model._parallel_config = SimpleNamespace()
    with pytest.raises(GuidanceError, match="does not work with a parallel config"):
        install_guidance(model, GRID, ON)


def test_attention_of_somebody_else_is_not_replaced():
    class Theirs(WanAttnProcessor):
        pass

    model = transformer()
    model.blocks[1].attn1.set_processor(Theirs())
    with pytest.raises(GuidanceError, match="block 1 has a Theirs"):
        install_guidance(model, GRID, ON)
    with pytest.raises(GuidanceError, match="not for Linear"):
        install_guidance(torch.nn.Linear(2, 2), GRID, ON)


def test_an_unknown_backend_is_told():
    with pytest.raises(GuidanceError, match="'sage': expected 'sdpa' or 'flex'"):
        install_guidance(transformer(), GRID, ON, backend="sage")  # pyright: ignore[reportArgumentType]


def test_cross_attention_is_not_guided():
    processor = guided().blocks[0].attn1.processor
    with pytest.raises(GuidanceError, match="self-attention"):
        processor(None, torch.zeros(1, GRID.cells, 24), torch.zeros(1, 5, 24))
