"""A job: one source of answers on one split under one protocol. Plans what is cached and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .answers import Answers, Crop, answers_of_method, answers_of_videos
from .canvas import Canvas
from .datasets.dataset import Dataset
from .errors import UserError
from .inputs import Privilege
from .metrics import Need, weights_of
from .metrics.extraction import UNKNOWN, weights_identity
from .metrics.measure import extractor_of
from .protocols.protocol import ClipIdentity, Protocol, load_protocol, score_key
from .registry import train_subset
from .run_record import read_run_record
from .splits.manifest import Manifest, Row
from .splits.pairing import partners
from .store import Identity, Prediction, RunFolder, Score, content_key, run_folder, run_folders

if TYPE_CHECKING:
    from .cover import CoverSource


class Overwrite(StrEnum):
    """never: keep all that is committed; failed: try undefined clips again; always: make everything anew.

    Clips that ended in an error are never stored, so they are tried again in any case.
    """

    NEVER = "never"
    FAILED = "failed"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """What the user asked for, in plain values; a worker process makes the same job from it.

    Exactly one of `method` and `videos` is set; `name` goes with `videos`.
    """

    data: str
    split: str
    protocol: str | None
    out: Path
    seed: int = 0
    method: str | None = None
    preset: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    videos: Path | None = None
    name: str | None = None
    crop: Crop = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """What is known of one clip before any work: its keys, and what is already there."""

    row: Row
    clip_digest: str
    identity: ClipIdentity
    extra: str
    prediction_key: str
    cached: Prediction | None
    unscored: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything resolved; see `open_job`. train_rows: what `fit` learns from, empty where the method has no fit."""

    config: JobConfig
    dataset: Dataset
    manifest: Manifest
    protocol: Protocol
    answers: Answers
    identity: Identity
    folder: RunFolder
    train_rows: tuple[Row, ...]

    @property
    def canvas(self) -> Canvas:
        return self.protocol.canvas

    @property
    def title(self) -> str:
        return f"{self.answers.spec.id} on {self.manifest.split}"

    def clip_seed(self, clip: str) -> int:
        """The seed of one clip: 63 bits from the run's seed and the clip id, so order and workers do not matter."""
        return int(content_key({"seed": self.config.seed, "clip": clip}), 16) >> 1

    def plan_clip(self, row: Row, overwrite: Overwrite) -> ClipPlan:
        """Look up one clip. Reads the store, decodes nothing."""
        digests = self.dataset.digests(row, self.canvas)
        digest = digests.inputs
        if self.answers.spec.privileged is Privilege.OTHER_TRUTH:
            other = self.partner(row)
            seen = self.dataset.digests(other, self.canvas).truth if other else ""
            digest = content_key({"inputs": digests.inputs, "other": seen})
        elif self.answers.spec.privileged is not Privilege.NONE:
            digest = content_key({"inputs": digests.inputs, "truth": digests.truth})
        identity = ClipIdentity(truth=digests.truth, inputs=digests.inputs, cover=self.cover_key)
        extra = self.answers.extra_key(row.clip_id)
        key = self.identity.prediction_key(digest, extra)
        cached = self.folder.prediction(row.clip_id)
        if cached is not None and (
            cached.key != key
            or overwrite is Overwrite.ALWAYS
            or (overwrite is Overwrite.FAILED and cached.outcome == "undefined")
        ):
            cached = None
        return ClipPlan(
            row=row,
            clip_digest=digest,
            identity=identity,
            extra=extra,
            prediction_key=key,
            cached=cached,
            unscored=() if cached is None else self.unscored(row.clip_id, cached, identity),
        )

    @cached_property
    def _partners(self) -> Mapping[str, Row]:
        return partners(self.manifest.rows) if self.answers.spec.privileged is Privilege.OTHER_TRUTH else {}

    def partner(self, row: Row) -> Row | None:
        """The clip whose truth the method is given in this one's place; None where it is given none."""
        return self._partners.get(row.clip_id)

    @cached_property
    def cover_key(self) -> str:
        """Key of what says which pixels the ego prior covers; "" where the protocol does not ask."""
        source = self.cover
        return "" if source is None else source.key

    @cached_property
    def cover(self) -> CoverSource | None:
        """What says which pixels the ego prior covers; None where the protocol does not ask."""
        if Need.COVER not in self.protocol.reads:
            return None
        from .cover import cover_source

        return cover_source()

    @cached_property
    def unavailable(self) -> Mapping[str, str]:
        """Metric id to the reason why it cannot be measured on this machine; such a metric is undefined, never stored."""
        return self.protocol.unavailable()

    def score_keys(self, prediction: Prediction, identity: ClipIdentity) -> dict[str, str]:
        """Metric id to score key of a committed prediction of this clip."""
        return {} if prediction.pixels is None else self.protocol.score_keys(prediction.pixels, identity)

    @cached_property
    def weights(self) -> Mapping[str, Mapping[str, str]]:
        """Metric id to the weights that it is measured with here: id to identity."""
        extractors = {spec.id: extractor_of(spec) for spec, _ in self.protocol.metrics}
        return {metric: weights_identity(weights_of(found)) for metric, found in extractors.items() if found is not None}

    def score_of(self, metric: str, score: Score, prediction: Prediction, identity: ClipIdentity) -> Score | None:
        """A kept score, where it is of this prediction and clip as they are now; None where it is of something else.

        Where weights are neither here nor pinned, those that the score was made with are as good as any: what another
        machine has measured is not lost on this one.
        """
        if prediction.pixels is None:
            return None
        spec, parameters = next(one for one in self.protocol.metrics if one.spec.id == metric)
        used = {
            name: score.weights.get(name, UNKNOWN) if now == UNKNOWN else now
            for name, now in self.weights.get(metric, {}).items()
        }
        key = score_key(prediction.pixels, identity, spec, parameters, weights=used)
        return score if score.key == key else None

    def unscored(self, clip: str, prediction: Prediction, identity: ClipIdentity) -> tuple[str, ...]:
        """The protocol's metrics that have no score for this prediction yet and can be measured here."""
        have = self.folder.scores(clip).metrics
        wanted = self.score_keys(prediction, identity)
        lacking = (
            metric for metric in wanted if metric not in have or self.score_of(metric, have[metric], prediction, identity) is None
        )
        return tuple(metric for metric in lacking if metric not in self.unavailable)


def open_job(config: JobConfig) -> Job:
    """Open the data, find split, protocol and method, and work out the keys. Loads no model and decodes nothing."""
    from .datasets.opening import open_dataset

    dataset = open_dataset(config.data)
    protocol = load_protocol(config.protocol or dataset.default_protocol)
    manifest = manifest_of(dataset, config.split)
    if config.videos is not None:
        name = config.name if config.name is not None else config.videos.resolve().name
        answers = answers_of_videos(config.videos, name=name, crop=config.crop)
    elif config.method is not None:
        answers = answers_of_method(config.method, preset=config.preset, settings=config.settings)
    else:
        raise ValueError("a job needs a method or a folder of videos")
    return make_job(config, dataset=dataset, manifest=manifest, protocol=protocol, answers=answers)


def make_job(config: JobConfig, *, dataset: Dataset, manifest: Manifest, protocol: Protocol, answers: Answers) -> Job:
    """A job from parts that are already open (for tests and notebooks)."""
    train = _train_rows(dataset, answers)
    canvas, spec = protocol.canvas, answers.spec
    identity = Identity(
        method=spec.id,
        version=spec.version,
        source=answers.source,
        options=dict(answers.key_options),
        sees=[
            *sorted(spec.needs),
            *(f"{name} where there" for name in sorted(spec.optional)),
            f"{spec.exo_views} exo views",
            f"truth: {spec.privileged}",
        ],
        fitted=content_key({"clips": [astuple(dataset.digests(row, canvas)) for row in train]}) if train else "",
        seed=config.seed,
        canvas=repr(canvas),
    )
    key = identity.run_key(dataset=dataset.name, split_digest=manifest.digest)
    folder = run_folder(config.out, method=answers.spec.id, split=manifest.split, protocol=protocol.name, key=key)
    return Job(
        config=config, dataset=dataset, manifest=manifest, protocol=protocol, answers=answers,
        identity=identity, folder=folder, train_rows=train,
    )  # fmt: skip


def manifest_of(dataset: Dataset, split: str) -> Manifest:
    """A split by the dataset's own name, or a manifest file (anything that ends in .jsonl)."""
    if split.endswith(".jsonl"):
        from .splits.manifest import load_manifest

        return load_manifest(Path(split))
    return dataset.manifest(split)


def _train_rows(dataset: Dataset, answers: Answers) -> tuple[Row, ...]:
    fit = answers.spec.fit
    if fit is None:
        return ()
    if "train" not in dataset.splits():
        raise UserError(
            f"method {answers.spec.id!r} learns from a split 'train', which {dataset.name} has not;"
            f" it has {', '.join(dataset.splits())}"
        )
    return tuple(train_subset(dataset.manifest("train").rows, fit.clips))


def changed_code(job: Job) -> str | None:
    """A sentence for the person where earlier runs of this method, split and protocol were made by other code."""
    others = 0
    now = msgspec.to_builtins(job.identity)
    for folder in run_folders(job.config.out):
        if folder.path == job.folder.path:
            return None
        record = read_run_record(folder)
        if record is None or (record.split, record.protocol) != (job.manifest.split, job.protocol.name):
            continue
        before = msgspec.to_builtins(record.identity)
        others += {name for name, value in now.items() if before[name] != value} in (
            {"source"},
            {"version"},
            {"source", "version"},
        )
    if not others:
        return None
    runs = "a run" if others == 1 else f"{others} runs"
    return (
        f"the code of {job.identity.method} has changed since {runs} with the same options: its keys are new, clips are made anew"
    )
