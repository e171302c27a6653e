"""What is trained once for all tests of the verb.

Its files live as long as the session. A parallel run mixes these modules with others, and whenever it comes back to this package
it makes the package's fixtures anew: `trained` then finds its files instead of training again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box_folder import write_box_folder
from tests.methods.train_verb.tiny_training import RECIPES, train, written


@pytest.fixture(autouse=True, scope="package")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("ACCELERATE_USE_CPU", "true")
        yield


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return written(tmp_path_factory.mktemp("recipes"), RECIPES)


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("boxes"), clips=2)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="package")
def trained(recipes: dict[str, Path], boxes: Path, once: Path) -> Path:
    """All stages, once. Tests read it; none writes into it."""
    train(*(recipes[name] for name in ("frames", "clips", "pairs", "ours", "unguided")), data=boxes, out=once)
    return once
