"""Examples that a training learns from: their shapes, who makes them, and which are made again."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.video import write_lossless
from benchmark.worker_pool import WorkerDied
from egox.training import preconditioning
from egox.training.encoding_clips import ExampleKind
from egox.training.examples import ExampleStore, key_of
from egox.training.preconditioning import preconditioner_key
from egox.training.report import read_report
from methods.train_verb import making, processes
from methods.train_verb.clips import Asked
from methods.train_verb.curriculum import recipes_named
from methods.train_verb.making import Wanted
from tests.methods.train_verb.tiny_training import train

ROOT = Path(__file__).resolve().parents[3]


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


def times(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}


def test_kinds_of_examples_have_the_shapes_that_their_names_say(trained: Path):
    kinds = {path.name.rsplit("-", 1)[0]: ExampleStore(path / "all") for path in (trained / "examples").iterdir()}
    shapes = {
        kind: {name: tuple(tensor.shape) for name, tensor in store[0].items() if name != "prompt_embeds"}
        for kind, store in kinds.items()
    }
    assert shapes == {
        "view-frames": {"ego": (48, 1, 16, 16)},
        "view-clips": {"ego": (48, 5, 16, 16)},
        "frames": {
            "exo": (48, 1, 16, 28), "ego": (48, 1, 16, 16), "prior": (48, 1, 16, 16), "valid": (4, 1, 16, 16),
            "rays": (1, 64, 3), "rays_valid": (1, 64), "directions": (1, 112, 3), "directions_valid": (1, 112),
        },
        "clips": {
            "exo": (48, 5, 16, 28), "ego": (48, 5, 16, 16), "prior": (48, 5, 16, 16), "valid": (4, 5, 16, 16),
            "rays": (5, 64, 3), "rays_valid": (5, 64), "directions": (5, 560, 3), "directions_valid": (5, 560),
        },
    }  # fmt: skip
    assert kinds["view-frames"].names == tuple(
        sorted(f"b{clip}.{view}.{at}" for clip in (0, 1) for view in ("ego", "exo") for at in (0, 4, 8, 12, 16))
    )
    first, whole = kinds["view-frames"][0], kinds["view-clips"][0]
    torch.testing.assert_close(first["ego"][:, 0], whole["ego"][:, 0], rtol=0, atol=2e-3)


def test_a_recipe_that_differs_in_what_it_does_with_examples_alone_shares_them(trained: Path):
    assert len([path for path in (trained / "examples").iterdir() if path.name.startswith("clips-")]) == 1


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


def test_only_examples_are_made_where_nothing_else_is_asked_for(begun: tuple[Path, Path, Path]):
    _, out, folder = begun
    assert ExampleStore(folder).names == tuple(f"b{clip}.{at}" for clip in (0, 1) for at in (0, 12, 16, 4, 8))
    assert sorted(path.name for path in (out / "pairs").iterdir()) == ["preconditioner"]
    example = ExampleStore(folder)[0]
    assert {name: tuple(example[name].shape) for name in ("exo", "directions")} == {
        "exo": (48, 1, 16, 28), "directions": (1, 112, 3),
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


def test_a_clip_that_its_worker_died_of_is_written_down_and_tried_again_without_the_record(
    begun: tuple[Path, Path, Path], recipes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    data, out, folder = begun
    for path in folder.glob("*.safetensors"):
        path.unlink()

    def dying(clips: Sequence[str], work: Any, *, arguments: Any, start_arguments: Any, **_: Any) -> Iterator[tuple[str, Any]]:
        making._start(*start_arguments)
        for clip in clips:
            yield clip, WorkerDied("its process was ended") if clip == "b0" else work(*arguments(clip))

    monkeypatch.setattr(making, "in_processes", dying)
    call = (recipes["pairs"], "--only-examples", "--workers", 2)
    assert "b0: no example: its process was ended" in train(*call, data=data, out=out).output
    assert json.loads((folder / "lost.json").read_text())["b0"]["reason"] == "its process was ended"
    told = train(*call, data=data, out=out).output
    assert "1 clips give no example, lost.json says why; without it they are tried again" in told
    assert len(ExampleStore(folder)) == 5


def test_a_preconditioner_of_other_examples_is_not_fitted_by_several_processes(
    begun: tuple[Path, Path, Path], recipes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    data, out, _ = begun
    (out / "pairs" / "preconditioner" / "examples.txt").write_text("of others\n")
    monkeypatch.setattr(processes, "PROCESSES", 2)
    with pytest.raises(UserError, match="preconditioner is missing or stale: before training on 2 processes"):
        train(recipes["pairs"], data=data, out=out)


def test_only_what_decides_a_preconditioner_is_in_its_key(
    begun: tuple[Path, Path, Path], recipes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    (recipe,) = recipes_named([str(recipes["pairs"])])
    examples = ExampleStore(begun[2])
    assert recipe.training is not None
    longer = msgspec.structs.replace(recipe, training=msgspec.structs.replace(recipe.training, steps=9, learning_rate=1.0))
    other = msgspec.structs.replace(
        recipe, training_conditioning=msgspec.structs.replace(recipe.training_conditioning, ego_mask="empty")
    )
    assert preconditioner_key(recipe, examples) == preconditioner_key(longer, examples)
    before = preconditioner_key(recipe, examples)
    assert before != preconditioner_key(other, examples)
    monkeypatch.setattr(preconditioning, "VERSION", "of another fit")
    assert before != preconditioner_key(recipe, examples)


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
