"""egox-bench train: from clips to trained weights, in as many calls as it takes.

An entry point of the group `egox_bench.verbs`. Nothing heavy is imported before it is called.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli import options as o
from benchmark.errors import UserError

if TYPE_CHECKING:
    from .stages import Stage

UNFINISHED = 3
"""Exit code of a call whose minutes were over: the same command goes on."""


class Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


def command(
    recipes: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE...", help="Recipes by name ('mini/egox'), TOML files, or 'mini' for all of them in order."
        ),
    ],
    data: o.Data = "sim",
    split: Annotated[str, typer.Option("--split", help="The split to learn from, or a manifest file *.jsonl.")] = "train",
    val_split: Annotated[str, typer.Option("--val-split", help="The split that losses and contact sheets are taken on.")] = "val",
    protocol: o.Protocol = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first N clips of each.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of examples, checkpoints and trained weights.")] = Path("training"),
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Stop with a checkpoint after so long; call again to go on.", show_default=False),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="For trying out: so many steps instead of the recipe's.", show_default=False),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that render and encode clips; each loads the encoders.")
    ] = 1,
    device: Annotated[
        Device | None, typer.Option("--device", help="Default: cuda where there is one.", show_default=False)
    ] = None,
    sheets: Annotated[int, typer.Option("--sheets", min=0, help="Clips on the contact sheet of each validation.")] = 2,
    ladder: Annotated[
        int | None,
        typer.Option(
            "--ladder",
            min=1,
            help="Score each finished recipe of task egox beside what it must beat, on N examples of the val split. Not begun"
            " once --minutes are over, nor with --only-examples.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="An option of the prior ('egox-bench prior'), key=value; may be given again.", show_default=False
        ),
    ] = None,
    only_examples: Annotated[
        bool, typer.Option("--only-examples", help="Make what is made of clips, train nothing: the rest can be done elsewhere.")
    ] = False,
) -> None:
    """Train a model by a recipe, or all of 'mini' one after the other.

    Clips become examples (OUT/examples), then OUT/RECIPE gets checkpoints, curves.csv, tensorboard/, sheets/ and, once it is
    done, model/ and report.json. A call that was stopped, by --minutes (exit code 3), Ctrl-C or a kill, goes on when it is
    repeated, and ends with the same weights. Data without depth takes --set depth_model=NAME, a network that estimates it.
    docs/training.md tells more, also of several GPUs.

    Examples: egox-bench train mini --minutes 10

    egox-bench train mini/egox --ladder 24

    egox-bench train paper --data egoexo4d --device cuda --set depth_model=NAME
    """
    from benchmark.files import check_writable
    from benchmark.registry import options_from, settings_from
    from methods.ego_prior import SPEC, Options

    from .budget import Budget, TimeIsUp
    from .curriculum import place_of, recipes_named

    asked, budget = recipes_named(recipes), Budget(minutes)
    prior: Options = options_from(SPEC, preset=None, settings=settings_from(settings or []))
    check_writable(out)
    chosen = _device(device)
    from .clips import Asked
    from .processes import IS_MAIN, say
    from .stages import Setup, Stage  # with torch and diffusers: mistakes above are told before they are imported

    setup = Setup(
        train=Asked(data=data, split=split, protocol=protocol, limit=limit, prior=prior),
        val=Asked(data=data, split=val_split, protocol=protocol, limit=limit, prior=prior),
        out=out,
        workers=workers,
        device=chosen,
        budget=budget,
        steps=steps,
        sheets=sheets,
        planned=tuple(place_of(recipe.name) for recipe in asked),
        arguments=tuple(sys.argv[1:]),
    )
    try:
        for recipe in asked:
            stage = Stage(recipe, setup)
            done = stage.finished() is not None
            if done:
                say(f"{recipe.name}: is in {stage.model} already")
            elif only_examples:
                stage.prepare()
                say(f"{recipe.name}: {len(stage.examples)} examples to train on, {len(stage.val_examples)} to validate with")
            else:
                report = stage.run()
                done = True
                if IS_MAIN:
                    print(f"{recipe.name}: {stage.model}, {report.steps} steps, {report.samples} samples, {report.seconds:.0f} s")
            if ladder is not None and done and not only_examples:
                budget.check()
                _climb(stage, ladder)
    except TimeIsUp:
        say(f"{minutes:g} minutes are over; what is done is kept, run the same command again to go on")
        raise typer.Exit(UNFINISHED) from None


def _climb(stage: Stage, count: int) -> None:
    from . import processes
    from .ladder import climb
    from .ladder_scores import drawn

    if stage.training.task != "egox":
        processes.say(f"{stage.recipe.name}: no ladder: it learns one view, and nothing else predicts what it predicts")
    elif processes.PROCESSES > 1:
        processes.say(f"{stage.recipe.name}: no ladder on {processes.PROCESSES} processes; repeat the command with one")
    else:
        print(drawn(climb(stage, count)), end="")


def _device(asked: Device | None) -> str:
    """ "cpu" or "cuda"; accelerate is told in the way that reaches it wherever it is made."""
    import torch

    there = torch.cuda.is_available()
    if asked is Device.CUDA and not there:
        raise UserError("--device cuda: torch sees no GPU here; 'egox-bench doctor' shows what is there")
    if asked is Device.CPU:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    return "cuda" if there and asked is not Device.CPU else "cpu"
