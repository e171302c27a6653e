"""Flags that several verbs share: one name, one meaning, one help text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError

Data = Annotated[
    str,
    typer.Option(
        "--data",
        help="Where clips come from: 'sim' (the simulated world, made on demand, with depth as a network would estimate it),"
        " 'sim:true-depth' (the same with exact depth) or a data folder.",
        metavar="sim|sim:true-depth|DIR",
    ),
]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        help="A split of the data ('egox-bench list splits'; of sim also 'unseen:96' for more), or a manifest file *.jsonl.",
    ),
]
Protocol = Annotated[
    str | None,
    typer.Option("--protocol", help="What is measured and on which canvas; default: the data's own.", show_default=False),
]
Out = Annotated[Path, typer.Option("--out", help="Folder that keeps runs.")]
Methods = Annotated[list[str], typer.Option("--method", "-m", help="A method ('egox-bench list methods'); may be given again.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="An option of the method, key=value; may be given again.", show_default=False)
]
Preset = Annotated[str | None, typer.Option("--preset", help="A named set of the method's options.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the run; every clip gets its own from it.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only the first N clips by id; the result is marked partial.", show_default=False),
]
Clips = Annotated[
    list[str] | None, typer.Option("--clips", help="Only these clips (ids, commas or again); marked partial.", show_default=False)
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes that generate and score; any number gives the same bytes.",
        show_default="at mini size one a core, as memory and clips allow; 1 at others, with a GPU, if a method fits or batches",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print keys and what would be done; do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]

Controls = Annotated[
    bool,
    typer.Option(
        "--controls/--no-controls",
        help="Also score the control rows: the truth itself, its first frame held still, and another clip's truth (chance).",
    ),
]


class OverwriteChoice(StrEnum):
    """See `benchmark.job.Overwrite`; repeated here because that module is heavy."""

    NEVER = "never"
    FAILED = "failed"
    ALWAYS = "always"


Overwrite = Annotated[
    OverwriteChoice,
    typer.Option("--overwrite", help="never: keep all that is there; failed: try undefined clips again; always: make all anew."),
]

DEFAULT_OUT = Path("runs")
"""Relative to where the command is called."""


def comma_list(values: list[str] | None) -> list[str] | None:
    """`--clips a,b --clips c` as one list; None where nothing was given. Raises UserError where nothing is named."""
    if not values:
        return None
    parts = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if not parts:
        raise UserError(f"{values[0]!r} names nothing; give names, with commas between them")
    return parts
