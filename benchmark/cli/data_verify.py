"""egox-bench data verify."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o


def command(
    data: Annotated[str, typer.Argument(help="A data folder, a release list *.json, or 'sim'.", metavar="DATA")],
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Check only the first N takes or clips.", show_default=False)
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """List all problems of a data folder at once: where, what, and what to do. Exit code 1 where clips are unusable or wrong.

    Example: egox-bench data verify /data/egoexo --limit 20
    """
    from ..datasets.verify import as_text, to_json, verify_data
    from ..progress import progress

    with progress("verify") as task:
        report = verify_data(data, limit=limit, progress=task)
    print(to_json(report) if as_json else as_text(report))
    raise typer.Exit(1 if report.errors else 0)
