"""`egox-bench generate --video`: any method on a video of one's own, what it writes, and what it refuses."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from benchmark.cli import build
from benchmark.errors import UserError
from benchmark.registry import MethodSpec
from benchmark.video import decoded_frames
from egox import own as own_clips
from egox.own import read_footage
from methods.ego_prior.making import Maker
from methods.own_video import making
from methods.own_video.inputs import clip_of, inputs_of
from tests.egox.test_own import FRAMES, Own, write_own

FILES = ["ego.mkv", "ego.mp4", "report.json", "strip.mp4", "strip.png"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    return write_own(tmp_path_factory.mktemp("own"))


def generate(*words: object) -> Result:
    return CliRunner().invoke(build(), ["generate", *map(str, words)])


def words_of(own: Own, method: str, *more: object) -> tuple[object, ...]:
    return ("--method", method, "--video", own.video, "--pose", own.pose, *more)


def done(result: Result) -> str:
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def said(*words: object) -> str:
    """The one sentence that a mistake ends in."""
    result = generate(*words)
    assert isinstance(result.exception, UserError), result.exception
    assert "\n" not in str(result.exception)
    return str(result.exception)


def frames_of(path: Path) -> np.ndarray:
    return np.stack(list(decoded_frames(path)))


def test_a_method_that_looks_at_pixels_only_needs_no_depth(own: Own, tmp_path: Path):
    out = done(generate(*words_of(own, "copy-exo", "--out", tmp_path)))
    folder = tmp_path / "walk" / "copy-exo"
    assert out.splitlines()[0] == f"walk: {folder}"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    found = frames_of(folder / "ego.mkv")
    square = frames_of(own.video)[:, :, 96:352]
    exo = np.stack([cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) for frame in square])
    assert found.shape == (FRAMES, 128, 128, 3)
    assert np.array_equal(found, exo), "the centre square of the exo video, pixel areas averaged"
    assert np.abs(frames_of(folder / "ego.mp4").astype(int) - found).mean() < 12
    report = json.loads((folder / "report.json").read_text())
    assert (report["method"], report["frames"], report["fps"], report["scale"]) == ("copy-exo", FRAMES, 30.0, None)
    strip = np.asarray(Image.open(folder / "strip.png"))
    assert strip.shape[1] == 504 + 288 + 8 + 2 * 16, "exo and generated, no prior"


def test_the_ego_prior_of_a_video_is_that_of_the_verb_prior(own: Own, tmp_path: Path):
    done(generate(*words_of(own, "ego-prior", "--depth", own.depth, "--out", tmp_path / "generated")))
    asked = ["--video", own.video, "--pose", own.pose, "--depth", own.depth, "--size", 128, "--out", tmp_path / "priors"]
    done(CliRunner().invoke(build(), ["prior", *map(str, asked)]))
    ours, theirs = (tmp_path / name for name in ("generated/walk/ego-prior/ego.mkv", "priors/walk/prior.mkv"))
    assert np.array_equal(frames_of(ours), frames_of(theirs))
    strip = np.asarray(Image.open(tmp_path / "generated" / "walk" / "ego-prior" / "strip.png"))
    assert strip.shape[1] == 504 + 2 * 288 + 2 * 8 + 2 * 16, "exo, prior and generated"
    report = json.loads((tmp_path / "generated" / "walk" / "ego-prior" / "report.json").read_text())
    assert report["scale"] > 0
    assert 0 < report["coverage"] < 1


def test_a_report_of_another_version_is_not_written_over_unasked(own: Own, tmp_path: Path):
    folder = tmp_path / "walk" / "copy-exo"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text('{"schema": 0}')
    words = words_of(own, "copy-exo", "--out", tmp_path)
    assert re.search(r"report\.json cannot be read .*damaged or of another version of this code; choose another", said(*words))
    assert [path.name for path in folder.iterdir()] == ["report.json"]
    done(generate(*words, "--overwrite", "always"))
    assert sorted(path.name for path in folder.iterdir()) == FILES


@pytest.mark.parametrize("method", ["ego-prior", "prior-inpaint"])
def test_the_prior_of_a_method_is_made_once_for_its_video_and_its_strip(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
):
    made: list[object] = []
    monkeypatch.setattr(Maker, "make", lambda *words, make=Maker.make, **named: (made.append(words), make(*words, **named))[1])
    done(generate(*words_of(own, method, "--depth", own.depth, "--out", tmp_path)))
    assert len(made) == 1


def test_what_is_there_is_kept_and_another_result_is_never_written_over_it_unasked(tmp_path: Path):
    mine = write_own(tmp_path / "mine")
    folder = tmp_path / "out" / "walk" / "copy-exo"

    def words(*more: object) -> tuple[object, ...]:
        return words_of(mine, "copy-exo", "--out", tmp_path / "out", *more)

    def made(*more: object) -> tuple[bool, str]:
        result = generate(*words(*more))
        done(result)
        return "is in" not in result.stderr, json.loads((folder / "report.json").read_text())["key"]

    new, first = made()
    assert new
    assert made() == (False, first)
    assert made("--overwrite", "always") == (True, first)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for more in (("--seed", 1), ("--prompt", "a room"), ("--depth", mine.depth)):
        assert "copy-exo has a video of other inputs, options, seed or code; choose another --out" in said(*words(*more))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    done(generate(*words_of(mine, "ego-prior", "--depth", mine.depth, "--out", tmp_path / "out")))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, "another method has a folder of its own"
    keys = {first, *(made("--overwrite", "always", *more)[1] for more in (("--seed", 1), ("--depth", mine.depth)))}
    np.savez(mine.depth, depth=mine.depth_m * np.float32(1.1))
    keys |= {made("--overwrite", "always", "--depth", mine.depth)[1]}
    assert len(keys) == 4
    assert made("--overwrite", "always") == (True, first)
    (folder / "ego.mp4").unlink()
    assert made() == (True, first), "a folder that lacks a file is made whole"


def test_the_code_that_reads_a_video_decides_its_key(own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done(generate(*words_of(own, "copy-exo", "--out", tmp_path)))
    digest = making.code_digest
    monkeypatch.setattr(making, "code_digest", lambda modules: f"another {digest(modules)}")
    assert "of other inputs, options, seed or code" in said(*words_of(own, "copy-exo", "--out", tmp_path))
    source = Path(own_clips.__file__)
    changed = tmp_path / "own.py"
    changed.write_text(source.read_text() + "\n")
    find = importlib.util.find_spec
    other = SimpleNamespace(origin=str(changed), submodule_search_locations=None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: other if name == "egox.own" else find(name))
    changed_digest = digest(making.READING)
    monkeypatch.undo()
    assert digest(making.READING) != changed_digest


def test_what_was_generated_is_on_disk_before_the_strip_is_made_and_progress_is_shown(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_given: object, **_more: object) -> None:
        raise UserError("no strip today")

    monkeypatch.setattr(making, "preview", fails)
    result = generate(*words_of(own, "copy-exo", "--out", tmp_path))
    assert "no strip today" in str(result.exception)
    assert [path.name for path in (tmp_path / "walk" / "copy-exo").iterdir()] == ["ego.mkv"]
    assert re.search(r"generate: 0/1 .*walk: copy-exo\ngenerate: 1/1", result.stderr)


def test_threads_are_as_before_afterwards(own: Own, tmp_path: Path):
    torch.set_num_threads(3)
    done(generate(*words_of(own, "copy-exo", "--out", tmp_path)))
    assert torch.get_num_threads() == 3


def test_the_prior_beside_it_is_made_with_the_options_of_ego_prior(own: Own, tmp_path: Path):
    more = ("--depth", own.depth, "--out", tmp_path, "--set", "scale=none")
    done(generate(*words_of(own, "ego-prior", *more)))
    assert json.loads((tmp_path / "walk" / "ego-prior" / "report.json").read_text())["scale"] == 1.0


def test_json_is_the_report(own: Own, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    done(generate(*words_of(own, "copy-exo", "--out", tmp_path, "--json")))
    printed = capfd.readouterr().out
    assert json.loads(printed) == json.loads((tmp_path / "walk" / "copy-exo" / "report.json").read_text())


def test_out_is_a_folder_of_its_own_where_it_is_not_given(own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    done(generate(*words_of(own, "copy-exo")))
    assert [path.name for path in tmp_path.iterdir()] == ["generated"]


def test_a_large_video_is_scaled_and_cut(tmp_path: Path):
    wide = write_own(tmp_path / "wide", size=(540, 1000))
    done(generate(*words_of(wide, "copy-exo", "--out", tmp_path)))
    report = json.loads((tmp_path / "walk" / "copy-exo" / "report.json").read_text())
    assert (report["exo_size"], report["ego_size"]) == ([256, 448], [128, 128])


def test_a_program_elsewhere_is_given_the_video_as_well(own: Own, tmp_path: Path):
    program = tmp_path / "method.py"
    program.write_text(
        "import json, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "asked = json.loads(Path(sys.argv[1], 'inputs.json').read_text())\n"
        "assert asked['caption'] == 'a room' and asked['exo'][0]['depth'], asked\n"
        "np.save(sys.argv[2], np.full((asked['n_frames'], asked['height'], asked['width'], 3), asked['seed'], np.uint8))\n"
    )
    settings = (f"cmd=python3 {program} {{inputs}} {{output}}", "output_format=npy", "needs=exo_video,depth,caption", "name=mine")
    words = [word for setting in settings for word in ("--set", setting)]
    more = ("--depth", own.depth, "--prompt", "a room", "--seed", 7, "--out", tmp_path)
    done(generate(*words_of(own, "command", *words, *more)))
    assert (frames_of(tmp_path / "walk" / "command-mine" / "ego.mkv") == 7).all()
    assert json.loads((tmp_path / "walk" / "command-mine" / "report.json").read_text())["method"] == "command-mine"
    assert "command-mine needs a text: give it by --prompt TEXT" in said(
        *words_of(own, "command", *words, "--depth", own.depth, "--out", tmp_path / "other")
    )


# ---- what is refused ----


def test_what_a_single_video_cannot_give_is_told_with_what_to_do(own: Own, tmp_path: Path):
    def of(method: str, *more: object) -> str:
        return said(*words_of(own, method, "--out", tmp_path / "out", *more))

    assert of("ego-prior").startswith("method ego-prior needs depth: give it by --depth")
    assert of("oracle", "--depth", own.depth) == "method oracle looks at the true ego video; a video of your own has none"
    assert "learns from the clips of a dataset" in of("mean-frame")
    assert of("shipped-prior") == "method shipped-prior needs ego prior: a video of your own has none"
    assert "needs masks: a video of your own has none" in of("ego-prior", "--depth", own.depth, "--set", "masks=ids")
    assert "unknown method 'egoks'; did you mean 'egox'?" in of("egoks")
    assert "depth is both given" in of("ego-prior", "--depth", own.depth, "--set", "depth_model=x/y")
    assert "--depth none: is not there" in of("ego-prior", "--depth", "none")
    assert "size is 100" in of("copy-exo", "--size", 100)
    assert not (tmp_path / "out").exists()


def test_several_exo_views_are_more_than_a_video_has(own: Own):
    clip = clip_of(read_footage(own.video, own.pose, depth=own.depth), name="walk", prompt="")
    spec = MethodSpec(id="many", target="x:Y", summary="", version="1", needs=frozenset(), exo_views=4)
    with pytest.raises(UserError, match="method many takes 4 exo views, a video of your own is one"):
        inputs_of(clip, spec)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--method", "copy-exo", "--pose", "p.json"), "--pose goes with --video"),
        (("--method", "copy-exo", "--prompt", "x"), "--prompt goes with --video"),
        (("--method", "copy-exo", "--size", "448"), "--size goes with --video"),
        (("--method", "copy-exo", "--video", "v.mp4"), "--video needs --pose FILE"),
        (("--method", "copy-exo", "--video", "v.mp4", "--pose", "p", "--split", "val"), "--split is for clips, not for --video"),
        (("--method", "copy-exo", "--video", "v.mp4", "--pose", "p", "--workers", "2"), "--workers is for clips"),
        (("--method", "copy-exo,oracle", "--video", "v.mp4", "--pose", "p"), "--video takes one --method at a time"),
        (("--method", "copy-exo", "--video", "v.mp4", "--pose", "p"), "v.mp4: cannot be read"),
        (("--method", "copy-exo", "--video", "a/...mp4", "--pose", "p"), "'..' cannot be a file name: use another"),
        (("--method", "copy-exo", "--video", "v.mp4", "--pose", "p", "--overwrite", "failed"), "--overwrite failed is for clips"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(words: tuple[str, ...], expected: str):
    assert expected in said(*words)


def pose_with(own: Own, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    data = json.loads(own.pose.read_text())
    change(data)
    path = folder / "changed.json"
    path.write_text(json.dumps(data))
    return path


def test_poses_that_are_too_many_or_have_a_gap_are_refused(own: Own, tmp_path: Path):
    def gap(data: dict[str, Any]) -> None:
        data["ego"]["world_from_camera"][2] = None

    def longer(data: dict[str, Any]) -> None:
        data["ego"]["world_from_camera"] = (data["ego"]["world_from_camera"] * 3)[:48]
        data["frames"] = 48

    for change, expected in (
        (gap, "no matrix for frames 2"),
        (longer, "has poses for 48 frames, at size 128 the model takes 17"),
    ):
        pose = pose_with(own, tmp_path, change)
        assert expected in said("--method", "copy-exo", "--video", own.video, "--pose", pose, "--out", tmp_path / "out")


def test_a_disk_that_cannot_be_written_is_one_sentence_before_any_work(own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(making, "_generated", lambda *given, **more: pytest.fail("generated"))
    (tmp_path / "file").write_text("")
    assert "cannot be written" in said(*words_of(own, "copy-exo", "--out", tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
