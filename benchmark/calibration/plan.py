"""What a calibration is made of, and what of it is kept already. Decodes nothing, makes nothing.

    <out>/<dataset>/<split>/<protocol>/levels/<ladder>-<level>/scores/<clip>.json

A result is kept under a key of all that decides it, as scores of runs are: a second call measures what is missing only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..answers import Answers, answers_of_method
from ..datasets.dataset import Dataset
from ..job import manifest_of
from ..metrics import Need
from ..protocols.protocol import ClipIdentity, Protocol, load_protocol
from ..splits.manifest import Manifest, Row
from ..splits.pairing import partners
from ..store import RunFolder, Score, content_key
from .ladders import Ladder, ladders_named

if TYPE_CHECKING:
    from ..cover import CoverSource

PRIOR = "ego-prior"
"""The method whose video is the copied prior."""


class Rung(NamedTuple):
    """One level of one ladder; no ladder is the truth itself."""

    ladder: Ladder | None
    level: float

    @property
    def name(self) -> str:
        return "truth" if self.ladder is None else f"{self.ladder.id}-{self.level:g}"


TRUTH = Rung(None, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationConfig:
    """What was asked for, in plain values; a worker process opens the same calibration from it. ladders: None for all."""

    data: str
    split: str
    protocol: str | None
    out: Path
    ladders: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Everything resolved; see `open_calibration`."""

    config: CalibrationConfig
    dataset: Dataset
    manifest: Manifest
    protocol: Protocol
    ladders: tuple[Ladder, ...]
    prior: Answers
    folder: Path

    @cached_property
    def unavailable(self) -> Mapping[str, str]:
        """Metric id to the reason why it cannot be measured on this machine."""
        return self.protocol.unavailable()

    @cached_property
    def cover(self) -> CoverSource | None:
        """What says which pixels the ego prior covers; None where the protocol does not ask."""
        if Need.COVER not in self.protocol.reads:
            return None
        from ..cover import cover_source

        return cover_source()

    @cached_property
    def partners(self) -> Mapping[str, Row]:
        """Shuffled pairing over the whole split, whatever of it is selected, so that more clips change no result."""
        return partners(self.manifest.rows)

    def rungs(self, ladder: Ladder | None) -> tuple[Rung, ...]:
        """What is measured of a ladder (None: the truth)."""
        return (TRUTH,) if ladder is None else tuple(Rung(ladder, level) for level in ladder.measured)

    def identity(self, row: Row) -> ClipIdentity:
        """What of the clip can decide a score."""
        digests = self.dataset.digests(row, self.protocol.canvas)
        cover = self.cover
        return ClipIdentity(truth=digests.truth, inputs=digests.inputs, cover="" if cover is None else cover.key)

    def keys(self, row: Row, rung: Rung) -> dict[str, str]:
        """Metric id to the key of its score, known before any picture is made."""
        identity = self.identity(row)
        return self.protocol.score_keys(self._picture_key(row, rung, identity), identity)

    def _picture_key(self, row: Row, rung: Rung, identity: ClipIdentity) -> str:
        parts: dict[str, Any] = {"truth": identity.truth}
        if rung.ladder is not None:
            parts |= {"clip": row.clip_id, "ladder": rung.ladder.id, "version": rung.ladder.version, "level": rung.level}
            match rung.ladder.seen:
                case "inputs":
                    parts["inputs"] = identity.inputs
                case "other":
                    partner = self.partners.get(row.clip_id)
                    parts["other"] = self.dataset.digests(partner, self.protocol.canvas).truth if partner else ""
                case "prior":
                    prior = self.prior
                    parts["inputs"] = identity.inputs
                    parts["method"] = [prior.spec.id, prior.spec.version, prior.source, dict(prior.key_options)]
                case "truth":
                    pass
        return content_key(parts)

    def scores(self, row: Row, rung: Rung) -> dict[str, Score]:
        """Metric id to what is kept of it for this clip as it is now; no entry where nothing is."""
        have = self.store(rung).scores(row.clip_id).metrics
        return {
            metric: have[metric] for metric, key in self.keys(row, rung).items() if metric in have and have[metric].key == key
        }

    def unscored(self, row: Row, rung: Rung) -> tuple[str, ...]:
        """The protocol's metrics that can be measured here and are not kept yet."""
        have = self.scores(row, rung)
        return tuple(spec.id for spec, _ in self.protocol.metrics if spec.id not in have and spec.id not in self.unavailable)

    def store(self, rung: Rung) -> RunFolder:
        """Where results of a rung are kept."""
        return RunFolder(self.folder / "levels" / rung.name)


def open_calibration(config: CalibrationConfig) -> Calibration:
    """Open the data, find split, protocol, ladders and the prior's method. Loads no model and decodes nothing."""
    from ..datasets.opening import open_dataset

    dataset = open_dataset(config.data)
    return make_calibration(
        config,
        dataset=dataset,
        protocol=load_protocol(config.protocol or dataset.default_protocol),
        prior=answers_of_method(PRIOR, preset=None, settings={}),
    )


def make_calibration(config: CalibrationConfig, *, dataset: Dataset, protocol: Protocol, prior: Answers) -> Calibration:
    """A calibration from parts that are already open (for tests and notebooks)."""
    manifest = manifest_of(dataset, config.split)
    return Calibration(
        config=config, dataset=dataset, manifest=manifest, protocol=protocol, ladders=ladders_named(config.ladders), prior=prior,
        folder=config.out / dataset.name.replace(":", "-") / manifest.split.replace(":", "-") / protocol.name,
    )  # fmt: skip


class Unit(NamedTuple):
    """What is worked on in one go: what is missing of one ladder of one clip. The clip is decoded once for it."""

    row: Row
    rungs: tuple[Rung, ...]


def missing(calibration: Calibration, rows: Sequence[Row]) -> list[Unit]:
    """What is not kept yet. The truths come first: what networks find in them serves all levels."""
    units = []
    for ladder in (None, *calibration.ladders):
        for row in rows:
            rungs = tuple(rung for rung in calibration.rungs(ladder) if calibration.unscored(row, rung))
            units += [Unit(row, rungs)] if rungs else []
    return units
