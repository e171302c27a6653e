"""egox-bench calibrate: what known damage does to every metric."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..progress import say
from . import options as o
from .json_output import only_json

LADDERS = ("blur", "noise", "shift", "turn", "jitter", "delay", "freeze", "swap", "prior")
"""Repeated here because the module that makes them is heavy."""


def command(
    split: o.Split = "val",
    data: o.Data = "sim",
    protocol: o.Protocol = None,
    ladders: Annotated[
        list[str] | None,
        typer.Option("--ladders", help=f"Only these (commas or again): {', '.join(LADDERS)}.", show_default=False),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N clips by id.", show_default=False)] = None,
    clips: Annotated[
        list[str] | None, typer.Option("--clips", help="Only these clips (ids, commas or again).", show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Processes that measure; any number gives the same bytes.",
            show_default="as in 'egox-bench run'",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder that keeps results, tables and figures.")] = o.DEFAULT_OUT
    / "calibration",
    as_json: o.AsJson = False,
) -> None:
    """Damage the truth in known ways and watch every metric: what does one degree of head error cost, is a frozen video paid for?

    Each ladder is one kind of damage in steps, from the truth itself upwards. blur: Gaussian, in px. noise: standard deviation
    of 255. shift: the picture to the right, in px. turn: the head off by so many degrees all the time, seen through the true
    lens. jitter: by so many degrees each frame anew. delay: later by frames. freeze: this share of the clip stands still (1:
    the first frame repeated). swap: this share of clips shows another clip's truth (shuffled pairing). prior: the ego prior
    is copied.

    Every metric against the truth has a ladder that it must be monotone on; those that are not are named. What was measured
    is kept: a second call does only what is missing, also after Ctrl-C.

    The folder of this data, split and protocol then holds calibration.csv (one line a ladder, level and metric),
    calibration.json, a figure a group of metrics, and levels.png, which shows what the levels look like.

    Examples:

    egox-bench calibrate --limit 4

    egox-bench calibrate --ladders turn,jitter --protocol rgb

    egox-bench calibrate --data path/to/egox_release --split all --protocol rgb
    """
    from ..calibration.measure import run_calibration
    from ..calibration.plan import CalibrationConfig, open_calibration
    from ..calibration.plots import write_figures, write_levels
    from ..calibration.report import drawn, to_csv
    from ..calibration.summary import summarise
    from ..files import atomic_file
    from ..splits.selection import select
    from ..weights import fetch_open

    names = o.comma_list(ladders)
    with only_json(as_json) as emit:
        calibration = open_calibration(
            CalibrationConfig(data=data, split=split, protocol=protocol, out=out, ladders=None if names is None else tuple(names))
        )
        rows = select(calibration.manifest, clips=o.comma_list(clips) or (), limit=limit)
        for reason in fetch_open(calibration.protocol.weights()):
            say(reason)
        errors = run_calibration(calibration, rows, workers=workers)
        summary = summarise(calibration, rows)
        folder = calibration.folder
        atomic_file(folder / "calibration.json", lambda aside: aside.write_bytes(summary.to_bytes()))
        table = to_csv(summary)
        atomic_file(folder / "calibration.csv", lambda aside: aside.write_text(table, encoding="utf-8"))
        figures = write_figures(summary, folder)
        write_levels(calibration, rows[0], folder / "levels.png")
        if as_json:
            import json

            emit(json.loads(summary.to_bytes()))
    if not as_json:
        print(drawn(summary, terminal=sys.stdout.isatty()), end="")
        print(f"\nall numbers: {folder / 'calibration.csv'}; figures: {', '.join(path.name for path in figures)}, levels.png")
    if errors:
        say(f"{len(errors)} video{'s' if len(errors) > 1 else ''} failed; run the same command again to try them again")
        raise typer.Exit(1)
