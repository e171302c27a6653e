"""What the README and the docs show of results is what the repository's results give: a table or picture that is older fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.figures.chunk import stale
from leaderboard.rows import find_rows

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
COMMAND = str(Path(sys.executable).with_name("egox-bench"))
AGAIN = "see docs/results/README.md for how they are made, then put the output of this command between the marks again"


def egox_bench(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def test_the_table_of_the_readme_is_the_one_that_the_results_give():
    shown = re.search(r"<!-- table -->\n```\n(.*?)```\n<!-- /table -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    done = egox_bench("table", "docs/readme-table.toml", "docs/results")
    assert done.returncode == 0, done.stderr
    assert shown[1] == done.stdout, AGAIN


@pytest.mark.parametrize("figure", ["fig5", "fig6"])
def test_the_pictures_show_what_the_results_were_scored_on(figure):
    assert stale(ROOT / "docs" / "images" / f"{figure}.png", find_rows([RESULTS])) == []


def test_the_results_pass_their_own_check():
    done = egox_bench("submit", "--check", RESULTS)
    assert done.returncode == 0, done.stdout
    assert "0 problems, 0 warnings" in done.stdout
