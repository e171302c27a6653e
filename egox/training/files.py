"""Writing that a kill cannot tear, and folders that say nothing of this machine."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Write aside, flush, rename: whoever reads finds the old file or the new one. Raises OSError."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def forget_places(folder: Path) -> None:
    """Take out of all configurations below a folder where their weights were loaded from: libraries write that down, and it
    would make equal weights look different, and tell others where things lay on this machine. Raises OSError."""
    for path in sorted(folder.rglob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict) and values.pop("_name_or_path", None) is not None:
            replace_file(path, (json.dumps(values, indent=2, sort_keys=True) + "\n").encode())
