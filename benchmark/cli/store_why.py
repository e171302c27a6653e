"""egox-bench store why."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from . import options as o


def command(
    key: Annotated[str, typer.Argument(help="First digits of a run's, prediction's or score's key.")],
    out: o.Out = o.DEFAULT_OUT,
    as_json: o.AsJson = False,
) -> None:
    """What a key was made of, and what has changed since: why something was, or was not, made again.

    Example: egox-bench store why 3fa2
    """
    from ..housekeeping import why

    found = why(out, key)
    if as_json:
        print(
            json.dumps(
                [
                    {"kind": w.kind, "key": w.key, "run": str(w.run), "clip": w.clip, "parts": w.parts, "changed": w.changed}
                    for w in found
                ],
                indent=2,
            )
        )
        return
    for item in found:
        print(f"{item.kind} {item.key}" + (f" of clip {item.clip}" if item.clip else ""))
        print(f"  in {item.run}")
        for name, value in item.parts.items():
            print(f"  {name:10s} {value}")
        print(f"  since then: {'; '.join(item.changed) if item.changed else 'nothing has changed'}")
