"""Makes priors and writes each one's folder; goes on where an earlier call stopped.

OUT/CLIP/   prior.mp4  prior.mkv  valid.mkv  strip.png  strip.mp4   each written aside, then renamed
            report.json   last: a folder that has it is whole
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from benchmark.errors import StorageError, Undefined, UserError
from benchmark.files import atomic_file, check_writable, file_name, take_back
from benchmark.progress import Task, progress, say
from benchmark.registry import deciding_options
from benchmark.store import content_key
from benchmark.video import Frames, write_h264, write_lossless
from egox.pretrained import WeightsError
from egox.prior import EgoPrior
from methods.ego_prior import SPEC, Options
from methods.ego_prior.adapter import prior_of
from methods.ego_prior.making import Maker

from .report import SCHEMA, Report, as_lines, psnr_known, read_report, report_of, write_report
from .strip import Strip
from .subjects import Source, Subject

REPORT = "report.json"
FILES = ("prior.mp4", "prior.mkv", "valid.mkv", "strip.png", "strip.mp4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """names: all that were asked for, in order. failures: name to reason. paragraphs: what is new, for a person."""

    names: tuple[str, ...]
    reports: Mapping[str, Report]
    failures: Mapping[str, str]
    paragraphs: tuple[str, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """The reports in order; one that failed is its name and reason."""
        return [
            msgspec.to_builtins(self.reports[name]) if name in self.reports else {"clip": name, "error": self.failures[name]}
            for name in self.names
        ]


def make_priors(source: Source, options: Options, *, out: Path, again: bool, go_on: bool) -> Made:
    """Make and write what is not there yet.

    again: make all anew. go_on: a subject that fails is told and left out; else its reason is raised as UserError.
    Raises UserError where nothing can be made at all: no weights, no device, a folder that cannot be written.
    """
    _use_machine(options)
    check_writable(out)
    reports: dict[str, Report] = {}
    failures: dict[str, str] = {}
    missing: dict[str, _Keys] = {}
    paragraphs: list[str] = []

    def fail(name: str, error: Exception) -> None:
        reason = str(error)
        if not go_on or isinstance(error, StorageError) or isinstance(error.__cause__, WeightsError):
            raise UserError(reason if isinstance(error, UserError) else f"{name}: {reason}") from error
        failures[name] = reason
        say(f"{name}: not made: {reason}")

    for name, keys in _keys(source, options, fail):
        before = None if again else read_report(out / name / REPORT)
        if before is None or not is_whole(out / name, before):
            missing[name] = keys
        elif before.inputs != keys.inputs:
            fail(name, UserError(f"{out / name} has a prior of other inputs; choose another --out, or --overwrite always"))
        elif before.key != keys.key:
            say(f"{name}: is in {out / name}, but of other options or code: made anew")
            missing[name] = keys
        else:
            reports[name] = before
            say(f"{name}: is in {out / name} already, of the same inputs, options and code; --overwrite always makes it anew")
    if missing:
        source.prepare(tuple(missing))
        for name, report, lines in _make(source, options, missing, out, fail):
            reports[name] = report
            paragraphs.append("\n".join([f"{name}: {out / name}", *(f"  {line}" for line in lines)]))
    return Made(names=source.names, reports=reports, failures=failures, paragraphs=tuple(paragraphs))


def _make(
    source: Source, options: Options, missing: Mapping[str, _Keys], out: Path, fail: Callable[[str, Exception], None]
) -> Iterator[tuple[str, Report, list[str]]]:
    """Make the priors of these names and keys, with a progress bar; each with its report and the lines for a person."""
    maker = Maker(options)
    with progress("prior") as task:
        for number, (name, keys) in enumerate(missing.items()):
            done = _Done(task=task, name=name, before=number * source.frames, total=len(missing) * source.frames)
            done(0, "aligning, scaling, finding motion")
            try:
                subject = source.subject(name)
                prior = prior_of(subject.inputs, maker)
                truth = None if subject.truth is None else subject.truth.read()
            except (Undefined, UserError, ValueError) as error:
                fail(name, error)
                continue
            yield name, *_write(out / name, subject, prior, truth, keys=keys, options=options, done=done)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """Tells the progress of one subject among all: frames that are rendered, and what is done now."""

    task: Task
    name: str
    before: int
    total: int

    def __call__(self, frames: int, what: str) -> None:
        self.task(self.before + frames, self.total, f"{self.name}: {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """key: of inputs, options and code; inputs: of the inputs alone."""

    key: str
    inputs: str


def _keys(source: Source, options: Options, fail: Callable[[str, Exception], None]) -> Iterator[tuple[str, _Keys]]:
    """Name and content keys of each subject whose inputs can be identified."""
    recipe = {
        "schema": SCHEMA,
        "version": SPEC.version,
        "source": SPEC.source_digest(),
        "options": deciding_options(options),
    }
    for name in source.names:
        try:
            identity = source.identity(file_name(name))
            yield name, _Keys(key=content_key({**recipe, **identity}), inputs=content_key(identity))
        except UserError as error:
            fail(name, error)


def is_whole(folder: Path, report: Report) -> bool:
    """Whether all files are beside the report, of the sizes that it tells."""
    return report.files == _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of a prior that is there."""
    return {name: (folder / name).stat().st_size for name in FILES if (folder / name).is_file()}


def _write(
    folder: Path, subject: Subject, prior: EgoPrior, truth: Frames | None, *, keys: _Keys, options: Options, done: _Done
) -> tuple[Report, list[str]]:
    """Render, then write all files of one subject; the report last. Returns it, and the same for a person."""
    take_back(folder / REPORT)
    pictures, valid = [], []
    for number, frame in enumerate(prior.rendered(), start=1):
        pictures.append(frame.picture)
        valid.append(frame.valid)
        done(number, "rendering" if number < len(prior) else "writing")
    picture, known = np.stack(pictures), np.stack(valid)
    fps, name = subject.inputs.fps, subject.inputs.clip_id
    psnr = None if truth is None else psnr_known(picture, truth, known)
    report = report_of(
        prior,
        known,
        clip=name,
        key=keys.key,
        inputs=keys.inputs,
        fps=fps,
        psnr_db=psnr,
        no_psnr=None if psnr is not None else "nothing is known" if truth is not None else subject.no_truth or "no truth",
        settings=deciding_options(options),
    )
    strip = Strip(
        clip=name,
        scale=str(prior.scale),
        exo=prior.frames,
        depth_m=prior.depth_m,
        prior=picture,
        truth=truth,
        no_truth=subject.no_truth,
    )
    masks = (np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, -1) for mask in known)
    writers: dict[str, Callable[[Path], object]] = {
        "prior.mkv": lambda aside: write_lossless(aside, picture, fps=fps),
        "valid.mkv": lambda aside: write_lossless(aside, masks, fps=fps),
        "prior.mp4": lambda aside: write_h264(aside, picture, fps=fps),
        "strip.png": lambda aside: Image.fromarray(strip.still()).save(aside, format="PNG"),
        "strip.mp4": lambda aside: write_h264(aside, strip.moving(), fps=fps),
    }
    for file, write in writers.items():
        atomic_file(folder / file, write)
    report = msgspec.structs.replace(report, files=_sizes(folder))
    write_report(folder / REPORT, report)
    return report, as_lines(report, prior)


def _use_machine(options: Options) -> None:
    """The device and the back end that the options name must be there."""
    import torch

    if options.backend == "pytorch3d" and find_spec("pytorch3d") is None:
        raise UserError("--set backend=pytorch3d: PyTorch3D is not installed; build it from source, or use backend=torch")
    # its many small operations wait for each other: on a busy machine two threads were measured to take 28 times as long
    torch.set_num_threads(1)
    try:
        torch.empty(1, device=options.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--set device={options.device}: {reason}; 'egox-bench doctor' shows what is there") from None
