"""egox-bench submit: put runs into a results repository, and check one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.errors import UserError

if TYPE_CHECKING:
    from .submission.adding import Added
    from .submission.check import Checked


def command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Runs: folders with a results.json, folders searched for them, or another results repository to merge.",
            show_default=False,
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", help="The results repository; made where it is not there.", show_default=False, metavar="DIR"),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Check this results repository and change nothing.", show_default=False, metavar="DIR"),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace/--no-replace", help="Where a run is there with other bytes under its key: put the new one there."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")] = False,
) -> None:
    """Put runs into a results repository, or check one before it is published.

    A results repository is a folder, usually under git, with results/SPLIT/PROTOCOL/METHOD/KEY.json (a run's results.json, byte
    for byte), KEY.scores.jsonl beside it, and a README.md with its tables, which is written anew each time. Videos and features
    never go in. A run that does not fit is refused with a sentence, and the others go in; partial runs are always refused.

    The check reads every file and says what to do about it: schema, bytes, names, digests of split, protocol and metrics, counts,
    clips, and whether the means are those of the scores by clip. Problems end with exit code 1; warnings are for whoever accepts.

    Examples:

    egox-bench submit runs/mine --into results-repository

    egox-bench submit --check results-repository

    egox-bench submit their-repository --into results-repository

    egox-bench submit --into results-repository   (only writes the README again)
    """
    if check is not None:
        if runs or into is not None or replace:
            raise UserError("--check changes nothing: give it alone, as in 'egox-bench submit --check DIR'")
        from .submission.check import check as checked_of

        _say_checked(checked_of(check), check, as_json=as_json)
        return
    if into is None:
        raise UserError("say where to: 'egox-bench submit RUN --into DIR', or check a repository with 'submit --check DIR'")
    if not runs and not (into / "results").is_dir():
        raise UserError(f"{into}: no results repository yet; name runs to put in: egox-bench submit RUN --into {into}")
    from .submission.adding import add

    _say_added(add(runs or [], into, replace=replace), into, as_json=as_json)


def _say_added(added: Added, into: Path, *, as_json: bool) -> None:
    if as_json:
        put = [{"run": str(one.source), "file": str(one.place.results), "outcome": one.outcome} for one in added.put]
        print(json.dumps({"put": put, "refused": added.refused, "not_shown": added.faults}, indent=2))
    else:
        for one in added.put:
            if one.outcome != "same":
                print(f"{one.outcome}: {one.place.results}")
        counts = [(added.count(outcome), outcome) for outcome in ("added", "completed", "replaced")]
        told = [f"{number} {outcome}" for number, outcome in counts if number]
        told += [f"{number} there already" for number in [added.count("same")] if number]
        told += [f"{len(added.refused)} refused"] if added.refused else []
        print(f"{into}: {', '.join(told) or 'no run added'}; README.md written")
    for reason in added.refused:
        print(f"refused: {reason}", file=sys.stderr)
    for fault in added.faults:
        print(f"not in the tables: {fault}", file=sys.stderr)
    if added.refused or added.faults:
        raise typer.Exit(1)


def _say_checked(checked: Checked, folder: Path, *, as_json: bool) -> None:
    if as_json:
        found = [{"level": one.level, "file": one.file, "field": one.field, "text": one.text} for one in checked.findings]
        print(json.dumps({"runs": checked.runs, "findings": found}, indent=2))
    else:
        for one in checked.findings:
            print(f"{one.level}: {one.sentence}")
        runs = "1 run" if checked.runs == 1 else f"{checked.runs} runs"
        told = [
            f"{len(found)} {word}{'' if len(found) == 1 else 's'}"
            for found, word in ((checked.problems, "problem"), (checked.warnings, "warning"))
        ]
        print(f"{folder}: {runs}, {told[0]}, {told[1]}")
    if checked.problems:
        raise typer.Exit(1)
