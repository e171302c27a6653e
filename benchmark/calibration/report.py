"""A calibration for people and for other programs: a table on the terminal, one line a level in CSV. Measures nothing."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from .summary import PRIOR_AGAINST, Measured, Summary

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    "ladder", "level", "unit", "metric", "metric_version", "metric_unit", "mean", "change", "loss", "n", "undefined", "reason",
    "rho", "shape", "own",
)  # fmt: skip
WIDE = 200
"""Columns of plain text, where there is no terminal to fit."""


def to_csv(summary: Summary) -> str:
    """One line a ladder, level and metric; empty where there is no number, numbers in their shortest exact form."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for metric in summary.metrics.values():
        for curve in metric.curves.values():
            for level in curve.levels:
                row = (
                    curve.ladder, level.level, curve.unit, metric.id, metric.version, metric.unit, level.value, level.change,
                    level.loss, level.n, level.undefined, level.reason, curve.rho, curve.shape, curve.own,
                )  # fmt: skip
                writer.writerow(["" if cell is None else str(cell).lower() if isinstance(cell, bool) else cell for cell in row])
    return out.getvalue()


def drawn(summary: Summary, *, terminal: bool) -> str:
    """The summary as text that ends in a newline; fitted to the terminal, or plain and the same everywhere."""
    from rich.console import Console

    console = Console(width=None if terminal else WIDE, force_terminal=terminal, color_system="auto" if terminal else None)
    with console.capture() as captured:
        console.print(_title(summary), markup=False, highlight=False)
        console.print()
        console.print(_table(summary))
        for line in _lines(summary):
            console.print(line, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _title(summary: Summary) -> str:
    return (
        f"{summary.dataset} {summary.split}, {len(summary.clips)} clips ({summary.split_digest}) · "
        f"{summary.protocol}@{summary.protocol_version}"
    )


def _table(summary: Summary) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    units = {curve.ladder: curve.unit for one in summary.metrics.values() for curve in one.curves.values()}
    against = [name for name in PRIOR_AGAINST if name in units]
    heads = ("", "truth", "clips", "own ladder", "rho", "1° turn", "1° jitter", "frozen", "prior")
    for index, head in enumerate((*heads, *(f"= {name} ({units[name]})" for name in against))):
        table.add_column(Text(head), justify="left" if index in (0, 3) else "right", overflow="fold")
    for one in summary.metrics.values():
        table.add_row(*(Text(cell) for cell in (*_cells(one), *(_place(one, name) for name in against))))
    return table


def _cells(one: Measured) -> tuple[str, ...]:
    own = one.curves.get(one.own)
    return (
        f"{one.title} {one.unit}".strip(),
        _number(one, one.truth),
        str(one.n),
        f"{one.own}: {one.verdict}" if one.own else "",
        "–" if own is None or own.rho is None else f"{own.rho:.2f}",
        _number(one, one.turn_degree),
        _number(one, one.jitter_degree),
        _number(one, one.frozen) + (" !" if one.rewards_frozen else ""),
        _number(one, one.prior),
    )


def _number(one: Measured, value: float | None) -> str:
    return "–" if value is None else f"{value:.{one.decimals}f}"


def _place(one: Measured, ladder: str) -> str:
    if ladder not in one.prior_as or one.prior is None:
        return "–"
    level, last, prior = one.prior_as[ladder], one.curves[ladder].levels[-1], one.curves["prior"].levels[-1]
    if level is None and last.loss is not None and prior.loss is not None and last.loss < prior.loss:
        return f"> {last.level:g}"
    return "–" if level is None else f"{level:.2g}"


def _lines(summary: Summary) -> list[str]:
    """What the columns mean, and what a reader must know."""
    lines = [
        "1° turn, 1° jitter: the head one degree off, all the time or each frame anew; frozen: the first frame held",
        "prior: the ego prior copied; = the level of damage to the truth that costs as much",
    ]
    rewarding = [one.id for one in summary.metrics.values() if one.rewards_frozen]
    if rewarding:
        lines.append(f"! read upwards, a frozen video is better than the truth: {', '.join(rewarding)}")
    for one in summary.failing:
        curve = one.curves[one.own]
        steps = " ".join("–" if level.loss is None else f"{level.loss:.{one.decimals + 1}f}" for level in curve.levels)
        lines.append(f"NOT MONOTONE on its own ladder: {one.id} on {one.own}, loss {steps}")
    unmeasured = [f"{one.id} ({one.own})" for one in summary.metrics.values() if one.verdict == "not measured"]
    if unmeasured:
        lines.append(f"own ladder not measured: {', '.join(unmeasured)}")
    reasons: dict[str, list[str]] = {}
    for one in summary.metrics.values():
        if one.unavailable:
            reasons.setdefault(one.unavailable, []).append(one.id)
    lines += [f"{', '.join(metrics)}: undefined: {reason}" for reason, metrics in reasons.items()]
    gone: dict[str, set[str]] = {}
    for one in summary.metrics.values():
        for curve in one.curves.values():
            for level in curve.levels:
                if level.reason and level.undefined:
                    gone.setdefault(level.reason, set()).add(f"{one.id} on {curve.ladder}")
    for reason, places in sorted(gone.items()):
        named = ", ".join(sorted(places)[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
        lines.append(f"undefined for some clips: {reason}: {named}")
    return lines
