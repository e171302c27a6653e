"""One table before it is drawn: rows of one split and one protocol, cells with their numbers, marks and counts.

A cell is the mean over clips ± half of its 95 % interval. A number never stands without its denominator, and a row that saw
truth never counts as best. How a table is drawn is the business of `formats`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.contenders import is_still
from benchmark.contenders import labels as method_labels
from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from .legend import ARROWS, CONTROL, PARTIAL, PRIVILEGED, REMARK, STATIC, group_of, legend
from .marks import Mark, Marks, marks_of
from .rows import Row, check_one_table, is_reference
from .validity import withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric as a column. arrow: which way is better; group: under which heading it stands; decimals: how it is rounded."""

    metric: str
    title: str
    arrow: str
    unit: str
    group: str
    decimals: int

    @property
    def heading(self) -> str:
        """ "PSNR ↑ dB"."""
        return " ".join(part for part in (self.title, self.arrow, self.unit) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number, or the word that stands for it. low, high: its 95 % interval; n: clips behind it, told where not all are.

    text: "16.85±0.70", "16.85±0.70 (n 20)", "undefined", "withheld", "–".
    """

    text: str
    mark: Mark = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row. label: what it is called; flags: signs that the legend explains ("†‡"), "" for none; cells: one a column."""

    row: Row
    label: str
    flags: str
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The label with its flags."""
        return f"{self.label} {self.flags}" if self.flags else self.label

    @property
    def count(self) -> str:
        """Clips with a number, of the split's clips: "24/24"."""
        return f"{self.row.results.n_scored}/{self.row.results.n_expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table. The first `competing` lines are the comparison, the rest reference.

    marks: by metric. legend: what the marks mean and what a reader must know, one line each.
    """

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    competing: int
    marks: Mapping[str, Marks]
    legend: tuple[str, ...]

    @property
    def split(self) -> str:
        """The name of the split that its rows share."""
        return self.lines[0].row.results.split.name


def sheet_of(
    rows: Sequence[Row],
    *,
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    order: Sequence[str] | None = None,
    beside: Sequence[Row] = (),
) -> Sheet:
    """Lay out rows, reference rows below.

    columns: metrics to show of those that the rows have, in this order; None for all. labels: what methods are called, by id.
    order: ids of methods, first to last, others behind; None puts the best by the first metric first. beside: control rows that
    are not shown; they bear columns out (`validity`) and tell the truth's own values. Marks are of all metrics that were
    measured, shown or not: hiding a column must not make another significant.
    Raises UserError where rows were not measured on the same clips in the same way, and ValueError for no rows.
    """
    if not rows:
        raise ValueError("a table needs at least one row")
    check_one_table([*rows, *beside])
    ordered = sorted(rows, key=lambda row: _rank(row, order))
    measured = ordered[0].metric_ids
    shown = list(measured) if columns is None else [metric for metric in columns if metric in measured]
    names = _names(ordered, labels or {})
    hidden = withheld([*ordered, *beside])
    marks = {metric: found for metric, found in marks_of(ordered, beside=beside).items() if metric not in hidden}
    lines = []
    for place, row in enumerate(ordered):
        cells = tuple(
            Cell(text="withheld") if metric in hidden else _cell(metric, row, marks.get(metric, Marks()).of(place))
            for metric in shown
        )
        lines.append(Line(row=row, label=names[place], flags=_flags(row), cells=cells))
    split, protocol = ordered[0].results.split, ordered[0].results.protocol
    visible = {metric: found for metric, found in marks.items() if metric in shown}
    told = legend(ordered, names, visible, {metric: why for metric, why in hidden.items() if metric in shown}, shown)
    return Sheet(
        title=f"{split.dataset} {split.name}, {split.n} clips ({split.digest}) · {protocol.name}@{protocol.version}",
        columns=tuple(_column(metric) for metric in shown),
        lines=tuple(lines),
        competing=sum(row.competes for row in ordered),
        marks=visible,
        legend=tuple(told),
    )


def _names(rows: Sequence[Row], labels: Mapping[str, str]) -> list[str]:
    """What tells the rows apart, the method's id at the beginning in the words of `labels`."""
    names = []
    for row, name in zip(rows, method_labels([row.results for row in rows], [row.run for row in rows], seeds=True)):
        method = row.results.method.id
        names.append(labels.get(method, method) + name.removeprefix(method))
    return names


def _rank(row: Row, order: Sequence[str] | None) -> tuple[object, ...]:
    place = float("inf")
    for metric in row.metric_ids[:1]:
        mean = row.results.metrics[metric].mean
        if mean is not None:
            place = -mean if metric in METRICS and METRICS[metric].direction == "up" else mean
    method = row.results.method
    behind = (not row.competes, is_reference(row))
    if order is not None:
        named = order.index(method.id) if method.id in order else len(order)
        return (*behind, named, method.id if named == len(order) else "", row.results.seed, row.run)
    return (*behind, place, method.id, row.run)


def _column(metric: str) -> Column:
    if metric not in METRICS:
        return Column(metric=metric, title=metric, arrow="", unit="", group=group_of(metric), decimals=4)
    spec = METRICS[metric]
    return Column(
        metric=metric, title=spec.title, arrow=ARROWS[spec.direction], unit=spec.unit, group=spec.group, decimals=spec.decimals
    )


def _cell(metric: str, row: Row, mark: Mark) -> Cell:
    value: Aggregate = row.results.metrics[metric]
    if value.mean is None:
        return Cell(text="undefined" if value.undefined else "–", n=value.n)
    decimals = _column(metric).decimals
    text = rounded(value.mean, decimals)
    if value.low is not None and value.high is not None:
        text += f"±{(value.high - value.low) / 2:.{decimals}f}"
    if value.n != row.results.n_scored:
        text += f" (n {value.n})"
    return Cell(text=text, mark=mark, value=value.mean, low=value.low, high=value.high, n=value.n)


def rounded(value: float, decimals: int) -> str:
    """The number with so many decimals; nothing is "-0.00"."""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _flags(row: Row) -> str:
    method = row.results.method
    flags = (
        (method.privileged != "none", PRIVILEGED),
        (method.control, CONTROL),
        (is_still(row.results), STATIC),
        (row.results.partial, PARTIAL),
        (bool(method.remark), REMARK),
    )
    return "".join(sign for wanted, sign in flags if wanted)
