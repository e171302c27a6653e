"""Nothing of the user's own settings reaches these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .made import Index, index_of, published


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EGOX_BENCH_OFFLINE", "HF_HUB_OFFLINE", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "EGOX_BENCH_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that pip is told to use; it has the weights "tiny"."""
    with index_of(published()[0]) as made:
        monkeypatch.setenv("PIP_INDEX_URL", made.url)
        yield made
