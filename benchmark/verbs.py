"""Verbs of other packages, found through entry points in the group `egox_bench.verbs`.

The benchmark imports nothing of the leaderboard: `run` ends by calling the verb `table`, whoever offers it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from .errors import UserError

GROUP = "egox_bench.verbs"


def verb(name: str) -> Callable[..., None]:
    """The function behind a verb. Raises UserError where no installed package offers it."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    raise UserError(f"no installed package offers the verb {name!r}; install egox-bench again")


def print_table(runs: Sequence[Path], *, csv: Path, quiet: bool) -> None:
    """Show runs as one table, add them to the long CSV, keep each run's own table.txt; `quiet` shows nothing."""
    verb("table")(list(runs), csv=csv, text=True, quiet=quiet)
