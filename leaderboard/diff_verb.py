"""egox-bench diff: what changed between two versions of results."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a difference is written."""

    TEXT = "text"
    MARKDOWN = "markdown"


def command(
    old: Annotated[Path, typer.Argument(help="A results repository or a folder of runs, as it was.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="The same, as it is now.", show_default=False)],
    form: Annotated[Format, typer.Option("--format", help="markdown is for a comment on a pull request.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")] = False,
) -> None:
    """Show which runs were added, removed or changed, and how far their numbers moved.

    A run is followed by its split, protocol, method, options and seed, even where its key is another because code or data
    changed; what changed in its header is named. A number is called beyond the old interval where the new mean lies outside the
    old 95 % interval. Numbers of other clips, metric versions or weights are shown, and never called better or worse.
    A file that does not fit is named (exit code 1) and the rest is compared. This is no test: for one, see 'egox-bench compare'.

    Examples:

    egox-bench diff results-repository-main results-repository

    egox-bench diff old/runs runs --format markdown > comment.md
    """
    from .submission.diff import diff
    from .submission.diff_text import markdown, plain_text, to_json

    found = diff(old, new)
    if as_json:
        print(json.dumps(to_json(found), indent=2))
    else:
        print(markdown(found) if form is Format.MARKDOWN else plain_text(found), end="")
    if found.faults:
        for fault in found.faults if as_json else ():
            print(fault, file=sys.stderr)
        raise typer.Exit(1)
