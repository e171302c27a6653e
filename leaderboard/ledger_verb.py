"""egox-bench ledger: what papers print beside what was measured, each with a verdict."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from benchmark.errors import unknown
from benchmark.files import atomic_file

RUNS = Path("runs")
RESULTS = "results.json"


def command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Runs: folders with a results.json, or folders searched for them; none are needed.", show_default="runs"
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="One table only: table1, table1-seen, table1-unseen, table2.", show_default=False),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write every verdict to this CSV, one a line.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")] = False,
) -> None:
    """Show the numbers that papers print beside a third party's and ours, each with a verdict.

    Ours agrees with print where its 95 % interval and what is rounded to the printed digits meet; else it is off by so much.
    Runs on other data or under another protocol cannot be compared, and the ledger says why. Without any run it shows what
    is printed, what a third party measured of the released weights, and whether printed shares can be k of N clips.

    Examples:

    egox-bench ledger

    egox-bench ledger --table table2

    egox-bench ledger runs/egox --csv ledger.csv
    """
    from .ledger import ledger_of
    from .ledger_text import plain_text, rich_parts, to_csv, to_json
    from .published import shipped
    from .rows import find_rows

    # the default folder may be missing or empty: the ledger is worth reading without a run of one's own
    paths = runs or ([RUNS] if RUNS.is_dir() and next(RUNS.rglob(RESULTS), None) else [])
    ledger = ledger_of(shipped(), find_rows(paths))
    if table is not None:
        ledger = ledger.only(_tables(table, [one.printed.id for one in ledger.tables]))
    if as_json:
        print(json.dumps(to_json(ledger), indent=2))
    elif sys.stdout.isatty():
        from rich.console import Console

        console = Console()
        for part in rich_parts(ledger, width=console.width):
            console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
    else:
        print(plain_text(ledger), end="")
    if csv is not None:
        text = to_csv(ledger)
        atomic_file(csv, lambda aside: aside.write_text(text, encoding="utf-8"))


def _tables(name: str, ids: Collection[str]) -> tuple[str, ...]:
    """The ids that a name means: itself, or all that it begins (table1: table1-seen, table1-unseen)."""
    found = tuple(one for one in ids if one == name or one.startswith(f"{name}-"))
    if not found:
        raise unknown("table", name, {*ids, *(one.partition("-")[0] for one in ids)})
    return found
