"""Trade-offs of a table as plots: smoothness against movement, quality against what a clip costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.contenders import TRUTH_METHOD
from benchmark.results import Aggregate

from ..table import Column
from .facts import RowFacts, TableFacts
from .plots import Point, trade_off


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawing and what to read in it."""

    svg: object
    caption: str


def trade_offs(table: TableFacts) -> list[Plot]:
    """The plots that the table has the columns for."""
    from markupsafe import Markup

    plots = []
    smooth, degree = (_first(table, start) for start in ("smoothness", "dynamic-degree"))
    if smooth is not None and degree is not None:
        points = [point for row in table.rows if (point := _point(row, smooth, degree)) is not None]
        if points:
            svg = trade_off(points, x=smooth.heading, y=degree.heading)
            caption = (
                "Smoothness against movement. A still video is smoothest of all: what counts is to be near the star, the truth."
            )
            plots.append(Plot(svg=Markup(svg), caption=caption))
    quality = table.sheet.columns[0] if table.sheet.columns else None
    costs = [row for row in table.rows if row.seconds and row.competes]
    if quality is not None and costs:
        points = [
            Point(label=row.label, x=row.seconds or 0.0, y=value.mean, y_ends=_ends(value))
            for row in costs
            if (value := row.row.results.metrics[quality.metric]).mean is not None
        ]
        if points:
            svg = trade_off(points, x="seconds for a clip (median, on the machine that made it)", y=quality.heading)
            plots.append(Plot(svg=Markup(svg), caption="Quality against what generating a clip took."))
    return plots


def _first(table: TableFacts, start: str) -> Column | None:
    return next((column for column in table.sheet.columns if column.metric.startswith(start)), None)


def _point(row: RowFacts, x: Column, y: Column) -> Point | None:
    """Of methods that compete, and of the truth."""
    truth = row.row.results.method.id == TRUTH_METHOD
    ours: Sequence[Aggregate] = [row.row.results.metrics[column.metric] for column in (x, y)]
    if not (row.competes or truth) or ours[0].mean is None or ours[1].mean is None:
        return None
    label = "truth" if truth else row.label
    return Point(label=label, x=ours[0].mean, y=ours[1].mean, x_ends=_ends(ours[0]), y_ends=_ends(ours[1]), truth=truth)


def _ends(value: Aggregate) -> tuple[float, float] | None:
    return (value.low, value.high) if value.low is not None and value.high is not None else None
