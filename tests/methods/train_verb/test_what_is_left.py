"""What a training leaves: models, reports, curves, contact sheets, and a folder of weights to ship."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from egox.pipeline import EgoXPipeline
from egox.training import shipping
from egox.training.curves import read_curves
from egox.training.report import read_report, write_report
from tests.egox import tiny


def test_the_stages_of_a_curriculum_leave_models_reports_curves_and_sheets(trained: Path):
    for stage, files in {
        "frames": ["model_index.json", "vae", "transformer", "text_encoder", "tokenizer", "scheduler", "preconditioner"],
        "clips": ["model_index.json", "vae", "transformer", "preconditioner"],
        "ours": ["pytorch_lora_weights.safetensors", "also.safetensors", "preconditioner"],
    }.items():
        assert [name for name in files if not (trained / stage / "model" / name).exists()] == []
        assert (trained / stage / "curves.csv").is_file()
        assert (trained / stage / "curves.png").is_file()
        assert not (trained / stage / "start").exists()
    report = read_report(trained / "ours" / "report.json")
    assert report is not None
    assert (report.steps, report.batch, report.samples, report.shortened) == (2, 2, 4, False)
    assert (report.train.clips, report.train.kind, report.train.examples, report.train.canvas) == (2, "clips", 2, "mini")
    assert (report.recipe, report.started_from) == ("ours", "pairs")
    assert list(report.validation) == ["0.1", "0.3", "0.5", "0.7", "0.9", "0.98"]
    assert all(np.isfinite(value) for value in report.validation.values())
    assert "CPU" in report.device


def test_the_sheet_shows_exo_prior_result_and_truth_of_two_clips(trained: Path):
    sheet = np.asarray(Image.open(trained / "ours" / "sheets" / "step-00000002.png"))
    assert sheet.shape[1] == 224 + 3 * 128 + 4 * 4
    assert sheet.shape[0] == 12 + 2 * (2 * 12 + 3 * (128 + 4))
    generated = sheet[36 : 36 + 128, 224 + 128 + 8 : 224 + 2 * 128 + 8]
    truth = sheet[36 : 36 + 128, 224 + 2 * 128 + 12 : 224 + 3 * 128 + 12]
    assert generated.std() > 5
    assert np.abs(generated.astype(int) - truth).mean() > 1
    curves = read_curves(trained / "ours" / "curves.csv")
    assert 0 < curves["psnr_generated", None][-1][1] < curves["psnr_prior", None][-1][1] + 10
    assert ("psnr_mean", None) in read_curves(trained / "frames" / "curves.csv")


def test_the_card_says_of_each_recipe_what_it_learned_from_and_marks_what_was_limited(trained: Path):
    frames, ours = (one for one in shipping.finished_in(trained) if one.name in ("frames", "ours"))
    train_on = msgspec.structs.replace(ours.report.train, split="few", clips=1, limit=1)
    ours = dataclasses.replace(ours, report=msgspec.structs.replace(ours.report, train=train_on))
    card = shipping.card([frames, ours], mark="")
    assert "**On the first clips of their splits alone: ours.**" in card
    rows = {line.split(" | ")[0]: line for line in card.splitlines() if line.startswith("| ")}
    assert "2 clips of `all` |" in rows["| frames"]
    assert "1 clips of `few` |" in rows["| ours"]


def test_what_is_shipped_runs_and_says_how_it_was_made(trained: Path, recipes: dict[str, Path], tmp_path: Path):
    shipped = shipping.ship(trained, tmp_path / "mini", mark="First short training.")
    assert [one.name for one in shipped] == ["frames", "clips", "pairs", "ours", "unguided"]
    assert sorted(path.name for path in (tmp_path / "mini" / "lora").iterdir()) == ["ours", "unguided"]
    card = (tmp_path / "mini" / "README.md").read_text()
    assert "**First short training.**" in card
    assert "| 4 | 8 |" in card
    assert load_file(tmp_path / "mini" / "transformer" / "diffusion_pytorch_model.safetensors")["proj_out.weight"].dtype == (
        torch.bfloat16
    )
    kept = load_file(tmp_path / "mini" / "vae" / "diffusion_pytorch_model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}
    texts = [path.read_text() for path in (tmp_path / "mini").rglob("*") if path.suffix in (".json", ".md")]
    assert len(texts) > 8
    assert [text for text in texts if str(trained.parent) in text or "_name_or_path" in text] == []
    pipeline = EgoXPipeline.from_pretrained(tmp_path / "mini", recipe=str(recipes["ours"]))
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline.preconditioner is not None
    clip = tiny.clip(pixels=tiny.Grid(frames=17, height=128, exo=224, ego=128), prompt="a person waits")
    made = pipeline(clip, generator=torch.Generator().manual_seed(0))
    assert made.frames.shape == (17, 128, 128, 3)


def test_a_regression_is_an_opponent_and_not_shipped(trained: Path, tmp_path: Path):
    shutil.copytree(trained, tmp_path / "out")
    path = tmp_path / "out" / "unguided" / "model" / "report.json"
    report = read_report(path)
    assert report is not None
    write_report(path, msgspec.structs.replace(report, recipe="mini/regression"))
    shipping.ship(tmp_path / "out", tmp_path / "mini")
    assert [path.name for path in (tmp_path / "mini" / "lora").iterdir()] == ["ours"]


def test_adapters_without_their_base_are_not_shipped(trained: Path, tmp_path: Path):
    shutil.copytree(trained / "ours", tmp_path / "alone" / "ours")
    with pytest.raises(shipping.ShippingError, match="start from nothing; expected one base among none"):
        shipping.ship(tmp_path / "alone", tmp_path / "mini")
    with pytest.raises(shipping.ShippingError, match="no finished training"):
        shipping.ship(tmp_path / "mini", tmp_path / "mini")


def test_what_is_too_large_is_not_shipped_and_leaves_the_old_one(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mini").mkdir()
    (tmp_path / "mini" / "old").write_text("here")
    monkeypatch.setattr(shipping, "MOST_BYTES_OF_A_FILE", 1000)
    with pytest.raises(SystemExit, match=r"its largest file .*safetensors .*are the most"):
        shipping.main([str(trained), "--into", str(tmp_path / "mini")])
    assert [path.name for path in tmp_path.rglob("*")] == ["mini", "old"]
