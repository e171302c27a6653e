"""One table: rows of one split and one protocol, as text for a terminal or a file.

A cell is the mean over clips ± half of its 95 % interval. A number never stands without its denominator, and a row that saw
truth never counts as best.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from .best import Best, best_rows, is_still
from .rows import Row, check_one_table

if TYPE_CHECKING:
    from rich.table import Table

PRIVILEGED, CONTROL, STATIC, PARTIAL = "†", "‡", "§", "¶"
SEPARATED, LEADING = "*", "°"
ARROWS = {"up": "↑", "down": "↓", "truth": "≈"}
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
        columns=("method", *(_heading(metric) for metric in metrics), FOOT),
        groups=("", *(_group(metric) for metric in metrics), ""),
        lines=tuple(lines),
        competing=sum(row.competes for row in ordered),
        bold=frozenset(bold),
        legend=tuple(_legend(ordered, labels, best)),
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


def _group(metric: str) -> str:
    return METRICS[metric].group if metric in METRICS else "other"


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
    if any(is_still(row.results) for row in rows):
        lines.append(f"{STATIC}  still videos: never best on video metrics, whatever they read there")
    if any(row.results.partial for row in rows):
        lines.append(f"{PARTIAL}  partial: not every clip of the split was attempted; no leaderboard row")
    if any(metric in METRICS and METRICS[metric].direction == "truth" for row in rows for metric in row.metric_ids):
        lines.append(f"{ARROWS['truth']}  best where nearest to the truth's own value: neither end is good in itself")
    empty = _empty(rows)
    for label, row in zip(labels, rows):
        lines += _counts(label, row, empty)
    return [*lines, *_reasons(rows), *_chance(rows, labels), *_floors(rows, labels)]


def _empty(rows: Sequence[Row]) -> list[str]:
    """The metrics that have no number in any row."""
    return [metric for metric in rows[0].metric_ids if all(row.results.metrics[metric].mean is None for row in rows)]


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why columns have no number in any row: one line a reason."""
    why: dict[str, list[str]] = {}
    for metric in _empty(rows):
        values = [row.results.metrics[metric] for row in rows]
        reasons = sorted({reason for value in values if (reason := value.reason or value.interval)})
        if reasons:
            why.setdefault("; ".join(reasons), []).append(METRICS[metric].title if metric in METRICS else metric)
    return [f"{', '.join(titles)} undefined: {reason}" for reason, titles in why.items()]


def _chance(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    """Where chance lies on metrics that match things: of rows that were given another clip's truth."""
    lines = []
    for label, row in zip(labels, rows):
        if row.results.method.privileged == "other_truth":
            levels = [
                f"{METRICS[metric].title} {value.chance:.{METRICS[metric].decimals}f}"
                for metric in row.metric_ids
                if metric in METRICS and (value := row.results.metrics[metric]).chance is not None
            ]
            lines += [f"{label}: all pairs of things, matched or not: {', '.join(levels)}"] if levels else []
    return lines


def _floors(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    """How far real clips are from other real clips, and each row at the same number of clips."""
    lines = []
    for metric in rows[0].metric_ids:
        floors = [(label, floor) for label, row in zip(labels, rows) if (floor := row.results.metrics[metric].floor) is not None]
        if floors and metric in METRICS:
            spec, floor = METRICS[metric], floors[0][1]
            own = ", ".join(f"{label} {found.prediction:.{spec.decimals}f}" for label, found in floors)
            lines.append(
                f"{spec.title} floor: real clips from other real clips {floor.real:.{spec.decimals}f} at N = {floor.n};"
                f" at the same N, against other clips: {own}"
            )
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
        sets = any(metric in METRICS and METRICS[metric].of == "set" for row in rows for metric in row.metric_ids)
        of_sets = "; of a distance between sets by leaving takes out" if sets else ""
        lines.append(f"±  half of the 95 % interval of the mean over clips, by resampling takes{of_sets}")
    return lines + notes


def _counts(label: str, row: Row, empty: Collection[str]) -> list[str]:
    """What became of the clips that have no number, and how many numbers carry a note; empty where there is nothing to say."""
    metrics = [value for metric, value in row.results.metrics.items() if metric not in empty]
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
