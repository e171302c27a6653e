"""A comparison for people and for other programs: tables, JSON, CSV. Measures nothing."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from .comparison import Comparison, Difference
from .contenders import Contender
from .metrics import METRICS
from .standings import Standing, said_of
from .stats import ALPHA

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    "metric", "a", "b", "difference", "low", "high", "p", "p_holm", "effect", "win_rate", "detectable", "clips", "takes",
    "ahead", "separated", "undefined", "notes",
)  # fmt: skip
STANDING = ("value", "clips", "seed_sd", "from_truth", "gap", "ranked", "shared", "group", "notes")
SEPARATED, OUTSIDE = "*", "†"
UNCORRECTED = "uncorrected"
"""In place of Holm's p where one of a pair is no candidate."""
WIDE = 200
"""Columns of plain text, where there is no terminal to fit: nothing is folded."""


def drawn(comparison: Comparison, *, terminal: bool) -> str:
    """The comparison as text that ends in a newline; coloured and fitted to the terminal, or plain and the same everywhere."""
    from rich.console import Console

    console = Console(width=None if terminal else WIDE, force_terminal=terminal, color_system="auto" if terminal else None)
    with console.capture() as captured:
        parts: list[tuple[str, Table]] = [(title(comparison), _standings_table(comparison)), *_pair_tables(comparison)]
        for heading, table in parts:
            console.print(heading, markup=False, highlight=False)
            console.print()
            console.print(table)
            console.print()
        for line in legend(comparison):
            console.print(line, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def title(comparison: Comparison) -> str:
    """Which clips, measured how."""
    results = comparison.contenders[0].runs[0].results
    split, protocol = results.split, results.protocol
    return f"{split.dataset} {split.name}, {split.n} clips ({split.digest}) · {protocol.name}@{protocol.version}"


def _table(columns: tuple[str, ...]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if index == 0 else "right", overflow="fold")
    return table


def _standings_table(comparison: Comparison) -> Table:
    """One line a metric: contenders share a letter where no test tells them apart."""
    from rich.text import Text

    table = _table(("", *(_marked(contender) for contender in comparison.contenders)))
    for metric, standings in comparison.standings.items():
        by_place = {standing.place: standing for standing in standings}
        cells = [_standing_cell(by_place[place], metric) for place in range(len(comparison.contenders))]
        table.add_row(*(Text(cell) for cell in (_heading(metric), *cells)))
    return table


def _standing_cell(standing: Standing, metric: str) -> str:
    if standing.value is None:
        return "–"
    decimals = METRICS[metric].decimals
    parts = [f"{standing.value:.{decimals}f}"]
    if standing.gap is not None:
        parts.append(f"(truth {standing.gap:+.{decimals}f})")
    if standing.seed_sd is not None:
        parts.append(f"(seed sd {standing.seed_sd:.{decimals}f})")
    return " ".join([*parts, standing.group]).strip()


def _pair_tables(comparison: Comparison) -> list[tuple[str, Table]]:
    from rich.text import Text

    columns = ("", "difference", "95 % interval", "p", "p Holm", "effect", "wins", "would show", "clips/takes", "ahead")
    pairs: dict[tuple[int, int], list[Difference]] = {}
    for one in comparison.differences:
        pairs.setdefault((one.a, one.b), []).append(one)
    tables = []
    for (a, b), found in pairs.items():
        table = _table(columns)
        for one in found:
            style = "bold" if one.separated and one.ahead is not None else ""
            table.add_row(*(Text(cell, style=style) for cell in _difference_cells(one, comparison)))
        tables.append((f"{_marked(comparison.contenders[a])} − {_marked(comparison.contenders[b])}", table))
    return tables


def _difference_cells(one: Difference, comparison: Comparison) -> tuple[str, ...]:
    spec = METRICS[one.metric]
    if one.difference is None:
        return (_heading(one.metric), "undefined", *("",) * 7, "")
    decimals = spec.decimals + 1
    interval = "–" if one.low is None or one.high is None else f"{one.low:+.{decimals}f} … {one.high:+.{decimals}f}"
    name = "–" if one.ahead is None else _marked(comparison.contenders[one.ahead])
    distances = one.ahead is not None and spec.direction == "truth"
    return (
        f"{_heading(one.metric)}{' (distance)' if distances else ''}",
        f"{one.difference:+.{decimals}f}",
        interval,
        _p(one.p),
        UNCORRECTED if one.p is not None and one.p_holm is None else _p(one.p_holm),
        "–" if one.effect is None else f"{one.effect:+.2f}",
        "–" if one.win_rate is None else f"{one.win_rate:.0%}",
        _least(one.detectable, decimals),
        f"{one.clips}/{one.takes}",
        f"{name} {SEPARATED}" if one.separated and one.ahead is not None else name,
    )


def legend(comparison: Comparison) -> list[str]:
    """What the columns mean, and what a reader must know of these runs."""
    lines = [
        "letters: methods that share one are not told apart; no letter: no candidate for best",
        f"{SEPARATED}  ahead with p below {ALPHA:g} after Holm's correction for {comparison.tests} tests (pairs times metrics)",
        f"{UNCORRECTED}: one of the pair is no candidate for best; its p is of this test alone, and nobody wins",
        "p: whole takes swapped at random (FVD: t test on takes left out); interval: takes resampled (FVD, KVD: takes left out)",
        "effect: mean / sd of the takes' differences; wins: share of clips where the first is better, ties half",
        "would show: the smallest difference that so many takes show with power 0.8 in one test at level 0.05",
    ]
    lines += [f"{OUTSIDE}  {c.label}: {', '.join(c.outside)}; no competitor" for c in comparison.contenders if c.outside]
    once = [contender.label for contender in comparison.contenders if len(contender.runs) == 1]
    if once:
        lines.append(f"{', '.join(once)}: one seed, seed variance unmeasured")
    lines += [f"{c.label}: mean of {len(c.runs)} seeds, clip by clip" for c in comparison.contenders if len(c.runs) > 1]
    said: dict[str, list[str]] = {}
    for metric, found in comparison.standings.items():
        for note in said_of(comparison.contenders, found):
            said.setdefault(note, []).append(metric)
    for one in comparison.differences:
        for note in (*one.notes, *([f"undefined: {one.undefined}"] if one.undefined else [])):
            metrics = said.setdefault(note, [])
            metrics += [one.metric] if one.metric not in metrics else []
    measured = len(comparison.standings)
    lines += [note if len(metrics) == measured else f"{', '.join(metrics)}: {note}" for note, metrics in said.items()]
    return lines


def to_json(comparison: Comparison) -> dict[str, Any]:
    """All of it at full precision, with labels in place of numbers for contenders."""
    results = comparison.contenders[0].runs[0].results
    labels = [contender.label for contender in comparison.contenders]
    return {
        "split": {"dataset": results.split.dataset, "name": results.split.name, "digest": results.split.digest},
        "protocol": {"name": results.protocol.name, "version": results.protocol.version, "digest": results.protocol.digest},
        "clips": results.split.n,
        "tests": comparison.tests,
        "contenders": [
            {
                "label": contender.label,
                "method": contender.runs[0].results.method.id,
                "outside": list(contender.outside),
                "seeds": [run.results.seed for run in contender.runs],
                "runs": [str(run.folder) for run in contender.runs],
            }
            for contender in comparison.contenders
        ],
        "standings": {
            metric: [{"method": labels[s.place]} | {name: getattr(s, name) for name in STANDING} for s in standings]
            for metric, standings in comparison.standings.items()
        },
        "differences": [_record(one, labels) for one in comparison.differences],
    }


def _record(one: Difference, labels: list[str]) -> dict[str, Any]:
    names = {"a": labels[one.a], "b": labels[one.b], "ahead": None if one.ahead is None else labels[one.ahead]}
    return {name: names[name] if name in names else getattr(one, name) for name in COLUMNS} | {"smallest_p": one.smallest_p}


def to_csv(comparison: Comparison) -> str:
    """One line a pair and metric; empty where there is no number, numbers in their shortest exact form."""
    labels = [contender.label for contender in comparison.contenders]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in comparison.differences:
        record = _record(one, labels)
        writer.writerow([_cell(record[name]) for name in COLUMNS])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "; ".join(value)
    return repr(value) if isinstance(value, float) else str(value)


def _marked(contender: Contender) -> str:
    return f"{contender.label} {OUTSIDE}" if contender.outside else contender.label


def _heading(metric: str) -> str:
    spec = METRICS[metric]
    return " ".join(part for part in (spec.title, spec.unit) if part)


def _least(value: float | None, decimals: int) -> str:
    """A smallest difference, which must not read as "any" where it is rounded to nothing."""
    if value is None:
        return "–"
    return f"{value:.{decimals}f}" if value >= 10**-decimals else f"<{10**-decimals:.{decimals}f}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"
