"""CLIP through the real classes with small random weights: preprocessing, unit length, what a folder must hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from benchmark.errors import UserError
from benchmark.metrics.clip_i import clip_i
from benchmark.metrics.extractors.clip_vit_b32 import ClipEmbedding

from ..pictures import constant, textured
from . import random_weights


def model() -> CLIPModel:
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 512}
    text = {**small, "vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    config = CLIPConfig(text_config=text, vision_config={**small, "patch_size": 32}, projection_dim=512)
    made = CLIPModel(config).eval()
    with torch.no_grad():
        # as large as trained ones: untrained CLIP says the same of everything
        for weight in made.vision_model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("clip")
    model().save_pretrained(where)
    CLIPImageProcessorPil().save_pretrained(where)
    return where


@pytest.fixture(scope="module")
def extract(folder) -> ClipEmbedding:
    return ClipEmbedding({"clip-vit-b32": folder}, "cpu")


def test_embeddings_have_unit_length_and_are_the_model_s_projected_ones(extract):
    video = textured(frames=3, height=60, width=90)
    found = extract(video)["embedding"]
    assert found.shape == (3, 512)
    assert found.dtype == np.float32
    pixels = []
    for frame in video:
        # 3:2, so the short side of 224 makes it 336 wide, and the middle 224 are seen
        wide = np.asarray(Image.fromarray(frame).resize((336, 224), Image.Resampling.BICUBIC))[:, 56:280]
        mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
        pixels.append(((wide / 255 - mean) / deviation).transpose(2, 0, 1))
    with torch.inference_mode():
        vision = model().vision_model(torch.tensor(np.stack(pixels), dtype=torch.float32)).pooler_output
        expected = torch.nn.functional.normalize(model().visual_projection(vision)).numpy()
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_video_is_like_itself_and_less_like_itself_backwards(extract):
    there = extract(textured(frames=5))
    back = {"embedding": there["embedding"][::-1]}
    itself, backwards = clip_i(there, there).value, clip_i(back, there).value
    assert itself == pytest.approx(1.0, abs=1e-12)
    assert backwards is not None
    assert backwards < 0.999


def test_a_frame_has_the_same_embedding_in_any_company_and_memory_layout(extract):
    video = textured(frames=18, height=32, width=32)
    found = extract(video)["embedding"]
    assert extract(video[::-1])["embedding"][::-1] == pytest.approx(found, abs=1e-6)
    assert extract(np.asfortranarray(video[17:]))["embedding"] == pytest.approx(found[17:], abs=1e-6)


def test_black_frames_have_a_finite_embedding(extract):
    assert np.isfinite(extract(constant(0))["embedding"]).all()


def test_frames_of_a_height_that_looks_like_channels_are_still_frames(extract):
    assert extract(textured(frames=1, height=3, width=40))["embedding"].shape == (1, 512)


def test_a_model_that_lacks_a_tensor_is_refused_not_filled_with_random_numbers(folder, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    random_weights.written(tensors, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"1 weights are missing or misshapen, visual_projection.weight first"):
        ClipEmbedding({"clip-vit-b32": tmp_path}, "cpu")


def test_a_folder_without_preprocessing_is_refused(folder, tmp_path):
    assert json.loads((folder / "config.json").read_text())["model_type"] == "clip"
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(UserError, match="no preprocessing of CLIP"):
        ClipEmbedding({"clip-vit-b32": tmp_path}, "cpu")
