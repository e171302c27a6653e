"""The work on clips: generate, commit, score, commit. One clip at a time, in this process or in several.

A failure of one clip is an event with its reason; it is never stored as a result and never stops the run. The method is
loaded at the first clip that needs it, so a run that has everything loads nothing.
"""

from __future__ import annotations

import os
import re
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .cache import cache_root
from .clip import Clip, ClipInputs, check_prediction, inputs_for
from .errors import LoadError, StorageError, Undefined, UserError
from .inputs import Input
from .job import ClipPlan, Job, JobConfig, Overwrite, open_job
from .metrics import ClipValue
from .metrics.extraction import Extraction
from .metrics.measure import ClipPart, retry_key
from .metrics.pair import check_pair
from .metrics.sample import Sample
from .provenance import MemoryMeter
from .readings import ClipReadings
from .registry import Method
from .splits.manifest import Row
from .store import Failure, Identity, Prediction, Score, Scores
from .video import FileSource, Frames, Video, pixel_digest

MAX_BATCH = 256
"""Clips of one batch: each holds a lock, and so an open file, until the batch is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Which halves of the work are wanted."""

    generate: bool
    score: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What became of one clip. seconds: of generating, None where it was there already. notes: what was changed on the
    way in. trace: for the log."""

    clip: str
    kind: Literal["done", "undefined", "error", "skipped"]
    reason: str = ""
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    trace: str = ""


class Worker:
    """Works on the clips of one job; holds the method once it is loaded."""

    def __init__(self, job: Job, steps: Steps, say: Callable[[str], None] = lambda text: None) -> None:
        self.job, self.steps, self._say = job, steps, say
        self._method: Method | None = None
        self._extraction = Extraction(cache_root() / "features")

    def method(self) -> Method:
        """The loaded and fitted method. Raises LoadError where that goes wrong."""
        if self._method is None:
            name = self.job.answers.spec.id
            try:
                method = self.job.answers.make()
                if self.job.train_rows:
                    self._say(f"fitting {name} on {len(self.job.train_rows)} clips of train")
                    method.fit([self.job.dataset.clip(row, self.job.canvas) for row in self.job.train_rows])  # type: ignore[attr-defined]
            except Terminated:
                raise
            except UserError as error:
                raise LoadError(str(error)) from error
            except (Exception, SystemExit) as error:
                trace = "".join(traceback.format_exception(error))
                raise LoadError(f"method {name!r} cannot be loaded: {type(error).__name__}: {error}\n{trace}") from error
            self._method = method
        return self._method

    def close(self) -> None:
        """Let the method free what it holds."""
        close = getattr(self._method, "close", None)
        if close is not None:
            close()
        self._method = None

    @property
    def batch_size(self) -> int:
        """Clips that the method takes at once; its 0, all of them, ends at MAX_BATCH."""
        if not hasattr(self.method(), "generate_batch"):
            return 1
        return min(int(getattr(self.method(), "batch_size", 1)) or MAX_BATCH, MAX_BATCH)

    def work(self, rows: Sequence[Row]) -> Iterator[Event]:
        """Clips that another process holds are put off to the end, then waited for."""
        put_off: list[Row] = []
        pending = list(rows)
        while pending:
            first = self.job.plan_clip(pending[0], Overwrite.NEVER)
            size = self.batch_size if self.steps.generate and first.cached is None else 1
            batch, pending = pending[:size], pending[size:]
            yield from self._batch(batch, wait=False, put_off=put_off)
        if put_off:
            self._say(f"waiting for {len(put_off)} clips that another process has in work")
        for row in put_off:
            yield from self._batch([row], wait=True, put_off=[])

    def _batch(self, rows: Sequence[Row], *, wait: bool, put_off: list[Row]) -> Iterator[Event]:
        with ExitStack() as claims:
            mine: list[ClipPlan] = []
            for row in rows:
                if claims.enter_context(self.job.folder.claim(row.clip_id, wait=wait)):
                    mine.append(self.job.plan_clip(row, Overwrite.NEVER))
                else:
                    put_off.append(row)
            missing = [plan for plan in mine if plan.cached is None]
            events = self._generate(missing) if missing and self.steps.generate else iter(())
            generated = {event.clip: event for event in events}
            for plan in mine:
                event = self._score(plan, generated.get(plan.row.clip_id))
                if event.kind == "error":
                    failure = Failure(key=plan.prediction_key, reason=self._portable(event.reason))
                    self.job.folder.commit_failure(plan.row.clip_id, failure)
                yield event

    def _generate(self, plans: Sequence[ClipPlan]) -> Iterator[Event]:
        asked: list[tuple[ClipPlan, ClipInputs]] = []
        for plan in plans:
            try:
                asked.append((plan, self._inputs(plan.row)))
            except Undefined as reason:
                yield self._commit_undefined(plan, str(reason))
            except Exception as error:
                yield failed(plan.row.clip_id, error)
        if not asked:
            return
        method = self.method()
        if len(asked) == 1 and not self._batched(method):
            yield self._generate_one(method, *asked[0])
        else:
            yield from self._generate_batch(method, asked)

    @staticmethod
    def _batched(method: Method) -> bool:
        return hasattr(method, "generate_batch") and getattr(method, "batch_size", 1) != 1

    def _inputs(self, row: Row) -> ClipInputs:
        spec, partner = self.job.answers.spec, self.job.partner(row)
        return inputs_for(
            self._clip(row),
            needs=spec.needs,
            optional=spec.optional,
            exo_views=spec.exo_views,
            privilege=spec.privileged,
            other=None if partner is None else self.job.dataset.clip(partner, self.job.canvas),
        )

    def _clip(self, row: Row) -> Clip:
        """The dataset's clip. Raises UserError where its frame rate is missing or not the protocol's."""
        clip, canvas = self.job.dataset.clip(row, self.job.canvas), self.job.canvas
        if not abs(clip.fps - canvas.fps) <= 0.01:  # of NaN no comparison is true
            raise UserError(
                f"{clip.id}: its frames are {clip.fps:g} a second, protocol {self.job.protocol.name} measures {canvas.fps:g}"
            )
        return clip

    def _generate_one(self, method: Method, plan: ClipPlan, inputs: ClipInputs) -> Event:
        meter, began = MemoryMeter(), time.perf_counter()
        try:
            frames = method.generate(inputs, seed=self.job.clip_seed(plan.row.clip_id))
            return self._commit(plan, inputs, frames, time.perf_counter() - began, meter)
        except Undefined as reason:
            return self._commit_undefined(plan, str(reason))
        except (StorageError, LoadError, Terminated):
            raise
        except (Exception, SystemExit) as error:
            return failed(plan.row.clip_id, error)

    def _generate_batch(self, method: Method, asked: Sequence[tuple[ClipPlan, ClipInputs]]) -> Iterator[Event]:
        """Seconds and memory of a batch are shared out evenly over its clips."""
        meter, began = MemoryMeter(), time.perf_counter()
        waiting = {plan.row.clip_id: (plan, inputs) for plan, inputs in asked}
        seeds = [self.job.clip_seed(plan.row.clip_id) for plan, _ in asked]
        try:
            for clip, outcome in method.generate_batch([inputs for _, inputs in asked], seeds=seeds):  # type: ignore[attr-defined]
                if clip not in waiting:
                    raise ValueError(f"generate_batch answered {clip!r}, which was not asked or answered before")
                plan, inputs = waiting.pop(clip)
                share = (time.perf_counter() - began) / len(asked)
                yield self._settle(plan, inputs, outcome, share, meter)
        except (StorageError, LoadError, Terminated):
            raise
        except (Exception, SystemExit) as error:
            for clip in waiting:
                yield failed(clip, error)
            return
        for clip in waiting:
            yield failed(clip, ValueError("generate_batch gave no answer for this clip"))

    def _settle(
        self, plan: ClipPlan, inputs: ClipInputs, outcome: Frames | Exception, seconds: float, meter: MemoryMeter
    ) -> Event:
        if isinstance(outcome, Undefined):
            return self._commit_undefined(plan, str(outcome))
        if isinstance(outcome, Exception):
            return failed(plan.row.clip_id, outcome)
        try:
            return self._commit(plan, inputs, outcome, seconds, meter)
        except (StorageError, LoadError, Terminated):
            raise
        except (Exception, SystemExit) as error:
            return failed(plan.row.clip_id, error)

    def _commit(self, plan: ClipPlan, inputs: ClipInputs, frames: Frames, seconds: float, meter: MemoryMeter) -> Event:
        check_prediction(frames, inputs)
        peak = meter.read()
        notes = getattr(self._method, "notes", lambda clip: ())(plan.row.clip_id)
        record = Prediction(
            key=plan.prediction_key, clip_digest=plan.clip_digest, extra=plan.extra, outcome="done",
            pixels=pixel_digest(frames), notes=tuple(notes), still=bool((frames == frames[:1]).all()), seconds=round(seconds, 3),
            peak_memory_mb=round(peak.mb, 1), peak_is_whole_process=peak.whole_process,
        )  # fmt: skip
        self.job.folder.commit_prediction(plan.row.clip_id, record, frames, fps=inputs.fps)
        return Event(clip=plan.row.clip_id, kind="done", seconds=seconds, notes=record.notes)

    def _commit_undefined(self, plan: ClipPlan, reason: str) -> Event:
        record = Prediction(
            key=plan.prediction_key,
            clip_digest=plan.clip_digest,
            extra=plan.extra,
            outcome="undefined",
            reason=self._portable(reason),
        )
        self.job.folder.commit_prediction(plan.row.clip_id, record, None, fps=0)
        return Event(clip=plan.row.clip_id, kind="undefined", reason=reason)

    def _portable(self, reason: str) -> str:
        """A stored reason names files within the data: equal runs on two machines must be equal bytes."""
        data = Path(self.job.config.data)
        roots = {str(data.resolve()), str(data), self.job.config.data.rstrip("/"), str(cache_root())} - {"", ".", "/"}
        for root in sorted(roots, key=len, reverse=True):
            reason = re.sub(rf"(?<![\w./-]){re.escape(root)}/", "", reason)
        return reason

    def _score(self, plan: ClipPlan, event: Event | None) -> Event:
        """Score what is there; an event of generating that failed passes through."""
        clip = plan.row.clip_id
        if event is not None and event.kind == "error":
            return event
        record = self.job.folder.prediction(clip)
        if record is None or record.key != plan.prediction_key:
            return Event(clip=clip, kind="skipped", reason="not generated yet")
        if record.outcome == "undefined":
            return event or Event(clip=clip, kind="undefined", reason=record.reason or "")
        try:
            wanted = self.job.unscored(clip, record, plan.identity) if self.steps.score else ()
            if wanted:
                self._commit_scores(plan, record, wanted)
        except (StorageError, LoadError, Terminated):
            raise
        except (Exception, SystemExit) as error:
            return failed(clip, error)
        return event or Event(clip=clip, kind="done")

    def _commit_scores(self, plan: ClipPlan, record: Prediction, wanted: Sequence[str]) -> None:
        """Measure and keep; a metric that breaks costs itself only, and its error is raised when the others are kept."""
        job, clip_id = self.job, plan.row.clip_id
        keys = job.score_keys(record, plan.identity)
        have = job.folder.scores(clip_id).metrics
        scores = {metric: score for metric, score in have.items() if metric in keys}
        broken: Exception | None = None
        sample = self._sample(plan, record)
        for metric in wanted:
            try:
                for _, value in job.protocol.score(sample, self._extraction, only=(metric,)):
                    lacking = isinstance(value, ClipValue) and value.unavailable
                    scores[metric] = self._as_score(metric, retry_key(keys[metric]) if lacking else keys[metric], value)
            except (StorageError, LoadError):
                raise
            except Exception as error:
                scores.pop(metric, None)
                broken = broken or error
        job.folder.commit_scores(clip_id, Scores(metrics={metric: scores[metric] for metric in keys if metric in scores}))
        if broken is not None:
            raise broken

    def _as_score(self, metric: str, key: str, value: ClipValue | ClipPart) -> Score:
        weights = dict(self.job.weights.get(metric, {}))
        if isinstance(value, ClipPart):
            ours, theirs = value.feature.tobytes(), value.truth_feature.tobytes()
            return Score(key=key, feature=ours, truth_feature=theirs, notes=value.notes, weights=weights)
        undefined = None if value.undefined is None else self._portable(value.undefined)
        return Score(
            key=key, value=value.value, undefined=undefined, frames=value.frames, notes=value.notes, chance=value.chance,
            weights=weights,
        )  # fmt: skip

    def _sample(self, plan: ClipPlan, record: Prediction) -> Sample:
        """Both videos, each decoded once for all metrics."""
        job = self.job
        clip = self._clip(plan.row)
        prediction = self._read_back(plan, record, n_frames=len(clip.frame_indices))
        truth = None if clip.truth is None else clip.truth.video.read()
        if truth is not None:
            check_pair(prediction, truth, label=clip.id)
        readings = ClipReadings(clip, job.canvas, plan.identity, cover=job.cover, folder=cache_root() / "covers")
        return Sample(
            prediction=prediction, truth=truth, readings=readings, no_truth=clip.missing.get(Input.TRUTH, "no ego truth")
        )

    def _read_back(self, plan: ClipPlan, record: Prediction, *, n_frames: int) -> Frames:
        """The committed pixels. What does not hold them any more is forgotten, so that the next run makes it again."""
        clip = plan.row.clip_id
        path = self.job.folder.video(clip)
        video = Video(source=FileSource(path, key=record.pixels), indices=tuple(range(n_frames)), fps=self.job.canvas.fps)
        try:
            frames = video.read()
        except UserError as error:
            self.job.folder.forget(clip)
            raise UserError(f"{error}; the record is dropped, run again to make the clip anew") from None
        if pixel_digest(frames) != record.pixels:
            self.job.folder.forget(clip)
            raise UserError(f"{path}: not the pixels that were committed; the record is dropped, run again to make the clip anew")
        return frames


def failed(clip: str, error: BaseException) -> Event:
    """The event of a clip that went wrong: one line for the person, the traceback for the log."""
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return Event(clip=clip, kind="error", reason=text, trace="".join(traceback.format_exception(error)))


def use_one_thread() -> None:
    """One thread a worker: results do not depend on the number of cores, and workers do not fight over them.

    Torch reads the variable when a method imports it; a method that wants more threads says so to torch itself.
    """
    import cv2

    cv2.setNumThreads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")


_worker: Worker | None = None


class Terminated(SystemExit):
    """SIGTERM as an exception, so that programs and folders of a method are cleaned up on the way out."""


@contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack while a clip is in work; an idle worker ends at once, as the pool expects."""

    def unwind(number: int, frame: object) -> None:
        raise Terminated(143)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def start_worker(config: JobConfig, steps: Steps) -> None:
    """Set up a worker process; Ctrl-C is the parent's to handle, which then sends SIGTERM."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
    _worker = Worker(open_job(config), steps)


def work_in_process(rows: Sequence[Row], identity: Identity) -> list[Event]:
    """What a worker process does with one portion. Refuses where it read other code than the run was planned with."""
    if _worker is None:
        raise RuntimeError("start_worker has not run in this process")
    if _worker.job.identity != identity:
        raise UserError(f"the code or files of {identity.method} changed while it ran; run the same command again")
    with raising_on_sigterm():
        return list(_worker.work(rows))
