"""Rendering many windows: in this process, or in spawned ones that share nothing but the cache folder."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...canvas import Canvas
from ...errors import UserError
from ..dataset import Progress
from .render import Order, Studio, orders_of_takes

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_POLL_S = 0.2


def render_orders(orders: Sequence[Order], root: Path, canvas: Canvas, *, workers: int, progress: Progress) -> None:
    """Render all orders; the bytes written do not depend on `workers`. An error of a worker is raised here."""
    groups = orders_of_takes(orders)
    done, total = 0, len(orders)
    if min(workers, len(groups)) <= 1:
        studio = Studio(root, canvas)
        for group in groups:
            for order in group:
                studio.make(order)
                done += 1
                progress(done, total, order.take.name)
        return
    context = multiprocessing.get_context("spawn")
    finished = context.Queue()
    others = set(multiprocessing.active_children())
    with (
        _one_thread_each(),
        ProcessPoolExecutor(
            min(workers, len(groups)), mp_context=context, initializer=_begin, initargs=(root, canvas, finished)
        ) as pool,
    ):
        futures: list[Future] = []
        try:
            futures += [pool.submit(_render, group) for group in groups]
            while done < total:
                done = _report(finished, futures, done, total, progress)
        except BrokenProcessPool as error:
            raise UserError(
                "a render worker ended early: memory may be short (try fewer workers), or a script calls prepare with workers > 1"
                " outside of 'if __name__ == \"__main__\":'; what was rendered is kept"
            ) from error
        except BaseException:  # a worker's error, Ctrl-C, a scheduler that gives a few seconds: a take in work takes a minute
            pool.shutdown(wait=False, cancel_futures=True)
            for renderer in set(multiprocessing.active_children()) - others:
                renderer.terminate()  # files are written aside and renamed: none is left half under its name
            raise
        for future in futures:
            future.result()


def _report(finished: Any, futures: list[Future], done: int, total: int, progress: Progress) -> int:
    try:
        what = finished.get(timeout=_POLL_S)
    except queue.Empty:
        for future in futures:
            if future.done():
                future.result()
        return done
    progress(done + 1, total, what)
    return done + 1


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Spawned processes inherit the environment: without limits, each would start a thread for every core."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_studio: Studio | None = None
_finished: Any = None


def _begin(root: Path, canvas: Canvas, finished: Any) -> None:
    global _studio, _finished
    _studio, _finished = Studio(root, canvas), finished


def _render(group: list[Order]) -> None:
    if _studio is None:
        raise RuntimeError("a render worker was not begun")
    for order in group:
        _studio.make(order)
        _finished.put(order.take.name)
