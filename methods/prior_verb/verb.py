"""egox-bench prior: ego priors as files to look at and to use, for clips and for a video of one's own.

The benchmark's own verbs may not import a method; this one is an entry point of the group `egox_bench.verbs`. Nothing heavy is
imported before it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import options as o
from benchmark.errors import UserError

OF_CLIPS = ("data", "split", "protocol", "clips", "limit")
OF_A_VIDEO = ("pose", "depth", "size")


def command(
    context: typer.Context,
    data: o.Data = "sim",
    split: o.Split = "unseen",
    protocol: o.Protocol = None,
    clips: Annotated[
        list[str] | None, typer.Option("--clips", help="Only these clips (ids, commas or again).", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N clips by id.", show_default=False)] = None,
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
            help="With --video: metres, a folder of 00000.npy ... or one .npz; or let --set depth_model=NAME estimate it.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[int, typer.Option("--size", min=64, max=2048, help="With --video: side of the ego picture, even.")] = 448,
    settings: o.Settings = None,
    overwrite: o.Overwrite = o.OverwriteChoice.NEVER,
    out: Annotated[Path, typer.Option("--out", help="Folder that gets one folder a clip.")] = Path("priors"),
    as_json: o.AsJson = False,
) -> None:
    """Make ego priors: what the exo depth alone shows from the wearer's eyes.

    Writes OUT/CLIP/: prior.mp4, prior.mkv (lossless), valid.mkv (white where known), strip.png, strip.mp4, report.json. What is
    there already with the same inputs, options and code is skipped. The steps and the options (--set): docs/prior.md.

    Examples: egox-bench prior --split val --limit 2

    egox-bench prior --video my.mp4 --pose pose.json --depth depth_maps
    """
    from benchmark.cli.json_output import only_json
    from benchmark.progress import say
    from benchmark.registry import options_from, settings_from
    from methods.ego_prior import SPEC, Options

    strange, why = (OF_A_VIDEO, "goes with --video") if video is None else (OF_CLIPS, "is for clips, not for --video")
    for name in strange:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UserError(f"--{name} {why}; see 'egox-bench prior --help'")
    options: Options = options_from(SPEC, preset=None, settings=settings_from(settings or []))
    with only_json(as_json) as emit:
        from .subjects import Clips, Source

        if video is None:
            asked: Source = Clips.open(
                data, split=split, protocol=protocol, clips=o.comma_list(clips), limit=limit, spec=SPEC.with_options(options)
            )
        else:
            from .own_video import OwnVideo

            if pose is None:
                raise UserError(
                    "--video needs --pose FILE: where the head was, and roughly how the camera saw it (docs/poses.md)"
                )
            asked = OwnVideo.open(video, pose=pose, depth=depth, side=size, options=options)
        from .writing import make_priors  # with torch: mistakes above are told before it is imported

        made = make_priors(
            asked,
            options,
            out=out,
            again=overwrite is o.OverwriteChoice.ALWAYS,
            go_on=video is None,
        )
        if as_json:
            emit(made.to_json())
        else:
            print(*made.paragraphs, sep="\n", end="\n" if made.paragraphs else "")
    if made.failures:
        count = len(made.failures)
        say(f"{count} of {len(asked.names)} clips {'have' if count > 1 else 'has'} no prior")
        raise typer.Exit(1)
