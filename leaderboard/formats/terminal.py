"""Tables for a terminal and for table.txt, one block a group of columns so that they fit a narrow window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..legend import SIGNS
from ..table import Sheet

if TYPE_CHECKING:
    from rich.table import Table

FOOT = "scored"


def header(sheet: Sheet) -> tuple[str, ...]:
    """The headings of all columns."""
    return ("method", *(column.heading for column in sheet.columns), FOOT)


def texts(sheet: Sheet) -> tuple[tuple[str, ...], ...]:
    """Every line as text: its name, its cells with the sign of their mark, its count.

    In a column with marks a cell without one ends in a space, so that digits stay in line.
    """
    lines = []
    for line in sheet.lines:
        cells = [
            cell.text + (SIGNS[cell.mark] or (" " if column.metric in sheet.marks else ""))
            for column, cell in zip(sheet.columns, line.cells)
        ]
        lines.append((line.name, *cells, line.count))
    return tuple(lines)


def blocks(sheet: Sheet) -> list[tuple[str, tuple[int, ...]]]:
    """The sheet cut by its groups: heading and places in `header`, the row's name in each, its count in the last."""
    inner: list[tuple[str, list[int]]] = []
    for place, column in enumerate(sheet.columns, start=1):
        if inner and inner[-1][0] == column.group:
            inner[-1][1].append(place)
        else:
            inner.append((column.group, [place]))
    last = len(sheet.columns) + 1
    return [(group, (0, *places, *((last,) if nr == len(inner) - 1 else ()))) for nr, (group, places) in enumerate(inner)]


def rich_tables(sheet: Sheet) -> list[Table]:
    """The sheet as rich tables, one a group, without its legend; best cells are bold, second ones underlined."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cut, columns, lines = blocks(sheet), header(sheet), texts(sheet)
    styles = {"best": "bold", "second": "underline"}
    tables = []
    for number, (heading, places) in enumerate(cut):
        title = [sheet.title] if number == 0 else []
        title += [heading] if len(cut) > 1 else []
        table = Table(
            title=Text("\n\n".join(title)), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
        )
        for place in places:
            table.add_column(Text(columns[place]), justify="left" if place == 0 else "right", overflow="fold")
        for row, line in enumerate(sheet.lines):
            if row == sheet.competing and row > 0:
                table.add_section()
            marks = ["", *(cell.mark for cell in line.cells), ""]
            table.add_row(*(Text(lines[row][place], style=styles.get(marks[place], "")) for place in places))
        tables.append(table)
    return tables


def plain_text(sheet: Sheet) -> str:
    """The sheet as aligned text without colour, the same on every terminal, one block a group; ends in a newline."""
    cut = blocks(sheet)
    drawn = [sheet.title, ""]
    for heading, places in cut:
        drawn += [heading] if len(cut) > 1 else []
        drawn += [*_aligned(sheet, places), ""]
    return "\n".join([*drawn, *sheet.legend]).rstrip() + "\n"


def _aligned(sheet: Sheet, places: Sequence[int]) -> list[str]:
    columns, lines = header(sheet), texts(sheet)
    widths = {place: max(len(line[place]) for line in (columns, *lines)) for place in places}

    def aligned(line: Sequence[str]) -> str:
        first, *rest = places
        cells = [line[first].ljust(widths[first]), *(line[place].rjust(widths[place]) for place in rest)]
        return "  ".join(cells).rstrip()

    rule = "─" * (sum(widths.values()) + 2 * (len(widths) - 1))
    drawn = [aligned(columns), rule]
    for row, line in enumerate(lines):
        if row == sheet.competing and row > 0:
            drawn.append(rule)
        drawn.append(aligned(line))
    return drawn
