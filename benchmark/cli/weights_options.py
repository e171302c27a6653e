"""Flags of the verbs about weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WeightsDir = Annotated[
    Path | None,
    typer.Option(
        "--weights-dir", help="Folder that keeps weights; default: $EGOX_BENCH_WEIGHTS, else 'weights' in the cache.",
        show_default=False,
    ),
]  # fmt: skip
Offline = Annotated[
    bool, typer.Option("--offline", help="Never use the network; also $EGOX_BENCH_OFFLINE=1 or $HF_HUB_OFFLINE=1.")
]
