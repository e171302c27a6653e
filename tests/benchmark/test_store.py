"""The store: keys, claims between processes, and what a kill leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.store import Prediction, RunFolder, Scores, content_key, run_folder


def record(key: str = "k") -> Prediction:
    return Prediction(key=key, clip_digest="d", extra="", outcome="done", pixels="p")


def test_keys_do_not_depend_on_the_order_of_parts() -> None:
    assert content_key({"a": 1, "b": [2.5, None]}) == content_key({"b": [2.5, None], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    with pytest.raises(ValueError, match="JSON compliant"):
        content_key({"a": float("nan")})


@pytest.mark.parametrize("clip", ["../x", "a/b", "", ".hidden", "a:b", "a\nb", "x" * 300])
def test_clip_ids_that_are_no_file_names_are_refused(tmp_path: Path, clip: str) -> None:
    with pytest.raises(UserError, match="cannot be a file name"):
        RunFolder(tmp_path).video(clip)


def test_a_prediction_comes_back_and_counts_only_with_its_video(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.prediction("c") is None
    assert folder.scores("c") == Scores(metrics={})
    folder.commit_prediction("c", record(), np.zeros((2, 16, 16, 3), np.uint8), fps=10)
    assert folder.prediction("c") == record()
    folder.video("c").unlink()
    assert folder.prediction("c") is None


def test_split_names_with_a_colon_become_folders(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, method="m", split="train:600", protocol="mini", key="abc")
    assert folder.path == tmp_path / "m" / "train-600" / "mini" / "abc"


def hold(path: str, ready: multiprocessing.synchronize.Event) -> None:
    with RunFolder(Path(path)).claim("c", wait=True):
        ready.set()
        time.sleep(60)


def test_a_claim_is_seen_by_other_processes_and_freed_when_its_owner_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    owner = context.Process(target=hold, args=(str(tmp_path), ready))
    owner.start()
    assert ready.wait(30)
    with RunFolder(tmp_path).claim("c", wait=False) as mine:
        assert not mine
    with RunFolder(tmp_path).claim("d", wait=False) as mine:
        assert mine
    assert owner.pid is not None
    os.kill(owner.pid, signal.SIGKILL)
    owner.join(10)
    with RunFolder(tmp_path).claim("c", wait=True) as mine:
        assert mine


WRITER = """
    import sys
    from pathlib import Path
    import numpy as np
    from benchmark.store import Prediction, RunFolder
    folder = RunFolder(Path(sys.argv[1]))
    for i in range(10_000):
        frames = np.full((4, 64, 64, 3), i % 256, np.uint8)
        record = Prediction(key=str(i % 256), clip_digest="d", extra="", outcome="done", pixels="p")
        folder.commit_prediction("c", record, frames, fps=10)
        print(i, flush=True)
"""


def test_a_kill_in_the_middle_of_commits_leaves_a_whole_video_and_a_whole_record(tmp_path: Path) -> None:
    from benchmark.video import decoded_frames

    for commits in (1, 4, 9):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(commits):
            writer.stdout.readline()
        writer.kill()
        writer.wait()
        frames = list(decoded_frames(RunFolder(tmp_path).video("c")))
        found = RunFolder(tmp_path).prediction("c")
        assert len(frames) == 4
        assert found is not None
        # The video is renamed first: it is the record's own, or that of the commit that was under way.
        assert (int(frames[0][0, 0, 0]) - int(found.key)) % 256 in (0, 1)
