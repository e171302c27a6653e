"""The processes that share a training, as `accelerate launch` and `torchrun` tell each of them by the environment."""

from __future__ import annotations

import os

from benchmark import progress

PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))
IS_MAIN = os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """One line for the person, once and not once a process."""
    if IS_MAIN:
        progress.say(text)


def wait_for_everyone() -> None:
    """Until all processes have come here."""
    if PROCESSES > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
