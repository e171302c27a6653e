"""egox-bench generate: predictions only, for clips of a dataset or for a video of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from ..own_video import OwnVideoTask
from . import options as o

OF_CLIPS = {
    "data": "--data", "split": "--split", "protocol": "--protocol", "limit": "--limit", "clips": "--clips",
    "workers": "--workers", "dry_run": "--dry-run",
}  # fmt: skip
OF_A_VIDEO = {"pose": "--pose", "depth": "--depth", "size": "--size", "prompt": "--prompt"}

OUT_OF_A_VIDEO = Path("generated")
"""Where videos of one's own go: `runs` is a store, and what it does not know would be in its way."""


def command(
    context: typer.Context,
    method: o.Methods,
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
    dry_run: o.DryRun = False,
    as_json: o.AsJson = False,
    video: Annotated[
        Path | None,
        typer.Option("--video", help="Instead of clips: an exo video of your own, from a still camera.", show_default=False),
    ] = None,
    pose: Annotated[
        Path | None,
        typer.Option("--pose", help="With --video: its pose file, with a guess of the exo camera.", show_default=False),
    ] = None,
    depth: Annotated[
        Path | None,
        typer.Option(
            "--depth",
            help="With --video: metres, a folder of 00000.npy ... or one .npz; or --set depth_model=NAME to estimate it.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", help="With --video: side of the ego picture, 128 (17 frames) or 448 (49 frames).")
    ] = 128,
    prompt: Annotated[
        str, typer.Option("--prompt", help="With --video: what is to be seen, for methods that read it.", show_default=False)
    ] = "",
) -> None:
    """Generate videos without scoring them, for a machine that has the model but not the truth.

    The same store and the same keys as 'run': a later 'score' or 'run' goes on from here. With --video nothing is scored, and
    OUT/NAME/METHOD/ gets ego.mkv (lossless), ego.mp4, strip.png, strip.mp4 and report.json (docs/egox.md); OUT is then
    'generated'.

    Examples: egox-bench generate --method ego-prior --split unseen --limit 4

    egox-bench generate --method egox --video my.mp4 --pose pose.json --depth depth_maps
    """
    strange, why = (OF_A_VIDEO, "goes with --video") if video is None else (OF_CLIPS, "is for clips, not for --video")
    for name, flag in strange.items():
        if _was_given(context, name):
            raise UserError(f"{flag} {why}; see 'egox-bench generate --help'")
    if video is not None:
        if pose is None:
            raise UserError("--video needs --pose FILE: where the head was, and roughly how the camera saw it (docs/poses.md)")
        if overwrite is o.OverwriteChoice.FAILED:
            raise UserError("--overwrite failed is for clips; with --video it is never or always")
        names = o.comma_list(method) or []
        if len(names) != 1:
            raise UserError(f"--video takes one --method at a time, not {', '.join(names)}")
        from ..registry import settings_from

        task = OwnVideoTask(
            method=names[0], preset=preset, settings=settings_from(settings or []), video=video, pose=pose, depth=depth,
            prompt=prompt, size=size, seed=seed, out=out if _was_given(context, "out") else OUT_OF_A_VIDEO,
            again=overwrite is o.OverwriteChoice.ALWAYS,
        )  # fmt: skip
        _generate_own(task, as_json=as_json)
        return
    from ..work import Steps
    from .running import execute, method_configs

    configs = method_configs(
        method, data=data, split=split, protocol=protocol, out=out, seed=seed, preset=preset, settings=settings
    )
    execute(
        configs,
        Steps(generate=True, score=False),
        limit=limit,
        clips=o.comma_list(clips),
        workers=workers,
        overwrite=overwrite,
        dry_run=dry_run,
        as_json=as_json,
    )


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _generate_own(task: OwnVideoTask, *, as_json: bool) -> None:
    from ..own_video import own_video_maker
    from .json_output import only_json

    with only_json(as_json) as emit:
        result = own_video_maker()(task)
        if as_json:
            emit(dict(result.report))
        else:
            print(f"{task.video.stem}: {result.folder}", *(f"  {line}" for line in result.lines), sep="\n")
