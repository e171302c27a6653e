"""One rendered window for all tests of this folder: a take in which the actor walks, so that the head moves much."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.canvas import MINI
from benchmark.clip import Clip, Input
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.splits.manifest import Row


def no_progress(done: int, total: int, what: str) -> None:
    """Tests show no progress."""


@pytest.fixture(scope="session")
def row() -> Row:
    return next(row for row in SimDataset().manifest("train").rows if row.clip_id.startswith("sim_workshop0001_1_"))


@pytest.fixture(scope="session")
def sim(tmp_path_factory: pytest.TempPathFactory, row: Row) -> SimDataset:
    """A dataset whose cache holds `row` whole, at mini size, with true depth."""
    dataset = SimDataset(tmp_path_factory.mktemp("cache"), depth="true")
    dataset.prepare([row], MINI, needs=frozenset(Input), workers=1, progress=no_progress)
    return dataset


@pytest.fixture(scope="session")
def clip(sim: SimDataset, row: Row) -> Clip:
    return sim.clip(row, MINI)


@pytest.fixture(scope="session")
def cache(sim: SimDataset) -> Path:
    """The folder that the window was written to."""
    return sim.root
