"""egox-bench publish: results as a folder of pages to look at, to send, to put on any web server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.errors import UserError, unknown

from .site import VIDEOS

if TYPE_CHECKING:
    from .rows import Row


def command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs, folders searched for them, or results repositories ('egox-bench submit').",
            show_default="runs",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the site; a site that is there is replaced.")] = Path("site"),
    data: Annotated[
        str | None,
        typer.Option("--data", help="Where the clips are, for runs that do not say it.", metavar="sim|DIR", show_default=False),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Show all pictures of licensed data too: for a page that you keep to yourself.")
    ] = False,
    generated: Annotated[
        list[str] | None,
        typer.Option(
            "--generated",
            help="A method whose videos a model made anew, so that they may be shown where pixels of the data may not.",
            show_default=False,
        ),
    ] = None,
    videos: Annotated[
        int, typer.Option("--videos", min=0, help="Clips of a table that get videos, spread over its places; 0 for none.")
    ] = VIDEOS,
) -> None:
    """Write results as a site: tables to sort and filter, every number's clips, every clip's videos in step.

    It opens from the disk, needs no server and asks nothing of the network. Runs that are partial are left out, and so is what
    cannot be read; both are told. Of data with a licence only generated videos are shown, unless --local.

    Examples:

    egox-bench publish --out site

    egox-bench publish runs results-repository --data path/to/takes --local --out private
    """
    from benchmark.progress import progress

    from .rows import find_rows_and_faults, grouped, kept_apart, partial_reason
    from .site.building import build_site
    from .submission.check import fault_of
    from .table import sheet_of

    roots = runs or [Path("runs")]
    rows, told = find_rows_and_faults(roots)
    whole: list[Row] = []
    for row in rows:
        fault = partial_reason(row) if row.results.partial else fault_of(row)
        if fault is None:
            whole.append(row)
        else:
            told.append(fault)
    groups = grouped(whole)
    told += kept_apart(groups)
    methods = {row.results.method.id for row in whole}
    for name in generated or ():
        if name not in methods:
            raise unknown("method among these runs", name, methods)
    if not groups:
        raise UserError("; ".join(told) or "no run here; make some: egox-bench run --method egox --split unseen")
    # the split and protocol with most rows first: its page is the site's first page
    groups.sort(key=lambda group: -sum(row.competes for row in group))
    with progress("pages") as task:
        built = build_site(
            [sheet_of(group) for group in groups], out, faults=told, local=local, generated=frozenset(generated or ()), data=data,
            videos=videos, roots=roots, progress=task,
        )  # fmt: skip
    for fault in built.faults:
        print(fault, file=sys.stderr)
    print(f"{built.folder}/index.html: {built.pages} pages, {built.videos} videos, {built.bytes / 1e6:.1f} MB")
