"""When training stops before its end: after so many minutes, at Ctrl-C, or when the machine is about to go (SIGTERM)."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import ClassVar


class StopSignals:
    """While it is entered, Ctrl-C and SIGTERM ask for a stop instead of killing; a second one kills as usual.

    until: of `time.monotonic`. Python gives signals to the main thread alone; on another thread only `until` counts.
    """

    REASONS: ClassVar[tuple[str, ...]] = ("minutes", "signal")

    def __init__(self, until: float | None) -> None:
        self._until = until
        self._asked = False
        self._before: dict[signal.Signals, object] = {}

    def reason(self) -> str | None:
        if self._asked:
            return "signal"
        return "minutes" if self._until is not None and time.monotonic() >= self._until else None

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self._restore()

    def _restore(self) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)  # pyright: ignore[reportArgumentType]
        self._before = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for kind in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(kind)
                if before is not None:
                    self._before[kind] = before
                    signal.signal(kind, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._restore()
