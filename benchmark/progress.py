"""Progress with time left on a terminal; plain lines, at most one every few seconds, elsewhere. Everything to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

QUIET_S = 5.0
"""Between two plain lines of one task."""


class Task(Protocol):
    """Called with (done, total, what) as work goes on."""

    def __call__(self, done: int, total: int, what: str) -> None: ...


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def progress(title: str) -> Iterator[Task]:
    """A bar called `title` for as long as the block runs."""
    with _bar(title) if sys.stderr.isatty() else _lines(title) as task:
        yield task


@contextmanager
def _bar(title: str) -> Iterator[Task]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[what]}", style="dim"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        number = bar.add_task(title, total=None, what="")
        yield lambda done, total, what: bar.update(number, completed=done, total=total, what=what)


@contextmanager
def _lines(title: str) -> Iterator[Task]:
    began, last = time.monotonic(), [-QUIET_S]

    def line(done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done < total and now - last[0] < QUIET_S:
            return
        last[0] = now
        left = f", {_clock((now - began) / done * (total - done))} left" if 0 < done < total else ""
        print(f"{title}: {done}/{total} after {_clock(now - began)}{left}  {what}".rstrip(), file=sys.stderr, flush=True)

    yield line


def say(text: str) -> None:
    """One line for the person, on stderr."""
    print(text, file=sys.stderr, flush=True)
