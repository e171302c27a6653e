"""Bad input through the real entry points: a defined outcome or one clear error, never a silent number.

`benchmark.evaluate`, the runner on the toy dataset and the command line, on the metrics of the protocol `mini` with their
real weights. What a single module does with such input is tested beside that module.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark
from benchmark.box_room import box_room_clip
from benchmark.canvas import MINI
from benchmark.clip import Clip, ClipInputs, Privilege
from benchmark.errors import UserError
from benchmark.job import Job, make_job
from benchmark.metrics import METRICS
from benchmark.protocols import Protocol, load_protocol
from benchmark.protocols.protocol import Measured
from benchmark.results import ClipScore, read_records
from benchmark.runner import run_job
from benchmark.video import Frames, Video, write_h264
from benchmark.work import Steps

from ...box_folder import write_box_folder
from ...pixels import PATH
from ...weights_at_hand import ROOT, need_weights
from ..toy import ToyDataset, toy_answers, toy_job, toy_protocol

SIDE = 64
BOTH = Steps(generate=True, score=True)
ALL = [spec.id for spec, _ in load_protocol("mini").metrics]
OF_SETS = ["fvd", "kvd"]
OF_CLIPS = [name for name in ALL if name not in OF_SETS]
OF_OBJECTS = ["location-error-mini", "object-iou-mini", "contour-mini"]
OF_MOTION = ["dynamic-degree-dis", "motion"]
OF_PAIRS_ALONE = [name for name in OF_CLIPS if not name.startswith("pose") and not name.endswith(("-seen", "-imagined"))]
"""Those that need no more of a clip than its two videos."""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this module, and the user's weights."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGOX_BENCH_CACHE", str(folder))
        patch.setenv("EGOX_BENCH_WEIGHTS", str(ROOT))
        yield folder


def mini(*metrics: str, frames: int = MINI.frames) -> Protocol:
    """The protocol `mini`, or some of its metrics, on a smaller canvas. Skips where weights are not at hand."""
    chosen = load_protocol("mini")
    canvas = dataclasses.replace(MINI, name=f"tiny-{frames}", ego_side=SIDE, frames=frames)
    kept = tuple(one for one in chosen.metrics if one.spec.id in (metrics or ALL))
    chosen = dataclasses.replace(chosen, name="bad", canvas=canvas, metrics=kept)
    need_weights(*chosen.weights())
    return chosen


def truth(seed: int, frames: int) -> Frames:
    clip = box_room_clip("room", seed=seed, frames=frames, ego_side=SIDE)
    assert clip.truth is not None
    return clip.truth.video.read()


def brighter(frames: Frames) -> Frames:
    return np.minimum(frames, 235) + np.uint8(20)


class Answers:
    """A method that makes its answer of the truth."""

    def __init__(self, make: Callable[[str, Frames], Any]) -> None:
        self._make = make

    def generate(self, inputs: ClipInputs, *, seed: int) -> Any:
        assert inputs.truth is not None
        return self._make(inputs.clip_id, inputs.truth.read())


def job(
    out: Path, protocol: Protocol, make: Callable[[str, Frames], Any], *, clips: int = 1,
    changes: dict[str, Callable[[Clip], Clip]] | None = None,
) -> Job:  # fmt: skip
    dataset = ToyDataset(clips, changes)
    answers = toy_answers(lambda: Answers(make), privileged=Privilege.TRUTH)
    config = toy_job(out).config
    return make_job(config, dataset=dataset, manifest=dataset.manifest("all"), protocol=protocol, answers=answers)


def scores(one: Job) -> Mapping[str, Mapping[str, ClipScore]]:
    return {record.clip: record.scores for record in read_records(one.folder.path / "scores.jsonl")}


# Few frames


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Mapping[str, ClipScore]]:
    """The scores of a clip of so few frames, by the runner."""
    found: dict[int, Mapping[str, ClipScore]] = {}

    def scored(frames: int) -> Mapping[str, ClipScore]:
        if frames not in found:
            one = job(tmp_path_factory.mktemp("short"), mini(frames=frames), lambda clip, true: brighter(true))
            report = run_job(one, one.manifest.rows, steps=BOTH)
            assert report.errors == {}
            found[frames] = scores(one)["c0"]
        return found[frames]

    return scored


UNDEFINED_BELOW = {
    "flicker": (2, "1 frame, flickering needs 2"),
    "smoothness-dis": (3, "fewer than 3 frames, smoothness needs 3: none lies between two kept ones"),
    "pose-rotation": (3, "{}: the camera's motion is looked for over 3"),
    "pose-translation": (3, "{}: the camera's motion is looked for over 3"),
    "dynamic-degree-dis": (5, "{} at about 8 a second, motion needs 5"),
    "motion": (5, "{} at about 8 a second, motion needs 5"),
    "fvd": (9, "the video has {}, I3D needs at least 9"),
    "kvd": (9, "the video has {}, I3D needs at least 9"),
}
"""Metric to the frames that it needs and what it says below; all others of mini have a number of one frame."""


@pytest.mark.parametrize("frames", [1, 2, 8])
@pytest.mark.parametrize("metric", ALL)
def test_a_short_video_has_a_number_or_a_reason_that_names_the_frames_that_are_needed(short, metric: str, frames: int) -> None:
    value = short(frames)[metric]
    needed, said = UNDEFINED_BELOW.get(metric, (1, ""))
    if metric == "pose-translation" and frames >= needed:
        # a head that moves too little in the few pairs has no direction either
        assert value.value is not None or "frame pairs" in str(value.undefined)
    elif frames >= needed:
        assert value.undefined is None
    else:
        count = "1 frames" if metric.startswith("pose") and frames == 1 else "1 frame" if frames == 1 else f"{frames} frames"
        assert (value.value, value.undefined) == (None, said.format(count))


def test_nine_frames_are_enough_for_features_of_a_set(tmp_path: Path) -> None:
    one = job(tmp_path, mini("fvd", frames=9), lambda clip, true: brighter(true))
    found = run_job(one, one.manifest.rows, steps=BOTH).results.metrics["fvd"]
    assert (found.mean, found.n, found.undefined, found.interval) == (None, 1, 0, "1 different clip; FVD needs 8 or more")


def test_fifteen_frames_are_never_stretched_to_the_window_of_sixteen() -> None:
    need_weights("i3d")
    protocol = dataclasses.replace(load_protocol("egox-paper"), metrics=(Measured(METRICS["fvd-16"], {}),))
    true = truth(0, 15)
    value = benchmark.evaluate(true, true, protocol=protocol).clips["clip"]["fvd-16"]
    assert value.undefined == "the video has 15 frames, I3D needs at least 16"


# Constant predictions and missing objects


def test_a_constant_prediction_has_a_finite_number_and_a_note_on_every_metric() -> None:
    true = truth(0, 9)
    flat = {"black": np.zeros_like(true), "grey": np.full_like(true, 119)}
    found = benchmark.evaluate(flat, dict.fromkeys(flat, true), protocol=mini(frames=9))
    note = "degenerate prediction: its pixels have a standard deviation of 0.00 of 255"
    for values in found.clips.values():
        assert {name for name, value in values.items() if note not in value.notes} == set()
        numbers = {name: values[name].value for name in OF_PAIRS_ALONE}
        assert all(number is not None and np.isfinite(number) for number in numbers.values()), numbers
        assert [numbers[name] for name in ("flicker", "smoothness-dis", "dynamic-degree-dis", "motion")] == [1, 1, 0, 0]
        assert [numbers[name] for name in OF_OBJECTS] == [pytest.approx(np.hypot(SIDE, SIDE) / 2), 0, 0]
    for name in OF_SETS:
        assert f"2 of 2 clips: {note}" in found.sets[name].notes


def test_the_runner_keeps_the_note_of_a_constant_prediction_on_every_metric(tmp_path: Path) -> None:
    protocol = mini("psnr", "fvd", "flicker", "pose-rotation", frames=9)
    one = job(tmp_path, protocol, lambda clip, true: np.zeros_like(true))
    assert run_job(one, one.manifest.rows, steps=BOTH).errors == {}
    kept = one.folder.scores("c0").metrics
    assert set(kept) == {"psnr", "fvd", "flicker", "pose-rotation"}
    assert all(any("degenerate prediction" in note for note in score.notes) for score in kept.values())


def test_black_against_black_is_alike_and_has_no_objects() -> None:
    black = np.zeros((5, SIDE, SIDE, 3), np.uint8)
    values = benchmark.evaluate(black, black, protocol=mini("psnr", "ssim", "st-lpips", *OF_OBJECTS)).clips["clip"]
    assert [values[name].value for name in ("psnr", "ssim", "st-lpips")] == [100, 1, 0]
    assert {values[name].undefined for name in OF_OBJECTS} == {"no object in the truth"}


def _without_objects(clip: Clip) -> Clip:
    assert clip.truth is not None
    flat = np.full_like(clip.truth.video.read(), 90)
    return dataclasses.replace(clip, truth=dataclasses.replace(clip.truth, video=Video.of_array(flat, fps=clip.fps)))


def test_clips_without_objects_in_the_truth_are_left_out_and_counted(tmp_path: Path) -> None:
    protocol = mini(*OF_OBJECTS, frames=3)
    one = job(tmp_path, protocol, lambda clip, true: brighter(true), clips=2, changes={"c1": _without_objects})
    results = run_job(one, one.manifest.rows, steps=BOTH).results
    for name in OF_OBJECTS:
        found = results.metrics[name]
        assert (found.n, found.undefined, found.reason, found.errors) == (1, 1, "no object in the truth", 0)


# Arrays that are no pair of 8-bit RGB videos


def _with_nan(frames: Frames) -> np.ndarray:
    broken = frames.astype(np.float32) / 255
    broken[1, 0, 0, 0] = np.nan
    return broken


BROKEN: dict[str, tuple[Callable[[Frames], Any], tuple[str, ...]]] = {
    "size": (lambda f: f[:, :, 1:], ("(3, 64, 63, 3)", "(3, 64, 64, 3)")),
    "length": (lambda f: f[:1], ("(1, 64, 64, 3)", "(3, 64, 64, 3)")),
    "grey": (lambda f: f[..., :1], ("(3, 64, 64, 1)",)),
    "alpha": (lambda f: np.concatenate([f, f[..., :1]], axis=-1), ("(3, 64, 64, 4)",)),
    "16 bit": (lambda f: f.astype(np.uint16) * 257, ("uint16",)),
    "nan": (_with_nan, ("NaN or infinity in 1 of 3 frames",)),
    "range": (lambda f: f.astype(np.float32) / 255, ("float32", "scale to 0..255")),
    "empty": (lambda f: f[:0], ("(0, 64, 64, 3)",)),
    "list": (lambda f: f.tolist(), ("list",)),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("side", ["prediction", "truth"])
def test_arrays_that_are_no_pair_of_videos_are_refused_before_anything_is_measured(
    cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str, side: str
) -> None:
    protocol, true = mini(frames=3), truth(0, 3)
    change, said = BROKEN[kind]
    monkeypatch.setattr(Protocol, "score", lambda *args, **named: pytest.fail("a metric ran"))
    pair = (change(true), true) if side == "prediction" else (true, change(true))
    with pytest.raises(UserError) as error:
        benchmark.evaluate(*pair, protocol=protocol)
    assert all(words in str(error.value) for words in said), error.value
    assert str(error.value).startswith("clip: ")


def test_outputs_of_a_method_that_are_no_such_video_cost_their_clip_and_are_never_scored(tmp_path: Path) -> None:
    kinds = [kind for kind in BROKEN if kind != "list"]

    def make(clip: str, true: Frames) -> Any:
        number = int(clip[1:])
        return BROKEN[kinds[number]][0](true) if number < len(kinds) else true

    canvas = dataclasses.replace(MINI, name="tiny", ego_side=SIDE, frames=3)
    one = job(tmp_path, toy_protocol(canvas), make, clips=len(kinds) + 1)
    report = run_job(one, one.manifest.rows, steps=BOTH)
    assert sorted(report.errors) == [f"c{number}" for number in range(len(kinds))]
    assert all("(3, 64, 64, 3)" in reason for reason in report.errors.values()), report.errors
    assert set(scores(one)) == {f"c{len(kinds)}"}
    assert (report.results.metrics["psnr"].n, report.results.metrics["psnr"].errors) == (1, len(kinds))


# Networks that give no numbers, and sets


@pytest.mark.parametrize(
    ("network", "layer", "metric"),
    [
        ("i3d.I3D", "pooled", "fvd"),
        ("efficientnet_lite0.EfficientNetLite0", "pooled", "eff-i"),
        ("perceptual.LayerMaps", "_features", "st-lpips"),
    ],
)
def test_features_that_are_no_numbers_are_an_error_that_names_the_clip_and_cost_their_metric_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, layer: str, metric: str
) -> None:
    import torch

    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "cache"))
    protocol = mini("psnr", metric, frames=9)
    owner = pytest.importorskip(f"benchmark.metrics.extractors.{network.partition('.')[0]}")
    target = getattr(owner, network.partition(".")[2])
    before = getattr(target, layer)

    def overflown(self: Any, *given: Any) -> Any:
        found = before(self, *given)
        if isinstance(found, torch.Tensor):
            return found * float("inf") * 0
        return [(ours * float("nan"), theirs, head) for ours, theirs, head in found]

    monkeypatch.setattr(target, layer, overflown)
    one = job(tmp_path / "out", protocol, lambda clip, true: brighter(true))
    report = run_job(one, one.manifest.rows, steps=BOTH)
    assert list(report.errors) == ["c0"]
    assert "gave NaN or infinity; its weights are broken: run 'egox-bench weights verify'" in report.errors["c0"]
    assert (report.results.metrics[metric].mean, report.results.metrics[metric].errors) == (None, 1)
    assert report.results.metrics["psnr"].n == 1
    assert not list((tmp_path / "cache" / "features").rglob("*.npz"))


@pytest.fixture(scope="module")
def rooms() -> dict[str, Frames]:
    return {f"room{seed}": truth(seed, 9) for seed in range(8)}


def test_a_set_of_black_predictions_has_a_finite_distance(rooms: dict[str, Frames]) -> None:
    black = {name: np.zeros_like(frames) for name, frames in rooms.items()}
    found = benchmark.evaluate(black, rooms, protocol=mini(*OF_SETS, frames=9))
    for name in OF_SETS:
        value = found.sets[name].value
        assert value is not None
        assert np.isfinite(value)
        assert value > 0
        assert any(note.startswith("8 of 8 clips: degenerate prediction") for note in found.sets[name].notes)


def test_a_clip_that_comes_twice_counts_once_in_a_set_and_is_told(rooms: dict[str, Frames]) -> None:
    twice = {**rooms, "again": rooms["room3"]}
    other = {name: brighter(frames) for name, frames in twice.items()}
    protocol = mini(*OF_SETS, frames=9)
    once = benchmark.evaluate({name: other[name] for name in rooms}, rooms, protocol=protocol)
    found = benchmark.evaluate(other, twice, protocol=protocol)
    for name in OF_SETS:
        assert found.sets[name].n == 8
        assert found.sets[name].value == pytest.approx(once.sets[name].value, rel=1e-12)
        assert "1 of 9 clips repeat another's truth and are left out" in found.sets[name].notes


@pytest.mark.parametrize("clips", [1, 2, 7])
def test_a_set_of_too_few_clips_is_undefined(rooms: dict[str, Frames], clips: int) -> None:
    few = {name: rooms[name] for name in list(rooms)[:clips]}
    found = benchmark.evaluate(few, few, protocol=mini(*OF_SETS, frames=9))
    for name in OF_SETS:
        count = "1 different clip" if clips == 1 else f"{clips} different clips"
        assert (found.metrics[name], found.sets[name].value) == (None, None)
        assert found.sets[name].undefined == f"{count}; {name.upper()} needs 8 or more"


# Weights and packages


@pytest.mark.parametrize(("weights", "metric"), [("efficientnet-lite0", "eff-i"), ("st-lpips-alex", "st-lpips")])
def test_weights_with_one_wrong_bit_are_never_parsed_and_their_metric_is_undefined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, metric: str
) -> None:
    protocol = mini("psnr", metric, frames=3)
    shutil.copytree(ROOT / weights, tmp_path / "weights" / weights)
    (file,) = (tmp_path / "weights" / weights).glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    monkeypatch.setenv("EGOX_BENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("safetensors.torch.load_file", lambda path: pytest.fail("damaged weights were parsed"))
    reason = f"weights damaged, run 'egox-bench weights fetch {weights}'"
    true = truth(0, 3)
    found = benchmark.evaluate(brighter(true), true, protocol=protocol)
    assert found.clips["clip"][metric].undefined == reason
    assert found.metrics["psnr"] is not None
    one = job(tmp_path / "out", protocol, lambda clip, frames: brighter(frames))
    results = run_job(one, one.manifest.rows, steps=BOTH).results.metrics
    assert (results[metric].mean, results[metric].undefined, results[metric].reason) == (None, 1, reason)
    assert results["psnr"].n == 1


def test_a_package_that_is_not_installed_makes_its_metric_undefined_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vbench", None)
    chosen = load_protocol("rgb")
    kept = tuple(one for one in chosen.metrics if one.spec.id in ("psnr", "smoothness"))
    true = truth(0, 3)
    found = benchmark.evaluate(true, true, protocol=dataclasses.replace(chosen, metrics=kept))
    assert found.clips["clip"]["smoothness"].undefined == "package 'vbench' is not installed (see 'egox-bench doctor')"
    assert found.metrics["psnr"] == 100


# Videos of one's own, and frame rates


def _encoded(path: Path, frames: Frames, codec: str, pixels: str) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture.reformat(format=pixels)))
        container.mux(stream.encode(None))


def test_damaged_videos_and_those_that_8_bit_rgb_cannot_hold_are_told_one_by_one(tmp_path: Path) -> None:
    boxes, videos = write_box_folder(tmp_path / "boxes", clips=5), tmp_path / "videos"
    videos.mkdir()
    clip = box_room_clip("room", seed=0, frames=30, ego_side=128)
    assert clip.truth is not None
    frames = clip.truth.video.read()
    write_h264(videos / "b0.mp4", frames, fps=30)
    whole = (videos / "b0.mp4").read_bytes()
    (videos / "b0.mp4").write_bytes(whole[: int(0.8 * len(whole))])
    (videos / "b1.mp4").write_bytes(b"")
    _encoded(videos / "b2.mp4", frames, "libx264", "yuv420p10le")
    _encoded(videos / "b3.mkv", frames, "ffv1", "bgra")
    _encoded(videos / "b4.mkv", frames, "ffv1", "gray")
    words = ("--name", "mine", "--data", boxes, "--split", "all", "--protocol", PATH, "--no-controls", "--out", tmp_path / "out")
    command = [Path(sys.executable).with_name("egox-bench"), "score", "--videos", videos, *words, "--json"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    (report,) = json.loads(done.stdout)
    said = {clip: reason.rpartition("/")[2] for clip, reason in report["errors"].items()}
    assert set(said) == {"b1", "b2", "b3", "b4"}
    assert said["b1"].startswith("b1.mp4: not a readable video")
    assert said["b2"] == "b2.mp4 has 10 bits a channel; convert it to 8 bits yourself (HDR to the usual range first)"
    assert said["b3"] == "b3.mkv has an alpha channel; blend or drop it first"
    assert said["b4"] == "b4.mkv is grey; write it with three equal channels yourself"
    assert "b0: lists 30 frames, " in done.stderr
    assert " can be decoded: it may be truncated" in done.stderr
    psnr = report["results"]["metrics"]["psnr"]
    assert (psnr["n"], psnr["errors"]) == (1, 4)


@pytest.mark.parametrize(("fps", "said"), [(0.0, "0"), (float("nan"), "nan"), (25.0, "25")])
def test_a_clip_whose_frame_rate_is_missing_or_not_the_protocols_is_an_error(tmp_path: Path, fps: float, said: str) -> None:
    canvas = dataclasses.replace(MINI, name="tiny", ego_side=SIDE, frames=3)
    changes = {"c0": lambda clip: dataclasses.replace(clip, fps=fps)}
    one = job(tmp_path, toy_protocol(canvas), lambda clip, true: true, clips=2, changes=changes)
    report = run_job(one, one.manifest.rows, steps=BOTH)
    assert report.errors == {"c0": f"c0: its frames are {said} a second, protocol toy measures 10"}
    assert report.results.metrics["psnr"].n == 1


def test_a_video_without_a_frame_rate_is_refused_and_one_of_another_rate_is_off_the_canvas() -> None:
    protocol, true = mini("psnr"), truth(0, MINI.frames)
    for fps in (0.0, -10.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="clip: a video with a frame rate of"):
            benchmark.evaluate(Video.of_array(true, fps=fps), true, protocol=protocol)
    for fps, off in ((MINI.fps, ()), (30.0, ("clip",))):
        assert benchmark.evaluate(true, Video.of_array(true, fps=fps), protocol=protocol).off_canvas == off


# The cache


@pytest.mark.parametrize("content", [b"", b"no archive", "npy", "another byte"])
def test_garbage_in_the_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | str) -> None:
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path))
    protocol, true = mini("smoothness-dis", *OF_MOTION, frames=5), truth(0, 5)
    before = benchmark.evaluate(brighter(true), true, protocol=protocol)
    for file in tmp_path.rglob("*.npz"):
        data = file.read_bytes()
        if content == "npy":
            with file.open("wb") as opened:
                np.save(opened, np.arange(3))
        elif content == "another byte":
            file.write_bytes(data[:60] + bytes([data[60] ^ 0xFF]) + data[61:])
        else:
            assert isinstance(content, bytes)
            file.write_bytes(content)
    assert benchmark.evaluate(brighter(true), true, protocol=protocol).clips == before.clips


def test_a_cache_that_cannot_be_written_is_said_once_and_costs_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    protocol = mini("smoothness-dis", *OF_MOTION, frames=5)
    (tmp_path / "file").write_text("a file where the folder should be")
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    one = job(tmp_path / "out", protocol, lambda clip, true: brighter(true), clips=2)
    report = run_job(one, one.manifest.rows, steps=BOTH)
    assert report.errors == {}
    assert report.results.metrics["motion"].n == 2
    said = [line for line in capfd.readouterr().err.splitlines() if "cannot be written" in line]
    assert len(said) == 1
    assert said[0].startswith(f"{tmp_path / 'file' / 'cache' / 'features'}: cannot be written (Not a directory); ")
