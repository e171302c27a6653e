"""leaderboard.csv: every metric of every run on a line of its own. The same runs give the same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from benchmark.contenders import is_still
from benchmark.errors import UserError
from benchmark.files import atomic_file
from benchmark.metrics import METRICS

from .rows import Row

COLUMNS = (
    "method", "version", "split", "protocol", "metric", "value", "low", "high", "n", "n_expected", "undefined", "errors",
    "privileged", "control", "static", "partial", "seed", "split_digest", "protocol_digest", "metric_version", "run", "options",
)  # fmt: skip
LOCK_S = 60
"""Adding lines takes milliseconds."""
_RUN = ("method", "split", "protocol", "run")
"""What makes a line of the file belong to a run: scoring it again replaces its lines."""

Line = dict[str, str]


def lines_of(row: Row) -> list[Line]:
    """The lines of one run. Empty where there is no number; numbers in their shortest exact form."""
    results = row.results
    lines = []
    for metric in row.metric_ids:
        value = results.metrics[metric]
        cells = {
            "method": results.method.id,
            "version": results.method.version,
            "split": results.split.name,
            "protocol": results.protocol.name,
            "metric": metric,
            "value": value.mean,
            "low": value.low,
            "high": value.high,
            "n": value.n,
            "n_expected": results.n_expected,
            "undefined": value.undefined,
            "errors": value.errors,
            "privileged": results.method.privileged,
            "control": results.method.control,
            "static": is_still(results),
            "partial": results.partial,
            "seed": results.seed,
            "split_digest": results.split.digest,
            "protocol_digest": results.protocol.digest,
            "metric_version": value.version,
            "run": row.run,
            "options": json.dumps(results.method.options, sort_keys=True) if results.method.options else "",
        }
        lines.append({name: _text(cells[name]) for name in COLUMNS})
    return lines


def _text(value: str | float | bool | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def to_text(lines: Sequence[Line]) -> str:
    """The file's content, lines in their fixed order."""
    order = {name: place for place, name in enumerate(METRICS)}

    def place(line: Line) -> tuple[object, ...]:
        metric = line["metric"]
        return (
            *(line[name] for name in ("split", "protocol", "method", "version", "seed", "run")),
            order.get(metric, 99),
            metric,
        )

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([line[name] for name in COLUMNS] for line in sorted(lines, key=place))
    return out.getvalue()


def read_lines(path: Path) -> list[Line]:
    """The lines of a file that `merge_into` wrote; none where there is no file. Raises UserError for any other file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    reader = csv.reader(io.StringIO(text))
    header = tuple(next(reader, ()))
    if header != COLUMNS:
        lacking = [name for name in COLUMNS if name not in header]
        raise UserError(
            f"{path}: not a leaderboard CSV of this version ({f'lacks {lacking[0]}' if lacking else 'other columns'});"
            " move it away or name another file"
        )
    lines = []
    for number, cells in enumerate(reader, start=2):
        if len(cells) != len(COLUMNS):
            raise UserError(
                f"{path}, line {number}: {len(cells)} cells, expected {len(COLUMNS)}; move the file away and make it again"
            )
        lines.append(dict(zip(COLUMNS, cells)))
    return lines


def merge_into(path: Path, rows: Sequence[Row]) -> None:
    """Put runs into the file: their earlier lines are replaced, those of other runs are kept.

    Written atomically, under a lock beside it, so that two processes lose none of each other's lines.
    Raises UserError where the file is another kind or cannot be written.
    """
    import filelock

    new = [line for row in rows for line in lines_of(row)]
    replaced = {_run_of(line) for line in new}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_S):
            kept = [line for line in read_lines(path) if _run_of(line) not in replaced]
            data = to_text([*kept, *new]).encode()

            def write(aside: Path) -> None:
                aside.write_bytes(data)

            atomic_file(path, write)
    except filelock.Timeout:
        raise UserError(f"{path}: another process has held it for {LOCK_S} s, or its folder takes no lock file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); name another file with --csv") from error


def _run_of(line: Line) -> tuple[str, ...]:
    return tuple(line[name] for name in _RUN)
