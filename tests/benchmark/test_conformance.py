"""The conformance suite: reference methods pass, and each way of breaking the contract fails its own check."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmark.box_room import EGO_SIDE, box_room_clip
from benchmark.clip import Clip, ClipInputs, Input, Privilege
from benchmark.conformance import Report, Verdict, check_method, spec_faults
from benchmark.errors import LoadError, Undefined, UserError
from benchmark.registry import Fit, MethodSpec, load_registry


class Good:
    """Follows size and seed."""

    def __init__(self, options) -> None:
        self.options = options

    def generate(self, inputs: ClipInputs, *, seed: int):
        return np.random.default_rng(seed).integers(0, 255, (inputs.n_frames, *inputs.size, 3), dtype=np.uint8)


class WrongSize(Good):
    def generate(self, inputs, *, seed):
        return np.zeros((inputs.n_frames, EGO_SIDE, EGO_SIDE, 3), np.uint8)


class OneFrameShort(Good):
    def generate(self, inputs, *, seed):
        return super().generate(inputs, seed=seed)[:-1]


class Floats(Good):
    def generate(self, inputs, *, seed):
        return super().generate(inputs, seed=seed) / 255.0


class Unseeded(Good):
    def generate(self, inputs, *, seed):
        return super().generate(inputs, seed=None)  # type: ignore[arg-type]


class Remembers(Good):
    calls = 0

    def generate(self, inputs, *, seed):
        self.calls += 1
        return super().generate(inputs, seed=seed + self.calls)


class WritesIntoInputs(Good):
    def generate(self, inputs, *, seed):
        for frame in inputs.exo[0].video.stream():
            frame[:] = 0
        return super().generate(inputs, seed=seed)


class Static(Good):
    def generate(self, inputs, *, seed):
        return np.repeat(super().generate(inputs, seed=seed)[:1], inputs.n_frames, axis=0)


class Cheats(Good):
    """Finds the truth without a privilege, the way a careless wrapper might: through what it was given to learn from."""

    clips: dict[str, Clip] = {}  # noqa: RUF012

    def generate(self, inputs, *, seed):
        return self.clips[inputs.clip_id].truth.video.read()  # type: ignore[union-attr]


class ReadsFurther(Good):
    def generate(self, inputs, *, seed):
        return replace(inputs.truth, indices=tuple(range(inputs.n_frames))).read()


class Crashes(Good):
    def generate(self, inputs, *, seed):
        raise KeyError("weights")


class Shy(Good):
    def generate(self, inputs, *, seed):
        raise Undefined("weights missing, run fetch-weights")


class OneCanvas(Good):
    def generate(self, inputs, *, seed):
        if inputs.n_frames != 17 or inputs.size != (128, 128):
            raise UserError(f"{inputs.n_frames} frames: the model takes 17")
        return super().generate(inputs, seed=seed)


class Unloadable(Good):
    calls = 0

    def generate(self, inputs, *, seed):
        self.calls += 1
        raise LoadError(f"no weights, call {self.calls}")


class Batched(Good):
    def generate_batch(self, batch: Sequence[ClipInputs], *, seeds: Sequence[int]):
        for inputs, seed in zip(batch, seeds):
            yield inputs.clip_id, self.generate(inputs, seed=seed)


class BatchForgets(Batched):
    def generate_batch(self, batch, *, seeds):
        yield from list(super().generate_batch(batch, seeds=seeds))[:1]


class BatchDiffers(Batched):
    def generate_batch(self, batch, *, seeds):
        yield from super().generate_batch(batch, seeds=[seed + 1 for seed in seeds])


class Learns(Good):
    def fit(self, clips):
        self.learnt = len(clips)


class WantsCaption(Good):
    def generate(self, inputs, *, seed):
        return super().generate(inputs, seed=seed + (inputs.caption is not None))


class HangsOnCaption(Good):
    def generate(self, inputs, *, seed):
        return super().generate(inputs, seed=len(inputs.caption))  # type: ignore[arg-type]


class RefusesWithoutCaption(Good):
    def generate(self, inputs, *, seed):
        if inputs.caption is None:
            raise Undefined("no caption")
        return super().generate(inputs, seed=seed)


@dataclass
class Loose:
    steps: int = 1


@dataclass(frozen=True)
class Demanding:
    steps: int


def spec(method: type = Good, **changes) -> MethodSpec:
    base = MethodSpec(
        id="probe", target=f"{__name__}:{method.__name__}", summary="a probe", version="1", needs=frozenset({Input.EXO_VIDEO})
    )
    return replace(base, **changes)


def failed(report: Report) -> dict[str, str]:
    return {check.name: check.detail for check in report.checks if check.verdict is Verdict.FAIL}


@pytest.mark.parametrize(
    "name", ["oracle", "copy-exo", "ego-prior", "shipped-prior", "prior-inpaint", "mean-frame", "repeat-first"]
)
def test_each_reference_method_passes(name):
    report = check_method(load_registry()[name])
    assert failed(report) == {}
    assert report.count(Verdict.PASS) >= 10


def test_a_good_method_passes_and_says_what_does_not_apply():
    report = check_method(spec())
    assert report.ok
    skipped = {check.name for check in report.checks if check.verdict is Verdict.SKIP}
    assert skipped == {"light listing", "fit", "optional inputs", "static", "batch", "close"}


def test_a_model_of_one_canvas_is_checked_on_it():
    report = check_method(spec(OneCanvas))
    assert report.ok
    found = {check.name: check.detail for check in report.checks}
    assert found["generate"].startswith("uint8 (17, 128, 128, 3)")
    assert found["generate"].endswith("; refuses 5 frames of 128x128 (5 frames: the model takes 17), then asked for 17 frames")
    assert found["another size"] == "refuses 9 frames of 96x96: 9 frames: the model takes 17"


@pytest.mark.parametrize(
    ("method", "changes", "check", "detail"),
    [
        (Unloadable, {}, "generate", "no weights, call 1"),
        (OneFrameShort, {}, "generate", "output has shape (4, 128, 128, 3), expected (5, 128, 128, 3)"),
        (Floats, {}, "generate", "output is float64, expected a uint8 array"),
        (Crashes, {}, "generate", "KeyError: 'weights'"),
        (Shy, {}, "generate", "calls a complete clip undefined: weights missing, run fetch-weights"),
        (
            WrongSize,
            {},
            "another size",
            "9 frames of 96x96: output has shape (9, 128, 128, 3), expected (9, 96, 96, 3)",
        ),
        (Unseeded, {}, "same seed", "a call must not depend on those before"),
        (Unseeded, {}, "fresh instance", "a second instance with the same seed"),
        (Remembers, {}, "same seed", "a call must not depend on those before"),
        (WritesIntoInputs, {}, "inputs untouched", "the method wrote into its inputs: exo1 video"),
        (Good, {"static": True}, "static", "the spec says static but frames differ"),
        (
            ReadsFurther,
            {"privileged": Privilege.FIRST_FRAME},
            "truth",
            "8] of the truth were read; the spec's privilege is 'first_frame'",
        ),
        (Learns, {}, "fit", "the adapter has fit() but the spec declares no Fit"),
        (Good, {"fit": Fit(needs=frozenset(), clips=3)}, "fit", "has no method fit(clips)"),
        (BatchForgets, {}, "batch", "the answers are for ['check-a']"),
        (BatchDiffers, {}, "batch", "in a batch the output differs from the single one"),
        (Good, {"options": Loose}, "options", "Loose is not a frozen dataclass"),
        (Good, {"options": Demanding}, "options", "options without a default: steps"),
        (Good, {"presets": {"quick": {"stepz": "1"}}}, "options", "unknown option of probe 'stepz'"),
        (Good, {"sources": ("no_such_package",)}, "source digest", "no_such_package"),
        (Good, {"target": "no_such_module:Method"}, "load", "No module named 'no_such_module'"),
    ],
)
def test_each_broken_promise_fails_its_own_check(method, changes, check, detail):
    assert detail in failed(check_method(spec(method, **changes)))[check]


def test_truth_that_leaks_past_the_inputs_is_caught(monkeypatch):
    import benchmark.conformance as conformance

    made = conformance.watched

    def leaking(clip, seen):
        Cheats.clips[clip.id] = made(clip, seen)
        return Cheats.clips[clip.id]

    monkeypatch.setattr(conformance, "watched", leaking)
    assert "frames [0, 1, 2, 3, 4, 5, 6, 7, 8] of the truth were read" in failed(check_method(spec(Cheats)))["truth"]


def test_good_variants_pass():
    assert failed(check_method(spec(Static, static=True))) == {}
    assert failed(check_method(spec(Batched))) == {}
    assert failed(check_method(spec(Learns, fit=Fit(needs=frozenset(), clips=3)))) == {}


def test_a_method_must_do_without_its_optional_inputs():
    optional = frozenset({Input.CAPTION})
    report = check_method(spec(WantsCaption, optional=optional))
    assert failed(report) == {}
    (detail,) = (check.detail for check in report.checks if check.name == "optional inputs")
    assert detail.startswith("does without caption: ")
    assert "%" in detail
    assert "TypeError" in failed(check_method(spec(HangsOnCaption, optional=optional)))["optional inputs"]
    assert "no caption" in failed(check_method(spec(RefusesWithoutCaption, optional=optional)))["optional inputs"]


def test_what_cannot_be_reached_is_skipped_with_the_reason():
    report = check_method(spec(Crashes))
    after = report.checks[[check.name for check in report.checks].index("generate") + 1 :]
    assert {(check.verdict, check.detail) for check in after} == {(Verdict.SKIP, "not reached: generate failed")}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": "My Method"}, "is not lower case words with dashes"),
        ({"id": "../up"}, "is not lower case words with dashes"),
        ({"target": "mine.adapter"}, "is not 'module:Class'"),
        ({"version": ""}, "version must be one line"),
        ({"needs": frozenset({Input.EXO_VIDEO, Input.TRUTH})}, "only `privileged` shows truth"),
        ({"needs": frozenset({Input.DEPTH})}, "add EXO_VIDEO"),
        ({"needs": frozenset({"exo"})}, "needs holds ['exo'], expected members of benchmark.clip.Input"),
        ({"optional": frozenset({Input.TRUTH})}, "optional holds TRUTH: only `privileged` shows truth"),
        ({"needs": frozenset(), "optional": frozenset({Input.DEPTH})}, "optional depth comes with the exo views"),
        ({"optional": frozenset({Input.EXO_VIDEO})}, "exo_video is in needs and in optional"),
        ({"exo_views": 0}, "exo_views is 0"),
    ],
)
def test_a_wrong_spec_is_told_in_one_sentence(changes, fault):
    assert any(fault in found for found in spec_faults(spec(**changes)))
    assert "spec" in failed(check_method(spec(**changes)))


def test_a_program_run_by_command_is_checked_like_any_method(tmp_path):
    path = tmp_path / "grey.py"
    path.write_text(
        "import json, pathlib, sys\nimport numpy as np\n"
        "asked = json.loads((pathlib.Path(sys.argv[1]) / 'inputs.json').read_text())\n"
        "np.save(sys.argv[2], np.full((asked['n_frames'], asked['height'], asked['width'], 3), 128, np.uint8))\n"
    )
    cmd = f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {{inputs}} {{output}}"
    report = check_method(load_registry()["command"], settings={"cmd": cmd, "output_format": "npy", "source": str(path)})
    assert failed(report) == {}


def test_the_box_room_agrees_with_itself_between_views():
    clip = box_room_clip("a", seed=3)
    view = clip.exo[0]
    assert view.camera is not None
    assert view.depth is not None
    points = view.camera.lift(view.camera.pixel_grid(), view.depth.frame(2), 2)
    off_the_walls = np.abs(np.abs(points) - [2.5, 2.0, 1.3]).min(-1)
    assert np.nanmax(off_the_walls[view.depth.frame(2) > 0]) < 1e-5


def run(*arguments: str):
    from benchmark.cli import check

    app = typer.Typer()
    app.command()(check.command)
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_a_line_a_check_and_exits_0():
    result = run("copy-exo")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "✓ spec              copy-exo 1: centre square of the exo video, resized"
    assert lines[-1] == "copy-exo: 12 passed, 0 failed, 5 skipped"


def test_the_command_exits_1_where_a_check_fails_and_speaks_json(capfd: pytest.CaptureFixture[str]):
    """Read from the file descriptor: JSON goes there past everything that a method may print."""
    import json

    from benchmark.cli import check

    with pytest.raises(typer.Exit) as ended:
        check.command("command", as_json=True)
    assert ended.value.exit_code == 1
    report = json.loads(capfd.readouterr().out)
    assert report["ok"] is False
    assert {"name": "load", "verdict": "fail"}.items() <= report["checks"][4].items()
