"""Work spread over processes that may die: each portion ends with what came of it, and one that is lost costs itself only."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any, TypeVar, cast

from .canvas import MINI, Canvas
from .errors import LoadError, StorageError

T = TypeVar("T")

PIECES_A_WORKER = 4
"""Pieces of work that pay for a process: its start and its networks take as long as two to four clips of the mini size."""

WORKER_BYTES = 2 * 1024**3
"""What a process with all networks of the mini size takes (1.5 GB, measured), and some room."""

STOP_S = 15.0
"""From asking a process to stop to killing it: it has to end the programs that it started, which a killed one leaves behind.
Pebble's own 3 s are few on a busy machine, where a program itself is given 2 s to end."""


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_that_pay(pieces: int, canvas: Canvas) -> int:
    """Processes for so many pieces of work where nobody says how many: at the mini size one a core, as pieces and memory allow.

    One at other sizes, whose networks fill a machine, and where there is a GPU, which one process fills.
    """
    workers = min(available_cores(), pieces // PIECES_A_WORKER)
    if canvas != MINI or workers <= 1:
        return 1
    import torch

    if torch.cuda.is_available():
        return 1
    return max(1, min(workers, memory_left() // WORKER_BYTES))


def memory_left(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that more processes may take: of the machine, and of the container where one has a limit (cgroup v2)."""
    import psutil

    left = psutil.virtual_memory().available
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        files = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or "max"
        return left
    return min(left, limit - used + int(files.get("inactive_file", 0)))


class WorkerDied(Exception):
    """A worker process ended in the middle of a portion: out of memory, or a crash in native code."""


def in_processes(
    portions: Sequence[T],
    work: Callable[..., Any],
    *,
    arguments: Callable[[T], Sequence[Any]],
    start: Callable[..., None],
    start_arguments: Sequence[Any],
    workers: int,
) -> Iterator[tuple[T, Any]]:
    """Each portion with what `work(*arguments(portion))` gave, or the exception that it ended with, as they are finished.

    start(*start_arguments) sets up every process, which is spawned, not forked. What ends the whole run (a full disk, a method
    that cannot be loaded, Ctrl-C) is raised, and the other processes are ended.
    """
    from pebble import CONSTS, ProcessExpired, ProcessPool

    CONSTS.term_timeout = STOP_S
    pool: Any = ProcessPool(
        max_workers=min(workers, len(portions)),
        initializer=start,
        initargs=list(start_arguments),
        context=cast(Any, multiprocessing.get_context("spawn")),
    )
    try:
        futures = {pool.schedule(work, args=list(arguments(portion))): portion for portion in portions}
        for future in as_completed(futures):
            portion, error = futures[future], future.exception()
            if error is None:
                yield portion, future.result()
            elif isinstance(error, ProcessExpired):
                yield portion, WorkerDied(f"its worker process died ({_how(error.exitcode)}); the other clips went on")
            elif isinstance(error, StorageError | LoadError) or not isinstance(error, Exception):
                raise error
            else:
                yield portion, error
        pool.close()
    except BaseException:  # Ctrl-C too must end the processes; it goes on upwards
        pool.stop()
        raise
    finally:
        pool.join()


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}" + (", out of memory?" if exit_code == -9 else "")
    return f"exit code {exit_code}"
