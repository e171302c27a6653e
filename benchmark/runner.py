"""Runs a job: plan -> cached -> missing -> make ready -> work -> commit -> derive the results. Resumes by nature."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .clip import Privilege
from .derive import derive
from .inputs import Input
from .job import ClipPlan, Job, Overwrite, changed_code
from .progress import progress, say
from .provenance import environment
from .readings import inputs_read
from .results import ClipRecord, Results
from .run_record import KEPT_INVOCATIONS, Cost, Invocation, Passed, RunRecord, read_run_record, write_run_record
from .run_record import SCHEMA as RECORD_SCHEMA
from .splits.manifest import Row
from .store import Failure, Prediction, Scores, run_folders
from .work import Event, Steps, Worker, failed, start_worker, use_one_thread, work_in_process
from .worker_pool import WorkerDied, available_cores, in_processes, workers_that_pay

SHOWN_REASONS, SHOWN_CLIPS = 5, 8
"""How much of what is undefined is told on the terminal; scores.jsonl has all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do: the selected clips, those that are not there, those to make, those to score only."""

    clips: tuple[ClipPlan, ...]
    missing: tuple[ClipPlan, ...]
    to_generate: tuple[ClipPlan, ...]
    to_score: tuple[ClipPlan, ...]

    @property
    def idle(self) -> bool:
        return not self.to_generate and not self.to_score


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run did: clip to reason of those that failed, clips that were to be scored but are not there, the results."""

    results: Results
    events: tuple[Event, ...]
    errors: dict[str, str] = field(default_factory=dict)
    not_generated: tuple[str, ...] = ()


def make_plan(job: Job, rows: Sequence[Row], *, steps: Steps, overwrite: Overwrite) -> Plan:
    """Look up every selected clip; decodes nothing and loads no model."""
    clips = tuple(job.plan_clip(row, overwrite if steps.generate else Overwrite.NEVER) for row in rows)
    missing = tuple(plan for plan in clips if plan.cached is None)
    again = overwrite is Overwrite.ALWAYS and not steps.generate
    unscored = tuple(plan for plan in clips if plan.cached is not None and (plan.unscored or again)) if steps.score else ()
    return Plan(clips=clips, missing=missing, to_generate=missing if steps.generate else (), to_score=unscored)


def describe(plan: Plan, steps: Steps) -> str:
    """One line: how many clips are there, to generate, to score."""
    ready = len(plan.clips) - len(plan.missing) - len(plan.to_score)
    parts = [f"{len(plan.clips)} clip{'s' if len(plan.clips) != 1 else ''}", f"{ready} complete"]
    parts.append(f"{len(plan.missing)} to generate" if steps.generate else f"{len(plan.missing)} not generated")
    if steps.score:
        parts.append(f"{len(plan.to_score)} to score only" if steps.generate else f"{len(plan.to_score)} to score")
    return ", ".join(parts)


def adopt_predictions(job: Job, rows: Sequence[Row]) -> int:
    """Take over what other runs of the method hold under the same keys (another protocol on the same canvas, a split that
    grew). Returns how many."""
    siblings = [folder for folder in run_folders(job.config.out) if folder.path.parents[2] == job.folder.path.parents[2]]
    siblings = [folder for folder in siblings if folder.path != job.folder.path]
    adopted = 0
    for row in rows if siblings else ():
        plan = job.plan_clip(row, Overwrite.NEVER)
        for sibling in siblings if plan.cached is None else ():
            record = sibling.prediction(row.clip_id)
            if record is not None and record.key == plan.prediction_key:
                with job.folder.claim(row.clip_id, wait=False) as mine:
                    if mine:
                        job.folder.adopt(row.clip_id, sibling)
                        adopted += 1
                break
    return adopted


def run_job(
    job: Job, rows: Sequence[Row], *, steps: Steps, workers: int | None = None, overwrite: Overwrite = Overwrite.NEVER
) -> RunReport:
    """Do what is missing and derive the results; failures of clips are in the report, never raised.

    workers: processes; None for as many as pay. Any number gives the same bytes. Where it is more than one, the script that
    calls this needs a `__main__` guard.
    Raises UserError where nothing can be done at all (a wrong name, a full disk). KeyboardInterrupt passes through after
    the work in hand is dropped; all that was committed is kept.
    """
    began = time.time()
    changed = changed_code(job)
    _probe_disk(job)
    if overwrite is Overwrite.NEVER and steps.generate:
        adopted = adopt_predictions(job, rows)
        if adopted:
            say(f"{job.title}: {adopted} predictions taken over from other runs with the same keys")
    plan = make_plan(job, rows, steps=steps, overwrite=overwrite)
    say(f"{job.title}: {describe(plan, steps)} -> {job.folder.path}")
    if changed:
        say(changed)
    use_one_thread()  # before anything here imports torch
    workers = workers or _workers_for(job, plan)
    _write_record(job, began=began, workers=workers, overwrite=overwrite, steps=steps, errors=None)
    _forget(job, plan, overwrite)
    events: list[Event] = []
    if not plan.idle:
        make_ready([(job, plan)], steps)
        todo = _to_do(plan)
        with progress(job.title) as task:
            for event in _work(job, todo, steps, workers):
                events.append(event)
                task(len(events), len(todo), event.clip)
                _tell(event)
    errors = {event.clip: event.reason for event in events if event.kind == "error"}
    _log_traces(job, events)
    results, records = derive(job)
    _write_record(job, began=began, workers=workers, overwrite=overwrite, steps=steps, errors=errors)
    _tell_undefined(records)
    not_there = () if steps.generate else tuple(clip.row.clip_id for clip in plan.missing)
    return RunReport(results=results, events=tuple(events), errors=errors, not_generated=not_there)


def _forget(job: Job, plan: Plan, overwrite: Overwrite) -> None:
    """Take back what is to be made again before any of it is made: a failure or a kill must not leave the old beside the new."""
    if overwrite is Overwrite.NEVER:
        return
    for clip in plan.to_generate:
        with job.folder.claim(clip.row.clip_id, wait=True):
            job.folder.forget(clip.row.clip_id)
    for clip in plan.to_score if overwrite is Overwrite.ALWAYS else ():
        with job.folder.claim(clip.row.clip_id, wait=True):
            job.folder.commit_scores(clip.row.clip_id, Scores(metrics={}))


def _probe_disk(job: Job) -> None:
    """A full or read-only disk is found before any work, not after the first clip."""
    job.folder.write(job.folder.path / ".locks" / "probe", b"writable")


def make_ready(jobs: Sequence[tuple[Job, Plan]], steps: Steps) -> None:
    """Let the dataset make (sim: render) what the work of these jobs will read, each thing once.

    The jobs share one dataset and one canvas. Uses all cores, which does not change results.
    """
    wanted: dict[Row, frozenset[Input]] = {}
    for job, plan in jobs:
        for row, needs in _inputs_wanted(job, plan, steps):
            wanted[row] = wanted.get(row, frozenset()) | needs
    groups: dict[frozenset[Input], list[Row]] = {}
    for row, needs in wanted.items():
        groups.setdefault(needs, []).append(row)
    for needs, rows in groups.items():
        with progress("preparing clips") as task:
            jobs[0][0].dataset.prepare(rows, jobs[0][0].canvas, needs=needs, workers=available_cores(), progress=task)


def _inputs_wanted(job: Job, plan: Plan, steps: Steps) -> Iterator[tuple[Row, frozenset[Input]]]:
    spec = job.answers.spec
    truth = frozenset({Input.TRUTH}) if steps.score or spec.privileged is not Privilege.NONE else frozenset()
    for clip in plan.to_generate:
        yield clip.row, spec.needs | spec.optional | truth
        partner = job.partner(clip.row)
        if partner is not None:
            yield partner, truth
    measured = inputs_read(job.protocol.reads, job.cover)
    for clip in (*plan.to_score, *(plan.to_generate if steps.score else ())):
        yield clip.row, measured
    if plan.to_generate and spec.fit is not None:
        for row in job.train_rows:
            yield row, spec.fit.needs


def _to_do(plan: Plan) -> list[Row]:
    wanted = {clip.row.clip_id for clip in (*plan.to_generate, *plan.to_score)}
    return [clip.row for clip in plan.clips if clip.row.clip_id in wanted]


def _workers_for(job: Job, plan: Plan) -> int:
    """Processes where nobody says how many: several for methods that are known to answer one clip at a time, by themselves.

    One for a method that learns first, which each process would do anew, that answers many clips at once, or that a function
    makes, of which neither is known: a program of another environment, say, which may want the whole machine.
    """
    workers = workers_that_pay(len(_to_do(plan)), job.canvas)
    spec = job.answers.spec
    if workers == 1 or not plan.to_generate or job.config.videos is not None:
        return workers
    if spec.fit is not None or not spec.target:
        return 1
    try:
        adapter = spec.adapter()
    except (Exception, SystemExit):
        return 1  # the work itself will say what is wrong with it
    return workers if isinstance(adapter, type) and not hasattr(adapter, "generate_batch") else 1


def _work(job: Job, rows: Sequence[Row], steps: Steps, workers: int) -> Iterator[Event]:
    if workers == 1 or len(rows) == 1:
        worker = Worker(job, steps, say)
        try:
            yield from worker.work(rows)
        finally:
            worker.close()
    else:
        yield from _work_in_processes(job, rows, steps, workers)


def _work_in_processes(job: Job, rows: Sequence[Row], steps: Steps, workers: int) -> Iterator[Event]:
    """One portion a clip."""
    for row, outcome in in_processes(
        rows,
        work_in_process,
        arguments=lambda row: ([row], job.identity),
        start=start_worker,
        start_arguments=(job.config, steps),
        workers=workers,
    ):
        if isinstance(outcome, WorkerDied):
            failure = Failure(key=job.plan_clip(row, Overwrite.NEVER).prediction_key, reason=str(outcome))
            job.folder.commit_failure(row.clip_id, failure)
            yield Event(clip=row.clip_id, kind="error", reason=failure.reason)
        elif isinstance(outcome, Exception):
            yield failed(row.clip_id, outcome)
        else:
            yield from outcome


def _tell(event: Event) -> None:
    if event.kind == "error":
        say(f"  {event.clip}: error: {event.reason}")
    if event.notes:
        say(f"  {event.clip}: {'; '.join(event.notes)}")


def _tell_undefined(records: Sequence[ClipRecord]) -> None:
    """Why clips, or their scores, are undefined: the commonest reasons with the clips that they hold for."""
    clips: dict[str, list[str]] = {}
    for record in records:
        for reason in {record.reason, *(score.undefined for score in record.scores.values())} - {None}:
            clips.setdefault(str(reason).replace(record.clip, "<clip>"), []).append(record.clip)
    ordered = sorted(clips.items(), key=lambda item: -len(item[1]))
    for reason, names in ordered[:SHOWN_REASONS]:
        more = f", and {len(names) - SHOWN_CLIPS} more" if len(names) > SHOWN_CLIPS else ""
        count = f"{len(names)} clip{'s' if len(names) != 1 else ''}"
        say(f"  undefined for {count}: {reason} ({', '.join(names[:SHOWN_CLIPS])}{more})")
    if len(ordered) > SHOWN_REASONS:
        say(f"  and {len(ordered) - SHOWN_REASONS} more reasons: see scores.jsonl")


def _log_traces(job: Job, events: Sequence[Event]) -> None:
    text = "".join(f"=== {event.clip}\n{event.trace}\n" for event in events if event.trace)
    if text:
        path = job.folder.path / "errors.log"
        job.folder.write(path, text.encode())
        say(f"  tracebacks: {path}")


def _write_record(
    job: Job, *, began: float, workers: int, overwrite: Overwrite, steps: Steps, errors: dict[str, str] | None
) -> None:
    now = Invocation(
        argv=sys.argv,
        started=datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - began, 2),
        workers=workers,
        overwrite=str(overwrite),
        steps=[name for name in ("generate", "score") if getattr(steps, name)],
        environment=environment(),
        finished=errors is not None,
        errors=errors or {},
    )
    config = job.config
    with job.folder.claim("finish", wait=True):
        before = read_run_record(job.folder)
        costs = {row.clip_id: _cost(record) for row in job.manifest.rows if (record := job.folder.prediction(row.clip_id))}
        record = RunRecord(
            schema=RECORD_SCHEMA,
            split=job.manifest.split,
            protocol=job.protocol.name,
            data=config.data,
            dataset=job.dataset.name,
            passed=Passed(
                method=config.method or "", settings=dict(config.settings), preset=config.preset, videos=str(config.videos or "")
            ),
            identity=job.identity,
            clips=costs,
            invocations=[*_earlier(before, now), now][-KEPT_INVOCATIONS:],
        )
        write_run_record(job.folder, record)


def _earlier(before: RunRecord | None, now: Invocation) -> list[Invocation]:
    """Those before this one; the line that it wrote at its own start is replaced."""
    earlier = before.invocations if before else []
    return [call for call in earlier if call.finished or (call.started, call.argv) != (now.started, now.argv)]


def _cost(record: Prediction) -> Cost:
    return Cost(
        key=record.key,
        outcome=record.outcome,
        seconds=record.seconds,
        peak_memory_mb=record.peak_memory_mb,
        peak_is_whole_process=record.peak_is_whole_process,
    )
