"""The `command` method: what a program is given, and what becomes of programs that crash, hang or answer wrongly."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmark.box_room import box_room_clip
from benchmark.clip import Clip, ClipInputs, Input, inputs_for
from benchmark.errors import Undefined, UserError
from benchmark.registry import deciding_options, load_registry, options_from
from benchmark.video import decoded_frames
from egox.cameras import Camera
from methods.command import Options, process
from methods.command.adapter import make

HEADER = """
import json, pathlib, sys, time
import numpy as np
folder, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
"""
ONE = HEADER + "asked = json.loads((folder / 'inputs.json').read_text())\n"
ALL = HEADER + "clips = json.loads((folder / 'batch.json').read_text())['clips']\n"
LEAVE_A_CHILD = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
pathlib.Path({path!r}).write_text(str(child.pid))
"""
GREY = "np.save(output, np.full((asked['n_frames'], asked['height'], asked['width'], 3), asked['seed'], np.uint8))\n"


@pytest.fixture(scope="module")
def clip() -> Clip:
    return box_room_clip("a/../clip", seed=1, exo_views=2)


def program(folder: Path, text: str) -> str:
    """A command line for a Python program with this text, in a folder whose name has a blank."""
    path = folder / "my program" / "program.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {{inputs}} {{output}}"


def asked(clip: Clip, options: Options) -> ClipInputs:
    spec = load_registry()["command"].with_options(options)
    return inputs_for(clip, needs=spec.needs, exo_views=spec.exo_views, privilege=spec.privileged)


def answer(clip: Clip, cmd: str, **settings) -> np.ndarray:
    options = Options(cmd=cmd, **{"output_format": "npy", **settings})
    return make(options).generate(asked(clip, options), seed=7)


def test_a_program_gets_its_seed_and_size_and_its_array_comes_back(tmp_path, clip):
    frames = answer(clip, program(tmp_path, ONE + GREY))
    assert frames.shape == (5, 128, 128, 3)
    assert (frames == 7).all()


def test_everything_that_is_asked_for_is_written_without_loss(tmp_path, clip):
    copied = tmp_path / "copied"
    text = ONE + f"import shutil; shutil.copytree(folder, {str(copied)!r})\n" + GREY
    everything = tuple(need for need in Input if need is not Input.TRUTH)
    answer(clip, program(tmp_path, text), needs=everything, exo_views=2)
    question = json.loads((copied / "inputs.json").read_text())
    assert {key: question[key] for key in ("version", "clip_id", "seed", "fps", "n_frames", "height", "width")} == {
        "version": 1, "clip_id": "a/../clip", "seed": 7, "fps": 10.0, "n_frames": 5, "height": 128, "width": 128,
    }  # fmt: skip
    assert question["caption"] == clip.caption
    assert clip.ego_camera is not None
    assert Camera.from_json(question["ego_camera"]).digest() == clip.ego_camera.digest()
    assert question["up"] == [0.0, 0.0, 1.0]
    for view, written in zip(clip.exo, question["exo"], strict=True):
        assert view.camera is not None
        assert view.depth is not None
        assert view.disparity is not None
        assert view.masks is not None
        assert Camera.from_json(written["camera"]).digest() == view.camera.digest()
        assert np.array_equal(np.stack(list(decoded_frames(copied / written["video"]))), view.video.read())
        assert np.array_equal(np.load(copied / written["depth"]), view.depth.read())
        assert np.array_equal(np.load(copied / written["disparity"]), view.disparity.read(), equal_nan=True)
        assert np.array_equal(np.load(copied / written["masks"]), view.masks.read())
    assert clip.ego_prior is not None
    assert clip.body_pose is not None
    assert np.array_equal(np.stack(list(decoded_frames(copied / question["ego_prior"]))), clip.ego_prior.read())
    assert np.array_equal(question["body_pose"]["head"], clip.body_pose["head"])
    assert clip.points is not None
    assert np.array_equal(np.load(copied / question["points"]), clip.points.read())


def test_nothing_that_was_not_asked_for_is_written(tmp_path, clip):
    copied = tmp_path / "copied"
    text = ONE + f"import shutil; shutil.copytree(folder, {str(copied)!r})\n" + GREY
    answer(clip, program(tmp_path, text), needs=(Input.EXO_VIDEO,))
    question = json.loads((copied / "inputs.json").read_text())
    assert sorted(path.name for path in copied.iterdir()) == ["exo_0.mkv", "inputs.json"]
    assert question["exo"][0]["camera"] is None
    assert [question[key] for key in ("ego_camera", "up", "caption", "ego_prior", "body_pose", "points")] == [None] * 6


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_video_file_is_read_back(tmp_path, clip, suffix):
    text = ONE + "from benchmark.video import write_lossless, write_h264\n"
    text += "frames = np.full((asked['n_frames'], 128, 128, 3), 90, np.uint8)\n"
    text += "(write_h264 if output.suffix == '.mp4' else write_lossless)(output, frames, fps=10)\n"
    frames = answer(clip, program(tmp_path, text), output_format=suffix)
    assert frames.shape == (5, 128, 128, 3)
    assert np.abs(frames.astype(int) - 90).max() <= (0 if suffix == "mkv" else 2)


def test_a_crash_is_told_with_exit_code_and_last_words(tmp_path, clip):
    text = ONE + "print('CUDA driver is too old', file=sys.stderr); sys.exit(13)\n"
    with pytest.raises(RuntimeError, match=r"exit code 13; its last lines on stderr:\n    CUDA driver is too old"):
        answer(clip, program(tmp_path, text))


def test_a_program_that_dies_of_a_signal_is_told_by_its_name(tmp_path, clip):
    with pytest.raises(RuntimeError, match=r"was killed by SIGSEGV; it said nothing"):
        answer(clip, program(tmp_path, ONE + "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n"))


def test_a_hang_is_killed_with_all_that_it_started(tmp_path, clip):
    child = tmp_path / "child.pid"
    text = (
        LEAVE_A_CHILD.format(path=str(child)) + "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('step 3 of 50', file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"killed after 1 s \(timeout_s\); its last lines on stderr:\n    step 3 of 50"):
        answer(clip, program(tmp_path, text), timeout_s=1.0)
    assert time.monotonic() - began < 20
    assert not _runs(int(child.read_text()))


def test_what_a_program_leaves_running_is_ended_too(tmp_path, clip):
    child = tmp_path / "child.pid"
    text = ONE + GREY + LEAVE_A_CHILD.format(path=str(child))
    answer(clip, program(tmp_path, text))
    assert not _runs(int(child.read_text()))


@pytest.mark.parametrize("frames", [4, 6])
def test_a_wrong_length_is_refused_with_both_lengths(tmp_path, clip, frames):
    text = ONE + "from benchmark.video import write_lossless\n"
    text += f"write_lossless(output, np.zeros(({frames}, 128, 128, 3), np.uint8), fps=10)\n"
    with pytest.raises(ValueError, match=rf"\({frames}, 128, 128, 3\), expected \(5, 128, 128, 3\)"):
        answer(clip, program(tmp_path, text), output_format="mkv")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("np.save(output, np.zeros((5, 64, 64, 3), np.uint8))", r"\(5, 64, 64, 3\), expected \(5, 128, 128, 3\)"),
        ("np.save(output, np.zeros((5, 128, 128, 3)))", r"output is float64, expected a uint8 array"),
        ("output.write_bytes(b'no array')", "is not an npy file of plain numbers"),
        ("output.write_bytes(b'')", "is not an npy file of plain numbers"),
        ("output.with_name('other.mp4').write_bytes(b'')", r"did not write ego.npy \(it wrote other.mp4\)"),
        ("pass", r"did not write ego.npy \(it wrote nothing\)"),
    ],
)
def test_a_wrong_answer_is_refused_with_what_is_wrong(tmp_path, clip, written, message):
    with pytest.raises(ValueError, match=message):
        answer(clip, program(tmp_path, ONE + written + "\n"))


def test_a_pickled_answer_is_never_unpickled(tmp_path, clip):
    with pytest.raises(ValueError, match="is not an npy file of plain numbers"):
        answer(clip, program(tmp_path, ONE + "np.save(output, np.array([{}]), allow_pickle=True)\n"))


def test_batch_all_runs_one_process_and_keeps_the_clips_that_are_complete(tmp_path):
    clips = [box_room_clip(f"clip-{i}", seed=i) for i in range(3)]
    text = ALL + "(output / 'starts').touch(exist_ok=False)\n"
    text += "for number, clip in enumerate(clips):\n"
    text += "    asked = json.loads((folder / clip['folder'] / 'inputs.json').read_text())\n"
    text += "    assert asked['output'] == clip['output'] and asked['clip_id'] == clip['clip_id']\n"
    text += "    if number == 2: sys.exit('out of memory')\n"
    text += "    shape = (5 - number, asked['height'], asked['width'], 3)\n"
    text += "    np.save(clip['output'], np.full(shape, asked['seed'], np.uint8))\n"
    options = Options(cmd=program(tmp_path, text), output_format="npy", batch="all")
    method = make(options)
    outcomes = dict(method.generate_batch([asked(clip, options) for clip in clips], seeds=[3, 4, 5]))  # type: ignore[union-attr]
    assert np.array_equal(outcomes["clip-0"], np.full((5, 128, 128, 3), 3))
    assert [type(outcomes[f"clip-{i}"]).__name__ for i in (1, 2)] == ["ProgramFailed", "ProgramFailed"]
    assert "out of memory" in str(outcomes["clip-2"])


def test_batch_all_answers_a_single_clip_as_per_clip_does(tmp_path, clip):
    text = (
        ALL
        + "asked = json.loads((folder / clips[0]['folder'] / 'inputs.json').read_text())\noutput = clips[0]['output']\n"
        + GREY
    )
    assert np.array_equal(answer(clip, program(tmp_path, text), batch="all"), np.full((5, 128, 128, 3), 7))


def test_a_clip_that_lacks_a_declared_need_is_undefined_with_the_reason(clip):
    import dataclasses

    bare = dataclasses.replace(clip, missing={Input.DEPTH: "no depth in this release"})
    with pytest.raises(Undefined, match="no depth in this release"):
        asked(bare, Options(cmd="x {inputs} {output}", needs=(Input.EXO_VIDEO, Input.DEPTH)))
    assert asked(bare, Options(cmd="x {inputs} {output}")).exo[0].depth is None


def settings(**values: str) -> Options:
    return options_from(load_registry()["command"], preset=None, settings=values)


def test_needs_are_set_as_a_comma_list():
    options = settings(cmd="p {inputs} {output}", needs="exo_video, depth,caption", exo_views="3")
    spec = load_registry()["command"].with_options(options)
    assert spec.needs == {Input.EXO_VIDEO, Input.DEPTH, Input.CAPTION}
    assert spec.exo_views == 3


def test_a_name_tells_programs_apart():
    command = load_registry()["command"]
    assert command.with_options(settings(cmd="p {inputs} {output}", name="blur")).id == "command-blur"
    assert command.with_options(settings(cmd="p {inputs} {output}")).id == "command"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cmd": "program {inputs}"}, r"lacks \{output\}"),
        ({"cmd": "p {inputs} {output}", "needs": "exo_video,truth"}, "never sees it"),
        ({"cmd": "p {inputs} {output}", "needs": "exo_vidio"}, "exo_vidio"),
        ({"cmd": "p {inputs} {output}", "timeout_s": "0"}, "timeout_s is 0"),
        ({"cmd": "p {inputs} {output}", "name": "../up"}, "is not lower case words with dashes"),
        ({"cmd": "p {inputs} {output}", "batch": "some"}, "batch"),
        ({"cmd": "p {inputs} {output}", "timeout": "5"}, "did you mean 'timeout_s'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_runs(values, message):
    with pytest.raises(UserError, match=message):
        settings(**values)


@pytest.mark.parametrize(
    ("cmd", "message"),
    [
        ("", "needs a program"),
        ("no-such-program-xyz {inputs} {output}", "no-such-program-xyz"),
        ("a 'b {inputs} {output}", "quotation"),
    ],
)
def test_a_program_that_is_not_there_is_told_when_the_method_is_loaded(cmd, message):
    with pytest.raises(UserError, match=message):
        make(Options(cmd=cmd))


def test_the_key_sees_the_command_and_the_programs_bytes_but_no_limits(tmp_path):
    source = tmp_path / "repo"
    (source / "__pycache__").mkdir(parents=True)
    (source / "model.py").write_text("1")
    options = Options(cmd="p {inputs} {output}", source=(str(source),), timeout_s=5)
    spec = load_registry()["command"]
    before = spec.with_options(options).source_digest()
    assert set(deciding_options(options)) == {"cmd", "needs", "exo_views", "output_format", "batch"}
    assert deciding_options(options) == deciding_options(Options(cmd="p {inputs} {output}"))
    (source / "__pycache__" / "model.pyc").write_text("compiled")
    assert spec.with_options(options).source_digest() == before
    (source / "model.py").write_text("2")
    assert spec.with_options(options).source_digest() != before


def test_a_source_that_is_not_there_is_an_error():
    with pytest.raises(UserError, match="/nowhere/at/all: no such file or folder"):
        load_registry()["command"].with_options(Options(source=("/nowhere/at/all",))).source_digest()


def _runs(pid: int) -> bool:
    """Whether a process still runs; one that has ended but was not collected by its parent does not count."""
    for _ in range(40):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat")
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.05)
    return True


def test_a_signal_that_comes_while_a_program_starts_still_ends_the_program(tmp_path, monkeypatch):
    started = []

    class Late(subprocess.Popen):
        """Started, but not yet known to its starter when the signal comes."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self.pid)
            os.kill(os.getpid(), signal.SIGTERM)

    def unwind(number, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(process.subprocess, "Popen", Late)
    before = signal.signal(signal.SIGTERM, unwind)
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run_program([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=60, log=tmp_path / "log")
    finally:
        signal.signal(signal.SIGTERM, before)
    (pid,) = started
    assert not Path(f"/proc/{pid}").exists()


def test_a_second_signal_while_a_program_is_ended_does_not_save_it(tmp_path, monkeypatch):
    ended, end = [], process._signal_group

    def interrupted(group, what):
        ended.append(group)
        os.kill(os.getpid(), signal.SIGTERM)
        end(group, what)

    def unwind(number, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_signal_group", interrupted)
    before = signal.signal(signal.SIGTERM, unwind)
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run_program([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.5, log=tmp_path / "log")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended
    assert not Path(f"/proc/{ended[0]}").exists()
