"""A results repository of two runs, made once and copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from leaderboard.submission.readme import write_readme

from .publishable import MINE, YOURS, place, publishable


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("publishable")
    place(root / "repository", publishable(root / "runs", "mine", level=20, key=MINE))
    place(root / "repository", publishable(root / "runs", "yours", level=22, key=YOURS))
    assert write_readme(root / "repository") == []
    return root / "repository"


@pytest.fixture
def repository(_made: Path, tmp_path: Path) -> Path:
    """A results repository that passes the check."""
    return Path(shutil.copytree(_made, tmp_path / "repository"))


@pytest.fixture
def mine(repository: Path) -> Path:
    """The results file of its run of the method "mine"."""
    return repository / "results" / "unseen" / "mini" / "mine" / f"{MINE}.json"
