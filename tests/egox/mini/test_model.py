"""The untrained mini model: its sizes, what it begins as, its text, and the folder that pipelines load."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from egox.mini import MiniComponents, byte_tokenizer, fit_codec, new_mini_components, new_transformer, random_text_encoder
from egox.recipe import Model, load_recipe

XS = load_recipe("mini/base-frames").model


@pytest.fixture(scope="module")
def components() -> MiniComponents:
    codec = fit_codec([np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)])
    return new_mini_components(XS, codec)


@pytest.fixture(scope="module")
def loaded(components: MiniComponents, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("mini")
    components.save(folder)
    return DiffusionPipeline.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize(
    ("heads", "width", "layers", "ffn", "parameters"),
    [(4, 32, 6, 512, 1_825_344), (6, 48, 8, 1152, 11_567_712), (6, 64, 12, 1536, 29_912_640), (8, 64, 16, 2048, 69_819_072)],
)
def test_sizes_have_the_known_parameter_counts(heads: int, width: int, layers: int, ffn: int, parameters: int) -> None:
    sizes = {"num_attention_heads": heads, "attention_head_dim": width, "num_layers": layers, "ffn_dim": ffn}
    with torch.device("meta"):
        made = new_transformer(Model(checkpoint="none", transformer={**sizes, "text_dim": 64, "freq_dim": 128}))
    assert made.num_parameters() == parameters


def test_the_shipped_recipe_is_the_smallest_size(components: MiniComponents) -> None:
    transformer = components.transformer
    assert transformer.num_parameters() == 1_825_344
    config = transformer.config
    assert (config.in_channels, config.out_channels, tuple(config.patch_size)) == (100, 48, (1, 2, 2))
    assert config.rope_max_seq_len >= 22


def test_it_begins_as_nothing_and_learns_from_its_first_step(components: MiniComponents) -> None:
    transformer = new_transformer(XS)
    inputs, text = torch.randn(2, 100, 2, 4, 6), torch.randn(2, 128, 64)
    out = transformer(inputs, torch.tensor([500, 900]), text).sample
    assert not out.any()
    (out - 1).square().mean().backward()
    assert transformer.proj_out.weight.grad is not None
    assert transformer.proj_out.weight.grad.any()
    for block in transformer.blocks:
        assert not block.scale_shift_table[:, [2, 5]].any()
        assert block.scale_shift_table[:, [0, 1, 3, 4]].any(-1).all()


def test_weights_follow_the_seed_and_leave_the_global_one_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = new_transformer(XS), new_transformer(XS), new_transformer(XS, seed=1)
    texts = [random_text_encoder(16, seed=seed) for seed in (0, 0, 1)]
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)
    torch.testing.assert_close(one.patch_embedding.weight, same.patch_embedding.weight, atol=0, rtol=0)
    assert (one.patch_embedding.weight != other.patch_embedding.weight).any()
    torch.testing.assert_close(texts[0].shared.weight, texts[1].shared.weight, atol=0, rtol=0)
    assert (texts[0].shared.weight != texts[2].shared.weight).any()


def test_a_recipe_without_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.transformer is missing"):
        new_transformer(load_recipe("paper").model)


def test_the_folder_is_loaded_by_the_stock_pipeline(components: MiniComponents, loaded: Any) -> None:
    assert type(loaded).__name__ == "WanImageToVideoPipeline"
    assert loaded.scheduler.config.flow_shift == 1.0
    assert loaded.scheduler.config.prediction_type == "flow_prediction"
    for name in ("transformer", "text_encoder", "vae"):
        kept, expected = getattr(loaded, name).state_dict(), getattr(components, name).state_dict()
        assert kept.keys() == expected.keys()
        for key, tensor in expected.items():
            torch.testing.assert_close(kept[key], tensor, atol=0, rtol=0)


def embeddings(pipeline: Any, *prompts: str) -> torch.Tensor:
    with torch.no_grad():
        return pipeline.encode_prompt(list(prompts), do_classifier_free_guidance=False, max_sequence_length=XS.text_tokens)[0]


def test_the_stock_path_from_prompts_to_embeddings_works_and_words_differ(components: MiniComponents, loaded: Any) -> None:
    made = embeddings(loaded, "a person cuts bread", "a person cuts paper", "")
    assert made.shape == (3, XS.text_tokens, 64)
    lengths = made.any(-1).sum(1)
    assert lengths.tolist() == [20, 20, 1]  # bytes and the end mark
    word = slice(14, 19)
    assert (made[0, word] - made[1, word]).square().mean() > 0.5 * made[0, word].square().mean()
    assert made[0, :19].std() > 0.1
    torch.testing.assert_close(embeddings(components.pipeline(), "a person cuts bread"), made[:1], atol=1e-6, rtol=1e-6)


def test_any_text_has_tokens() -> None:
    tokenizer = byte_tokenizer()
    ids = tokenizer("Küche 🍳").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "Küche 🍳"
    assert max(ids) < len(tokenizer) == random_text_encoder(16).config.vocab_size
