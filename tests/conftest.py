"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of recorded sample clips; licensed material that is never part of this repository."""
    named = os.environ.get("EGOX_BENCH_SAMPLES")
    beside = Path(__file__).resolve().parents[2] / "shared" / "samples"
    folder = Path(named) if named else beside
    if not (folder / "ego-exo4d").is_dir():
        pytest.skip("recorded samples are not here: set EGOX_BENCH_SAMPLES to their folder")
    return folder
