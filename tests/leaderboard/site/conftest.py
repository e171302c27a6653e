"""A site of real runs: three methods on a folder of painted boxes, through the command line as a user would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ...box_folder import write_box_folder
from ...pixels import PATH

COMMAND = str(Path(sys.executable).with_name("egox-bench"))


def egox_bench(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command; its exit code must be `code`."""
    done = subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def box_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of ego-prior, prior-inpaint, the truth and a still picture on three clips of one folder."""
    root = tmp_path_factory.mktemp("box_runs")
    boxes = write_box_folder(root / "boxes")
    methods = [word for name in ("ego-prior", "prior-inpaint", "oracle", "repeat-first") for word in ("-m", name)]
    egox_bench(
        "run", *methods, "--data", boxes, "--split", "all", "--protocol", PATH, "--no-controls", "--out", root / "runs"
    )  # fmt: skip
    return root / "runs"


@pytest.fixture(scope="session")
def box_site(box_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of these runs with all its pictures."""
    out = tmp_path_factory.mktemp("box_site") / "site"
    egox_bench("publish", box_runs, "--local", "--out", out)
    return out
