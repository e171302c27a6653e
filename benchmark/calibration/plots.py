"""Pictures of a calibration: one figure a group of metrics, and one that shows what the levels look like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import atomic_file
from ..metrics import GROUPS
from ..splits.manifest import Row
from .summary import Curve, Measured, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .plan import Calibration

INK, QUIET, LINE, WARN = "#222222", "#8a8a8a", "#1f5fa8", "#c2410c"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8, "axes.edgecolor": QUIET, "axes.linewidth": 0.6, "axes.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 8.5, "xtick.color": INK, "ytick.color": INK,
    "xtick.labelsize": 7, "ytick.labelsize": 7, "figure.facecolor": "white", "axes.facecolor": "white",
}  # fmt: skip
DPI = 130
WHOLE = ("blur", "noise", "shift", "turn", "jitter", "prior")
"""Ladders that damage every frame of every clip: their values have nothing of the truth's own in them."""
CELL_IN = (1.55, 1.35)
"""Width and height of one small plot."""


def write_figures(summary: Summary, folder: Path) -> list[Path]:
    """One PNG a group of metrics that has a number; the same summary gives the same bytes. Returns the files."""
    written = []
    for group in GROUPS:
        metrics = [one for one in summary.metrics.values() if one.group == group and one.truth is not None and one.curves]
        if metrics:
            path = folder / f"{group.replace(' ', '-')}.png"
            _save(lambda metrics=metrics, group=group: _group_figure(metrics, group, summary), path)
            written.append(path)
    return written


def write_levels(calibration: Calibration, row: Row, path: Path) -> None:
    """What the levels look like: the middle frame of one clip, a ladder a line. Makes the pictures anew."""
    from ..errors import Undefined
    from .measure import Measurer, random_of

    lines: list[tuple[str, list[tuple[str, np.ndarray]]]] = []
    subject = Measurer(calibration=calibration).subject(row)
    middle = len(subject.frames) // 2
    for ladder in calibration.ladders:
        cells = [("truth", subject.frames[middle])]
        try:
            for level in ladder.measured:
                cells.append((f"{level:g}", ladder.apply(subject, level, random_of(row, ladder))[middle]))
        except Undefined as reason:
            cells.append((f"undefined: {reason}", np.full_like(subject.frames[middle], 255)))
        lines.append((f"{ladder.title}\n({ladder.unit})", cells))
    _save(lambda: _levels_figure(lines, row.clip_id), path)


def _save(draw: Any, path: Path) -> None:
    """With no date, version or path of this machine in the file."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.rc_context(STYLE):
        figure = draw()
        FigureCanvasAgg(figure)
        atomic_file(path, lambda aside: figure.savefig(aside, format="png", dpi=DPI, metadata={"Software": None}))


def _group_figure(metrics: list[Measured], group: str, summary: Summary) -> Figure:
    from matplotlib.figure import Figure

    ladders = list(metrics[0].curves)
    width, height = CELL_IN[0] * len(ladders) + 0.9, CELL_IN[1] * len(metrics) + 0.9
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(metrics), len(ladders), squeeze=False, sharey="row")
    for line, one in enumerate(metrics):
        for column, name in enumerate(ladders):
            curve = one.curves[name]
            _plot(axes[line, column], one, curve)
            if line == 0:
                axes[line, column].set_title(curve.title, color=INK, pad=14)
            if line == len(metrics) - 1:
                axes[line, column].set_xlabel(curve.unit)
        limits = _limits(one)
        aside = ""
        if limits is not None:
            axes[line, 0].set_ylim(*limits)
            aside = f"\ntruth {one.truth:.{one.decimals}f}, off scale"
        axes[line, 0].set_ylabel(f"{one.title}{f' [{one.unit}]' if one.unit else ''}\n{_better(one)}{aside}")
    figure.suptitle(
        f"{group}: {summary.dataset} {summary.split}, {len(summary.clips)} clips, {summary.protocol}@{summary.protocol_version}\n"
        "dashed: the truth; thick: the ladder that must be monotone, orange where it is not",
        fontsize=8.5, color=INK, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def _limits(one: Measured) -> tuple[float, float] | None:
    """Limits that leave the truth out where its value is so far off (PSNR's cap) that the rest would be one flat line."""
    values = [
        level.value for name in WHOLE if name in one.curves for level in one.curves[name].levels[1:] if level.value is not None
    ]
    if one.truth is None or len(values) < 2:
        return None
    low, high = min(values), max(values)
    gap = max(low - one.truth, one.truth - high)
    return (low - 0.12 * (high - low), high + 0.12 * (high - low)) if gap > 1.5 * (high - low) > 0 else None


def _better(one: Measured) -> str:
    return {"up": "higher is better", "down": "lower is better"}.get(one.direction, "the truth is best")


def _plot(axes: Axes, one: Measured, curve: Curve) -> None:
    from matplotlib.ticker import MaxNLocator

    points = [(level.level, level.value) for level in curve.levels if level.value is not None]
    if one.truth is not None:
        axes.axhline(one.truth, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    fails = curve.own and curve.shape in ("not monotone", "no answer")
    axes.plot(
        [x for x, _ in points], [y for _, y in points], color=WARN if fails else LINE, linewidth=2.4 if curve.own else 1.2,
        marker="o", markersize=2.6, zorder=2,
    )  # fmt: skip
    last = curve.levels[-1].level
    axes.set_xlim(-0.06 * last, 1.06 * last)
    if len(curve.levels) == 2:
        axes.set_xticks([0, last], ["truth", curve.title.split()[-1]])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(y=0.12)
    axes.grid(axis="y", color="#e8e8e8", linewidth=0.5)
    if not points:
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", va="center", color=QUIET)
    elif curve.rho is not None:
        axes.text(1, 1.02, f"ρ {curve.rho:+.2f}", transform=axes.transAxes, ha="right", va="bottom", fontsize=6.5, color=QUIET)


def _levels_figure(lines: list[tuple[str, list[tuple[str, np.ndarray]]]], clip: str) -> Figure:
    from matplotlib.figure import Figure

    columns = max(len(cells) for _, cells in lines)
    figure = Figure(figsize=(1.25 * columns + 0.9, 1.4 * len(lines) + 0.4), layout="constrained")
    axes = figure.subplots(len(lines), columns, squeeze=False)
    for row, (title, cells) in zip(axes, lines):
        for place in row:
            place.set_axis_off()
        row[0].text(-0.12, 0.5, title, transform=row[0].transAxes, ha="right", va="center", color=INK)
        for place, (label, picture) in zip(row, cells):
            place.imshow(picture, interpolation="nearest")
            place.set_title(label, fontsize=7, color=INK, pad=2)
    figure.suptitle(f"{clip}, middle frame at every level", fontsize=8.5, color=INK, x=0.01, ha="left")
    return figure
