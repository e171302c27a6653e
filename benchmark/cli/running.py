"""What run, generate and score have in common: resolve, show or do, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..progress import progress, say
from .json_output import only_json
from .options import comma_list

if TYPE_CHECKING:
    from ..job import Job, JobConfig
    from ..runner import RunReport
    from ..work import Steps


Emit = Callable[[Any], None]
"""Prints a value as JSON; None where a person is to read."""


def method_configs(
    methods: Sequence[str],
    *,
    data: str,
    split: str,
    protocol: str | None,
    out: Path,
    seed: int,
    preset: str | None,
    settings: list[str] | None,
) -> list[JobConfig]:
    """One job a method, all with the same flags; names may be joined by commas."""
    from ..job import JobConfig
    from ..registry import settings_from

    given = settings_from(settings or [])
    return [
        JobConfig(data=data, split=split, protocol=protocol, out=out, seed=seed, method=name, preset=preset, settings=given)
        for name in (comma_list(list(methods)) or [])
    ]


CONTROLS = ("oracle", "repeat-first", "shuffled")
"""The control rows of metrics: the truth itself, a still picture of it, and another clip's truth."""


def control_configs(configs: Sequence[JobConfig]) -> list[JobConfig]:
    """The control rows beside these jobs, on their data, split and protocol, but for those that are among them."""
    from ..job import JobConfig

    first, named = configs[0], {config.method for config in configs}
    return [
        JobConfig(data=first.data, split=first.split, protocol=first.protocol, out=first.out, seed=0, method=name)
        for name in CONTROLS
        if name not in named
    ]


def execute(
    configs: Sequence[JobConfig],
    steps: Steps,
    *,
    limit: int | None,
    clips: list[str] | None,
    workers: int | None,
    overwrite: str,
    dry_run: bool,
    as_json: bool,
    controls: bool = False,
) -> None:
    """Run each job in turn (with `controls` the control rows after them), then print one table (or JSON).

    Exits 1 where clips failed or were not there to be scored.
    """
    if controls:
        configs = [*configs, *control_configs(configs)]
    with only_json(as_json) as emit:
        code = _execute(
            configs, steps, limit=limit, clips=clips, workers=workers, overwrite=overwrite, dry_run=dry_run,
            emit=emit if as_json else None,
        )  # fmt: skip
    if code:
        raise typer.Exit(code)


def _execute(
    configs: Sequence[JobConfig],
    steps: Steps,
    *,
    limit: int | None,
    clips: list[str] | None,
    workers: int | None,
    overwrite: str,
    dry_run: bool,
    emit: Emit | None,
) -> int:
    from ..answers import check_names
    from ..errors import LoadError
    from ..job import Overwrite, open_job
    from ..runner import adopt_predictions, make_plan, make_ready, run_job
    from ..splits.selection import select

    how = Overwrite(overwrite)
    jobs = [open_job(config) for config in configs]
    rows = [select(job.manifest, limit=limit, clips=clips or ()) for job in jobs]
    for job in jobs:
        if job.config.videos is not None:
            unmatched = check_names(job.config.videos, [row.clip_id for row in job.manifest.rows])
            if unmatched:
                say(f"not clips of {job.manifest.split}, left out: {', '.join(unmatched)}")
    if dry_run:
        _show_plans(jobs, rows, steps, how, emit=emit)
        return 0
    if steps.score:
        _fetch_weights(jobs)
    if len(jobs) > 1:  # what several methods read is made once, before the first of them
        for job, chosen in zip(jobs, rows):
            if how is Overwrite.NEVER and steps.generate:
                adopt_predictions(job, chosen)
        make_ready([(job, make_plan(job, chosen, steps=steps, overwrite=how)) for job, chosen in zip(jobs, rows)], steps)
    done: list[tuple[Job, RunReport]] = []
    broken: dict[str, str] = {}
    for job, chosen in zip(jobs, rows):
        try:
            done.append((job, run_job(job, chosen, steps=steps, workers=workers, overwrite=how)))
        except LoadError as error:
            if len(jobs) == 1:
                raise
            broken[job.identity.method] = str(error).splitlines()[0]
            say(f"{job.title}: {error}")
        except KeyboardInterrupt:
            kept = sum(job.folder.prediction(row.clip_id) is not None for row in chosen)
            where = f"{kept} of {len(chosen)} clips of {job.title} are kept in {job.folder.path}"
            say(f"\ninterrupted: {where}; run the same command again to go on")
            raise
    if not done:
        return 1
    _report(done, steps, emit=emit)
    failed = sum(len(report.errors) for _, report in done)
    absent = sum(len(report.not_generated) for _, report in done)
    if failed:
        say(f"{failed} clip{'s' if failed > 1 else ''} failed; run the same command again to try them again")
    if absent:
        say(f"{absent} clip{'s are' if absent > 1 else ' is'} not generated yet: 'egox-bench generate' or 'run' makes them")
    if broken:
        reasons = (f"{name}: {reason}" for name, reason in broken.items())
        say("\n  ".join((f"{len(broken)} of {len(jobs)} methods could not be loaded:", *reasons)))
    return 1 if failed or absent or broken else 0


def _fetch_weights(jobs: Sequence[Job]) -> None:
    """Small open weights come by themselves; what cannot be had is told once, and its metrics are undefined."""
    from ..weights import fetch_open

    for reason in fetch_open(dict.fromkeys(name for job in jobs for name in job.protocol.weights()), progress=progress):
        say(reason)


def _show_plans(jobs: Sequence[Job], rows: Sequence[Any], steps: Steps, overwrite: Any, *, emit: Emit | None) -> None:
    from ..job import changed_code
    from ..runner import describe, make_plan

    shown = []
    for job, chosen in zip(jobs, rows):
        plan = make_plan(job, chosen, steps=steps, overwrite=overwrite)
        generate = {clip.row.clip_id for clip in plan.to_generate}
        score = {clip.row.clip_id for clip in plan.to_score}
        clips = [
            {
                "clip": clip.row.clip_id,
                "key": clip.prediction_key,
                "todo": "generate" if clip.row.clip_id in generate else "score" if clip.row.clip_id in score else "nothing",
            }
            for clip in plan.clips
        ]
        shown.append(
            {"method": job.identity.method, "folder": str(job.folder.path), "summary": describe(plan, steps), "clips": clips}
        )
        if emit is None:
            print(f"{job.title}: {describe(plan, steps)}\n  {job.folder.path}")
            changed = changed_code(job)
            if changed:
                print(f"  {changed}")
            for clip in clips:
                print(f"  {clip['key']}  {clip['todo']:8s}  {clip['clip']}")
    if emit is not None:
        emit(shown)


def _report(done: Sequence[tuple[Job, RunReport]], steps: Steps, *, emit: Emit | None) -> None:
    import msgspec

    from ..verbs import print_table

    if emit is not None:
        emit(
            [
                {"run": str(job.folder.path), "results": msgspec.to_builtins(report.results), "errors": report.errors}
                for job, report in done
            ]
        )
    if steps.score:
        csv = done[0][0].config.out / "leaderboard.csv"
        print_table([job.folder.path for job, _ in done], csv=csv, quiet=emit is not None)
        if emit is None:
            print(f"\nall numbers: {csv}")
