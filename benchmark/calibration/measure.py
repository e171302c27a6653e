"""Measures every metric of a protocol at every level of every ladder, clip by clip, and keeps each result as it comes."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..cache import cache_root
from ..clip import Clip, Input, check_prediction, inputs_for
from ..errors import LoadError, StorageError, Undefined, UserError
from ..metrics import ClipValue
from ..metrics.extraction import Extraction
from ..metrics.measure import ClipPart
from ..metrics.pair import check_pair
from ..metrics.sample import Sample
from ..progress import progress, say
from ..readings import ClipReadings, inputs_read
from ..registry import Method
from ..splits.manifest import Row
from ..store import RunFolder, Score, Scores, content_key
from ..video import Frames
from ..work import Terminated, raising_on_sigterm, use_one_thread
from ..worker_pool import WorkerDied, available_cores, in_processes, workers_that_pay
from .ladders import Ladder, Subject
from .plan import Calibration, CalibrationConfig, Rung, Unit, missing, open_calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What became of one rung of one clip. reason: of an error, else empty. trace: for the log."""

    clip: str
    rung: str
    reason: str = ""
    trace: str = ""


def run_calibration(calibration: Calibration, rows: Sequence[Row], *, workers: int | None = None) -> dict[str, str]:
    """Measure what is missing. Returns "clip, level" to the reason of what went wrong; the rest is kept.

    KeyboardInterrupt passes through; what was committed is kept.
    """
    units = missing(calibration, rows)
    total = sum(len(unit.rungs) for unit in units)
    everything = sum(len(calibration.rungs(ladder)) for ladder in (None, *calibration.ladders)) * len(rows)
    say(
        f"calibration of {calibration.protocol.name} on {len(rows)} clips: {everything} videos, {everything - total} measured"
        f" before, {total} to measure -> {calibration.folder}"
    )
    if not units:
        return {}
    use_one_thread()  # before anything here imports torch
    workers = workers or workers_that_pay(len(units), calibration.protocol.canvas)
    _prepare(calibration, units)
    errors: dict[str, str] = {}
    traces = []
    with progress("calibrating") as task:
        for done, event in enumerate(_work(calibration, units, workers), start=1):
            if event.reason:
                errors[f"{event.clip}, {event.rung}"] = event.reason
                traces.append(f"=== {event.clip}, {event.rung}\n{event.trace}\n")
                say(f"  {event.clip}, {event.rung}: error: {event.reason}")
            task(done, total, f"{event.rung} of {event.clip}")
    if traces:
        RunFolder(calibration.folder).write(calibration.folder / "errors.log", "".join(traces).encode())
        say(f"  tracebacks: {calibration.folder / 'errors.log'}")
    return errors


def _prepare(calibration: Calibration, units: Sequence[Unit]) -> None:
    """Let the dataset make (sim: render) what will be read, each thing once."""
    measured = inputs_read(calibration.protocol.reads, calibration.cover)
    prior = calibration.prior.spec
    wanted: dict[Row, frozenset[Input]] = {}
    for unit in units:
        seen = {rung.ladder.seen for rung in unit.rungs if rung.ladder is not None}
        needs = measured | (prior.needs | prior.optional if "prior" in seen else frozenset())
        wanted[unit.row] = wanted.get(unit.row, frozenset()) | needs
        partner = calibration.partners.get(unit.row.clip_id)
        if "other" in seen and partner is not None:
            wanted[partner] = wanted.get(partner, frozenset()) | {Input.TRUTH}
    groups: dict[frozenset[Input], list[Row]] = {}
    for row, needs in wanted.items():
        groups.setdefault(needs, []).append(row)
    for needs, rows in groups.items():
        with progress("preparing clips") as task:
            calibration.dataset.prepare(rows, calibration.protocol.canvas, needs=needs, workers=available_cores(), progress=task)


@dataclass(kw_only=True)
class Measurer:
    """Measures units of one calibration; holds what is loaded once: extractors, and the method that makes the prior."""

    calibration: Calibration
    extraction: Extraction = field(default_factory=lambda: Extraction(cache_root() / "features"))
    _method: Method | None = None

    def measure(self, unit: Unit) -> Iterator[Event]:
        """One event a rung. What goes wrong is an event; a full disk is raised."""
        row = unit.row
        try:
            subject = self.subject(row)
        except (StorageError, Terminated):
            raise
        except Undefined as reason:
            for rung in unit.rungs:
                self._commit_undefined(row, rung, str(reason))
                yield Event(clip=row.clip_id, rung=rung.name)
            return
        except Exception as error:
            yield from (_failed(row, rung, error) for rung in unit.rungs)
            return
        truth = Sample(prediction=subject.frames, truth=subject.frames, readings=self._readings(subject.clip, row))
        for rung in unit.rungs:
            try:
                self._measure(row, rung, subject, truth)
                yield Event(clip=row.clip_id, rung=rung.name)
            except (StorageError, LoadError, Terminated):
                raise
            except Undefined as reason:
                self._commit_undefined(row, rung, str(reason))
                yield Event(clip=row.clip_id, rung=rung.name)
            except Exception as error:
                yield _failed(row, rung, error)

    def subject(self, row: Row) -> Subject:
        """The clip as ladders take it. Raises Undefined where it has no truth."""
        calibration, canvas = self.calibration, self.calibration.protocol.canvas
        clip = calibration.dataset.clip(row, canvas)
        if abs(clip.fps - canvas.fps) > 0.01:
            raise UserError(
                f"{clip.id}: its frames are {clip.fps:g} a second, protocol {calibration.protocol.name} measures {canvas.fps:g}"
            )
        if clip.truth is None:
            raise Undefined(clip.missing.get(Input.TRUTH, "no ego truth"))
        partner = calibration.partners.get(row.clip_id)
        return Subject(
            clip=clip,
            frames=clip.truth.video.read(),
            other=None if partner is None else calibration.dataset.clip(partner, canvas),
            prior=lambda: self._prior(clip),
        )

    def _prior(self, clip: Clip) -> Frames:
        spec = self.calibration.prior.spec
        inputs = inputs_for(clip, needs=spec.needs, optional=spec.optional, exo_views=spec.exo_views)
        if self._method is None:
            self._method = self.calibration.prior.make()
        frames = self._method.generate(inputs, seed=0)
        check_prediction(frames, inputs)
        return frames

    def _readings(self, clip: Clip, row: Row) -> ClipReadings:
        calibration = self.calibration
        return ClipReadings(
            clip, calibration.protocol.canvas, calibration.identity(row), cover=calibration.cover, folder=cache_root() / "covers"
        )

    def _measure(self, row: Row, rung: Rung, subject: Subject, truth: Sample) -> None:
        """Measure and keep; a metric that breaks costs itself only, and its error is raised when the others are kept."""
        frames = subject.frames
        if rung.ladder is not None:
            frames = rung.ladder.apply(subject, rung.level, random_of(row, rung.ladder))
        check_pair(frames, subject.frames, label=f"{row.clip_id}, {rung.name}")
        sample = replace(truth, prediction=frames, kept={})
        keys, scores, broken = self.calibration.keys(row, rung), self.calibration.scores(row, rung), None
        for metric in self.calibration.unscored(row, rung):
            try:
                for _, value in self.calibration.protocol.score(sample, self.extraction, only=(metric,)):
                    if isinstance(value, ClipValue) and value.unavailable:
                        raise UserError(f"{metric}: {value.undefined}")
                    scores[metric] = _kept(keys[metric], value)
            except (StorageError, LoadError):
                raise
            except Exception as error:
                broken = broken or error
        self.calibration.store(rung).commit_scores(row.clip_id, Scores(metrics=scores))
        if broken is not None:
            raise broken

    def _commit_undefined(self, row: Row, rung: Rung, reason: str) -> None:
        keys, scores = self.calibration.keys(row, rung), self.calibration.scores(row, rung)
        scores |= {metric: Score(key=keys[metric], undefined=reason) for metric in self.calibration.unscored(row, rung)}
        self.calibration.store(rung).commit_scores(row.clip_id, Scores(metrics=scores))


def random_of(row: Row, ladder: Ladder) -> np.random.Generator:
    """The same for all levels of a ladder: a level then differs from the next in size only, not in luck."""
    return np.random.default_rng(int(content_key({"clip": row.clip_id, "ladder": ladder.id}), 16))


def _kept(key: str, value: Any) -> Score:
    if isinstance(value, ClipPart):
        return Score(key=key, feature=value.feature.tobytes(), truth_feature=value.truth_feature.tobytes())
    return Score(key=key, value=value.value, undefined=value.undefined, notes=value.notes, chance=value.chance)


def _failed(row: Row, rung: Rung, error: BaseException) -> Event:
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return Event(clip=row.clip_id, rung=rung.name, reason=text, trace="".join(traceback.format_exception(error)))


def _work(calibration: Calibration, units: Sequence[Unit], workers: int) -> Iterator[Event]:
    if workers == 1 or len(units) == 1:
        measurer = Measurer(calibration=calibration)
        for unit in units:
            yield from measurer.measure(unit)
    else:
        yield from _work_in_processes(calibration, units, workers)


def _work_in_processes(calibration: Calibration, units: Sequence[Unit], workers: int) -> Iterator[Event]:
    """One portion a unit, named by clip and ladder."""

    def named(unit: Unit) -> tuple[Row, str | None]:
        ladder = unit.rungs[0].ladder
        return unit.row, None if ladder is None else ladder.id

    for unit, outcome in in_processes(
        units, _in_process, arguments=named, start=_start_worker, start_arguments=(calibration.config,), workers=workers
    ):
        if isinstance(outcome, WorkerDied):
            yield from (_failed(unit.row, rung, UserError(str(outcome))) for rung in unit.rungs)
        elif isinstance(outcome, Exception):
            yield from (_failed(unit.row, rung, outcome) for rung in unit.rungs)
        else:
            yield from outcome


_measurer: Measurer | None = None


def _start_worker(config: CalibrationConfig) -> None:
    """Set up a worker process; Ctrl-C is the parent's to handle, which then sends SIGTERM."""
    global _measurer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
    _measurer = Measurer(calibration=open_calibration(config))


def _in_process(row: Row, ladder: str | None) -> list[Event]:
    if _measurer is None:
        raise RuntimeError("_start_worker has not run in this process")
    calibration = _measurer.calibration
    chosen = next((one for one in calibration.ladders if one.id == ladder), None)
    rungs = tuple(rung for rung in calibration.rungs(chosen) if calibration.unscored(row, rung))
    with raising_on_sigterm():
        return list(_measurer.measure(Unit(row, rungs)))
