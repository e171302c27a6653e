"""Machine-readable output that nothing else can mix into."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def only_json(wanted: bool) -> Iterator[Callable[[Any], None]]:
    """While the block runs, whatever a method or library prints goes to stderr; the yielded function prints JSON to stdout.

    Works on the file descriptor, so that it holds for native code and child processes too. Does nothing unless `wanted`.
    """
    if not wanted:
        yield lambda value: print(json.dumps(value, indent=2))
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield lambda value: _write_all(kept, (json.dumps(value, indent=2) + "\n").encode())
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
