"""Command lines that a person can paste: what an error tells to do next, and what `reproduce --dry-run` prints."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from benchmark.run_record import read_run_record
from benchmark.store import RunFolder

from ..rows import Row

RUNS = Path("runs")
"""Where runs are kept unless one says otherwise."""


def run_command(
    methods: Sequence[str],
    *,
    split: str,
    data: str = "sim",
    protocol: str | None = None,
    seed: int = 0,
    clips: Sequence[str] = (),
    out: Path = RUNS,
    workers: int | None = None,
    controls: bool = True,
) -> str:
    """The `egox-bench run` that makes these methods' runs; flags at their defaults are left out."""
    words = ["egox-bench", "run", "--method", ",".join(methods), "--split", split]
    words += ["--data", data] if data != "sim" else []
    words += ["--protocol", protocol] if protocol is not None else []
    words += ["--seed", str(seed)] if seed else []
    words += ["--clips", ",".join(clips)] if clips else []
    words += ["--out", _short(out)] if out != RUNS else []
    words += ["--workers", str(workers)] if workers is not None else []
    words += [] if controls else ["--no-controls"]
    return shlex.join(words)


def again(row: Row, *, clips: Sequence[str] = (), method: str | None = None) -> str:
    """The command that made a run, from its run.json where it is there; `method`: of another method, on the same clips."""
    results, record = row.results, read_run_record(RunFolder(row.folder))
    out = _short(row.folder.parents[3])
    words = ["egox-bench", "run", "--method", method or results.method.id]
    passed = record.passed if record is not None and method is None else None
    if passed is not None:
        made = ["run", "--method", passed.method] if passed.method else ["score", "--videos", passed.videos, "--name", words[-1]]
        words = ["egox-bench", *made]
        words += ["--preset", passed.preset] if passed.preset else []
        words += [word for key, value in passed.settings.items() for word in ("--set", f"{key}={value}")]
    words += ["--split", results.split.name]
    words += ["--data", record.data] if record is not None and record.data != "sim" else []
    words += ["--protocol", results.protocol.name]
    words += ["--seed", str(results.seed)] if results.seed and method is None else []
    words += ["--clips", ",".join(clips)] if clips else []
    words += ["--out", out] if out != str(RUNS) else []
    return shlex.join(words)


def _short(path: Path) -> str:
    """Relative to the folder one is in, where the path lies below it."""
    here = Path.cwd()
    absolute = path.absolute()
    return str(absolute.relative_to(here)) if absolute != here and absolute.is_relative_to(here) else str(path)
