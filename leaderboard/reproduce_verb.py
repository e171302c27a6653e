"""egox-bench reproduce: one command from nothing to a table or figure of the paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli import options as o
from benchmark.errors import UserError

if TYPE_CHECKING:
    from .reproducing import Plan


def command(
    target: Annotated[str, typer.Argument(metavar="table1|table2|fig5|fig6|fig7", help="A table or figure of the EgoX paper.")],
    data: o.Data = "sim",
    protocol: o.Protocol = None,
    out: o.Out = o.DEFAULT_OUT,
    workers: o.Workers = None,
    clips: Annotated[
        list[str] | None,
        typer.Option("--clips", help="Of a figure: the clips to show (ids, commas or again).", show_default=False),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Where to write it: a PNG; of a table .txt, .md, .tex, .html or .csv.",
            show_default="stdout, or NAME.png",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands that it amounts to; do nothing.")] = False,
) -> None:
    """Run what a table or figure of the paper still lacks, then print the table or draw the figure.

    On sim it needs nothing but this machine: of Table 1 and Fig. 5 the rows are then all methods that can run there. With --data
    the rows are the paper's, as far as they are installed. What is left out is said. Runs are kept as by 'egox-bench run':
    a second call makes only what is missing, and an interrupted one goes on.

    Examples:

    egox-bench reproduce table1

    egox-bench reproduce table2 --data path/to/egoexo4d --to table2.tex

    egox-bench reproduce fig5 --dry-run
    """
    from .reproducing import ATTENTION, TABLES, check_target

    check_target(target)
    names = tuple(o.comma_list(clips) or ())
    if target in TABLES and names:
        raise UserError(f"--clips is for figures; {target} has all clips of its splits")
    if target == ATTENTION:
        _attention(names, data=data, protocol=protocol, to=to, dry_run=dry_run)
        return
    from benchmark.registry import load_registry

    from .reproducing import plan_of

    plan = plan_of(target, data=data, registry=load_registry(), clips=names)
    for sentence in plan.left_out:
        print(sentence, file=sys.stderr)
    if dry_run:
        print("\n".join(plan.commands(data=data, protocol=protocol, out=out, workers=workers, to=to)))
        return
    form = _form(to) if target in TABLES else ""
    folders, complete = run(plan, data=data, protocol=protocol, out=out, workers=workers)
    if target in TABLES:
        from .verb import Format
        from .verb import command as table

        table([TABLES[target], *map(str, folders)], form=Format(form), to=to)
        if to is not None:
            print(f"written: {to}", file=sys.stderr)
    else:
        from .figure_verb import draw_grid

        draw_grid(target, folders, clips=plan.clips, split=plan.splits[0], data=data, protocol=protocol, to=to)
    if not complete:
        raise typer.Exit(1)


def run(plan: Plan, *, data: str, protocol: str | None, out: Path, workers: int | None) -> tuple[list[Path], bool]:
    """Run what is missing. Returns the folders of exactly these runs, whatever else `out` holds, and whether all went well."""
    import contextlib
    import io

    from benchmark.cli.running import control_configs, execute, method_configs
    from benchmark.contenders import RESULTS
    from benchmark.job import open_job
    from benchmark.work import Steps

    folders: list[Path] = []
    complete = True
    for split in plan.splits:
        print(f"{plan.target}: {', '.join(plan.methods)} on {split}", file=sys.stderr)
        configs = method_configs(
            plan.methods, data=data, split=split, protocol=protocol, out=out, seed=0, preset=None, settings=None
        )
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # its own table; the one that was asked for follows
                execute(
                    configs,
                    Steps(generate=True, score=True),
                    limit=None,
                    clips=list(plan.clips) or None,
                    workers=workers,
                    overwrite=o.OverwriteChoice.NEVER,
                    dry_run=False,
                    as_json=False,
                    controls=plan.controls,
                )
        except typer.Exit:
            complete = False
        every = [*configs, *(control_configs(configs) if plan.controls else [])]
        made = [open_job(config).folder.path for config in every]
        folders += [folder for folder in made if (folder / RESULTS).is_file()]
    if not folders:
        raise UserError(f"{plan.target}: nothing could be run; the reasons are above")
    return folders, complete


def _attention(clips: tuple[str, ...], *, data: str, protocol: str | None, to: Path | None, dry_run: bool) -> None:
    from .figure_verb import attention_clip, draw_attention

    clip = attention_clip(clips, split=None, data=data)
    if dry_run:
        words = [*(["--data", data] if data != "sim" else []), *(["--protocol", protocol] if protocol else [])]
        print(" ".join(["egox-bench figure fig7 --clips", clip, *words, *(["--to", str(to)] if to else [])]))
        return
    draw_attention(clips=[clip], data=data, protocol=protocol, to=to)


def _form(to: Path | None) -> str:
    """The format of a table by the ending of its file. Raises UserError for an ending that means none."""
    forms = {".txt": "text", ".md": "markdown", ".tex": "latex", ".html": "html", ".csv": "csv"}
    if to is None:
        return "text"
    if to.suffix not in forms:
        raise UserError(f"--to {to}: write a table to a file that ends in {', '.join(forms)}")
    return forms[to.suffix]
