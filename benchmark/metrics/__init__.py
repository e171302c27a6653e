"""The metrics that exist, as light data: listing them imports no array library.

Each column of a table is one definition with a version. Only the entries here are metrics; a protocol chooses among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..errors import unknown
from . import catalogue_beyond, catalogue_motion, catalogue_networks, catalogue_objects, catalogue_pixels, catalogue_sets
from .metric import GROUPS, Arrays, ClipValue, ExtractorSpec, Floor, MetricSpec, Need, Parameter, SetValue

METRICS: Mapping[str, MetricSpec] = MappingProxyType(
    {
        spec.id: spec
        for catalogue in (
            catalogue_pixels, catalogue_networks, catalogue_objects, catalogue_sets, catalogue_motion, catalogue_beyond,
        )
        for spec in catalogue.METRICS
    }
)  # fmt: skip
EXTRACTORS: Mapping[str, ExtractorSpec] = MappingProxyType(
    {
        spec.id: spec
        for catalogue in (catalogue_networks, catalogue_objects, catalogue_motion, catalogue_beyond)
        for spec in catalogue.EXTRACTORS
    }
)


def weights_of(extractor: ExtractorSpec) -> tuple[str, ...]:
    """The ids of the weights that an extractor and its base need."""
    return (*extractor.weights, *(weights_of(EXTRACTORS[extractor.base]) if extractor.base else ()))


def metric_named(name: str) -> MetricSpec:
    """The metric of this id. Raises UserError with the nearest one."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


__all__ = [
    "EXTRACTORS",
    "GROUPS",
    "METRICS",
    "Arrays",
    "ClipValue",
    "ExtractorSpec",
    "Floor",
    "MetricSpec",
    "Need",
    "Parameter",
    "SetValue",
    "metric_named",
    "weights_of",
]
