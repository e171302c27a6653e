"""Where everything lives that can be made again: sim renders, extractor outputs, converted weights. Safe to delete."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """`$EGOX_BENCH_CACHE` where it is set, else `~/.cache/egox-bench`. The folder need not exist yet."""
    named = os.environ.get("EGOX_BENCH_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "egox-bench"
