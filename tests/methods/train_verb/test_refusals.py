"""Which recipes are trained, in which order, and what is refused before any work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmark.cli import build
from benchmark.errors import UserError
from methods.train_verb import processes
from methods.train_verb.curriculum import place_of, recipes_named
from tests.methods.train_verb.tiny_training import train


def test_the_mini_curriculum_trains_each_recipe_after_what_it_starts_from():
    names = [recipe.name for recipe in recipes_named(["mini"])]
    assert names[:2] == ["mini/base-frames", "mini/base-clips"]
    first, then = ["mini/egox-frames", "mini/no-clean-latent-frames", "mini/no-gga-frames", "mini/no-prior-frames"], names[6:]
    assert names[2:6] == first
    assert then == [name.removesuffix("-frames") for name in first]


def test_a_wrong_name_gets_the_nearest_one(boxes: Path, tmp_path: Path):
    with pytest.raises(UserError, match="no recipe 'mini/ego'; did you mean 'mini/egox'"):
        train("mini/ego", data=boxes, out=tmp_path)
    with pytest.raises(UserError, match="unknown split 'trian'"):
        train("mini/base-frames", split="trian", data=boxes, out=tmp_path)


def test_a_recipe_for_sampling_alone_is_refused(boxes: Path, tmp_path: Path):
    path = tmp_path / "sampled.toml"
    path.write_text('summary = "runs"\n[model]\ncheckpoint = "x"\n')
    with pytest.raises(UserError, match=r"has no \[training\]"):
        train(path, data=boxes, out=tmp_path / "out")


def test_recipes_that_would_share_a_folder_are_refused(recipes: dict[str, Path], tmp_path: Path):
    shutil.copy(recipes["frames"], tmp_path / "frames.toml")
    with pytest.raises(UserError, match="in one folder; rename one"):
        recipes_named([str(recipes["frames"]), str(tmp_path / "frames.toml")])
    assert place_of("mini/egox") == "mini/egox"
    assert place_of(str(tmp_path / "frames")) == "frames"


def test_what_a_recipe_starts_from_must_be_trained_or_shipped(
    recipes: dict[str, Path], boxes: Path, trained: Path, tmp_path: Path
):
    with pytest.raises(UserError, match=r"starts from .*clips\.toml, which is not at .*train it first"):
        train(recipes["pairs"], data=boxes, out=tmp_path / "out")
    with pytest.raises(UserError, match=r"starts from .*pairs\.toml, which is not at .*train it first"):
        train(recipes["ours"], data=boxes, out=tmp_path / "out")
    elsewhere = tmp_path / "elsewhere.toml"
    model = trained / "clips" / "model"
    elsewhere.write_text(f'extends = "{recipes["pairs"]}"\n[model]\ncheckpoint = "{model}"\n')
    told = train(elsewhere, "--only-examples", data=boxes, out=tmp_path / "out").output
    assert f"starting from checkpoint {model}" in told


def test_a_codec_of_other_clips_is_not_taken(recipes: dict[str, Path], boxes: Path, trained: Path, tmp_path: Path):
    shutil.copytree(trained / "codec", tmp_path / "codec")
    with pytest.raises(UserError, match="codec was fitted on other clips"):
        train(recipes["frames"], "--limit", 1, data=boxes, out=tmp_path)


def test_a_folder_that_cannot_be_written_is_told_before_any_work(recipes: dict[str, Path], boxes: Path, tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"taken: cannot be written .*choose another --out"):
        train(recipes["frames"], data=boxes, out=tmp_path / "taken")


def test_several_processes_find_everything_made(
    recipes: dict[str, Path], boxes: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processes, "PROCESSES", 2)
    with pytest.raises(UserError, match=r"is missing or stale: before training on 2 processes .*--only-examples"):
        train(recipes["frames"], data=boxes, out=tmp_path)
    shutil.copytree(trained / "clips" / "model", tmp_path / "clips" / "model")
    with pytest.raises(UserError, match=r"examples of 2 clips are missing: .*--only-examples"):
        train(recipes["pairs"], data=boxes, out=tmp_path)


def test_a_gpu_that_is_not_there_is_told(recipes: dict[str, Path], tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    done = CliRunner().invoke(build(), ["train", str(recipes["frames"]), "--out", str(tmp_path), "--device", "cuda"])
    assert isinstance(done.exception, UserError)
    assert "torch sees no GPU here" in str(done.exception)
