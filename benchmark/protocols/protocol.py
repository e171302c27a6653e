"""Protocols as TOML: read, checked, and applied to one clip."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..canvas import Canvas, canvas_named
from ..errors import UserError, unknown
from ..metrics import ClipValue, MetricSpec, Need, Parameter, metric_named, weights_of
from ..metrics.extraction import Extraction, all_reads, extractor_identity, unavailable
from ..metrics.measure import ClipPart, extractor_of, measure
from ..metrics.sample import Sample
from ..store import content_key
from ..video import DECODER


class Measured(NamedTuple):
    """A metric of a protocol with all its parameters."""

    spec: MetricSpec
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Canvas, decoding and metrics; the canvas holds size, length and frame rate.

    name and version are for people; `digest` is what decides whether two numbers compare.
    """

    name: str
    version: int
    title: str
    summary: str
    canvas: Canvas
    decode: str
    metrics: tuple[Measured, ...]

    @cached_property
    def digest(self) -> str:
        """16 hex digits over name, version, canvas, decoding and every metric's id, version and parameters; not over prose."""
        return content_key(
            {
                "name": self.name,
                "version": self.version,
                "canvas": dataclasses.asdict(self.canvas),
                "decode": self.decode,
                "metrics": [[spec.id, spec.version, dict(parameters)] for spec, parameters in self.metrics],
            }
        )

    def score(
        self, sample: Sample, extraction: Extraction, *, only: Collection[str] | None = None
    ) -> Iterator[tuple[str, ClipValue | ClipPart]]:
        """Every metric of one clip, by id, in the protocol's order; or those in `only`. One after the other, so that what
        one of them breaks on does not cost the others.

        Sizes are the caller's to check (`check_pair`): a caller who has fitted both videos to the canvas and a notebook
        that has not can use it alike. Nothing is resized, trimmed or converted.
        """
        for spec, parameters in self.metrics:
            if only is None or spec.id in only:
                value = measure(spec, parameters, sample, extraction)
                if sample.constant is not None and isinstance(value, ClipValue):
                    value = dataclasses.replace(value, notes=(*value.notes, sample.constant))
                yield spec.id, value

    def unavailable(self) -> dict[str, str]:
        """Metric id to the reason why it cannot be measured here: weights or a package that are not there."""
        reasons = {spec.id: unavailable(extractor) for spec, _ in self.metrics if (extractor := extractor_of(spec)) is not None}
        return {metric: reason for metric, reason in reasons.items() if reason is not None}

    def weights(self) -> tuple[str, ...]:
        """The ids of all weights that its metrics need."""
        extractors = [extractor for spec, _ in self.metrics if (extractor := extractor_of(spec)) is not None]
        return tuple(dict.fromkeys(name for extractor in extractors for name in weights_of(extractor)))

    @property
    def reads(self) -> frozenset[Need]:
        """What its metrics read beside the prediction."""
        return frozenset().union(*(_reads(spec) for spec, _ in self.metrics))

    def score_keys(self, prediction_digest: str, identity: ClipIdentity) -> dict[str, str]:
        """Metric id to the key of its score for these pixels."""
        return {spec.id: score_key(prediction_digest, identity, spec, given) for spec, given in self.metrics}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipIdentity:
    """What of a clip can decide a score: digests of its truth and of its inputs, and the key of the ego prior's cover."""

    truth: str
    inputs: str
    cover: str


def score_key(
    prediction_digest: str,
    clip: ClipIdentity,
    metric: MetricSpec,
    parameters: Mapping[str, Parameter],
    *,
    weights: Mapping[str, str] | None = None,
) -> str:
    """Key of one score: the prediction's pixels, the metric with its version, parameters, extractor and weights, and what of
    the clip it reads. Nothing else.

    weights: id to identity, of a score that was made elsewhere; those of this machine where it is None.
    """
    extractor, reads = extractor_of(metric), _reads(metric)
    return content_key(
        {
            "prediction": prediction_digest,
            "truth": clip.truth if Need.TRUTH in reads else "",
            "inputs": clip.inputs if reads & {Need.EXO, Need.EGO_CAMERA, Need.COVER} else "",
            "cover": clip.cover if Need.COVER in reads else "",
            "metric": metric.id,
            "version": metric.version,
            "parameters": dict(parameters),
            "extractor": extractor_identity(extractor, weights) if extractor else [],
        }
    )


def _reads(metric: MetricSpec) -> frozenset[Need]:
    extractor = extractor_of(metric)
    if extractor is None:
        return metric.needs
    compared = {Need.TRUTH} if extractor.of == "pair" or metric.of == "set" else set()
    return metric.needs | all_reads(extractor) | compared


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a protocol's TOML. `metrics` is a table a metric, which holds its parameters."""

    name: str
    version: int
    title: str
    summary: str
    canvas: str
    metrics: dict[str, dict[str, Any]]
    decode: str = DECODER


def _shipped() -> dict[str, Any]:
    files = [file for file in resources.files("benchmark.protocols").iterdir() if file.name.endswith(".toml")]
    return {file.name.removesuffix(".toml"): file for file in sorted(files, key=lambda file: file.name)}


def protocol_names() -> tuple[str, ...]:
    """The protocols that ship, sorted."""
    return tuple(_shipped())


def load_protocol(name_or_path: str | Path) -> Protocol:
    """A protocol by name, or one's own from a path that ends in .toml.

    Raises UserError for an unknown name, and for a file that does not fit: file and field, and the nearest valid key.
    """
    text = str(name_or_path)
    shipped = _shipped()
    if text in shipped:
        return _parsed(shipped[text].read_bytes(), f"protocol {text}")
    if not text.endswith(".toml"):
        raise unknown("protocol", text, shipped)
    try:
        data = Path(text).read_bytes()
    except OSError as error:
        raise UserError(f"{text}: cannot read protocol ({error.strerror}); known by name: {', '.join(shipped)}") from None
    protocol = _parsed(data, text)
    if protocol.name in shipped:
        raise UserError(f"{text}: 'name' is {protocol.name!r}, which is a protocol that ships; give yours another name")
    return protocol


def _parsed(data: bytes, label: str) -> Protocol:
    try:
        raw = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{label}: not TOML ({error})") from None
    try:
        for key in raw:
            if key not in _File.__struct_fields__:
                raise unknown("field", key, _File.__struct_fields__)
        file = msgspec.convert(raw, _File)
        if file.decode != DECODER:
            raise UserError(f"field 'decode' is {file.decode!r}, but this version decodes videos as {DECODER!r}")
        if not file.metrics:
            raise UserError("field 'metrics' is empty; name at least one, as in [metrics.psnr]")
        return Protocol(
            name=_plain_name(file.name),
            version=file.version,
            title=file.title,
            summary=" ".join(file.summary.split()),
            canvas=canvas_named(file.canvas),
            decode=file.decode,
            metrics=tuple(_measured(name, given) for name, given in file.metrics.items()),
        )
    except msgspec.ValidationError as error:
        raise UserError(f"{label}: {error}".replace("$.", "")) from None
    except UserError as error:
        raise UserError(f"{label}: {error}") from None


def _measured(name: str, given: Mapping[str, Any]) -> Measured:
    spec = metric_named(name)
    return Measured(spec, spec.parameters(given))


def _plain_name(name: str) -> str:
    if not name or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise UserError(f"field 'name' is {name!r}; use letters, digits, '-' and '_' (it becomes a folder's name)")
    return name
