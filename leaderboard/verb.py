"""egox-bench table: show runs as tables and keep them in a CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.files import atomic_file

if TYPE_CHECKING:
    from .rows import Row

RUNS = Path("runs")


def command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs: folders with a results.json, or folders searched for them.", show_default="runs"),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Add the runs to this CSV, one line a metric; lines of other runs stay.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")] = False,
    text: Annotated[
        bool, typer.Option("--text/--no-text", help="Write each run's own table to table.txt in its folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet/--no-quiet", help="Print no table (for --csv).")] = False,
) -> None:
    """Show runs as tables, one for each split and protocol.

    Rows that were measured on other clips or in another way are never put into one table.

    Example: `egox-bench table runs --csv leaderboard.csv`
    """
    from .long_csv import merge_into
    from .rows import find_rows

    rows = find_rows(runs or [RUNS])
    if text:
        keep_texts(rows)
    if as_json:
        import msgspec

        print(json.dumps([{"run": str(row.folder), "results": msgspec.to_builtins(row.results)} for row in rows], indent=2))
    elif not quiet:
        show(rows)
    if csv is not None:
        merge_into(csv, rows)


def keep_texts(rows: Sequence[Row]) -> None:
    """Write table.txt beside each results.json: the run alone, as plain text."""
    from .table import plain_text, sheet_of

    for row in rows:
        data = plain_text(sheet_of([row])).encode()
        atomic_file(row.folder / "table.txt", lambda aside, data=data: aside.write_bytes(data))


def show(rows: Sequence[Row]) -> None:
    """Print one table a split and protocol to stdout; says on stderr what keeps tables of the same names apart."""
    from .rows import differences, grouped
    from .table import plain_text, rich_tables, sheet_of

    groups = grouped(rows)
    for place, group in enumerate(groups):
        sheet = sheet_of(group)
        if place:
            print()
        if sys.stdout.isatty():
            from rich.console import Console

            console = Console()
            for table in rich_tables(sheet):
                console.print(table, "")
            console.print("\n" + "\n".join(sheet.legend), markup=False, highlight=False)
        else:
            print(plain_text(sheet), end="")
        for other in groups[:place]:
            ours, theirs = group[0].results, other[0].results
            if (ours.split.name, ours.protocol.name) == (theirs.split.name, theirs.protocol.name):
                print(f"not in the table above: {'; '.join(differences(other[0], group[0]))}", file=sys.stderr)
