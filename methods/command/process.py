"""Runs one program to its end or to its time limit, and leaves nothing of it behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

TAIL_LINES = 8
_TAIL_BYTES = 8192
_GRACE_S = 2.0


class ProgramFailed(RuntimeError):
    """The program ended badly or not in time; the message holds its last lines of stderr."""


def run_program(arguments: Sequence[str], *, timeout_s: float, log: Path) -> None:
    """Run a program without a shell, in a process group of its own, its output in files beside `log`.

    Raises ProgramFailed with the exit code, or after timeout_s seconds. On return, and on any exception, nothing of the
    group runs any more: what hangs is asked to stop, and killed two seconds later.
    """
    out, err = log.with_suffix(".stdout"), log.with_suffix(".stderr")
    process: subprocess.Popen[bytes] | None = None
    with out.open("wb") as stdout, err.open("wb") as stderr:
        try:
            with _signals_held_back():
                process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
                )
            code = process.wait(timeout_s)
        except OSError as error:
            raise ProgramFailed(f"{arguments[0]}: cannot be started ({error.strerror})") from None
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"killed after {timeout_s:g} s (timeout_s){_said(err, out)}") from None
        finally:
            if process is not None:
                with _signals_held_back():  # a second signal must not stop us from ending the program
                    _end_group(process)
    if code:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise ProgramFailed(f"the program {how}{_said(err, out)}")


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """SIGTERM and Ctrl-C wait for the end of the block: one that came while a program starts or is
    ended would leave it to itself."""
    if threading.current_thread() is not threading.main_thread():  # only there do handlers run, and may be set
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    before = {
        number: signal.signal(number, lambda number, frame: held.append((number, frame)))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number, frame in held:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            os.kill(os.getpid(), number)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Stop the program and everything that it started and that stayed in its group."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left (macOS says the latter of zombies)
        os.killpg(group, what)


def _said(err: Path, out: Path) -> str:
    """The last lines of stderr, of stdout where stderr is empty."""
    for name, path in (("stderr", err), ("stdout", out)):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()[-TAIL_LINES:]
        if lines:
            return f"; its last lines on {name}:\n" + "\n".join(f"    {line}" for line in lines)
    return "; it said nothing"
