"""Pages from facts: what the templates are given. Everything from results is escaped by the template engine."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contenders import TRUTH_METHOD
from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from ..legend import SIGNS
from ..published import printed
from ..table import Cell, Column, rounded
from .facts import ClipFacts, RowFacts, TableFacts
from .media import Player
from .names import slug_of
from .plots import COLOURS, Curves, Strip, curves, distribution
from .trade_offs import Plot, trade_offs

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
CURVE_GROUPS = ("image", "video")
MOST_CURVES = 5
"""Panels of curves on a clip's page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all pages share. licence: the line at the foot."""

    tables: tuple[TableFacts, ...]
    licence: str

    @property
    def tabs(self) -> list[dict[str, str]]:
        """The navigation: slug and name of each table's page."""
        return [
            {"slug": table.slug, "name": f"{table.sheet.split} · {table.sheet.lines[0].row.results.protocol.name}"}
            for table in self.tables
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """A cell cut into what is drawn apart: the number, its interval, the sign of its mark."""

    number: str
    interval: str
    sign: str
    mark: str
    sort: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnView:
    """A column with the name that its metric has in addresses."""

    metric: str
    title: str
    arrow: str
    unit: str
    decimals: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """A row with its cells, each with its column."""

    row: RowFacts
    cells: tuple[tuple[CellView, ColumnView], ...]
    count: str


def table_page(site: Site, table: TableFacts, *, faults: Sequence[str]) -> str:
    """The page of one table. faults: what was left out, a sentence each."""
    columns, distances = columns_of(table), [_distances(table, column) for column in table.sheet.columns]
    lines = [
        LineView(
            row=row,
            cells=tuple(
                (_cell(cell, distance=distances[place][row.number]), columns[place]) for place, cell in enumerate(line.cells)
            ),
            count=line.count,
        )
        for row, line in zip(table.rows, table.sheet.lines)
    ]
    groups: list[tuple[str, int]] = []
    for column in table.sheet.columns:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    competing = table.sheet.competing
    parts = (("competing", lines[:competing]), ("reference", lines[competing:]))
    deltas = {
        metric: {f"{a}-{b}": found for (a, b), found in sorted(pairs.items())} for metric, pairs in sorted(table.deltas.items())
    }
    plots: list[Plot] = trade_offs(table)
    return _render(
        "table.html.j2", site, title=f"{table.sheet.title} · egox-bench", current=table.slug, root="", table=table,
        parts=[(name, part) for name, part in parts if part], columns=columns, groups=groups, deltas=deltas,
        printed=printed(table.sheet.split), plots=plots, faults=faults,
        cards=[(column, METRICS[column.metric].summary if column.metric in METRICS else "unknown here") for column in columns],
    )  # fmt: skip


def metric_page(site: Site, table: TableFacts, column: Column) -> str:
    """The card of one metric of one table, its distribution over clips, and every clip's value."""
    place = table.sheet.columns.index(column)
    values = [(row, row.row.results.metrics[column.metric]) for row in table.rows]
    having = [clip for clip in table.clips if any(value is not None for value in clip.values.get(column.metric, ()))]
    return _render(
        "metric.html.j2", site, title=f"{column.title} · {table.sheet.title}", current=table.slug, root="../", table=table,
        column=_column(column), spec=METRICS.get(column.metric), version=values[0][1].version,
        weights=sorted({pair for _, value in values for pair in value.weights.items()}),
        svg=_safe(distribution(_strips(table, column, values, having), heading=column.heading)) if having else "",
        rows=[(row, value, _cell(table.sheet.lines[row.number].cells[place])) for row, value in values],
        clips=[(clip, clip.values[column.metric]) for clip in having],
    )  # fmt: skip


def clip_page(site: Site, table: TableFacts, clip: ClipFacts, *, players: Sequence[Player], fps: float, no_videos: str) -> str:
    """The page of one clip: its videos in step, curves over frames, all its numbers. no_videos: why there are none."""
    place = table.clips.index(clip)
    drawn = _curves(table, clip)
    return _render(
        "clip.html.j2", site, title=f"{clip.clip_id} · {table.sheet.title}", current=table.slug, root="../", table=table,
        clip=clip, players=players, frames=min((player.frames for player in players), default=0), fps=fps, no_videos=no_videos,
        before=table.clips[place - 1] if place > 0 else None,
        after=table.clips[place + 1] if place + 1 < len(table.clips) else None,
        colours=COLOURS, curves=drawn, curves_svg=_safe(drawn.svg) if drawn else "",
        numbers=[(column, clip.values[column.metric]) for column in columns_of(table) if column.metric in clip.values],
    )  # fmt: skip


def columns_of(table: TableFacts) -> list[ColumnView]:
    """The table's columns as pages name them."""
    return [_column(column) for column in table.sheet.columns]


def _column(column: Column) -> ColumnView:
    return ColumnView(
        metric=column.metric, title=column.title, arrow=column.arrow, unit=column.unit, decimals=column.decimals,
        file=slug_of(column.metric),
    )  # fmt: skip


def _distances(table: TableFacts, column: Column) -> list[float | None]:
    """Of each row the mean distance over clips from the truth's own value, as `benchmark.standings` ranks by it, where that is
    what is best on the column and the truth is a row; else None."""
    truth = next((row.number for row in table.rows if row.row.results.method.id == TRUTH_METHOD), None)
    if truth is None or column.metric not in METRICS or METRICS[column.metric].direction != "truth":
        return [None] * len(table.rows)
    found: list[float | None] = []
    for row in table.rows:
        values = (clip.values.get(column.metric) for clip in table.clips)
        both = [(one[row.number], one[truth]) for one in values if one is not None]
        gaps = [abs(own - true) for own, true in both if own is not None and true is not None]
        found.append(math.fsum(gaps) / len(gaps) if gaps else None)
    return found


def _cell(cell: Cell, *, distance: float | None = None) -> CellView:
    """distance: what one sorts by instead of the value."""
    number, _, interval = cell.text.partition("±")
    sort = cell.value if distance is None else distance
    return CellView(number=number, interval=interval, sign=SIGNS[cell.mark], mark=cell.mark, sort=sort)


def _strips(
    table: TableFacts, column: Column, values: Sequence[tuple[RowFacts, Aggregate]], clips: Sequence[ClipFacts]
) -> list[Strip]:
    truth_counts = column.metric in METRICS and METRICS[column.metric].direction == "truth"
    return [
        Strip(
            label=row.label,
            values=[
                (value, f"clip-{clip.file}.html")
                for clip in clips
                if (value := clip.values[column.metric][row.number]) is not None
            ],
            mean=found.mean,
            low=found.low,
            high=found.high,
            apart=row.row.results.method.id == TRUTH_METHOD and not truth_counts,
        )
        for row, found in values
    ]


def _curves(table: TableFacts, clip: ClipFacts) -> Curves | None:
    """Of the methods that compete: controls would set the scale."""
    rows = [row for row in table.rows if row.competes]
    scores = {row.number: row.folder.scores(clip.clip_id).metrics for row in rows}
    panels: dict[str, Mapping[str, tuple[int, Sequence[float]]]] = {}
    for column in table.sheet.columns:
        lines = {
            row.label: (row.number, frames)
            for row in rows
            if (score := scores[row.number].get(column.metric)) is not None and (frames := score.frames)
        }
        if lines and column.group in CURVE_GROUPS and len(panels) < MOST_CURVES:
            panels[column.heading] = lines
    if not panels:
        return None
    frames = max(len(values) for lines in panels.values() for _, values in lines.values())
    return curves(panels, frames=frames)


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["rounded"] = rounded
    return environment


def _render(template: str, site: Site, **values: object) -> str:
    return _environment().get_template(template).render(tabs=site.tabs, licence=site.licence, **values)


def _safe(svg: str) -> object:
    """A drawing of ours, whose words the drawing library has escaped."""
    from markupsafe import Markup

    return Markup(svg)
