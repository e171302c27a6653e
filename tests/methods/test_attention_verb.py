"""`egox-bench attention`: what it writes and prints for a clip and for a video of one's own, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import benchmark
from benchmark.cli import build
from benchmark.errors import LoadError, UserError
from methods.attention_verb.picture import MARK, Look, Scene
from methods.attention_verb.verb import command
from tests.box_folder import write_box_folder
from tests.egox.test_own import Own, write_own
from tests.methods.tiny_egox import write_checkpoint

PROTOCOL = Path(__file__).resolve().parents[1] / "protocols" / "pixels.toml"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "mini", names=("egox", "no-gga"))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("data") / "boxes", clips=1)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    return write_own(tmp_path_factory.mktemp("own"))


def attention(*words: object) -> str:
    result = CliRunner().invoke(build(), ["attention", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def of_box(boxes: Path, *words: object) -> str:
    return attention("--clip", "b0", "--data", boxes, "--split", "all", "--protocol", PROTOCOL, *words)


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())}


def test_a_clip_gets_three_pictures_and_shares(boxes: Path, checkpoint: Path, tmp_path: Path):
    words = ("--set", f"checkpoint={checkpoint}", "--set", "steps=2", "--out", tmp_path, "--degrees", 25, "--token", "5,3")
    found = json.loads(capture(boxes, *words))
    assert found["clip"] == "b0"
    assert (found["frame"], found["latent_frame"], found["token"], found["step"], found["steps"]) == (8, 2, [5, 3], 1, 2)
    assert found["with"]["frame"] > 1.1 * found["without"]["frame"]
    assert 0 < found["frame_chance"] < 1
    assert 0 < found["counted"] <= found["tokens"] == 64
    drawn = pictures(tmp_path / "b0")
    assert list(drawn) == ["side-by-side.png", "with.png", "without.png"]
    assert drawn["side-by-side.png"].shape[1] > 1.5 * drawn["with.png"].shape[1]
    assert (drawn["with.png"] != drawn["without.png"]).any()
    said = of_box(boxes, *words)
    assert "ego token 5,3 of frame 8 (latent frame 2), step 1 of 2, recipe mini/egox" in said
    assert f"mean of {found['counted']} ego tokens" in said
    assert all((again == drawn[name]).all() for name, again in pictures(tmp_path / "b0").items())


def capture(boxes: Path, *words: object) -> str:
    """JSON goes past Python's stdout, to the file descriptor."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            of_box(boxes, *words, "--json")
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        return file.read().decode()


def test_a_video_of_one_s_own_works_too(own: Own, checkpoint: Path, tmp_path: Path):
    said = attention(
        "--video", own.video, "--pose", own.pose, "--depth", own.depth, "--set", f"checkpoint={checkpoint}", "--set", "steps=2",
        "--out", tmp_path, "--frame", 9, "--token", "0,0", "--blocks", "1,0",
    )  # fmt: skip
    assert "frame 12 (latent frame 3)" in said  # frames 9 to 12 are one latent frame
    assert "lies outside of the lens circle" in said
    assert "none" in said
    assert (tmp_path / own.video.stem / "with.png").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--frame", 17), "--frame 17: the clip has frames 0 to 16"),
        (("--token", "8,0"), "--token 8,0: the ego view has tokens 0,0 to 7,7"),
        (("--token", "3"), "--token 3: expected two whole numbers, like 4,3"),
        (("--blocks", "a"), "--blocks a: expected whole numbers with commas"),
        (("--blocks", "99"), "--blocks 99: the transformer has blocks 0 to"),
        (("--step", 3), "step 3: sampling has steps 1 to 2"),
        (("--step", 0), "step 0: sampling has steps 1 to 2"),
        (("--set", "recipe=mini/no-gga"), "recipe mini/no-gga does not guide attention, so there is nothing to compare"),
        (("--video", "x.mp4"), "--data is for clips, not for --video"),
        (("--pose", "x.json"), "--pose goes with --video"),
    ],
)
def test_mistakes_are_one_sentence(boxes: Path, checkpoint: Path, tmp_path: Path, words, said):
    with pytest.raises(UserError, match=said):
        of_box(boxes, "--set", f"checkpoint={checkpoint}", "--set", "steps=2", "--out", tmp_path, *words)
    assert not list(tmp_path.iterdir())


def test_a_bug_is_no_mistake_of_the_user(boxes: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("methods.attention_verb.looking.call_at_step", broken)
    with pytest.raises(ValueError, match=r"^a bug$"):
        of_box(boxes, "--set", f"checkpoint={checkpoint}", "--set", "steps=2", "--out", tmp_path)


def test_the_clip_of_the_help_is_there():
    named = re.findall(r"--clip (sim_\w+)", command.__doc__ or "")
    unseen = Path(benchmark.__file__).parent / "splits" / "sim" / "unseen.jsonl"
    assert named
    assert set(named) <= {json.loads(line)["clip_id"] for line in unseen.read_text().splitlines()[1:]}


def test_missing_names_and_weights_are_told(boxes: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"name a clip \(--clip ID\), or a video"):
        attention("--out", tmp_path)
    with pytest.raises(UserError, match="--video needs --pose"):
        attention("--video", "x.mp4")
    with pytest.raises(UserError, match="b0"):
        attention("--clip", "bo", "--data", boxes, "--split", "all", "--protocol", PROTOCOL, "--out", tmp_path)
    with pytest.raises(LoadError):
        of_box(boxes, "--set", f"checkpoint={tmp_path / 'nowhere'}", "--out", tmp_path)


def scene(weights: np.ndarray, *, matching: np.ndarray) -> Scene:
    look = Look(title="with guidance", weights=weights, share=0.5, on_exo=0.4)
    return Scene(
        title="a clip",
        exo=np.full((32, 64, 3), 120, np.uint8),
        ego=np.full((32, 32, 3), 120, np.uint8),
        ego_title="ego",
        side=16,
        token=(1, 0),
        matching=matching,
        degrees=10,
        chance=0.1,
        looks=(look,),
    )


def test_heat_and_outline_lie_where_the_attention_and_the_match_are():
    weights = np.zeros((2, 4), np.float32)
    weights[0, 3] = 0.2
    matching = np.zeros((2, 4), bool)
    matching[1, 0] = True
    shown = scene(weights, matching=matching)
    heat = shown._heat(shown.looks[0]).astype(int)
    height, width = heat.shape[0] // 2, heat.shape[1] // 4
    middles = heat[height // 2 :: height, width // 2 :: width].sum(-1)
    assert np.unravel_index(middles.argmax(), middles.shape) == (0, 3)
    marked = np.argwhere((heat == MARK).all(-1))
    assert marked[:, 0].min() >= height - 3
    assert marked[:, 1].max() <= width + 2
    ego = np.argwhere((shown._ego() == MARK).all(-1))
    assert ego[:, 0].min() >= shown._ego().shape[0] // 2 - 3
    assert ego[:, 1].max() <= shown._ego().shape[1] // 2 + 2


def test_attention_that_is_nowhere_on_exo_is_dark_and_no_error():
    nothing = np.zeros((2, 4), np.float32)
    some = nothing.copy()
    some[0, 0] = 0.1
    shown = scene(some, matching=np.zeros((2, 4), bool))
    blank = Look(title="nothing", weights=nothing, share=None, on_exo=0.0)
    assert shown._heat(blank).max() < shown._heat(shown.looks[0]).max()
    assert shown.page(blank).shape[2] == 3
