"""What stands below a table: what its marks mean, why numbers are missing, where chance and floors lie."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from benchmark.contenders import is_still
from benchmark.metrics import METRICS

from .marks import NO_FEATURES, Mark, Marks
from .rows import Row

PRIVILEGED, CONTROL, STATIC, PARTIAL, REMARK = "†", "‡", "§", "¶", "#"
SIGNS: Mapping[Mark, str] = {"best": "*", "second": "+", "leading": "°", "": ""}
ARROWS = {"up": "↑", "down": "↓", "truth": "≈"}


def in_words(legend: Iterable[str], signs: Mapping[Mark, str]) -> list[str]:
    """The legend for a format that marks cells otherwise. signs: what a mark looks like there."""
    lines = []
    for line in legend:
        found: Mark | None = next((mark for mark, sign in SIGNS.items() if sign and line.startswith(f"{sign}  ")), None)
        lines.append(f"{signs[found]}: {line[len(SIGNS[found]) :].strip()}" if found is not None and found in signs else line)
    return lines


def group_of(metric: str) -> str:
    """The heading under which a metric stands."""
    return METRICS[metric].group if metric in METRICS else "other"


def legend(
    rows: Sequence[Row], labels: Sequence[str], marks: Mapping[str, Marks], hidden: Mapping[str, str], shown: Sequence[str]
) -> list[str]:
    """What the marks of these rows mean and what a reader must know, one line each.

    labels: what each row is called; marks: by metric; hidden: metrics that are withheld, and why; shown: the columns.
    """
    lines = _about_intervals(rows, labels, shown)
    if any(found.best for found in marks.values()):
        lines.append(f"{SIGNS['best']}  best, or not separated from the best by a paired test over takes (p < 0.05 after Holm)")
    if any(found.second for found in marks.values()):
        lines.append(f"{SIGNS['second']}  second, or not separated from the second among those behind the best")
    leading = [found for found in marks.values() if found.leading is not None]
    if leading:
        why = sorted({found.why for found in leading if found.why})
        untested = ", or not compared" if any(NO_FEATURES in found.notes for found in leading) else ""
        because = f" ({'; '.join(why)})" if why else ""
        lines.append(f"{SIGNS['leading']}  best value, not separated from any other{untested}{because}")
    said: dict[str, list[str]] = {}
    for metric, found in marks.items():
        for note in found.notes:
            said.setdefault(note, []).append(METRICS[metric].title)
    lines += [f"{', '.join(titles)}: {note}" for note, titles in said.items()]
    seen = sorted({row.results.method.privileged for row in rows} - {"none"})
    if seen:
        lines.append(f"{PRIVILEGED}  sees truth while it generates ({', '.join(seen)}): outside the comparison")
    if any(row.results.method.control for row in rows):
        lines.append(f"{CONTROL}  control: outside the comparison")
    if any(is_still(row.results) for row in rows):
        lines.append(f"{STATIC}  still videos: never best")
    if any(row.results.partial for row in rows):
        lines.append(f"{PARTIAL}  partial: not every clip of the split was attempted; no leaderboard row")
    remarks = dict.fromkeys(row.results.method.remark for row in rows)
    lines += [f"{REMARK}  {remark}" for remark in remarks if remark]
    if any(metric in METRICS and METRICS[metric].direction == "truth" for metric in shown):
        lines.append(f"{ARROWS['truth']}  best where nearest to the truth's own value: neither end is good in itself")
    empty = _empty(rows, shown)
    counts: dict[str, list[str]] = {}
    for label, row in zip(labels, rows):
        counts.setdefault(_counts(row, [metric for metric in shown if metric not in empty]), []).append(label)
    lines += [f"{', '.join(whose)}: {count}" for count, whose in counts.items() if count]
    return [*lines, *_reasons(rows, empty), *_chance(rows, labels, shown), *_floors(rows, labels, shown), *_validity(hidden)]


def _validity(hidden: Mapping[str, str]) -> list[str]:
    """Why columns are withheld, one line a reason."""
    why: dict[str, list[str]] = {}
    for metric, reason in hidden.items():
        why.setdefault(reason, []).append(METRICS[metric].title)
    return [f"{', '.join(titles)} withheld: {reason}" for reason, titles in why.items()]


def _empty(rows: Sequence[Row], shown: Sequence[str]) -> list[str]:
    """The columns that have no number in any row."""
    return [metric for metric in shown if all(row.results.metrics[metric].mean is None for row in rows)]


def _reasons(rows: Sequence[Row], empty: Sequence[str]) -> list[str]:
    """Why columns have no number in any row: one line a reason."""
    why: dict[str, list[str]] = {}
    for metric in empty:
        values = [row.results.metrics[metric] for row in rows]
        reasons = sorted({reason for value in values if (reason := value.reason or value.interval)})
        if reasons:
            why.setdefault("; ".join(reasons), []).append(METRICS[metric].title if metric in METRICS else metric)
    return [f"{', '.join(titles)} undefined: {reason}" for reason, titles in why.items()]


def _chance(rows: Sequence[Row], labels: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Where chance lies on metrics that match things: of rows that were given another clip's truth."""
    lines = []
    for label, row in zip(labels, rows):
        if row.results.method.privileged == "other_truth":
            levels = [
                f"{METRICS[metric].title} {value.chance:.{METRICS[metric].decimals}f}"
                for metric in shown
                if metric in METRICS and (value := row.results.metrics[metric]).chance is not None
            ]
            lines += [f"{label}: all pairs of things, matched or not: {', '.join(levels)}"] if levels else []
    return lines


def _floors(rows: Sequence[Row], labels: Sequence[str], shown: Sequence[str]) -> list[str]:
    """How far real clips are from other real clips, and each row at the same number of clips."""
    lines = []
    for metric in shown:
        # a row that is given other clips' truths meets them in the other half: its distance there says nothing
        own = [(label, row) for label, row in zip(labels, rows) if row.results.method.privileged != "other_truth"]
        floors = [(label, floor) for label, row in own if (floor := row.results.metrics[metric].floor) is not None]
        if floors and metric in METRICS:
            spec, floor = METRICS[metric], floors[0][1]
            others = ", ".join(f"{label} {found.prediction:.{spec.decimals}f}" for label, found in floors)
            lines.append(
                f"{spec.title} floor: real clips from other real clips {floor.real:.{spec.decimals}f} at N = {floor.n};"
                f" at the same N, against other clips: {others}"
            )
    return lines


def _about_intervals(rows: Sequence[Row], labels: Sequence[str], shown: Sequence[str]) -> list[str]:
    """What ± is, and which rows have none or only an indicative one."""
    said: dict[str, list[str]] = {}
    for label, row in zip(labels, rows):
        values = (row.results.metrics[metric] for metric in shown)
        for note in sorted({value.interval for value in values if value.mean is not None and value.interval}):
            said.setdefault(note, []).append(label)
    notes = [note if len(whose) == len(rows) else f"{', '.join(whose)}: {note}" for note, whose in said.items()]
    lines = []
    if any(row.results.metrics[metric].low is not None for row in rows for metric in shown):
        sets = any(metric in METRICS and METRICS[metric].of == "set" for metric in shown)
        of_sets = "; of a distance between sets by leaving takes out" if sets else ""
        lines.append(f"±  half of the 95 % interval of the mean over clips, by resampling takes{of_sets}")
    return lines + notes


def _counts(row: Row, shown: Collection[str]) -> str:
    """What became of the clips that have no number, and how many numbers carry a note; "" where there is nothing to say."""
    metrics = [row.results.metrics[metric] for metric in shown]
    errors = max((value.errors for value in metrics), default=0)
    undefined = max((value.undefined for value in metrics), default=0)
    # of a set, n counts different clips: it says nothing of those that were not attempted
    by_clip = [v for metric, v in row.results.metrics.items() if metric not in METRICS or METRICS[metric].of == "clip"]
    untried = row.results.n_expected - min((v.n + v.undefined + v.errors for v in by_clip), default=row.results.n_expected)
    # A row that sees truth repeats some of it: frames at the cap are then no news.
    # Notes of object metrics count matches; they are no warnings.
    warned = [row.results.metrics[metric].noted for metric in shown if group_of(metric) != "objects"]
    noted = 0 if row.results.method.privileged != "none" else max(warned, default=0)
    said = [
        f"{count} {what}"
        for count, what in (
            (errors, "failed"),
            (undefined, "undefined"),
            (untried, "not attempted"),
            (noted, "with a note: see scores.jsonl"),
        )
        if count
    ]
    return f"of {row.results.n_expected} clips {', '.join(said)}" if said else ""
