"""The command line from outside: what a person types, what comes out, and what survives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from .box_folder import write_box_folder
from .pixels import PATH

MEASURED = ("--protocol", str(PATH), "--no-controls")
COMMAND = str(Path(sys.executable).with_name("egox-bench"))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("boxes"), clips=4)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def egox_bench(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command; its exit code must be `code`."""
    done = subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def run(boxes: Path, out: Path, *words: object, method: str = "ego-prior", code: int = 0) -> subprocess.CompletedProcess[str]:
    return egox_bench(
        "run",
        "--method",
        method,
        "--data",
        boxes,
        "--split",
        "all",
        *MEASURED,
        "--out",
        out,
        *words,
        code=code,
    )


def prior_on(boxes: Path) -> list[str]:
    """The words of a run of the ego prior, but for where it is kept."""
    return [COMMAND, "run", "--method", "ego-prior", "--data", str(boxes), "--split", "all", *MEASURED]


def kept(out: Path) -> Mapping[str, bytes]:
    """Everything that equal runs must have in common, by path below `out`."""
    names = ("videos/*.mkv", "scores.jsonl", "results.json")
    return {str(path.relative_to(out)): path.read_bytes() for name in names for path in sorted(out.glob(f"*/*/*/*/{name}"))}


@pytest.fixture(scope="module")
def whole(boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    done = run(boxes, out)
    assert "4/4" in done.stdout
    return kept(out)


def test_a_run_ends_with_a_table_and_the_path_of_the_csv(boxes: Path, tmp_path: Path) -> None:
    done = run(boxes, tmp_path, "--limit", 1, method="oracle")
    assert "PSNR" in done.stdout
    assert done.stdout.rstrip().endswith(str(tmp_path / "leaderboard.csv"))
    header = (tmp_path / "leaderboard.csv").read_text().splitlines()[0]
    assert header.startswith("method,version,split,protocol,metric,value,low,high,n,n_expected")
    (text,) = tmp_path.glob("*/*/*/*/table.txt")
    assert "oracle" in text.read_text()


def test_two_workers_give_the_bytes_of_one(boxes: Path, tmp_path: Path, whole: Mapping[str, bytes]) -> None:
    run(boxes, tmp_path, "--workers", 2)
    assert kept(tmp_path) == whole


def test_two_commands_at_once_on_one_folder_end_with_the_same_bytes(
    boxes: Path, tmp_path: Path, whole: Mapping[str, bytes]
) -> None:
    words = prior_on(boxes)
    both = [subprocess.Popen([*words, "--out", str(tmp_path)], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    assert kept(tmp_path) == whole


@pytest.mark.parametrize("after", ["videos/*.mkv", "scores/*.json"])
def test_a_killed_run_goes_on_to_the_same_bytes(boxes: Path, tmp_path: Path, whole: Mapping[str, bytes], after: str) -> None:
    words = prior_on(boxes)
    process = subprocess.Popen([*words, "--out", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(f"*/*/*/*/{after}")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob("*/*/*/*/results.json")), "the kill came too late to test anything"
    run(boxes, tmp_path)
    assert kept(tmp_path) == whole


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(boxes: Path, tmp_path: Path) -> None:
    words = prior_on(boxes)
    process = subprocess.Popen([*words, "--out", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/*/*/*/clips/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "of 4 clips of ego-prior on all are kept in" in said
    assert "run the same command again to go on" in said


def test_scoring_the_oracles_videos_equals_the_oracle(boxes: Path, tmp_path: Path) -> None:
    run(boxes, tmp_path, method="oracle")
    (videos,) = tmp_path.glob("oracle/*/*/*/videos")
    egox_bench(
        "score",
        "--videos",
        videos,
        "--name",
        "mine",
        "--data",
        boxes,
        "--split",
        "all",
        *MEASURED,
        "--out",
        tmp_path,
    )
    rows = {path.parents[3].name: json.loads(path.read_text()) for path in tmp_path.glob("*/*/*/*/results.json")}
    assert rows["mine"]["metrics"] == rows["oracle"]["metrics"]
    assert rows["mine"]["metrics"]["ssim"]["mean"] == 1.0


def test_videos_made_elsewhere_are_fitted_openly_and_missing_ones_listed(boxes: Path, tmp_path: Path) -> None:
    import numpy as np

    from benchmark.video import write_h264

    rng = np.random.default_rng(0)
    (tmp_path / "videos").mkdir()
    write_h264(tmp_path / "videos" / "b0.mp4", rng.integers(0, 256, (20, 128, 352, 3), dtype=np.uint8), fps=30)
    write_h264(tmp_path / "videos" / "b1.mp4", rng.integers(0, 256, (9, 128, 128, 3), dtype=np.uint8), fps=10)
    words = (
        "--name",
        "mine",
        "--crop",
        "right",
        "--data",
        boxes,
        "--split",
        "all",
        *MEASURED,
        "--out",
        tmp_path / "out",
    )
    done = egox_bench("score", "--videos", tmp_path / "videos", *words)
    assert "cropped 352x128 to its right 128x128" in done.stderr
    assert "length 20 -> first 17 frames" in done.stderr
    assert "<clip>.mp4 has 9 frames, 17 are asked for; videos are never stretched (b1)" in done.stderr
    assert "no video <clip>.mp4 in the folder (b2, b3)" in done.stderr
    assert "1/4" in done.stdout


PROGRAM = """
import json, sys, time
from pathlib import Path
import numpy as np
inputs = json.loads(Path(sys.argv[1], "inputs.json").read_text())
clip = inputs["clip_id"]
if clip == "b0":
    sys.exit("the model exploded")
if clip == "b1":
    time.sleep(600)
height, width = inputs["height"], inputs["width"]
frames = inputs["n_frames"] - (clip == "b2")
np.save(sys.argv[2], np.full((frames, height, width, 3), 99, np.uint8))
"""


def test_a_program_that_crashes_hangs_or_miscounts_has_clear_outcomes(boxes: Path, tmp_path: Path) -> None:
    program = tmp_path / "method.py"
    program.write_text(PROGRAM)
    done = run(
        boxes, tmp_path / "out", "--set", f"cmd={sys.executable} {program} {{inputs}} {{output}}", "--set", "timeout_s=4",
        "--set", "output_format=npy", method="command", code=1,
    )  # fmt: skip
    for words in (
        "b0: error:",
        "the model exploded",
        "b1: error:",
        "killed after 4 s",
        "b2: error:",
        "(16, 128, 128, 3)",
        "3 clips failed; run the same command again to try them again",
    ):
        assert words in done.stderr, f"{words!r} is not in\n{done.stderr}"
    assert "1/4" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--method", "ego-pror"), "unknown method 'ego-pror'; did you mean 'ego-prior'?"),
        (("run", "--method", "ego-prior", "--split", "unsen"), "unknown split 'unsen'; did you mean 'unseen'?"),
        (("run", "--method", "ego-prior", "--protocol", "minni"), "unknown protocol 'minni'; did you mean 'mini'?"),
        (("run", "--method", "ego-prior", "--set", "splat=3"), "ego-prior"),
        (("run", "--method", "ego-prior", "--split", "nowhere.jsonl"), "nowhere.jsonl: cannot read manifest"),
        (("run", "--method", "ego-prior", "--data", "no/such/folder"), "no/such/folder: no such data folder"),
        (("score", "--split", "unseen"), "give either --method or --videos"),
        (("score", "--videos", "no/such/folder"), "--videos no/such/folder: no such folder"),
        (("run", "--method", ","), "',' names nothing"),
        (("run", "--method", "command", "--set", "timeout_s=nan"), "timeout_s is nan"),
        (("score", "--videos", ".", "--name", "a/b"), "--name 'a/b'"),
        (("score", "--videos", ".", "--name", "oracle"), "a method of this name is installed"),
        (("store", "why", "ffff", "--out", "nothing-here"), "no run, prediction or score"),
    ],
)
def test_a_mistake_is_one_clear_sentence_and_exit_code_2(words: tuple[str, ...], said: str) -> None:
    done = egox_bench(*words, code=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_an_empty_data_folder_is_refused(tmp_path: Path) -> None:
    done = egox_bench("run", "--method", "oracle", "--data", tmp_path, "--split", "all", code=2)
    assert "the folder is empty" in done.stderr


def test_a_full_disk_ends_the_run_with_one_sentence_and_keeps_what_was_there(boxes: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        done = run(boxes, small, method="oracle", code=2)
        assert "No space left on device" in done.stderr
        assert "what was committed is intact" in done.stderr
        videos = list(small.glob("*/*/*/*/videos/*.mkv"))
        assert 0 < len(videos) < 4
        assert not list(small.rglob("*.part"))
        free = tmp_path / "free"
        shutil.copytree(small, free)
        before = {path.name: path.read_bytes() for path in videos}
        run(boxes, free, method="oracle")
        after = {path.name: path.read_bytes() for path in free.glob("*/*/*/*/videos/*.mkv")}
        assert len(after) == 4
        assert before.items() <= after.items()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_read_only_folder_is_one_sentence(boxes: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "out"
    blocked.write_text("a file where the folder should be")
    done = run(boxes, blocked, code=2)
    assert "cannot be written" in done.stderr


def test_dry_run_prints_keys_and_writes_nothing(boxes: Path, tmp_path: Path) -> None:
    done = run(boxes, tmp_path / "out", "--dry-run")
    assert "4 to generate" in done.stdout
    assert not (tmp_path / "out").exists()


def test_json_output_is_json(boxes: Path, tmp_path: Path) -> None:
    (report,) = json.loads(run(boxes, tmp_path, "--json", "--limit", 1, method="oracle").stdout)
    assert report["results"]["n_scored"] == 1
    assert {row["id"] for row in json.loads(egox_bench("list", "methods", "--json").stdout)} >= {"oracle", "ego-prior"}


def test_why_tells_what_a_key_was_made_of_and_gc_finds_stale_runs(boxes: Path, tmp_path: Path) -> None:
    run(boxes, tmp_path, "--limit", 1, method="oracle")
    (record,) = tmp_path.glob("*/*/*/*/clips/b0.json")
    key = json.loads(record.read_text())["key"]
    done = egox_bench("store", "why", key, "--out", tmp_path)
    assert "prediction" in done.stdout
    assert "nothing has changed" in done.stdout
    assert str(record.parents[1]) in egox_bench("store", "size", "--out", tmp_path).stdout
    run_json = record.parents[1] / "run.json"
    run_json.write_text(run_json.read_text().replace('"version": "1"', '"version": "0"'))
    stale = egox_bench("store", "gc", "--stale", "--out", tmp_path)
    assert "version 0 -> 1" in stale.stdout
    assert record.exists(), "gc deletes only with --yes"
    egox_bench("store", "gc", "--stale", "--yes", "--out", tmp_path)
    assert not record.exists()


def test_videos_that_are_named_after_no_clip_are_refused(boxes: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.mp4").write_bytes(b"")
    words = ("--name", "mine", "--data", boxes, "--split", "all", *MEASURED, "--out", tmp_path / "out")
    done = egox_bench("score", "--videos", tmp_path, *words, code=2)
    assert "no file is named after a clip of the split, such as b0.mp4; it holds wrong.mp4" in done.stderr


def test_scoring_before_generating_says_so(boxes: Path, tmp_path: Path) -> None:
    words = ("--data", boxes, "--split", "all", *MEASURED, "--out", tmp_path)
    done = egox_bench("score", "--method", "copy-exo", *words, code=1)
    assert "4 not generated" in done.stderr
    assert "4 clips are not generated yet" in done.stderr


def test_ending_a_run_ends_the_program_that_it_started(boxes: Path, tmp_path: Path) -> None:
    program = tmp_path / "method.py"
    program.write_text(f"import os, time\nopen({str(tmp_path / 'pid')!r} + str(os.getpid()), 'w').close()\ntime.sleep(600)\n")
    for number, workers in ((signal.SIGTERM, "1"), (signal.SIGINT, "2")):
        words = [
            COMMAND,
            "run",
            "--method",
            "command",
            "--data",
            str(boxes),
            "--split",
            "all",
            *MEASURED,
        ]
        words += ["--set", f"cmd={sys.executable} {program} {{inputs}} {{output}}", "--workers", workers]
        process = subprocess.Popen([*words, "--out", str(tmp_path / "out")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("pid*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(timeout=60) == 130
        started = [int(path.name[3:]) for path in tmp_path.glob("pid*")]
        assert started
        while any(Path(f"/proc/{pid}").exists() for pid in started) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}").exists() for pid in started)
        for path in tmp_path.glob("pid*"):
            path.unlink()


def test_json_stays_json_whatever_prints_beside_it() -> None:
    code = (
        "import os\nfrom benchmark.cli.json_output import only_json\n"
        "with only_json(True) as emit:\n    print('a method says hello')\n    os.write(1, b'so does its library')\n"
        "    emit({'a': [1]})\nprint('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.removesuffix("after\n")) == {"a": [1]}
    assert "so does its library" in done.stderr


def test_help_and_list_methods_import_nothing_heavy() -> None:
    for words in (["--help"], ["run", "--help"], ["list", "methods"]):
        code = (
            "import sys\n"
            f"sys.argv = ['egox-bench', *{words!r}]\n"
            "from benchmark.cli import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "heavy = {'torch', 'numpy', 'av', 'cv2', 'scipy', 'skimage', 'embreex'} & set(sys.modules)\n"
            "sys.exit(f'imported {heavy}' if heavy else 0)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ))
        assert done.returncode == 0, done.stderr


def test_a_worker_that_is_killed_costs_its_clip_only(boxes: Path, tmp_path: Path) -> None:
    """The program kills the worker process that called it, as an out-of-memory killer would."""
    program = tmp_path / "method.py"
    program.write_text(
        "import json, os, signal, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "asked = json.loads(Path(sys.argv[1], 'inputs.json').read_text())\n"
        "if asked['clip_id'] == 'b1':\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
        "np.save(sys.argv[2], np.full((asked['n_frames'], asked['height'], asked['width'], 3), 99, np.uint8))\n"
    )
    done = run(
        boxes, tmp_path / "out", "--workers", 2, "--set", f"cmd={sys.executable} {program} {{inputs}} {{output}}",
        "--set", "output_format=npy", method="command", code=1,
    )  # fmt: skip
    assert "b1: error: its worker process died (signal SIGKILL, out of memory?); the other clips went on" in done.stderr
    assert "3/4" in done.stdout
    (results,) = (json.loads(path.read_text()) for path in (tmp_path / "out").glob("*/*/*/*/results.json"))
    assert results["metrics"]["psnr"]["errors"] == 1
    assert not results["partial"]
