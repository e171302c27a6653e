"""The full size's own classes, with a few thousand weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import UserError
from egox.training.examples import ExampleStore
from tests.egox import tiny
from tests.methods.train_verb.tiny_training import train


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wan's own classes with an image branch, a few thousand weights."""
    from diffusers import WanImageToVideoPipeline

    folder = tmp_path_factory.mktemp("wan")
    tokenizer, text_encoder = tiny.text()
    parts: dict[str, Any] = {
        "tokenizer": tokenizer, "text_encoder": text_encoder, "transformer": tiny.transformer(), "vae": tiny.codec(),
        "scheduler": tiny.scheduler(), "image_encoder": tiny.image_encoder(), "image_processor": tiny.image_processor(),
    }  # fmt: skip
    WanImageToVideoPipeline(**parts).save_pretrained(folder)
    return folder


def wan_recipe(folder: Path, base: str, checkpoint: object) -> Path:
    path = folder / f"{base}-wan.toml"
    path.write_text(
        f'extends = "{base}"\n[model]\ncheckpoint = "{checkpoint}"\nprecision = "fp32"\ntext_tokens = 512\n'
        "lora = { rank = 2, alpha = 2 }\n[sampling]\nsteps = 1\n[training]\nsteps = 1\n"
    )
    return path


def test_the_full_size_trains_from_a_checkpoint_of_wan(checkpoint: Path, boxes: Path, tmp_path: Path):
    recipe = wan_recipe(tmp_path, "paper", checkpoint)
    train(recipe, "--limit", 1, data=boxes, out=tmp_path / "out")
    (folder,) = (tmp_path / "out" / "examples").glob("clips-*/all")
    example = ExampleStore(folder)[0]
    assert example["image_embeds"].shape == (257, tiny.IMAGE_WIDTH)
    assert 5 < len(example["prompt_embeds"]) < 512
    model = tmp_path / "out" / "paper-wan" / "model"
    assert sorted(path.name for path in model.iterdir()) == [
        "pytorch_lora_weights.safetensors", "report.json", "training.json",
    ]  # fmt: skip
    assert (tmp_path / "out" / "paper-wan" / "sheets" / "step-00000001.png").is_file()


def test_weights_that_are_missing_are_told_before_any_work(checkpoint: Path, boxes: Path, tmp_path: Path):
    recipe = wan_recipe(tmp_path, "paper", "nobody/no-such-model")
    with pytest.raises(UserError, match=r"no weights of 'nobody/no-such-model'.*hf download"):
        train(recipe, data=boxes, out=tmp_path / "out")
    part = tmp_path / "part"
    shutil.copytree(checkpoint, part)
    shutil.rmtree(part / "image_encoder")
    with pytest.raises(UserError, match="not a whole checkpoint, image_encoder missing"):
        train(wan_recipe(tmp_path, "paper", part), data=boxes, out=tmp_path / "out")
    assert not (tmp_path / "out" / "examples").exists()
