"""egox-bench store gc."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o


def command(
    out: o.Out = o.DEFAULT_OUT,
    stale: Annotated[bool, typer.Option("--stale", help="Also runs whose method has changed since.")] = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="Also the whole cache (renders, digests); it is made again when needed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only list.")] = False,
) -> None:
    """List what can go: files that killed processes left, and on request stale runs and the cache. Deletes only with --yes.

    Example: egox-bench store gc --stale --yes
    """
    from ..housekeeping import garbage, readable

    total = 0
    for item in garbage(out, stale=stale, cache=cache):
        total += item.bytes
        print(f"{readable(item.bytes):>9s}  {item.path}  ({item.why})")
        if yes:
            item.delete()
    print(f"{readable(total):>9s}  {'deleted' if yes else 'could be deleted: add --yes'}" if total else "nothing to delete")
