"""Rendering in several processes: it ends when it is asked to, and what was rendered is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = Path(sys.executable).with_name("egox-bench")


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_call_that_is_ended_while_it_renders_ends_soon_with_its_renderers(tmp_path: Path) -> None:
    words = [COMMAND, "run", "--method", "repeat-first", "--split", "unseen", "--workers", "2", "--out", tmp_path / "runs"]
    environment = {**os.environ, "EGOX_BENCH_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 240
    try:
        while not list(tmp_path.glob("cache/sim-*/takes/*/**/*.mp4")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        rendered = {path: path.read_bytes() for path in tmp_path.glob("cache/sim-*/takes/*/**/*.mp4")}
        renderers = [pid for pid in children_of(process.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
        assert len(renderers) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 130, "a take takes longer than that"
    finally:
        with contextlib.suppress(ProcessLookupError):  # nothing of it is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not [pid for pid in renderers if Path(f"/proc/{pid}").exists()]
    assert rendered
    assert all(path.read_bytes() == before for path, before in rendered.items())
