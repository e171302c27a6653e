"""One table: rows of one split and one protocol, as text for a terminal or a file.

A cell is the mean over clips ± half of its 95 % interval. A number never stands without its denominator, and a row that saw
truth never counts as best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.contenders import is_still
from benchmark.contenders import labels as method_labels
from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from .best import best_rows
from .legend import ARROWS, CONTROL, LEADING, PARTIAL, PRIVILEGED, REMARK, SEPARATED, STATIC, group_of, legend
from .rows import Row, check_one_table
from .validity import withheld

if TYPE_CHECKING:
    from rich.table import Table

FOOT = "scored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table before it is drawn. lines: cells by row, the first `competing` of them are the comparison, the rest reference.

    groups: the heading of each column, the same for neighbours that belong together; "" for those of the row itself.
    bold: (line, column) of separated bests. legend: what the marks mean and what a reader must know, one line each.
    """

    title: str
    columns: tuple[str, ...]
    groups: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    competing: int
    bold: frozenset[tuple[int, int]]
    legend: tuple[str, ...]


def sheet_of(rows: Sequence[Row]) -> Sheet:
    """Lay out rows, best first by the first metric, reference rows below.

    Raises UserError where rows were not measured on the same clips in the same way, and ValueError for no rows.
    """
    if not rows:
        raise ValueError("a table needs at least one row")
    check_one_table(rows)
    ordered = sorted(rows, key=_rank)
    metrics = ordered[0].metric_ids
    labels = method_labels([row.results for row in ordered], [row.run for row in ordered], seeds=True)
    hidden = withheld(ordered)
    best = {metric: found for metric, found in best_rows(ordered).items() if metric not in hidden}
    lines, bold = [], set()
    for place, row in enumerate(ordered):
        cells = [f"{labels[place]}{_marks(row)}"]
        for column, metric in enumerate(metrics, start=1):
            value = row.results.metrics[metric]
            cell = "withheld" if metric in hidden else _cell(metric, value, n_scored=row.results.n_scored)
            mark = ""
            if metric in best:
                mark = " "  # so that digits stay in line below a marked cell
                if best[metric].row == place:
                    mark = SEPARATED if best[metric].separated else LEADING
            if mark == SEPARATED:
                bold.add((place, column))
            cells.append(cell + mark)
        cells.append(f"{row.results.n_scored}/{row.results.n_expected}")
        lines.append(tuple(cells))
    split, protocol = ordered[0].results.split, ordered[0].results.protocol
    return Sheet(
        title=f"{split.dataset} {split.name}, {split.n} clips ({split.digest}) · {protocol.name}@{protocol.version}",
        columns=("method", *(_heading(metric) for metric in metrics), FOOT),
        groups=("", *(group_of(metric) for metric in metrics), ""),
        lines=tuple(lines),
        competing=sum(row.competes for row in ordered),
        bold=frozenset(bold),
        legend=tuple(legend(ordered, labels, best, hidden)),
    )


def blocks(sheet: Sheet) -> list[tuple[str, tuple[int, ...]]]:
    """The sheet cut by its groups: heading and places of columns, the row's name in each, its count in the last."""
    inner: list[tuple[str, list[int]]] = []
    for place, group in enumerate(sheet.groups):
        if group and inner and inner[-1][0] == group:
            inner[-1][1].append(place)
        elif group:
            inner.append((group, [place]))
    last = len(sheet.columns) - 1
    return [(group, (0, *places, *((last,) if nr == len(inner) - 1 else ()))) for nr, (group, places) in enumerate(inner)]


def rich_tables(sheet: Sheet) -> list[Table]:
    """The sheet as rich tables, one a group, without its legend; separated bests are bold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cut = blocks(sheet)
    tables = []
    for number, (heading, places) in enumerate(cut):
        title = [sheet.title] if number == 0 else []
        title += [heading] if len(cut) > 1 else []
        table = Table(
            title=Text("\n\n".join(title)), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
        )
        for place in places:
            table.add_column(Text(sheet.columns[place]), justify="left" if place == 0 else "right", overflow="fold")
        for row, line in enumerate(sheet.lines):
            if row == sheet.competing and row > 0:
                table.add_section()
            table.add_row(*(Text(line[place], style="bold" if (row, place) in sheet.bold else "") for place in places))
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
    widths = {place: max(len(line[place]) for line in (sheet.columns, *sheet.lines)) for place in places}

    def aligned(line: Sequence[str]) -> str:
        first, *rest = places
        cells = [line[first].ljust(widths[first]), *(line[place].rjust(widths[place]) for place in rest)]
        return "  ".join(cells).rstrip()

    rule = "─" * (sum(widths.values()) + 2 * (len(widths) - 1))
    drawn = [aligned(sheet.columns), rule]
    for row, line in enumerate(sheet.lines):
        if row == sheet.competing and row > 0:
            drawn.append(rule)
        drawn.append(aligned(line))
    return drawn


def _rank(row: Row) -> tuple[bool, bool, float, str, str]:
    place = float("inf")
    for metric in row.metric_ids[:1]:
        mean = row.results.metrics[metric].mean
        if mean is not None:
            place = -mean if metric in METRICS and METRICS[metric].direction == "up" else mean
    method = row.results.method
    return (not row.competes, method.control or method.privileged != "none", place, row.results.method.id, row.run)


def _heading(metric: str) -> str:
    if metric not in METRICS:
        return metric
    spec = METRICS[metric]
    return " ".join(part for part in (spec.title, ARROWS[spec.direction], spec.unit) if part)


def _cell(metric: str, value: Aggregate, *, n_scored: int) -> str:
    if value.mean is None:
        return "undefined" if value.undefined else "–"
    decimals = METRICS[metric].decimals if metric in METRICS else 4
    text = f"{value.mean:.{decimals}f}"
    if value.low is not None and value.high is not None:
        text += f"±{(value.high - value.low) / 2:.{decimals}f}"
    return text if value.n == n_scored else f"{text} (n {value.n})"


def _marks(row: Row) -> str:
    method = row.results.method
    marks = (
        (method.privileged != "none", PRIVILEGED),
        (method.control, CONTROL),
        (is_still(row.results), STATIC),
        (row.results.partial, PARTIAL),
        (bool(method.remark), REMARK),
    )
    shown = "".join(mark for wanted, mark in marks if wanted)
    return f" {shown}" if shown else ""
