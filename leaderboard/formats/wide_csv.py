"""Tables as a CSV with one line a row: what was run, then five columns a metric. The long form is `leaderboard.long_csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from benchmark.contenders import is_still

from ..table import Sheet

ROW_COLUMNS = (
    "label", "method", "version", "dataset", "split", "split_digest", "protocol", "protocol_digest", "run", "seed",
    "privileged", "control", "static", "n_scored", "n_expected",
)  # fmt: skip
METRIC_COLUMNS = ("", "_low", "_high", "_n", "_mark")
"""What follows a metric's id: its value, the ends of its 95 % interval, the clips behind it, and best, second or leading."""


def wide_csv(sheets: Sequence[Sheet]) -> str:
    """All sheets in one file; a metric that a sheet does not show is empty there. Numbers in their shortest exact form."""
    metrics = list(dict.fromkeys(column.metric for sheet in sheets for column in sheet.columns))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*ROW_COLUMNS, *(f"{metric}{end}" for metric in metrics for end in METRIC_COLUMNS)])
    for sheet in sheets:
        for line in sheet.lines:
            results = line.row.results
            cells = dict(zip((column.metric for column in sheet.columns), line.cells))
            told: list[object] = [
                line.label, results.method.id, results.method.version, results.split.dataset, results.split.name,
                results.split.digest, results.protocol.name, results.protocol.digest, line.row.run, results.seed,
                results.method.privileged, results.method.control, is_still(results), results.n_scored, results.n_expected,
            ]  # fmt: skip
            for metric in metrics:
                cell = cells.get(metric)
                told += [cell.value, cell.low, cell.high, cell.n, cell.mark] if cell is not None else [None] * 5
            writer.writerow([_text(value) for value in told])
    return out.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
