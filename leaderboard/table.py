"""One table: rows of one split and one protocol, as text for a terminal or a file.

A cell is the mean over clips ± half of its 95 % interval. A number never stands without its denominator, and a row that saw
truth never counts as best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from .best import Best, best_rows
from .rows import Row, check_one_table

if TYPE_CHECKING:
    from rich.table import Table

PRIVILEGED, CONTROL, STATIC, PARTIAL = "†", "‡", "§", "¶"
SEPARATED, LEADING = "*", "°"
ARROWS = {"up": "↑", "down": "↓"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table before it is drawn. lines: cells by row, the first `competing` of them are the comparison, the rest reference.

    bold: (line, column) of separated bests. legend: what the marks mean and what a reader must know, one line each.
    """

    title: str
    columns: tuple[str, ...]
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
    labels = _labels(ordered)
    best = best_rows(ordered)
    lines, bold = [], set()
    for place, row in enumerate(ordered):
        cells = [f"{labels[place]}{_marks(row)}"]
        for column, metric in enumerate(metrics, start=1):
            cell = _cell(metric, row.results.metrics[metric], n_scored=row.results.n_scored)
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
        columns=("method", *(_heading(metric) for metric in metrics), "scored"),
        lines=tuple(lines),
        competing=sum(row.competes for row in ordered),
        bold=frozenset(bold),
        legend=tuple(_legend(ordered, labels, best)),
    )


def rich_table(sheet: Sheet) -> Table:
    """The sheet as a rich table, without its legend; separated bests are bold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(sheet.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index, column in enumerate(sheet.columns):
        table.add_column(Text(column), justify="left" if index == 0 else "right", overflow="fold")
    for place, line in enumerate(sheet.lines):
        if place == sheet.competing and place > 0:
            table.add_section()
        table.add_row(*(Text(cell, style="bold" if (place, index) in sheet.bold else "") for index, cell in enumerate(line)))
    return table


def plain_text(sheet: Sheet) -> str:
    """The sheet as aligned text without colour, the same on every terminal; ends in a newline."""
    widths = [max(len(line[index]) for line in (sheet.columns, *sheet.lines)) for index in range(len(sheet.columns))]

    def aligned(line: Sequence[str]) -> str:
        first, *rest = line
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:]))]
        return "  ".join(cells).rstrip()

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    drawn = [sheet.title, "", aligned(sheet.columns), rule]
    for place, line in enumerate(sheet.lines):
        if place == sheet.competing and place > 0:
            drawn.append(rule)
        drawn.append(aligned(line))
    return "\n".join([*drawn, "", *sheet.legend]).rstrip() + "\n"


def _rank(row: Row) -> tuple[bool, float, str, str]:
    place = float("inf")
    for metric in row.metric_ids[:1]:
        mean = row.results.metrics[metric].mean
        if mean is not None:
            place = -mean if metric in METRICS and METRICS[metric].direction == "up" else mean
    return (not row.competes, place, row.results.method.id, row.run)


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
        (method.static, STATIC),
        (row.results.partial, PARTIAL),
    )
    shown = "".join(mark for wanted, mark in marks if wanted)
    return f" {shown}" if shown else ""


def _labels(rows: Sequence[Row]) -> list[str]:
    """A name for each row: the method's id, and whatever tells it from other rows of the same method."""
    labels = []
    for row in rows:
        method = row.results.method
        same = [other.results for other in rows if other.results.method.id == method.id]
        parts = [method.id]
        if len({other.method.version for other in same}) > 1:
            parts.append(method.version)
        for key, value in sorted(method.options.items()):
            if any(other.method.options.get(key) != value for other in same):
                parts.append(f"{key}={value}")
        if len({other.seed for other in same}) > 1:
            parts.append(f"seed={row.results.seed}")
        labels.append(" ".join(parts))
    return [f"{label} [{row.run[:8]}]" if labels.count(label) > 1 else label for label, row in zip(labels, rows)]


def _legend(rows: Sequence[Row], labels: Sequence[str], best: Mapping[str, Best]) -> list[str]:
    lines = _about_intervals(rows, labels)
    if any(b.separated for b in best.values()):
        lines.append(f"{SEPARATED}  best: a paired test over takes separates it from every other method (p < 0.05 after Holm)")
    leading = [b for b in best.values() if not b.separated]
    if leading:
        why = sorted({b.why for b in leading if b.why})
        lines.append(f"{LEADING}  best mean, not separated from the others" + (f" ({'; '.join(why)})" if why else ""))
    seen = sorted({row.results.method.privileged for row in rows} - {"none"})
    if seen:
        lines.append(f"{PRIVILEGED}  sees truth while it generates ({', '.join(seen)}): outside the comparison")
    if any(row.results.method.control for row in rows):
        lines.append(f"{CONTROL}  control: outside the comparison")
    if any(row.results.method.static for row in rows):
        lines.append(f"{STATIC}  always a still video")
    if any(row.results.partial for row in rows):
        lines.append(f"{PARTIAL}  partial: not every clip of the split was attempted; no leaderboard row")
    for label, row in zip(labels, rows):
        lines += _counts(label, row)
    return lines


def _about_intervals(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    """What ± is, and which rows have none or only an indicative one."""
    said: dict[str, list[str]] = {}
    for label, row in zip(labels, rows):
        for note in sorted({v.interval for v in row.results.metrics.values() if v.mean is not None and v.interval}):
            said.setdefault(note, []).append(label)
    notes = [note if len(whose) == len(rows) else f"{', '.join(whose)}: {note}" for note, whose in said.items()]
    lines = []
    if any(value.low is not None for row in rows for value in row.results.metrics.values()):
        lines.append("±  half of the 95 % interval of the mean over clips, by resampling takes")
    return lines + notes


def _counts(label: str, row: Row) -> list[str]:
    """What became of the clips that have no number, and how many numbers carry a note; empty where there is nothing to say."""
    metrics = row.results.metrics.values()
    errors = max((value.errors for value in metrics), default=0)
    undefined = max((value.undefined for value in metrics), default=0)
    untried = row.results.n_expected - min((v.n + v.undefined + v.errors for v in metrics), default=row.results.n_expected)
    # A row that sees truth repeats some of it: frames at the cap are then no news.
    noted = 0 if row.results.method.privileged != "none" else max((value.noted for value in metrics), default=0)
    said = [
        f"{count} {what}"
        for count, what in (
            (errors, "failed"),
            (undefined, "undefined"),
            (untried, "not attempted"),
            (noted, "with a note (frames at a cap, a constant picture): see scores.jsonl"),
        )
        if count
    ]
    return [f"{label}: of {row.results.n_expected} clips {', '.join(said)}"] if said else []
