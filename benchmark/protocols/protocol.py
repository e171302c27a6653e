"""Protocols as TOML: read, checked, and applied to one pair of videos."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..canvas import Canvas, canvas_named
from ..errors import UserError, unknown
from ..metrics import ClipValue, MetricSpec, Parameter, metric_named
from ..metrics.pair import check_pair, constant_note
from ..store import content_key
from ..video import Frames


class Measured(NamedTuple):
    """A metric of a protocol with all its parameters."""

    spec: MetricSpec
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Canvas and metrics. name and version are for people; `digest` is what decides whether two numbers compare."""

    name: str
    version: int
    title: str
    summary: str
    canvas: Canvas
    metrics: tuple[Measured, ...]

    @cached_property
    def digest(self) -> str:
        """16 hex digits over name, version, canvas and every metric's id, version and parameters; not over prose."""
        return content_key(
            {
                "name": self.name,
                "version": self.version,
                "canvas": dataclasses.asdict(self.canvas),
                "metrics": [[spec.id, spec.version, dict(parameters)] for spec, parameters in self.metrics],
            }
        )

    def score(
        self, prediction: Frames, truth: Frames, *, label: str = "clip", only: Collection[str] | None = None
    ) -> dict[str, ClipValue]:
        """Every metric of one clip, by id, in the protocol's order; or those in `only`.

        prediction, truth: [frames, height, width, 3] uint8 RGB of one shape; any size, so that a caller who has fitted
        both to the canvas and a notebook that has not can use it alike. Raises UserError (naming `label` and both shapes)
        for anything else; nothing is resized, trimmed or converted.
        """
        check_pair(prediction, truth, label=label)
        constant = constant_note(prediction)
        values = {}
        for spec, parameters in self.metrics:
            if only is None or spec.id in only:
                value = spec.load()(prediction, truth, **parameters)
                values[spec.id] = dataclasses.replace(value, notes=(*value.notes, constant)) if constant else value
        return values

    def score_keys(self, prediction_digest: str, truth_digest: str) -> dict[str, str]:
        """Metric id to the key of its score for these pixels."""
        return {spec.id: score_key(prediction_digest, truth_digest, spec, given) for spec, given in self.metrics}


def score_key(prediction_digest: str, truth_digest: str, metric: MetricSpec, parameters: Mapping[str, Parameter]) -> str:
    """Key of one score: the pixels of both videos, the metric's id and version, its parameters. Nothing else."""
    return content_key(
        {
            "prediction": prediction_digest,
            "truth": truth_digest,
            "metric": metric.id,
            "version": metric.version,
            "parameters": dict(parameters),
        }
    )


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a protocol's TOML. `metrics` is a table a metric, which holds its parameters."""

    name: str
    version: int
    title: str
    summary: str
    canvas: str
    metrics: dict[str, dict[str, Any]]


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
        if not file.metrics:
            raise UserError("field 'metrics' is empty; name at least one, as in [metrics.psnr]")
        return Protocol(
            name=_plain_name(file.name),
            version=file.version,
            title=file.title,
            summary=" ".join(file.summary.split()),
            canvas=canvas_named(file.canvas),
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
