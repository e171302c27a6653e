"""How long a call may work: long trainings are made in pieces."""

from __future__ import annotations

import time


class TimeIsUp(Exception):
    """The minutes of this call are over; what is done is kept, and the same command goes on."""


class Budget:
    """minutes: None for as long as it takes."""

    def __init__(self, minutes: float | None) -> None:
        self._until = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def minutes_left(self) -> float | None:
        """None without a limit; never below 0."""
        return None if self._until is None else max(0.0, (self._until - time.monotonic()) / 60)

    def check(self) -> None:
        """Raises TimeIsUp."""
        if self.minutes_left == 0:
            raise TimeIsUp
