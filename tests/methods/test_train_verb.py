"""`egox-bench train` from clips to weights: on painted boxes with a tiny transformer, and with the classes of the full size."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from benchmark.cli import build
from benchmark.errors import UserError
from benchmark.video import write_lossless
from egox.pipeline import EgoXPipeline
from egox.training import shipping
from egox.training.curves import read_curves
from egox.training.encoding_clips import ClipEncoder, ExampleKind
from egox.training.examples import ExampleStore, key_of
from egox.training.preconditioning import preconditioner_key
from egox.training.report import read_report
from methods.train_verb import making, processes, stages
from methods.train_verb.clips import Asked, TrainingClips
from methods.train_verb.curriculum import place_of, recipes_named
from methods.train_verb.making import Wanted
from methods.train_verb.verb import UNFINISHED
from tests.box_folder import write_box_folder
from tests.egox import tiny

ROOT = Path(__file__).resolve().parents[2]

TINY = """
[model]
checkpoint = "no-such-folder"
text_tokens = 24
transformer = { num_attention_heads = 2, attention_head_dim = 12, num_layers = 1, ffn_dim = 32, freq_dim = 32, text_dim = 16 }

[training]
steps = 4
batch_size = 2
warmup_steps = 1
ema = 0.9
checkpoint_every = 2
validate_every = 4
"""

RECIPES = {
    "frames": 'extends = "mini/base-frames"' + TINY,
    "clips": 'extends = "{folder}/frames.toml"\n[training]\nframes = "all"\nstarts_from = "{folder}/frames.toml"\nsteps = 2\n',
    "pairs": (
        'extends = "{folder}/clips.toml"\n[model]\nlora = {{ rank = 2, alpha = 2, also = ["patch_embedding", "proj_out"] }}\n'
        "[sampling]\nsteps = 2\nguidance_scale = 1.0\n"
        '[training]\ntask = "egox"\nframes = "single"\nstarts_from = "{folder}/clips.toml"\nsteps = 1\nprior_dropout = 0.1\n'
    ),
    "ours": 'extends = "{folder}/pairs.toml"\n[training]\nframes = "all"\nstarts_from = "{folder}/pairs.toml"\nsteps = 2\n',
    "unguided": 'extends = "{folder}/ours.toml"\n[conditioning.guidance]\non = false\n',
}


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("ACCELERATE_USE_CPU", "true")
        yield


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recipes")
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text(text.format(folder=folder) if name != "frames" else text)
    return {name: folder / f"{name}.toml" for name in RECIPES}


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("boxes"), clips=2)


def train(*words: object, data: Path, out: Path, split: str = "all", code: int = 0) -> Result:
    places = ("--data", data, "--split", split, "--val-split", "all", "--protocol", "mini", "--out", out, "--device", "cpu")
    done = CliRunner().invoke(build(), ["train", *map(str, (*words, *places))])
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done


@pytest.fixture(scope="module")
def trained(recipes: dict[str, Path], boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages, once."""
    out = tmp_path_factory.mktemp("trained")
    train(*(recipes[name] for name in ("frames", "clips", "pairs", "ours", "unguided")), data=boxes, out=out)
    return out


# ---- what a training leaves ----


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


def test_kinds_of_examples_have_the_shapes_that_their_names_say(trained: Path):
    kinds = {path.name.rsplit("-", 1)[0]: ExampleStore(path / "all") for path in (trained / "examples").iterdir()}
    shapes = {
        kind: {name: tuple(tensor.shape) for name, tensor in store[0].items() if name != "prompt_embeds"}
        for kind, store in kinds.items()
    }
    assert shapes == {
        "view-frames": {"ego": (16, 1, 16, 16)},
        "view-clips": {"ego": (16, 5, 16, 16)},
        "frames": {
            "exo": (16, 1, 16, 28), "ego": (16, 1, 16, 16), "prior": (16, 1, 16, 16), "valid": (4, 1, 16, 16),
            "rays": (1, 64, 3), "rays_valid": (1, 64), "directions": (1, 112, 3), "directions_valid": (1, 112),
        },
        "clips": {
            "exo": (16, 5, 16, 28), "ego": (16, 5, 16, 16), "prior": (16, 5, 16, 16), "valid": (4, 5, 16, 16),
            "rays": (5, 64, 3), "rays_valid": (5, 64), "directions": (5, 560, 3), "directions_valid": (5, 560),
        },
    }  # fmt: skip
    assert kinds["view-frames"].names == tuple(
        sorted(f"b{clip}.{view}.{at}" for clip in (0, 1) for view in ("ego", "exo") for at in (0, 4, 8, 12, 16))
    )
    first, whole = kinds["view-frames"][0], kinds["view-clips"][0]
    torch.testing.assert_close(first["ego"][:, 0], whole["ego"][:, 0], rtol=0, atol=2e-3)


def test_all_examples_can_be_made_before_anything_is_trained(
    trained: Path, recipes: dict[str, Path], boxes: Path, tmp_path: Path
):
    asked = [recipes[name] for name in ("frames", "clips", "pairs", "ours")]
    train(*asked, "--only-examples", data=boxes, out=tmp_path)
    found, wanted = (
        {path.relative_to(out): path.read_bytes() for path in (out / "examples").rglob("*.safetensors")}
        for out in (tmp_path, trained)
    )
    assert found == wanted
    assert not list(tmp_path.glob("*/checkpoints"))
    _two_processes_train_one_stage_after_the_other(recipes, boxes, tmp_path)


def _two_processes_train_one_stage_after_the_other(recipes: dict[str, Path], boxes: Path, out: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    places = ["--data", boxes, "--split", "all", "--val-split", "all", "--protocol", "mini", "--out", out, "--device", "cpu"]
    command = [sys.executable, "-m", "methods.train_verb", *map(str, (recipes["frames"], recipes["clips"], *places))]
    shared = {
        **os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    both = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**shared, "RANK": k, "LOCAL_RANK": k},
            text=True,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for k in ("0", "1")
    ]
    said = [process.communicate(timeout=240)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0].count("no contact sheets on 2 processes") == 2
    assert "clips" not in said[1]
    for stage, samples in (("frames", 16), ("clips", 8)):
        report = read_report(out / stage / "report.json")
        assert report is not None
        assert (report.batch, report.samples) == (4, samples)
        assert (out / stage / "model" / "model_index.json").is_file()
        assert not (out / stage / "sheets").exists()


def test_a_recipe_that_differs_in_what_it_does_with_examples_alone_shares_them(trained: Path):
    assert len([path for path in (trained / "examples").iterdir() if path.name.startswith("clips-")]) == 1


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


# ---- pieces, and what is made again ----


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


@pytest.fixture(scope="module")
def prepared(trained: Path, boxes: Path, recipes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of one's own, a folder with a trained base, and examples of single frames in it."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(boxes, folder / "data")
    shutil.copytree(trained / "clips" / "model", folder / "out" / "clips" / "model")
    train(recipes["pairs"], "--only-examples", data=folder / "data", out=folder / "out")
    return folder


@pytest.fixture
def begun(prepared: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A copy of it: data, out, and the folder of its examples."""
    shutil.copytree(prepared, tmp_path / "begun")
    data, out = tmp_path / "begun" / "data", tmp_path / "begun" / "out"
    (folder,) = (out / "examples").glob("frames-*/all")
    return data, out, folder


def test_only_examples_are_made_where_nothing_else_is_asked_for(begun: tuple[Path, Path, Path]):
    _, out, folder = begun
    assert ExampleStore(folder).names == tuple(f"b{clip}.{at}" for clip in (0, 1) for at in (0, 12, 16, 4, 8))
    assert sorted(path.name for path in (out / "pairs").iterdir()) == ["preconditioner"]
    example = ExampleStore(folder)[0]
    assert {name: tuple(example[name].shape) for name in ("exo", "directions")} == {
        "exo": (16, 1, 16, 28), "directions": (1, 112, 3),
    }  # fmt: skip


def test_examples_of_a_clip_that_changed_are_made_anew_and_no_others(begun: tuple[Path, Path, Path], recipes: dict[str, Path]):
    data, out, folder = begun
    before = times(folder)
    assert "made anew" not in train(recipes["pairs"], "--only-examples", data=data, out=out).output
    assert times(folder) == before
    write_lossless(data / "b1" / "ego.mkv", np.full((49, 128, 128, 3), 90, np.uint8), fps=30)
    told = train(recipes["pairs"], "--only-examples", data=data, out=out).output
    assert "5 examples are of other clips, encoders or code; they are made anew" in told
    assert {name for name, time in times(folder).items() if time != before[name]} == {f"b1.{at}" for at in (0, 4, 8, 12, 16)}


def test_a_damaged_example_is_made_anew_and_told(begun: tuple[Path, Path, Path], recipes: dict[str, Path]):
    data, out, folder = begun
    path = folder / "b0.8.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert "1 examples are damaged; they are made anew" in train(recipes["pairs"], data=data, out=out).output
    assert path.read_bytes() == whole
    assert (out / "pairs" / "model" / "also.safetensors").is_file()


def test_a_clip_without_truth_is_named_and_the_others_are_learned_from(
    begun: tuple[Path, Path, Path], recipes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    data, out, folder = begun
    table = json.loads((data / "clips.json").read_text())
    del table["clips"][0]["ego"]["video"]
    (data / "clips.json").write_text(json.dumps(table))
    told = train(recipes["pairs"], "--only-examples", data=data, out=out).output
    assert "b0: no example: " in told
    assert "5 examples to train on, 5 to validate with" in told
    monkeypatch.setattr(processes, "PROCESSES", 2)  # what is lost counts as made: nobody tries again
    told = train(recipes["pairs"], "--only-examples", data=data, out=out).output
    assert "1 clips give no example, lost.json says why" in told
    assert "b0: no example" not in told
    assert set(json.loads((folder / "lost.json").read_text())) == {"b0"}
    monkeypatch.undo()
    del table["clips"][1]["ego"]["video"]
    (data / "clips.json").write_text(json.dumps(table))
    with pytest.raises(UserError, match=r"no clip of split 'all' of .* gives an example"):
        train(recipes["pairs"], "--only-examples", data=data, out=out)
    assert len(ExampleStore(folder)) == 10


def test_encoders_are_loaded_once_however_many_clips_there_are(
    begun: tuple[Path, Path, Path], recipes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    data, out, folder = begun
    shutil.rmtree(folder)
    loaded: list[Path] = []
    encoders = making.encoder_of

    def counted(recipe: Any, place: Path, *, device: str) -> Any:
        loaded.append(place)
        return encoders(recipe, place, device=device)

    monkeypatch.setattr(making, "AT_ONCE", 1)
    monkeypatch.setattr(making, "encoder_of", counted)
    train(recipes["pairs"], "--only-examples", data=data, out=out)
    assert len(ExampleStore(folder)) == 10
    assert len(loaded) == 1


def test_a_preconditioner_of_other_examples_is_not_fitted_by_several_processes(
    begun: tuple[Path, Path, Path], recipes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    data, out, _ = begun
    (out / "pairs" / "preconditioner" / "examples.txt").write_text("of others\n")
    monkeypatch.setattr(processes, "PROCESSES", 2)
    with pytest.raises(UserError, match="preconditioner is missing or stale: before training on 2 processes"):
        train(recipes["pairs"], data=data, out=out)


def test_only_what_decides_a_preconditioner_is_in_its_key(begun: tuple[Path, Path, Path], recipes: dict[str, Path]):
    (recipe,) = recipes_named([str(recipes["pairs"])])
    examples = ExampleStore(begun[2])
    assert recipe.training is not None
    longer = msgspec.structs.replace(recipe, training=msgspec.structs.replace(recipe.training, steps=9, learning_rate=1.0))
    other = msgspec.structs.replace(
        recipe, training_conditioning=msgspec.structs.replace(recipe.training_conditioning, ego_mask="empty")
    )
    assert preconditioner_key(recipe, examples) == preconditioner_key(longer, examples)
    assert preconditioner_key(recipe, examples) != preconditioner_key(other, examples)


def test_recipes_of_another_precision_or_text_length_keep_their_examples_elsewhere(
    begun: tuple[Path, Path, Path], recipes: dict[str, Path]
):
    data, out, folder = begun
    (recipe,) = recipes_named([str(recipes["pairs"])])
    asked = Asked(data=str(data), split="all", protocol="mini", limit=None)

    def place(**values: Any) -> Path:
        changed = msgspec.structs.replace(recipe, model=msgspec.structs.replace(recipe.model, **values))
        return Wanted.of(asked, changed, encoders=out / "clips" / "model", out=out, device="cpu").folder

    assert place() == folder
    assert len({place(), place(precision="bf16"), place(text_tokens=99)}) == 3


def test_the_prior_s_options_are_part_of_the_examples(begun: tuple[Path, Path, Path], recipes: dict[str, Path]):
    data, out, folder = begun
    with pytest.raises(UserError, match=r"unknown option of ego-prior 'depth_modl'; did you mean 'depth_model'"):
        train(recipes["pairs"], "--set", "depth_modl=x", data=data, out=out)
    with pytest.raises(UserError, match="nobody/depth"):  # the network is asked for, instead of the depth that data lacks
        train(recipes["pairs"], "--set", "depth_model=nobody/depth", "--only-examples", data=data, out=out)
    assert not (folder / "lost.json").exists()
    told = train(recipes["pairs"], "--set", "fuse=false", "--only-examples", data=data, out=out).output
    assert "10 examples are of other clips, encoders or code; they are made anew" in told


FRAMES_AND_CLIPS = ("mini/egox-frames", "mini/egox")


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Clips of which a prior was made, one after the other."""
    clips: list[str] = []
    with_prior = TrainingClips.with_prior

    def counted(self: TrainingClips, name: str, maker: Any) -> Any:
        clips.append(name)
        return with_prior(self, name, maker)

    monkeypatch.setattr(TrainingClips, "with_prior", counted)
    return clips


@pytest.fixture
def planned(trained: Path, boxes: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Data of one's own, and a folder with a trained base from which two shipped recipes go on, of single frames and of clips."""
    shutil.copytree(boxes, tmp_path / "planned" / "data")
    shutil.copytree(trained / "clips" / "model", tmp_path / "planned" / "out" / "mini" / "base-clips" / "model")
    return tmp_path / "planned" / "data", tmp_path / "planned" / "out"


def made_in(out: Path) -> dict[str, Path]:
    """Examples by kind and name: "clips/b0"."""
    found = (out / "examples").rglob("*.safetensors")
    return {f"{path.parent.parent.name.rpartition('-')[0]}/{path.stem}": path for path in found}


def test_frames_and_clips_are_made_of_one_prior_and_are_the_same_bytes_as_when_made_apart(
    planned: tuple[Path, Path], rendered: list[str], tmp_path: Path
):
    data, out = planned
    shutil.copytree(out, tmp_path / "apart")
    train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=out)
    assert rendered == ["b0", "b1"]
    train("mini/egox-frames", "--only-examples", data=data, out=tmp_path / "apart")
    assert {name.split("/")[0] for name in made_in(tmp_path / "apart")} == {"frames"}
    train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=tmp_path / "apart")
    assert rendered == ["b0", "b1"] * 3
    ours, theirs = ({name: path.read_bytes() for name, path in made_in(at).items()} for at in (out, tmp_path / "apart"))
    assert len(ours) == 2 * (5 + 1)
    assert ours == theirs


def test_of_a_kind_that_is_there_nothing_is_made_again(planned: tuple[Path, Path], rendered: list[str]):
    data, out = planned
    train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=out)
    before = {name: path.stat().st_mtime_ns for name, path in made_in(out).items()}
    made_in(out)["frames/b0.8"].unlink()
    made_in(out)["clips/b1"].unlink()
    train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=out)
    assert rendered == ["b0", "b1", "b0", "b1"]
    after = {name: path.stat().st_mtime_ns for name, path in made_in(out).items()}
    assert after.keys() == before.keys()
    assert {name for name, time in after.items() if time != before[name]} == {
        "clips/b1", *(f"frames/b0.{at}" for at in (0, 4, 8, 12, 16)),
    }  # fmt: skip


def test_making_both_kinds_goes_on_where_it_was_killed(
    planned: tuple[Path, Path], rendered: list[str], monkeypatch: pytest.MonkeyPatch
):
    data, out = planned
    write = making.ExampleMaker.write

    def killed(self: Any, clip: str, read: Any, part: making.Part) -> None:
        if clip == "b1" and not part.kind.single:
            raise RuntimeError("killed")
        write(self, clip, read, part)

    with monkeypatch.context() as patch:
        patch.setattr(making.ExampleMaker, "write", killed)
        train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=out, code=1)
    assert set(made_in(out)) == {"clips/b0", *(f"frames/b{clip}.{at}" for clip in (0, 1) for at in (0, 4, 8, 12, 16))}
    told = train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=out).output
    assert rendered == ["b0", "b1", "b1"]
    assert "made anew" not in told
    assert "mini/egox: 2 examples to train on, 2 to validate with" in told


def test_a_clip_that_gives_no_prior_is_lost_for_both_kinds_and_one_that_fails_as_one_kind_for_that_alone(
    planned: tuple[Path, Path], rendered: list[str], monkeypatch: pytest.MonkeyPatch
):
    data, out = planned
    table = json.loads((data / "clips.json").read_text())
    del table["clips"][0]["ego"]["video"]
    (data / "clips.json").write_text(json.dumps(table))
    told = train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=out).output
    assert rendered == ["b0", "b1"]
    assert told.count("b0: no example: ") == 1
    records = {path.parent.parent.name.rpartition("-")[0]: path for path in (out / "examples").rglob("lost.json")}
    assert {kind: set(json.loads(path.read_text())) for kind, path in records.items()} == {"frames": {"b0"}, "clips": {"b0"}}

    shutil.rmtree(out / "examples")
    examples = ClipEncoder.examples

    def failing(self: Any, kind: ExampleKind, *given: Any, **named: Any) -> Any:
        if kind.single:
            raise ValueError("no single frames of it")
        return examples(self, kind, *given, **named)

    monkeypatch.setattr(ClipEncoder, "examples", failing)
    said: list[str] = []
    monkeypatch.setattr(making, "say", said.append)
    with pytest.raises(UserError, match=r"no clip of split 'all' of .* gives an example"):
        train(*FRAMES_AND_CLIPS, "--only-examples", data=data, out=out)
    assert said[-1] == "b1: no example of kind frames: no single frames of it"
    assert set(made_in(out)) == {"clips/b1"}
    assert {kind: set(json.loads(path.read_text())) for kind, path in records.items()} == {
        "frames": {"b0", "b1"}, "clips": {"b0"},
    }  # fmt: skip


def test_recipes_of_other_rules_do_not_share_a_prior():
    frames, clips, one_view = recipes_named([*FRAMES_AND_CLIPS, "mini/base-clips"])
    assert making.shares_prior(frames, clips)
    assert not making.shares_prior(frames, one_view)
    assert not making.shares_prior(one_view, one_view)
    rules = msgspec.structs.replace(clips.conditioning, prior_holes="black")
    assert not making.shares_prior(frames, msgspec.structs.replace(clips, conditioning=rules, training_conditioning=rules))


def test_a_worker_process_makes_the_same_examples(begun: tuple[Path, Path, Path], recipes: dict[str, Path]):
    data, out, folder = begun
    before = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    keys = {path.stem: key_of(folder, path.stem) or "" for path in folder.glob("b1.*.safetensors")}
    work = making.Work(
        asked=Asked(data=str(data), split="all", protocol="mini", limit=None),
        recipe=recipes_named([str(recipes["pairs"])])[0],
        encoders=out / "clips" / "model",
        device="cpu",
    )
    part = making.Part(kind=ExampleKind(one_view=False, single=True), folder=out / "others", keys=keys)
    making._start(pickle.loads(pickle.dumps(work)))  # what a spawned process is begun with
    assert making._in_worker("b1", pickle.loads(pickle.dumps([part]))) == [None]
    assert {path.name: path.read_bytes() for path in part.folder.glob("*.safetensors")} == {
        name: data for name, data in before.items() if name.startswith("b1")
    }


def times(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}


# ---- the classes of the full size ----


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


# ---- mistakes ----


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
