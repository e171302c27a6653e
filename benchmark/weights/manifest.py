"""Which weights there are, as data: where from, which bytes, under which licence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Literal

import msgspec


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="package"):
    """A data file inside an archive of a published Python distribution. The archive is read, never installed."""

    distribution: str
    version: str
    archive: str
    archive_bytes: int
    archive_sha256: str
    member: str
    member_bytes: int
    member_sha256: str


class Url(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="url"):
    """A file whose address torchvision knows under the name `torchvision`; its name says how its sha256 begins."""

    torchvision: str
    file: str
    sha256_begins: str


class Hub(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"):
    """A repository of the model hub: one `file` of it, or where that is None its configuration and its weights."""

    repository: str
    file: str | None = None


Source = Package | Url | Hub


class WeightsSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights of one network.

    format: how the source's bytes are read; "model" is a folder that transformers loads, all others become one file.
    sources: in order of preference. gated: the hub gives it only to those who accepted its licence.
    """

    id: str = ""
    title: str
    purpose: str
    licence: str
    bytes: int
    format: Literal["numpy-pickle", "torch", "model"]
    sources: tuple[Source, ...]
    gated: bool = False
    non_commercial: bool = False
    converted_sha256: str | None = None

    @property
    def open(self) -> bool:
        """Small, openly licensed, and on the package index: what may be fetched without being asked for by name."""
        return not (self.gated or self.non_commercial) and any(isinstance(source, Package) for source in self.sources)


def parsed(text: str) -> Mapping[str, WeightsSpec]:
    """The specs of a manifest's TOML, by id. Raises msgspec.ValidationError naming the field that does not fit."""
    tables = msgspec.convert(tomllib.loads(text), dict[str, WeightsSpec])
    return MappingProxyType({name: msgspec.structs.replace(spec, id=name) for name, spec in tables.items()})


MANIFEST: Mapping[str, WeightsSpec] = parsed(resources.files("benchmark.weights").joinpath("manifest.toml").read_text("utf-8"))
