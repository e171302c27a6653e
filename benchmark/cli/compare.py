"""egox-bench compare: which method is better on which metric, and whether these clips can tell."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import options as o


def command(
    runs: Annotated[list[Path], typer.Argument(help="Runs: folders with a results.json, or folders searched for them.")],
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write every difference to this CSV, one line a pair and metric.", show_default=False),
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Compare runs of one split and protocol: every pair of methods on every metric.

    Clips are paired and whole takes are permuted and resampled; p-values are corrected for all tests (Holm). Runs of one
    method that differ in seed only are repeats: they are averaged clip by clip first. Partial runs, and runs that were
    measured on other clips or in another way, are refused.

    Examples:

    egox-bench compare runs/ego-prior/unseen runs/prior-inpaint/unseen

    egox-bench compare runs --csv differences.csv
    """
    from ..comparison import compare_runs
    from ..comparison_text import drawn, to_csv, to_json
    from ..files import atomic_file

    comparison = compare_runs(runs)
    if as_json:
        print(json.dumps(to_json(comparison), indent=2))
    else:
        print(drawn(comparison, terminal=sys.stdout.isatty()), end="")
    if csv is not None:
        text = to_csv(comparison)
        atomic_file(csv, lambda aside: aside.write_text(text, encoding="utf-8"))
