"""egox-bench attention: where an ego token looks in the exo view, with guidance and without (paper Fig. 7).

An entry point of the group `egox_bench.verbs`. Nothing heavy is imported before it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import options as o
from benchmark.errors import UserError

OF_CLIPS = ("data", "split", "protocol", "clip")
OF_A_VIDEO = ("pose", "depth", "size", "prompt")


def command(
    context: typer.Context,
    clip: Annotated[str | None, typer.Option("--clip", help="A clip's id.", show_default=False)] = None,
    data: o.Data = "sim",
    split: o.Split = "unseen",
    protocol: o.Protocol = None,
    video: Annotated[
        Path | None,
        typer.Option("--video", help="Instead of a clip: an exo video of your own, from a still camera.", show_default=False),
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
    prompt: Annotated[str, typer.Option("--prompt", help="With --video: what is to be seen.", show_default=False)] = "",
    frame: Annotated[
        int | None, typer.Option("--frame", min=0, help="Frame of the video; default: the middle one.", show_default=False)
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", help="ROW,COLUMN of the ego token, from 0; default: the centre.", show_default=False),
    ] = None,
    step: Annotated[
        int | None, typer.Option("--step", help="Step of sampling, from 1; default: half of them.", show_default=False)
    ] = None,
    blocks: Annotated[
        str | None, typer.Option("--blocks", help="Blocks of the transformer, like 0,3; default: all.", show_default=False)
    ] = None,
    degrees: Annotated[
        float, typer.Option("--degrees", min=0.1, max=90, help="Exo tokens match that lie this close to where the token looks.")
    ] = 10.0,
    settings: o.Settings = None,
    preset: o.Preset = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sampling.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder that gets one folder a clip.")] = Path("attention"),
    as_json: o.AsJson = False,
) -> None:
    """Draw where an ego token looks in the exo view, with guidance and without, by the same weights.

    Writes OUT/CLIP/: with.png, without.png, side-by-side.png, and prints how much of the attention to the exo view goes to what
    lies where the token looks. --set takes the options of the method egox (docs/egox.md); docs/guidance.md tells the rest.

    Examples: egox-bench attention --clip sim_unseen_kitchen0000_1_224_272

    egox-bench attention --video my.mp4 --pose pose.json --depth depth_maps --frame 8 --token 4,4
    """
    strange, why = (OF_A_VIDEO, "goes with --video") if video is None else (OF_CLIPS, "is for clips, not for --video")
    for name in strange:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UserError(f"--{name} {why}; see 'egox-bench attention --help'")
    if video is None and clip is None:
        raise UserError("name a clip (--clip ID), or a video of your own (--video FILE)")
    if video is not None and pose is None:
        raise UserError("--video needs --pose FILE: where the head was, and roughly how the camera saw it (docs/poses.md)")
    place, layers = _numbers("--token", token, count=2), _numbers("--blocks", blocks)
    from benchmark.cli.json_output import only_json
    from benchmark.registry import options_from, settings_from
    from methods.egox import SPEC, Options

    options: Options = options_from(SPEC, preset=preset, settings=settings_from(settings or []))
    with only_json(as_json) as emit:
        from .looking import Asked, look
        from .sources import of_clip, of_video

        if video is not None and pose is not None:
            source = of_video(video, pose=pose, depth=depth, size=size, prompt=prompt, options=options)
        else:
            source = of_clip(clip or "", data=data, split=split, protocol=protocol, options=options)
        asked = Asked(frame=frame, token=place, step=step, blocks=layers, degrees=degrees, seed=seed)
        found = look(source, options, asked, out=out)
        if as_json:
            emit(found.to_json())
        else:
            print(found.as_lines())


def _numbers(flag: str, words: str | None, *, count: int | None = None) -> tuple[int, ...] | None:
    """ "4,3" as (4, 3). Raises UserError for anything else."""
    if words is None:
        return None
    parts = [part.strip() for part in words.split(",")]
    if not all(part.isdecimal() for part in parts) or (count is not None and len(parts) != count):
        expected = "whole numbers with commas, like 0,3" if count is None else "two whole numbers, like 4,3 (row, column)"
        raise UserError(f"{flag} {words}: expected {expected}")
    return tuple(int(part) for part in parts)
