"""`egox-bench train --ladder`: what stands beside a trained model, on painted boxes with a tiny transformer."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from benchmark.cli import build
from benchmark.errors import UserError
from benchmark.metrics.psnr import psnr
from egox.canvas import Grid, JointCanvas
from egox.encoding import decode_video
from egox.pipeline import EgoXPipeline
from egox.recipe import load_recipe
from egox.training.encoding_clips import ExampleKind
from egox.training.examples import ExampleStore
from methods.train_verb import ladder as ladders
from methods.train_verb.budget import Budget
from methods.train_verb.clips import Asked
from methods.train_verb.curriculum import recipes_named
from methods.train_verb.ladder import REGRESSIONS, trained_pipeline, true_videos
from methods.train_verb.ladder_scores import COLUMNS, Ladder, RungScores, Scorer, as_csv, drawn, known_pixels
from methods.train_verb.stages import Setup, Stage
from methods.train_verb.verb import UNFINISHED
from tests.box_folder import write_box_folder
from tests.methods.train_verb.tiny_training import RECIPES, written
from tests.weights_at_hand import ROOT, need_weights

TITLES = (
    "codec", "prior", "guess", "mean picture", "ridge", "nearest", "regression", "model, 1 step", "model, 2 steps",
)  # fmt: skip

REGRESSION = (
    'extends = "{folder}/pairs.toml"\n[sampling]\nsteps = 1\ntemperature = 0.0\n[training]\nnoise = {{ kind = "one" }}\n'
    'starts_from = "{folder}/clips.toml"\n'
)


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("EGOX_BENCH_OFFLINE", "1")
        patch.setenv("ACCELERATE_USE_CPU", "true")
        yield


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    texts = {**{name: RECIPES[name] for name in ("frames", "clips", "pairs")}, "regression": REGRESSION}
    return written(tmp_path_factory.mktemp("recipes"), texts)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("boxes"), clips=2)


def train(*words: object, data: Path, out: Path, code: int = 0) -> Result:
    places = ("--data", data, "--split", "all", "--val-split", "all", "--protocol", "mini", "--out", out, "--device", "cpu")
    done = CliRunner().invoke(build(), ["train", *map(str, (*words, *places))])
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done


@pytest.fixture(scope="module")
def out(recipes: dict[str, Path], boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    train(*(recipes[name] for name in ("frames", "clips", "pairs")), "--ladder", 3, data=boxes, out=out)
    return out


@pytest.fixture(scope="module")
def ladder(out: Path) -> Ladder:
    return msgspec.json.decode((out / "pairs" / "ladder.json").read_bytes(), type=Ladder)


def means(ladder: Ladder, metric: str) -> dict[str, float]:
    """By rung; NaN where a rung that is there has no value."""
    return {rung.title: mean_of(rung, metric) for rung in ladder.rungs if rung.scores}


def mean_of(rung: RungScores, metric: str) -> float:
    mean = rung.scores[metric].mean
    return math.nan if mean is None else mean


def test_rungs_come_in_order_and_a_regression_that_does_not_ship_says_so(ladder: Ladder):
    assert tuple(rung.title for rung in ladder.rungs) == TITLES
    by_title = {rung.title: rung for rung in ladder.rungs}
    absent = by_title.pop("regression")
    assert absent.about == "no regression of this network and conditioning ships"
    assert (absent.seconds, absent.scores) == (None, {})
    assert all(rung.seconds is not None and rung.seconds > 0 for rung in by_title.values())


def test_all_rungs_are_scored_on_evenly_chosen_examples_against_the_true_video(ladder: Ladder, out: Path, boxes: Path):
    kind = ExampleKind(one_view=False, single=True)
    names = [name for clip in ("b0", "b1") for name in kind.examples_of(clip, 17)]
    assert ladder.split == "all"
    assert ladder.examples == tuple(names[number] for number in ladders._spread(len(names), 3))
    truths = true_videos(Asked(data=str(boxes), split="all", protocol="mini", limit=None), kind, ladder.examples, workers=1)
    assert [truth.shape for truth in truths] == [(1, 128, 128, 3)] * 3
    (folder,) = (out / "examples").glob("frames-*/all")
    store = ExampleStore(folder)
    codec = EgoXPipeline.from_pretrained(out / "clips" / "model", recipe=load_recipe("mini/base-frames"), with_text=False).vae
    scores = {rung.title: rung.scores["psnr"].values for rung in ladder.rungs if rung.scores}
    for name, truth in zip(ladder.examples, truths, strict=True):
        example = store[store.names.index(name)]
        for title, latents in (("codec", example["ego"]), ("prior", example["prior"])):
            expected = psnr(decode_video(codec, latents[None]), truth, cap_db=100.0).value
            assert scores[title][name] == pytest.approx(expected, abs=1e-6)


def test_the_codec_is_the_ceiling_and_what_was_learned_of_the_same_clips_comes_next(ladder: Ladder):
    found = means(ladder, "psnr")
    assert max(found, key=lambda title: found[title]) in ("codec", "nearest")
    # split and val split are one here, so the nearest example is the example itself
    assert found["nearest"] == pytest.approx(found["codec"], abs=1e-3)
    assert found["ridge"] > found["mean picture"]


def test_where_training_mirrors_the_anchors_see_mirror_images_too(ladder: Ladder, recipes: dict[str, Path]):
    training = load_recipe(str(recipes["pairs"])).training
    assert training is not None
    assert training.mirror == 0.5
    about = {rung.title: rung.about for rung in ladder.rungs}
    assert about["mean picture"] == "the mean of 10 training examples and their mirror images"
    assert about["ridge"].startswith("ridge regression on 10 training examples and their mirror images, penalty ")
    assert about["nearest"].startswith("of 10 training examples and their mirror images that of the nearest exo and prior, 3 ")


def test_seen_and_imagined_are_columns_of_their_own(ladder: Ladder):
    assert "by more than 50%" in ladder.regions
    seen, imagined = (means(ladder, f"psnr-{region}")["prior"] for region in ("seen", "imagined"))
    assert np.isfinite([seen, imagined]).all()
    assert seen != imagined


def test_without_weights_the_other_columns_come_out_with_a_note(ladder: Ladder):
    for metric in ("st-lpips", "st-lpips-seen", "st-lpips-imagined", "eff-i"):
        assert all(math.isnan(mean) for mean in means(ladder, metric).values())
    for metric in ("psnr", "ssim", "psnr-seen", "psnr-imagined"):
        assert all(math.isfinite(mean) for mean in means(ladder, metric).values())
    text = drawn(ladder)
    assert "ST-LPIPS: weights missing, run 'egox-bench weights fetch st-lpips-alex'" in text
    assert text.count("Eff-I: weights missing") == 1


def test_nothing_tells_where_files_lay(ladder: Ladder, out: Path, recipes: dict[str, Path]):
    assert ladder.recipe == "pairs"
    written = [(out / "pairs" / name).read_text() for name in ("ladder.json", "ladder.csv")]
    assert [text for text in (*written, drawn(ladder)) if str(recipes["pairs"].parent) in text or str(out) in text] == []


def test_the_csv_has_the_means_of_the_table(ladder: Ladder, out: Path):
    text = (out / "pairs" / "ladder.csv").read_text()
    assert text == as_csv(ladder)
    lines = {line["rung"]: line for line in csv.DictReader(text.splitlines())}
    assert tuple(lines) == TITLES
    assert float(lines["ridge"]["psnr"]) == means(ladder, "psnr")["ridge"]
    assert lines["ridge"]["eff-i"] == lines["regression"]["psnr"] == lines["regression"]["n-psnr"] == ""
    assert (lines["ridge"]["n-psnr"], lines["ridge"]["n-eff-i"]) == ("3", "0")
    assert f"{means(ladder, 'psnr')['ridge']:.2f}" in drawn(ladder)


def test_the_sheet_has_a_column_a_rung_and_a_line_an_example(out: Path):
    sheet = np.asarray(Image.open(out / "pairs" / "ladder.png"))
    assert sheet.shape == (12 + 3 * (2 * 12 + 128 + 4), (1 + len(TITLES) - 1) * (128 + 4), 3)


def test_a_ladder_of_a_finished_training_is_the_same_again_but_for_seconds(
    ladder: Ladder, recipes: dict[str, Path], boxes: Path, out: Path
):
    told = train(recipes["clips"], recipes["pairs"], "--ladder", 3, data=boxes, out=out).output
    assert "clips.toml: no ladder" in told or "clips: no ladder" in told
    again = msgspec.json.decode((out / "pairs" / "ladder.json").read_bytes(), type=Ladder)
    assert [(rung.title, rung.scores) for rung in again.rungs] == [(rung.title, rung.scores) for rung in ladder.rungs]


def test_a_regression_that_was_trained_on_the_same_examples_is_a_rung(
    recipes: dict[str, Path], boxes: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ladders, "REGRESSIONS", {"single": str(recipes["regression"])})
    told = train(recipes["regression"], recipes["pairs"], "--ladder", 1, data=boxes, out=out).output
    found = msgspec.json.decode((out / "pairs" / "ladder.json").read_bytes(), type=Ladder)
    rung = next(rung for rung in found.rungs if rung.title == "regression")
    assert "1 steps of training" in rung.about
    assert rung.scores["psnr"].mean is not None
    assert "regression" in told


def stage_of(name: str, out: Path) -> Stage:
    asked = Asked(data="sim", split="train", protocol=None, limit=None)
    (recipe,) = recipes_named([name])
    return Stage(
        recipe,
        Setup(
            train=asked, val=asked, out=out, workers=1, device="cpu", budget=Budget(None), steps=None, sheets=0,
            planned=(name,), arguments=(),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(("name", "beside"), [("mini/egox-frames", "single"), ("mini/egox", "all")])
def test_a_regression_that_ships_but_is_not_trained_is_named(name: str, beside: str, tmp_path: Path):
    rung = ladders._regression(stage_of(name, tmp_path))
    assert rung.about == f"not trained: egox-bench train {REGRESSIONS[beside]}, with the same --out"
    assert rung.predict is None


@pytest.mark.parametrize("name", ["mini/no-gga-frames", "mini/no-prior", "mini/no-clean-latent"])
def test_an_ablation_has_no_regression_of_another_conditioning_beside_it(name: str, tmp_path: Path):
    rung = ladders._regression(stage_of(name, tmp_path))
    assert (rung.about, rung.predict) == ("no regression of this network and conditioning ships", None)


def test_no_ladder_is_drawn_once_the_minutes_are_over_nor_where_only_examples_are_made(
    recipes: dict[str, Path], boxes: Path, out: Path, ladder: Ladder
):
    asked, before = (recipes["pairs"], "--ladder", 3), (out / "pairs" / "ladder.json").stat().st_mtime_ns
    told = train(*asked, "--minutes", 0, data=boxes, out=out, code=UNFINISHED).output
    assert "0 minutes are over" in told
    assert "against the true video" not in train(*asked, "--only-examples", data=boxes, out=out).output
    assert (out / "pairs" / "ladder.json").stat().st_mtime_ns == before


def test_a_regression_predicts_the_same_whatever_the_noise(recipes: dict[str, Path], boxes: Path, out: Path):
    train(recipes["regression"], data=boxes, out=out)
    (recipe,) = recipes_named([str(recipes["regression"])])
    predict = ladders._sampling(trained_pipeline(recipe, out, device="cpu"), steps=1)
    (folder,) = (out / "examples").glob("frames-*/all")
    example = ExampleStore(folder)[0]
    with torch.no_grad():
        assert torch.equal(predict(0, example), predict(7, example))


# ---- the parts ----


def test_of_single_frames_not_only_first_ones_are_shown():
    assert ladders._spread(24, 8) == [0, 4, 8, 9, 13, 17, 18, 22]
    assert ladders._spread(5, 5) == ladders._spread(5, 9) == [0, 1, 2, 3, 4]
    assert [len(set(ladders._spread(72, count))) for count in range(1, 73)] == list(range(1, 73))
    assert max(max(ladders._spread(72, count)) for count in range(1, 73)) == 71


def test_known_shares_unfold_to_the_frames_that_they_were_folded_from():
    canvas = JointCanvas(pixels=Grid(frames=9, height=32, exo=32, ego=16))
    valid = torch.rand(9, 4, 2, generator=torch.Generator().manual_seed(0)) > 0.5
    pixels = valid.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert np.array_equal(known_pixels(canvas.cell_shares(pixels), frames=9, side=8), pixels.numpy())
    half = torch.full((4, 3, 4, 2), 0.5)
    assert not known_pixels(half, frames=9, side=8).any()
    with pytest.raises(ValueError, match="known shares are of 9 frames, the video has 8"):
        known_pixels(half, frames=8, side=8)


def test_an_example_whose_prior_knows_nothing_has_no_seen_pixels_and_does_not_count(tmp_path: Path):
    truth = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 3), dtype=np.uint8)
    known = [np.zeros((1, 32, 32), bool), np.ones((1, 32, 32), bool)]
    scorer = Scorer(names=["a", "b"], truths=[truth, truth], known=known, device="cpu")
    scorer.add("it", "something", [truth // 2, truth // 2], seconds=1.0)
    scores = scorer.rungs[0].scores
    assert list(scores["psnr-seen"].values) == ["b"]
    assert scores["psnr-seen"].undefined == ("no frame has a pixel in this region",)
    assert list(scores["psnr-imagined"].values) == ["a"]
    assert set(scores) == set(COLUMNS)
    of_both = Ladder(
        schema=1, recipe="r", split="s", protocol="p", regions="g", examples=("a", "b"), rungs=tuple(scorer.rungs)
    )  # fmt: skip
    text = drawn(of_both)
    assert "PSNR seen: mean over 1 of 2 examples; the others: no frame has a pixel in this region\n" in text
    assert "\nPSNR:" not in text
    line = next(csv.DictReader(as_csv(of_both).splitlines()))
    assert (line["n-psnr"], line["n-psnr-seen"], line["n-psnr-imagined"]) == ("2", "1", "1")
    scorer.known[0][:] = True
    scorer.add("other", "something", [truth, truth], seconds=1.0)
    text = drawn(msgspec.structs.replace(of_both, rungs=tuple(scorer.rungs)))
    assert "PSNR seen: mean over 1 of 2 examples; the others: no frame has a pixel in this region (it)\n" in text


def test_with_weights_every_column_has_a_value_and_the_truth_itself_is_perfect(monkeypatch: pytest.MonkeyPatch):
    need_weights("st-lpips-alex", "efficientnet-lite0")
    monkeypatch.setenv("EGOX_BENCH_WEIGHTS", str(ROOT))
    truth = np.random.default_rng(0).integers(0, 255, (2, 128, 128, 3), dtype=np.uint8)
    known = np.zeros((2, 128, 128), bool)
    known[:, :64] = True
    scorer = Scorer(names=["a"], truths=[truth], known=[known], device="cpu")
    below = truth.copy()
    below[:, 64:] = 255 - below[:, 64:]
    for title, video in (("truth", truth), ("wrong below", below)):
        scorer.add(title, "", [video], seconds=0.0)
    perfect, wrong = ({metric: mean_of(rung, metric) for metric in COLUMNS} for rung in scorer.rungs)
    assert (perfect["st-lpips"], perfect["eff-i"]) == (0.0, pytest.approx(1.0))
    assert wrong["st-lpips-imagined"] > 4 * wrong["st-lpips-seen"]
    assert (wrong["psnr-seen"], wrong["psnr-imagined"] < 20) == (perfect["psnr-seen"], True)
