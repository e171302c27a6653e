"""A training in pieces, and a finished one that is found again or is not taken for another."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import UserError
from benchmark.video import write_lossless
from egox.training import shipping
from methods.train_verb import stages
from methods.train_verb.verb import UNFINISHED
from tests.methods.train_verb.tiny_training import train


def test_a_training_in_pieces_ends_with_the_weights_of_one_in_one_go(
    trained: Path, recipes: dict[str, Path], boxes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train(recipes["frames"], "--minutes", 0, data=boxes, out=tmp_path, code=UNFINISHED)
    loop = stages.train
    monkeypatch.setattr(stages, "train", lambda *given, **named: loop(*given, **{**named, "minutes": 1e-9}))
    for _ in range(3):
        train(recipes["frames"], "--minutes", 5, data=boxes, out=tmp_path, code=UNFINISHED)
        assert not (tmp_path / "frames" / "model").exists()
    monkeypatch.undo()
    train(recipes["frames"], "--minutes", 5, data=boxes, out=tmp_path)
    ours, theirs = (
        load_file(out / "frames" / "model" / "transformer" / "diffusion_pytorch_model.safetensors") for out in (tmp_path, trained)
    )
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_a_finished_training_is_found_and_another_one_is_not_taken_for_it(trained: Path, recipes: dict[str, Path], boxes: Path):
    before = (trained / "ours" / "model" / "training.json").stat().st_mtime_ns
    assert "is in" in train(recipes["ours"], data=boxes, out=trained).output
    assert (trained / "ours" / "model" / "training.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds weights of another training"):
        train(recipes["ours"], "--steps", 1, data=boxes, out=trained)


def test_a_finished_training_of_other_data_or_on_a_base_that_changed_is_not_taken(
    trained: Path, recipes: dict[str, Path], boxes: Path, tmp_path: Path
):
    shutil.copytree(boxes, tmp_path / "data")
    write_lossless(tmp_path / "data" / "b1" / "ego.mkv", np.full((49, 128, 128, 3), 90, np.uint8), fps=30)
    with pytest.raises(UserError, match="trained with other examples of split 'all'"):
        train(recipes["ours"], data=tmp_path / "data", out=trained)
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    path = out / "pairs" / "model" / "also.safetensors"
    save_file({name: value + 1 for name, value in load_file(path).items()}, path)
    with pytest.raises(UserError, match="trained from other weights of pairs: remove it to train them again"):
        train(recipes["ours"], data=boxes, out=out)
    with pytest.raises(shipping.ShippingError, match="was trained from other weights of pairs than"):
        shipping.ship(out, tmp_path / "mini")
    (out / "pairs" / "report.json").write_text("{}")
    with pytest.raises(UserError, match=r"pairs.report\.json: not a report that can be read here"):
        train(recipes["pairs"], data=boxes, out=out)
    (out / "ours" / "model" / "report.json").write_text("{}")
    with pytest.raises(shipping.ShippingError, match=r"model.report\.json: not a report"):
        shipping.finished_in(out)
