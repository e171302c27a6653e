"""egox-bench data show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o


def command(
    clip: Annotated[str, typer.Argument(help="The clip's id.", show_default=False)],
    data: o.Data = "sim",
    split: o.Split = "all",
    protocol: o.Protocol = None,
    frame: Annotated[
        int | None,
        typer.Option("--frame", help="Frame of the clip that is shown, from 0; default: the middle one.", show_default=False),
    ] = None,
    turntable: Annotated[bool, typer.Option("--turntable/--no-turntable", help="Also write a video that turns around.")] = True,
    out: Annotated[Path, typer.Option("--out", help="Folder for CLIP.png and CLIP_turn.mp4.")] = Path("shown"),
    as_json: o.AsJson = False,
) -> None:
    """Draw a clip's cameras, head track and point cloud, so that a wrong pose is seen at once; print the numbers.

    What a clip lacks is left out and told. Exit code 1 where a pose, the exo camera or the exo video is missing.

    Example: egox-bench data show sim_val_lab0004_1_197_245 --split val
    """
    import msgspec

    from ..progress import progress, say
    from ..showing.figures import as_lines
    from ..showing.show import show_clip

    with progress("show") as task:
        shown = show_clip(data, clip, split=split, protocol=protocol, frame=frame, out=out, turn=turntable, progress=task)
    files = [str(path) for path in shown.files]
    if as_json:
        data_out = {**msgspec.to_builtins(shown.figures), "files": files}
        print(msgspec.json.format(msgspec.json.encode(data_out)).decode())
    else:
        print("\n".join([shown.figures.clip, *(f"  {line}" for line in as_lines(shown.figures)), *files]))
        for hint in shown.figures.hints:
            say(f"look closely: {hint}")
        for name, why in shown.figures.missing.items():
            say(f"not drawn, {name.replace('_', ' ')}: {why}")
    if turntable and len(files) == 1:
        say("no turntable: no camera is known")
    if not shown.complete:
        raise typer.Exit(1)
