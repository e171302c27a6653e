"""egox-bench doctor: what is installed, what is missing, what that would enable."""

from __future__ import annotations

import json

from . import options as o


def command(as_json: o.AsJson = False) -> None:
    """Check this machine: Python, packages, codecs, disk, memory, plugins. Exits 1 where the core cannot work.

    Example: egox-bench doctor
    """
    import typer

    from ..doctor import examine

    findings = examine()
    if as_json:
        print(
            json.dumps(
                [{"ok": f.ok, "needed": f.needed, "what": f.what, "found": f.found, "todo": f.todo} for f in findings], indent=2
            )
        )
    else:
        for finding in findings:
            mark = "ok     " if finding.ok else "MISSING" if finding.needed else "-      "
            print(f"{mark}  {finding.what}: {finding.found}")
            if not finding.ok:
                print(f"         {finding.todo}")
    if any(f.needed and not f.ok for f in findings):
        raise typer.Exit(1)
