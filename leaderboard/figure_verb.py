"""egox-bench figure: draw the paper's figures from runs, and tell whether one is out of date."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import options as o
from benchmark.errors import UserError

RUNS = Path("runs")


def command(
    name: Annotated[str, typer.Argument(metavar="fig5|fig6|fig7", help="Methods side by side, ablations, or attention.")],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...", help="Run folders, or folders searched for runs; fig7 takes none.", show_default="runs"
        ),
    ] = None,
    clips: o.Clips = None,
    frames: Annotated[
        list[str] | None,
        typer.Option("--frames", help="Frames to show, from 0 (commas or again); default: the middle.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="A split, or a manifest file *.jsonl; default: the figure's.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Where clips are; default: where the runs found them.", show_default=False),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Of which protocol's runs, where there are several.", show_default=False)
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="The PNG to write.", show_default="NAME.png")] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check", help="Draw nothing: does this PNG still show what the runs hold? Exit 1 if not.", show_default=False
        ),
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Draw a figure of the paper: exo view, ego prior, methods and truth of some clips, side by side.

    Of several runs of a method the lowest seed is shown. Clips that are not named are spread over the places; no score is looked
    at. The PNG holds what it shows (runs, clips, digests of the predictions), which --check compares with runs, without videos.

    Examples:

    egox-bench figure fig5

    egox-bench figure fig6 runs --split unseen --frames 4,12 --to ablations.png

    egox-bench figure fig5 runs --check fig5.png
    """
    from .figures import ATTENTION

    numbers, names = whole_numbers("--frames", o.comma_list(frames)), tuple(o.comma_list(clips) or ())
    if name == ATTENTION:
        _no_runs(runs, check)
        draw_attention(clips=names, frames=numbers, split=split, data=data, protocol=protocol, to=to, as_json=as_json)
    elif check is not None:
        _check(name, check, runs or [RUNS], as_json=as_json)
    else:
        draw_grid(
            name, runs or [RUNS], clips=names, frames=numbers, split=split, data=data, protocol=protocol, to=to, as_json=as_json
        )


def draw_grid(
    name: str,
    runs: Sequence[Path],
    *,
    clips: Sequence[str] = (),
    frames: Sequence[int] = (),
    split: str | None = None,
    data: str | None = None,
    protocol: str | None = None,
    to: Path | None = None,
    as_json: bool = False,
) -> Path:
    """Write the PNG of a grid and say on stderr what was chosen; returns where it is."""
    from benchmark.files import atomic_file

    from .figures import read_figure

    read_figure(name)  # a wrong name is told before anything heavy is imported
    from .figures.making import Asked, make

    made = make(name, runs, Asked(split=split, data=data, protocol=protocol, clips=tuple(clips), frames=tuple(frames)))
    target = to or Path(f"{Path(name).stem}.png")
    atomic_file(target, lambda aside: aside.write_bytes(made.png))
    for note in made.notes:
        print(note, file=sys.stderr)
    if made.private:
        print(licence_note(target, made.shows.split.dataset), file=sys.stderr)
    _tell(target, made.shows, as_json=as_json)
    return target


def draw_attention(
    *,
    clips: Sequence[str] = (),
    frames: Sequence[int] = (),
    split: str | None = None,
    data: str | None = None,
    protocol: str | None = None,
    to: Path | None = None,
    as_json: bool = False,
) -> Path:
    """Let the verb `attention` look, and keep its picture; its other files go into a folder NAME-attention beside it.

    Where no clip is named, the first that fig5 would show is taken. Returns where the picture is.
    """
    import shutil

    from benchmark.datasets.opening import SIM
    from benchmark.files import atomic_file
    from benchmark.verbs import verb

    from .figures import ATTENTION

    for flag, values in (("--clips", clips), ("--frames", frames)):
        if len(values) > 1:
            raise UserError(f"{ATTENTION} shows one clip at one frame; {flag} names {len(values)}")
    clip = attention_clip(clips, split=split, data=data)
    target = to or Path(f"{ATTENTION}.png")
    parts = target.with_name(f"{target.stem}-attention")
    words = ["--clip", clip, "--out", str(parts), *(["--json"] if as_json else [])]
    words += ["--frame", str(frames[0])] if frames else []
    for flag, value in (("--split", split), ("--data", data), ("--protocol", protocol)):
        words += [flag, value] if value is not None else []
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(verb("attention"))  # by its flags, which are its public face, not by its Python arguments
    typer.main.get_command(app).main(words, prog_name="egox-bench attention", standalone_mode=False)
    atomic_file(target, lambda aside: shutil.copyfile(parts / clip / "side-by-side.png", aside))
    if data is not None and data not in SIM:
        print(licence_note(target, data), file=sys.stderr)
    print(f"written: {target}", file=sys.stderr)
    return target


def attention_clip(clips: Sequence[str], *, split: str | None, data: str | None) -> str:
    """The clip that is named, or the first that fig5 would show of the split."""
    if clips:
        return clips[0]
    from .figures import read_figure
    from .figures.making import clips_of

    return clips_of(read_figure("fig5"), data=data or "sim", split=split or "unseen")[0]


def licence_note(target: Path, dataset: str) -> str:
    """What is said of a figure that shows clips of a dataset with a licence of its own."""
    return (
        f"{target} holds pixels of {dataset}, whose licence decides who may see them: for your own use and the paper,"
        " not for a repository or a page"
    )


def whole_numbers(flag: str, words: Sequence[str] | None) -> tuple[int, ...]:
    """ "4", "12" as (4, 12). Raises UserError for anything else than whole numbers from 0."""
    for word in words or ():
        if not word.isdecimal():
            raise UserError(f"{flag} {word}: expected whole numbers from 0, with commas between them")
    return tuple(int(word) for word in words or ())


def _no_runs(runs: Sequence[Path] | None, check: Path | None) -> None:
    if runs:
        raise UserError("fig7 looks into the model itself and takes no runs; name a clip with --clips")
    if check is not None:
        raise UserError("--check is for figures of runs; fig7 shows a model and holds no predictions")


def _check(name: str, png: Path, runs: Sequence[Path], *, as_json: bool) -> None:
    import json

    from .figures.chunk import contents_of, stale
    from .rows import find_rows

    shown = contents_of(png).figure
    if shown != name:
        raise UserError(f"{png}: shows {shown}, not {name}")
    reasons = stale(png, find_rows(runs))
    if as_json:
        print(json.dumps({"file": str(png), "stale": reasons}, indent=2))
    else:
        print("\n".join(f"{png}: {reason}" for reason in reasons) or f"{png}: shows what the runs hold")
    if reasons:
        raise typer.Exit(1)


def _tell(target: Path, shows: object, *, as_json: bool) -> None:
    if not as_json:
        print(f"written: {target}", file=sys.stderr)
        return
    import json

    import msgspec

    print(json.dumps({"file": str(target), "shows": msgspec.to_builtins(shows)}, indent=2))
