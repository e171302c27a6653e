"""LoRA and the modules trained whole: put on, kept, read back, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from egox.adapter import ALSO, WEIGHTS, AdapterError, adapter_shapes, add_lora, load_adapter, save_adapter, without_adapter
from egox.recipe import Lora

from . import tiny

LORA = Lora(rank=4, alpha=8, also=("patch_embedding", "proj_out"))


def output(transformer) -> torch.Tensor:
    random, grid = torch.Generator().manual_seed(3), tiny.CANVAS.latents
    with torch.no_grad():
        return transformer(
            hidden_states=torch.randn(1, 36, grid.frames, grid.height, grid.width, generator=random),
            timestep=torch.tensor([500]),
            encoder_hidden_states=torch.randn(1, 512, tiny.TEXT_WIDTH, generator=random),
            encoder_hidden_states_image=torch.randn(1, 257, tiny.IMAGE_WIDTH, generator=random),
            return_dict=False,
        )[0]


def trained(lora: Lora = LORA, *, seed: int = 0):
    """A transformer whose adapter, and whatever else is trained, has moved."""
    transformer = tiny.transformer()
    add_lora(transformer, lora)
    random = torch.Generator().manual_seed(seed)
    for parameter in transformer.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=random)
    return transformer


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    save_adapter(folder, trained(), LORA, {"recipe": "mini/egox"})
    return folder


def metadata_of(file: Path) -> dict[str, str]:
    with safe_open(file, framework="pt") as opened:
        return opened.metadata()


def rewritten(kept: Path, folder: Path, change, *, metadata: dict[str, str] | None = None) -> Path:
    """The kept adapter with its tensors changed; `metadata` None drops all of it."""
    folder.mkdir(exist_ok=True)
    save_file(change(load_file(kept / WEIGHTS)), folder / WEIGHTS, metadata=metadata)
    (folder / ALSO).write_bytes((kept / ALSO).read_bytes())
    return folder


def test_a_new_adapter_changes_nothing():
    adapted = tiny.transformer()
    add_lora(adapted, LORA)
    torch.testing.assert_close(output(adapted), output(tiny.transformer()), atol=0, rtol=0)


def test_only_the_adapter_and_the_modules_named_are_trained():
    adapted = tiny.transformer()
    add_lora(adapted, LORA)
    names = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    whole = {name for name in names if "lora_" not in name}
    assert whole == {f"{module}.{leaf}" for module in LORA.also for leaf in ("weight", "bias")}
    assert len(names - whole) == len(adapter_shapes(adapted, LORA)) == 2 * 8 * 2


def test_what_is_trained_is_float32_over_a_bf16_base():
    adapted = tiny.transformer().to(torch.bfloat16)
    add_lora(adapted, LORA)
    kinds = {parameter.requires_grad: parameter.dtype for parameter in adapted.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}


def test_the_seed_decides_the_random_half_and_leaves_torchs_own_alone():
    first, same, other = (tiny.transformer() for _ in range(3))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    for transformer, seed in ((first, 1), (same, 1), (other, 2)):
        add_lora(transformer, LORA, seed=seed)
    assert torch.equal(torch.random.get_rng_state(), before)
    key = "blocks.0.attn1.to_q.lora_A.egox.weight"
    assert torch.equal(first.get_parameter(key), same.get_parameter(key))
    assert not torch.equal(first.get_parameter(key), other.get_parameter(key))


def test_saving_and_loading_gives_the_same_model(kept):
    loaded = tiny.transformer()
    metadata = load_adapter(loaded, kept, LORA)
    torch.testing.assert_close(output(loaded), output(trained()), atol=0, rtol=0)
    assert (metadata["rank"], metadata["alpha"], metadata["recipe"]) == ("4", "8", "mini/egox")
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_loaded_adapter_can_be_trained_on(kept):
    loaded = tiny.transformer()
    load_adapter(loaded, kept, LORA, trainable=True)
    names = {name for name, parameter in loaded.named_parameters() if parameter.requires_grad}
    assert {"proj_out.weight", "blocks.1.attn2.to_out.0.lora_B.egox.weight"} <= names
    torch.testing.assert_close(output(loaded), output(trained()), atol=0, rtol=0)


def test_both_files_carry_rank_and_alpha(kept):
    for name in (WEIGHTS, ALSO):
        assert {"rank": "4", "alpha": "8", "format": "pt"}.items() <= metadata_of(kept / name).items()
    assert not [path for path in kept.iterdir() if path.name not in (WEIGHTS, ALSO)]


def test_averaged_weights_can_be_kept_in_place_of_the_models_own(tmp_path):
    transformer = trained()
    state = {name: 2 * tensor for name, tensor in transformer.state_dict().items()}
    save_adapter(tmp_path, transformer, LORA, state=state)
    key = "blocks.0.attn1.to_q.lora_A"
    assert torch.equal(load_file(tmp_path / WEIGHTS)[f"transformer.{key}.weight"], state[f"{key}.egox.weight"])
    assert torch.equal(load_file(tmp_path / ALSO)["proj_out.bias"], state["proj_out.bias"])


def test_the_stock_loader_scales_by_our_alpha(tmp_path):
    from diffusers import WanImageToVideoPipeline

    lora = Lora(rank=4, alpha=12)
    save_adapter(tmp_path, trained(lora), lora)
    transformer = tiny.transformer()
    stock = WanImageToVideoPipeline(
        tokenizer=None, text_encoder=None, vae=tiny.codec(), scheduler=tiny.scheduler(), transformer=transformer
    )
    with pytest.warns(RuntimeWarning, match="add_k_proj"):  # it adds the image branch, with zeros
        stock.load_lora_weights(tmp_path, weight_name=WEIGHTS)
    torch.testing.assert_close(output(transformer), output(trained(lora)), atol=1e-6, rtol=1e-6)


def test_fused_weights_give_the_same_output(kept):
    loaded = tiny.transformer()
    load_adapter(loaded, kept, LORA)
    apart = output(loaded)
    loaded.fuse_lora()
    torch.testing.assert_close(output(loaded), apart, atol=2e-6, rtol=2e-6)


def test_a_scale_of_zero_is_the_base():
    lora = Lora(rank=4, alpha=4)
    adapted = trained(lora)
    adapted.set_adapters("egox", 0.0)
    torch.testing.assert_close(output(adapted), output(tiny.transformer()), atol=0, rtol=0)


def test_the_base_comes_back_without_the_adapter():
    adapted, base = trained(), tiny.transformer()
    whole = {key: tensor for key, tensor in base.state_dict().items() if key.split(".")[0] in LORA.also}
    bare = without_adapter(adapted, whole)
    assert bare.state_dict().keys() == base.state_dict().keys()
    torch.testing.assert_close(output(bare), output(base), atol=0, rtol=0)


def test_a_file_without_metadata_has_the_alpha_of_its_rank(kept, tmp_path):
    bare = rewritten(kept, tmp_path, lambda tensors: tensors)
    load_adapter(tiny.transformer(), bare, Lora(rank=4, alpha=4, also=LORA.also))
    with pytest.raises(AdapterError, match="states no alpha, which means that of its rank, 4, the recipe has alpha 8"):
        load_adapter(tiny.transformer(), bare, LORA)


def test_an_alpha_that_only_diffusers_wrote_counts(kept, tmp_path):
    stated = {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 8, "transformer.r": 4})}
    load_adapter(tiny.transformer(), rewritten(kept, tmp_path, lambda tensors: tensors, metadata=stated), LORA)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"lora_adapter_metadata": "{"}, "lora_adapter_metadata in its metadata is no JSON object"),
        ({"lora_adapter_metadata": "[8]"}, "is no JSON object"),
        ({"lora_adapter_metadata": '{"transformer.lora_alpha": null}'}, "states alpha None, which is no number"),
        ({"alpha": "much"}, "states alpha 'much', which is no number"),
        ({"alpha": "8", "lora_adapter_metadata": '{"transformer.lora_alpha": 4}'}, "states alpha 4, the recipe has alpha 8"),
        ({"lora_adapter_metadata": '{"transformer.use_rslora": true}'}, "trained with peft's use_rslora"),
        ({"alpha": "8", "lora_adapter_metadata": '{"transformer.alpha_pattern": {"to_q": 2}}'}, "peft's alpha_pattern"),
        ({"alpha": "8", "lora_adapter_metadata": '{"transformer.rank_pattern": {"to_q": 2}}'}, "peft's rank_pattern"),
    ],
)
def test_metadata_that_does_not_tell_the_scale_is_refused(kept, tmp_path, metadata, said):
    with pytest.raises(AdapterError, match=said):
        load_adapter(tiny.transformer(), rewritten(kept, tmp_path, lambda tensors: tensors, metadata=metadata), LORA)


def test_a_lora_that_is_no_matrix_is_named(kept, tmp_path):
    key = "transformer.blocks.0.attn1.to_q.lora_A.weight"
    file = rewritten(kept, tmp_path, lambda tensors: {**tensors, key: torch.zeros(())}, metadata={"alpha": "8"})
    with pytest.raises(AdapterError, match=r"to_q\.lora_A\.weight is \(\), expected \[rank, in\]"):
        load_adapter(tiny.transformer(), file, LORA)


def test_a_wrong_rank_names_both(kept):
    with pytest.raises(AdapterError, match="has rank 4, the recipe rank 256"):
        load_adapter(tiny.transformer(), kept, Lora(rank=256, alpha=256, also=LORA.also))


def test_a_wrong_alpha_names_both(kept):
    with pytest.raises(AdapterError, match="states alpha 8, the recipe has alpha 4"):
        load_adapter(tiny.transformer(), kept, Lora(rank=4, alpha=4, also=LORA.also))


def test_a_wrong_width_names_key_and_shapes(kept):
    wide = tiny.transformer(num_attention_heads=4, added_kv_proj_dim=48)
    with pytest.raises(
        AdapterError, match=r"blocks\.0\.attn1\.to_q\.lora_A\.weight is \(4, 24\), this transformer takes \(4, 48\)"
    ):
        load_adapter(wide, kept, LORA)


def test_another_depth_names_what_lacks(kept):
    with pytest.raises(AdapterError, match=r"32 tensors where 48 are expected: it lacks 16 like transformer\.blocks\.2"):
        load_adapter(tiny.transformer(num_layers=3), kept, LORA)
    with pytest.raises(AdapterError, match=r"has 16 that are unknown, like transformer\.blocks\.1"):
        load_adapter(tiny.transformer(num_layers=1), kept, LORA)


def test_other_modules_trained_whole_are_refused(kept):
    lora = Lora(rank=4, alpha=8, also=("patch_embedding",))
    with pytest.raises(AdapterError, match=r"also\.safetensors has 4 tensors where 2 are expected"):
        load_adapter(tiny.transformer(), kept, lora)


@pytest.mark.parametrize("broken", ["missing", "empty", "text", "no lora", "nan", "also missing"])
def test_a_broken_file_is_named_and_the_transformer_stays_as_it_was(kept, tmp_path, broken):
    folder = rewritten(kept, tmp_path / "a", lambda tensors: tensors, metadata=metadata_of(kept / WEIGHTS))
    if broken == "missing":
        (folder / WEIGHTS).unlink()
    elif broken in ("empty", "text"):
        (folder / WEIGHTS).write_text("" if broken == "empty" else "not a tensor" * 9)
    elif broken == "no lora":
        save_file({"x": torch.zeros(1)}, folder / WEIGHTS)
    elif broken == "nan":
        rewritten(kept, folder, lambda t: {key: v * torch.nan for key, v in t.items()}, metadata=metadata_of(kept / WEIGHTS))
    else:
        (folder / ALSO).unlink()
    transformer = tiny.transformer()
    named = ALSO if broken == "also missing" else WEIGHTS
    with pytest.raises(AdapterError, match=named):
        load_adapter(transformer, folder, LORA)
    untouched = tiny.transformer().state_dict()
    assert transformer.state_dict().keys() == untouched.keys()
    assert all(torch.equal(transformer.state_dict()[key], untouched[key]) for key in untouched)


def test_a_second_adapter_is_refused(kept):
    with pytest.raises(AdapterError, match="carries an adapter already"):
        load_adapter(trained(), kept, LORA)


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        (Lora(rank=4, alpha=4, targets=("to_q", "to_nowhere")), "no linear module named to_nowhere"),
        (Lora(rank=4, alpha=4, also=("nowhere",)), "no module 'nowhere'"),
        (Lora(rank=4, alpha=4, targets=("proj_out",), also=("proj_out",)), "trained whole and by LoRA"),
    ],
)
def test_a_recipe_that_does_not_fit_the_transformer_is_refused(lora, said):
    with pytest.raises(AdapterError, match=said):
        add_lora(tiny.transformer(), lora)


def test_saving_another_adapter_than_there_is_is_refused(tmp_path):
    with pytest.raises(AdapterError, match="does not carry an adapter of rank 8"):
        save_adapter(tmp_path, trained(), Lora(rank=8, alpha=8))
    assert not list(tmp_path.iterdir())
