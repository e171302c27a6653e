"""The size of the paper, counted without weights, and an adapter file in the authors' format on a model of a few numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from egox.adapter import AdapterError, adapter_shapes, add_lora, load_adapter
from egox.canvas import Grid, JointCanvas
from egox.recipe import Lora, load_recipe

from . import tiny

WAN_I2V_14B: dict[str, Any] = {
    "patch_size": (1, 2, 2), "num_attention_heads": 40, "attention_head_dim": 128, "in_channels": 36, "out_channels": 16,
    "text_dim": 4096, "freq_dim": 256, "ffn_dim": 13824, "num_layers": 40, "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads", "eps": 1e-6, "image_dim": 1280, "added_kv_proj_dim": 5120, "rope_max_seq_len": 1024,
}  # fmt: skip
"""Wan2.1-I2V-14B-480P, of which the paper's model is made."""

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


@pytest.fixture(scope="module")
def paper_size() -> nn.Module:
    """On the meta device: shapes without memory."""
    from diffusers import WanTransformer3DModel

    with torch.device("meta"):
        return WanTransformer3DModel(**WAN_I2V_14B)


@pytest.fixture(scope="module")
def lora() -> Lora:
    wanted = load_recipe("released").model.lora
    assert wanted is not None
    return wanted


def test_the_canvas_of_the_paper_has_28028_tokens():
    canvas = JointCanvas(pixels=Grid(frames=49, height=448, exo=784, ego=448))
    assert canvas.tokens.cells == 28_028
    assert canvas.tokens.exo_cells == 17_836
    assert canvas.tokens.ego_cells == 10_192


def test_the_base_has_the_published_number_of_parameters(paper_size):
    assert sum(parameter.numel() for parameter in paper_size.parameters()) == 16_394_878_784


def test_the_adapter_has_the_published_keys_and_shapes(paper_size, lora):
    assert (lora.rank, lora.alpha, set(lora.targets)) == (256, 256, set(TARGETS))
    shapes = adapter_shapes(paper_size, lora)
    assert shapes == {
        f"transformer.blocks.{block}.attn{attention}.{target}.lora_{half}.weight": shape
        for block in range(40)
        for attention in (1, 2)
        for target in TARGETS
        for half, shape in (("A", (256, 5120)), ("B", (5120, 256)))
    }
    assert len(shapes) == 640
    assert sum(a * b for a, b in shapes.values()) == 838_860_800


def test_peft_puts_that_adapter_on_the_base_and_trains_nothing_else(lora):
    from diffusers import WanTransformer3DModel

    with torch.device("meta"):
        base = WanTransformer3DModel(**{**WAN_I2V_14B, "num_layers": 2})
        add_lora(base, lora)
    trained = {name: parameter for name, parameter in base.named_parameters() if parameter.requires_grad}
    assert sum(parameter.numel() for parameter in trained.values()) * 20 == 838_860_800
    assert len(trained) * 20 == 640
    assert sum(hasattr(module, "lora_A") for module in base.modules()) * 20 == 320
    assert not [name for name in trained if "add_k_proj" in name or "add_v_proj" in name or "ffn" in name]


# The authors' file, in small: 2 blocks of width 24, rank 4, no metadata.

RANK, WIDTH = 4, 24
SMALL = Lora(rank=RANK, alpha=RANK)


def authors_file(folder: Path, *, rank: int = RANK, width: int = WIDTH, blocks: int = 2, seed: int = 1) -> Path:
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for block in range(blocks):
        for attention in (1, 2):
            for target in TARGETS:
                key = f"transformer.blocks.{block}.attn{attention}.{target}"
                tensors[f"{key}.lora_A.weight"] = torch.randn(rank, width, generator=random)
                tensors[f"{key}.lora_B.weight"] = torch.randn(width, rank, generator=random)
    path = folder / "pytorch_lora_weights.safetensors"
    save_file(tensors, path)
    return path


@torch.no_grad()
def output(transformer: Any) -> Tensor:
    random = torch.Generator().manual_seed(5)
    grid = tiny.CANVAS.latents
    return transformer(
        hidden_states=torch.randn(1, 36, grid.frames, grid.height, grid.width, generator=random),
        timestep=torch.tensor([500]),
        encoder_hidden_states=torch.randn(1, 512, tiny.TEXT_WIDTH, generator=random),
        encoder_hidden_states_image=torch.randn(1, 257, tiny.IMAGE_WIDTH, generator=random),
        return_dict=False,
    )[0]


def test_the_authors_file_changes_the_output_as_w_plus_b_a(tmp_path):
    from safetensors.torch import load_file

    path = authors_file(tmp_path)
    by_hand, plain = tiny.transformer(), tiny.transformer()
    tensors = load_file(path)
    for key, down in tensors.items():
        if (found := re.fullmatch(r"transformer\.(.*)\.lora_A\.weight", key)) is not None:
            module = by_hand.get_submodule(found[1])
            module.weight.data += tensors[key.replace("lora_A", "lora_B")] @ down
    adapted = tiny.transformer()
    load_adapter(adapted, path, SMALL)
    torch.testing.assert_close(output(adapted), output(by_hand), atol=2e-5, rtol=2e-5)
    assert (output(adapted) - output(plain)).abs().max() > 1e-2


def test_the_authors_file_adds_nothing_to_the_image_branch(tmp_path):
    adapted = tiny.transformer()
    assert any("add_k_proj" in name for name, _ in adapted.named_modules())
    load_adapter(adapted, authors_file(tmp_path), SMALL)
    changed = [name for name, module in adapted.named_modules() if hasattr(module, "lora_A")]
    assert len(changed) == 2 * 8
    assert not [name for name in changed if "add_" in name]


@pytest.mark.parametrize(
    ("lora", "file", "message"),
    [
        (Lora(rank=8, alpha=8), {}, "has rank 4, the recipe rank 8"),
        (Lora(rank=4, alpha=8), {}, "alpha 8"),
        (SMALL, {"width": 32}, r"blocks\.0\.attn1\.\S+ is \(\S+ \S+\), this transformer takes"),
        (SMALL, {"blocks": 3}, "48 tensors where 32 are expected"),
        (SMALL, {"blocks": 1}, "16 tensors where 32 are expected"),
    ],
    ids=["rank", "alpha", "width", "more blocks", "fewer blocks"],
)
def test_an_adapter_of_another_model_is_refused_and_leaves_no_trace(tmp_path, lora, file, message):
    path = authors_file(tmp_path, **file)
    transformer = tiny.transformer()
    before = output(transformer)
    with pytest.raises(AdapterError, match=message) as caught:
        load_adapter(transformer, path, lora)
    assert str(path) in str(caught.value)
    assert torch.equal(output(transformer), before)
    assert not any(hasattr(module, "lora_A") for module in transformer.modules())
