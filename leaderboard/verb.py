"""egox-bench table: show runs as tables, for a terminal, a paper, a page or a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.errors import UserError
from benchmark.files import atomic_file

if TYPE_CHECKING:
    from .rows import Row
    from .table import Sheet

RUNS = Path("runs")


class Format(StrEnum):
    """How a table is written; see `leaderboard.formats`."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    CSV = "csv"
    LONG_CSV = "long-csv"


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VIEW] [RUN]...",
            help="A view (paper1, paper2 or a TOML file), then runs: folders with a results.json, or folders searched for them.",
            show_default="runs",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="csv has one line a row, long-csv one line a number.")] = Format.TEXT,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write the table to this file instead of stdout.", show_default=False)
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Add the runs to this long CSV; lines of other runs stay.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")] = False,
    text: Annotated[
        bool, typer.Option("--text/--no-text", help="Write each run's own table to table.txt in its folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet/--no-quiet", help="Print no table (for --csv).")] = False,
) -> None:
    """Show runs as tables, one for each split and protocol; the same runs give the same bytes.

    Rows that were measured on other clips or in another way are never put into one table, and a best value is marked only
    where paired tests say so. A view chooses rows, columns and their order: paper1 and paper2 are the paper's tables.

    Examples:

    egox-bench table

    egox-bench table paper1 --format latex --to table1.tex

    egox-bench table paper2 runs --format csv --to ablations.csv
    """
    from .long_csv import merge_into
    from .rows import find_rows
    from .views import is_view, read_view, show

    if as_json and (to is not None or form is not Format.TEXT):
        raise UserError("--json is a format of its own, on stdout: leave out --format and --to")
    if to is not None and to.is_dir():
        raise UserError(f"{to}: a folder; name a file with --to")
    words = [str(word) for word in runs or []]
    view = read_view(words.pop(0)) if words and is_view(words[0]) else None
    rows = find_rows([Path(word) for word in words] or [RUNS])
    if text:
        keep_texts(rows)
    if view is not None:
        shown = show(view, rows)
        sheets, left_out, title = list(shown.sheets), shown.left_out, view.title
        rows = [line.row for sheet in sheets for line in sheet.lines]
    else:
        sheets, left_out, title = _plain_sheets(rows, form), (), "Results"
    if as_json:
        import msgspec

        print(json.dumps([{"run": str(row.folder), "results": msgspec.to_builtins(row.results)} for row in rows], indent=2))
    elif to is not None:
        data = _drawn(sheets, form, title).encode()
        try:
            atomic_file(to, lambda aside: aside.write_bytes(data))
        except OSError as error:
            raise UserError(f"{to}: cannot be written ({error.strerror or error}); name another file with --to") from error
    elif not quiet:
        _print(sheets, form, title)
    for reason in left_out if not quiet else ():
        print(reason, file=sys.stderr)
    if csv is not None:
        merge_into(csv, rows)


def keep_texts(rows: Sequence[Row]) -> None:
    """Write table.txt beside each results.json: the run alone, as plain text."""
    from .formats.terminal import plain_text
    from .table import sheet_of

    for row in rows:
        data = plain_text(sheet_of([row])).encode()
        atomic_file(row.folder / "table.txt", lambda aside, data=data: aside.write_bytes(data))


def _plain_sheets(rows: Sequence[Row], form: Format) -> list[Sheet]:
    """One sheet a split and protocol; what is to be published holds no partial run. Says on stderr what is kept apart."""
    from .rows import grouped, kept_apart, partial_reason
    from .table import sheet_of

    if form is not Format.TEXT and form is not Format.LONG_CSV:
        for row in rows:
            if row.results.partial:
                raise UserError(partial_reason(row))
    groups = grouped(rows)
    for reason in kept_apart(groups):
        print(reason, file=sys.stderr)
    return [sheet_of(group) for group in groups]


def _print(sheets: Sequence[Sheet], form: Format, title: str) -> None:
    if form is not Format.TEXT or not sys.stdout.isatty():
        print(_drawn(sheets, form, title), end="")
        return
    from rich.console import Console

    from .formats.terminal import rich_tables

    console = Console()
    for sheet in sheets:
        for table in rich_tables(sheet):
            console.print(table, "")
        console.print("\n".join(sheet.legend), "", markup=False, highlight=False)


def _drawn(sheets: Sequence[Sheet], form: Format, title: str) -> str:
    if form is Format.MARKDOWN:
        from .formats.markdown import markdown

        return "\n".join(markdown(sheet) for sheet in sheets)
    if form is Format.LATEX:
        from .formats.latex import latex

        return latex(sheets, caption=title, label="tab:results")
    if form is Format.HTML:
        from .formats.html import html

        return html(sheets, title=title)
    if form is Format.CSV:
        from .formats.wide_csv import wide_csv

        return wide_csv(sheets)
    if form is Format.LONG_CSV:
        from .long_csv import lines_of, to_text

        return to_text([line for sheet in sheets for row in sheet.lines for line in lines_of(row.row)])
    from .formats.terminal import plain_text

    return "\n".join(plain_text(sheet) for sheet in sheets)
