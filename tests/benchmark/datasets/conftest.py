"""Fixtures of the dataset tests: a tiny download, and a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from .download import Download


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Digests of temporary files stay out of the person's cache. Tests of sub-folders choose their own."""
    if request.path.parent == Path(__file__).parent:
        monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def download(tmp_path: Path) -> Download:
    return Download(tmp_path / "download")
