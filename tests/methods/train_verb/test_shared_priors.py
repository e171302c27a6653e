"""Single frames and clips that are made of one prior, in one go or in several."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmark.errors import UserError
from egox.training.encoding_clips import ClipEncoder, ExampleKind
from methods.train_verb import making
from methods.train_verb.clips import TrainingClips
from methods.train_verb.curriculum import recipes_named
from tests.methods.train_verb.tiny_training import train

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
