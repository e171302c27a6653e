"""egox-bench store size."""

from __future__ import annotations

import json

from . import options as o


def command(out: o.Out = o.DEFAULT_OUT, as_json: o.AsJson = False) -> None:
    """How much disk each run and each part of the cache takes.

    Example: egox-bench store size --out runs
    """
    from ..housekeeping import holdings, readable

    found = holdings(out)
    if as_json:
        print(json.dumps([{"path": str(h.path), "what": h.what, "bytes": h.bytes, "files": h.files} for h in found], indent=2))
        return
    for holding in found:
        print(f"{readable(holding.bytes):>9s}  {holding.files:6d} files  {holding.what:5s}  {holding.path}")
    print(f"{readable(sum(h.bytes for h in found)):>9s}  in all")
