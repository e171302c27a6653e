"""egox-bench data audit: does any split give away another one?"""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o


def command(
    manifests: Annotated[
        list[str] | None,
        typer.Argument(
            help="Manifest files, folders of them, 'sim', or with --data the names of its splits.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Data that the splits are of: also compares first ego frames (slow).",
            metavar="sim|DIR",
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option("--held-out", help="A split that must share no place with any other; default: unseen.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that render or read clips of --data.")] = 1,
    as_json: o.AsJson = False,
) -> None:
    """Compare splits clip by clip: shared takes, captures and places, windows that are too near, look-alike pictures.

    Exit code 1 where a leak is found. Example: egox-bench data audit ~/egoexo4d/splits --held-out unseen --held-out val
    """
    import msgspec
    from rich.console import Console

    from ..progress import progress
    from ..splits.named_audit import audit_named
    from ..splits.showing import show_audit

    with progress("first ego frames") as task:
        report = audit_named(manifests or [], data=data, held_out=held_out or ["unseen"], workers=workers, progress=task)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show_audit(report, Console())
    if not report.clean:
        raise typer.Exit(1)
