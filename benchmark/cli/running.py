"""What run, generate and score have in common: resolve, show or do, report."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .options import comma_list

if TYPE_CHECKING:
    from ..job import Job, JobConfig
    from ..runner import RunReport
    from ..work import Steps


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


def execute(
    configs: Sequence[JobConfig],
    steps: Steps,
    *,
    limit: int | None,
    clips: list[str] | None,
    workers: int,
    overwrite: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run each job in turn, then print one table (or JSON). Exits 1 where clips failed."""
    from ..job import Overwrite, open_job
    from ..runner import make_plan, make_ready, run_job
    from ..splits.selection import select

    jobs = [open_job(config) for config in configs]
    rows = [select(job.manifest, limit=limit, clips=clips or ()) for job in jobs]
    if dry_run:
        _show_plans(jobs, rows, steps, Overwrite(overwrite), as_json=as_json)
        return
    if len(jobs) > 1:
        plans = [(job, make_plan(job, chosen, steps=steps, overwrite=Overwrite(overwrite))) for job, chosen in zip(jobs, rows)]
        make_ready(plans, steps, workers)
    reports = []
    for job, chosen in zip(jobs, rows):
        try:
            reports.append(run_job(job, chosen, steps=steps, workers=workers, overwrite=Overwrite(overwrite)))
        except KeyboardInterrupt:
            kept = sum(job.folder.prediction(row.clip_id) is not None for row in chosen)
            where = f"{kept} of {len(chosen)} clips of {job.title} are kept in {job.folder.path}"
            print(f"\ninterrupted: {where}; run the same command again to go on", file=sys.stderr)
            raise
    _report(jobs, reports, steps, as_json=as_json)
    failed = sum(len(report.errors) for report in reports)
    if failed:
        print(f"{failed} clip{'s' if failed > 1 else ''} failed; run the same command again to try them again", file=sys.stderr)
        raise typer.Exit(1)


def _show_plans(jobs: Sequence[Job], rows: Sequence[Any], steps: Steps, overwrite: Any, *, as_json: bool) -> None:
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
        if not as_json:
            print(f"{job.title}: {describe(plan, steps)}\n  {job.folder.path}")
            changed = changed_code(job)
            if changed:
                print(f"  {changed}")
            for clip in clips:
                print(f"  {clip['key']}  {clip['todo']:8s}  {clip['clip']}")
    if as_json:
        print(json.dumps(shown, indent=2))


def _report(jobs: Sequence[Job], reports: Sequence[RunReport], steps: Steps, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        print(
            json.dumps(
                [
                    {"run": str(job.folder.path), "results": msgspec.to_builtins(report.results), "errors": report.errors}
                    for job, report in zip(jobs, reports)
                ],
                indent=2,
            )
        )
    if not steps.score:
        return
    from ..verbs import print_table

    csv = jobs[0].config.out / "leaderboard.csv"
    print_table([job.folder.path for job in jobs], csv=csv, quiet=as_json)
    if not as_json:
        print(f"\nall numbers: {csv}")
