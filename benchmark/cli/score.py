"""egox-bench score: score what was generated, or videos that were made elsewhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from . import options as o


class CropChoice(StrEnum):
    """How a video that is larger than the asked square is cut."""

    NONE = "none"
    RIGHT = "right"


def command(
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Score what this method generated before.", show_default=False)
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            "--videos",
            help="Folder of videos made elsewhere, one <clip_id>.mp4 (mkv, webm, mov, avi) a clip.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the videos' row.", show_default=False)] = None,
    crop: Annotated[
        CropChoice, typer.Option("--crop", help="right: take the rightmost square of an exo|ego canvas.")
    ] = CropChoice.NONE,
    split: o.Split = "unseen",
    data: o.Data = "sim",
    protocol: o.Protocol = None,
    settings: o.Settings = None,
    preset: o.Preset = None,
    seed: o.Seed = 0,
    limit: o.Limit = None,
    clips: o.Clips = None,
    workers: o.Workers = None,
    overwrite: o.Overwrite = o.OverwriteChoice.NEVER,
    out: o.Out = o.DEFAULT_OUT,
    controls: o.Controls = True,
    dry_run: o.DryRun = False,
    as_json: o.AsJson = False,
) -> None:
    """Score videos: those that 'generate' made, or a folder of your own.

    Your videos are never stretched in time and never squeezed: a longer one is trimmed, another size of the same shape is
    resized, a shorter one is undefined. What was changed is printed, and clips without a video are listed.

    Examples:

    egox-bench score --videos my_videos --split unseen --name mine

    egox-bench score --videos canvases --crop right --name mine --split all --data path/to/egox_release

    egox-bench score --method ego-prior --split unseen
    """
    from ..job import JobConfig
    from ..work import Steps
    from .running import execute, method_configs

    if (videos is None) == (not method):
        raise UserError("score: give either --method or --videos")
    if videos is None:
        configs = method_configs(
            method or [], data=data, split=split, protocol=protocol, out=out, seed=seed, preset=preset, settings=settings
        )
    elif settings or preset:
        raise UserError("score --videos: --set and --preset belong to --method")
    else:
        configs = [
            JobConfig(data=data, split=split, protocol=protocol, out=out, seed=seed, videos=videos, name=name, crop=crop.value)
        ]
    execute(
        configs,
        Steps(generate=videos is not None, score=True),
        limit=limit,
        clips=o.comma_list(clips),
        workers=workers,
        overwrite=overwrite,
        dry_run=dry_run,
        as_json=as_json,
        controls=controls,
    )
