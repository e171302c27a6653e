"""Plots as SVG to stand in a page: text stays text, lines and words take the page's own colour, the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#010203"
"""Drawn in the colour of the page's text, in the light and in the dark."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7f7f7f", "#a23b72", "#3d9970")
"""Of the methods, in order; tellable apart by most eyes (Okabe and Ito) on white and on black."""
WIDE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One row of a distribution: every clip's value with the page of the clip, the mean and its interval.

    apart: the row is drawn where the others leave it room, and never stretches the axis.
    """

    label: str
    values: Sequence[tuple[float, str]]
    mean: float | None
    low: float | None
    high: float | None
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One method of a trade-off, with the ends of its intervals; truth: it is the truth's own value, a target and no method."""

    label: str
    x: float
    y: float
    x_ends: tuple[float, float] | None = None
    y_ends: tuple[float, float] | None = None
    truth: bool = False


def distribution(strips: Sequence[Strip], *, heading: str) -> str:
    """Every clip of every row as a dot that links to the clip's page; a bar is the mean and its 95 % interval."""
    figure, axes = _figure(7.2, 0.6 + 0.34 * len(strips))
    for place, strip in enumerate(strips):
        colour = COLOURS[place % len(COLOURS)]
        # dots of one row lie apart in a fixed pattern, so that equal values are seen
        heights = [place + 0.09 * (number % 5 - 2) for number in range(len(strip.values))]
        dots = axes.scatter([value for value, _ in strip.values], heights, s=14, color=colour, alpha=0.75, linewidths=0)
        dots.set_urls([url for _, url in strip.values])
        if strip.mean is not None:
            ends = (
                [[strip.mean - strip.low], [strip.high - strip.mean]]
                if strip.low is not None and strip.high is not None
                else None
            )
            axes.errorbar([strip.mean], [place], xerr=ends, fmt="|", ms=14, color=_INK, capsize=3, lw=1.4)
    inside = [value for strip in strips if not strip.apart for value, _ in strip.values]
    if inside:
        room = 0.04 * (max(inside) - min(inside)) or 1.0
        axes.set_xlim(min(inside) - room, max(inside) + room)
        for place, strip in enumerate(strips):
            if strip.apart and strip.mean is not None and not min(inside) - room <= strip.mean <= max(inside) + room:
                side = 0.99 if strip.mean > max(inside) else 0.01
                arrow = f"{strip.mean:g} →" if side > 0.5 else f"← {strip.mean:g}"
                axes.text(
                    side, place, arrow, transform=axes.get_yaxis_transform(), va="center", color=_INK, fontsize=8,
                    ha="right" if side > 0.5 else "left",
                )  # fmt: skip
    axes.set_yticks(range(len(strips)), [_plain(strip.label) for strip in strips])
    axes.set_ylim(len(strips) - 0.5, -0.5)
    axes.set_xlabel(_plain(heading))
    axes.grid(axis="x", alpha=0.25, lw=0.6)
    return _svg(figure)


def trade_off(points: Sequence[Point], *, x: str, y: str) -> str:
    """Methods by two metrics, with intervals; x, y: the headings of the axes. A wide range of x is drawn by its logarithm."""
    figure, axes = _figure(5.2, 3.6)
    for place, point in enumerate(points):
        colour = _INK if point.truth else COLOURS[place % len(COLOURS)]
        ends = [
            [[value - pair[0]], [pair[1] - value]] if pair is not None else None
            for value, pair in ((point.x, point.x_ends), (point.y, point.y_ends))
        ]
        axes.errorbar(
            [point.x], [point.y], xerr=ends[0], yerr=ends[1], fmt="*" if point.truth else "o", ms=9 if point.truth else 6,
            color=colour, elinewidth=0.8, label=_plain(point.label),
        )  # fmt: skip
    if min(point.x for point in points) > 0 and max(point.x for point in points) > WIDE * min(point.x for point in points):
        axes.set_xscale("log")
    axes.set_xlabel(_plain(x))
    axes.set_ylabel(_plain(y))
    axes.grid(alpha=0.25, lw=0.6)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, labelcolor=_INK)
    return _svg(figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """A drawing of curves over frames. axes: of each, where frame 0 and the last one lie, in the drawing's units (x0, x1)
    and from where to where the axes reach (top, bottom)."""

    svg: str
    axes: tuple[tuple[float, float, float, float], ...]


def curves(panels: Mapping[str, Mapping[str, tuple[int, Sequence[float]]]], *, frames: int) -> Curves:
    """Curves over frames, one panel a metric (by heading), one line a method (by label: its colour's number and values).

    There is no legend: the page has one beside its videos, in the same colours.
    """
    height = 0.5 + 1.35 * len(panels)
    figure, axes = _figure(7.2, height, rows=len(panels))
    # fixed margins: measuring what the words need took half of the time of a page
    figure.set_layout_engine(None)
    figure.subplots_adjust(left=0.11, right=0.995, top=1 - 0.06 / height, bottom=0.45 / height, hspace=0.14)
    spans = []
    for axis, (heading, lines) in zip(axes if len(panels) > 1 else [axes], panels.items()):
        for colour, values in lines.values():
            axis.plot(range(len(values)), values, lw=1.4, color=COLOURS[colour % len(COLOURS)])
        axis.set_xlim(-0.3, max(frames - 1, 1) + 0.3)
        axis.set_ylabel(_plain(heading), fontsize=8)
        axis.grid(alpha=0.25, lw=0.6)
    last = axes[-1] if len(panels) > 1 else axes
    last.set_xlabel("frame")
    svg = _svg(figure, tight=False)
    height = figure.bbox.height
    scale = 72 / figure.dpi
    for axis in axes if len(panels) > 1 else [axes]:
        (x0, _), (x1, _) = axis.transData.transform([(0, 0), (max(frames - 1, 1), 0)])
        box = axis.get_window_extent()
        spans.append(tuple(round(float(n) * scale, 2) for n in (x0, x1, height - box.y1, height - box.y0)))
    return Curves(svg=svg, axes=tuple(spans))


def _figure(width: float, height: float, *, rows: int = 1) -> tuple[Figure, Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
    with mpl.rc_context({**dict.fromkeys(ink, _INK), "font.size": 9}):  # pyright: ignore[reportArgumentType]
        figure = Figure(figsize=(width, height), layout="constrained")
        axes: Any = figure.subplots(rows, 1, sharex=True)
    for axis in axes if rows > 1 else [axes]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.patch.set_alpha(0)
    figure.patch.set_alpha(0)
    return figure, axes


def _svg(figure: Figure, *, tight: bool = True) -> str:
    import matplotlib as mpl

    out = io.StringIO()
    # text is kept as text: it takes the page's font, can be searched, and weighs a tenth of drawn letters
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "egox-bench"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight" if tight else None)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = text.replace(_INK, "currentColor")
    return re.sub(r"font: ([\d.]+)px '[^;\"]*", r"font: \1px inherit", text)


def _plain(text: str) -> str:
    """Without what matplotlib takes for mathematics."""
    return text.replace("$", r"\$")
