"""egox-bench data build: cut train, seen, unseen and val from an Ego-Exo4D download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..splits.require import Require
from . import options as o


def command(
    folder: Annotated[Path, typer.Argument(help="Root of the download; takes.json is enough.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the manifests; default FOLDER/splits, where --split finds them.", show_default=False
        ),
    ] = None,
    train: Annotated[int, typer.Option("--train", min=0, help="Clips of train.")] = 3600,
    seen: Annotated[int, typer.Option("--seen", min=0, help="Clips of seen: other windows of training takes.")] = 400,
    unseen: Annotated[int, typer.Option("--unseen", min=0, help="Clips of unseen: places of which nothing else is used.")] = 100,
    val: Annotated[int, typer.Option("--val", min=0, help="Clips of val: further held-out places, for every choice.")] = 100,
    per_take: Annotated[int, typer.Option("--per-take", min=1, help="Training clips of one take, at most.")] = 4,
    per_group: Annotated[int, typer.Option("--per-group", min=1, help="Clips of one held-out group of places, at most.")] = 8,
    require: Annotated[
        list[Require] | None,
        typer.Option("--require", help="Use only takes that have this on disk; may be given again.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other clips.")] = 0,
    as_json: o.AsJson = False,
) -> None:
    """Cut splits by place, with guard gaps, stratified over scenarios; shuffling takes.json changes nothing.

    Example: egox-bench data build ~/egoexo4d --train 3600 --seen 400 --unseen 100 --val 100
    """
    import msgspec
    from rich.console import Console

    from ..progress import progress
    from ..splits.building import Sizes, build, save
    from ..splits.pool import read_pool
    from ..splits.showing import build_report, show_build

    sizes = Sizes(train=train, seen=seen, unseen=unseen, val=val, per_take=per_take, held_per_group=per_group)
    with progress("takes") as task:
        pool = read_pool(folder, require=require or (), need_place=sizes.holds_out, progress=task)
    built = build(pool, sizes, seed=seed)
    report = build_report(pool, built, save(built, out or folder / "splits"))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show_build(report, Console())
