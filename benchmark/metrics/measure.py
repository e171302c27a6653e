"""One metric of one clip: gathers what the metric's function is called with, and calls it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Unavailable, Undefined, UserError
from .extraction import Extraction
from .metric import ClipValue, ExtractorSpec, MetricSpec, Need, Parameter
from .sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPart:
    """What a clip gives to a metric of the whole set: the features [D] float32 of its prediction and of its truth.

    notes: what a reader of the set's number must know of this clip (a constant picture).
    """

    feature: NDArray[np.float32]
    truth_feature: NDArray[np.float32]
    notes: tuple[str, ...] = ()


def measure(
    spec: MetricSpec, parameters: Mapping[str, Parameter], sample: Sample, extraction: Extraction
) -> ClipValue | ClipPart:
    """The clip's value, or its part of a set. What cannot be measured is undefined, with the reason.

    Raises UserError where the arithmetic gave no finite number (broken weights, for one).
    """
    try:
        if spec.of == "set":
            return _part(spec, sample, extraction)
        arguments = _arguments(spec, sample, extraction)
        read = {str(need): sample.readings.read(need) for need in sorted(spec.needs - {Need.TRUTH})}
        value: ClipValue = spec.load()(*arguments, **read, **parameters)
    except Undefined as reason:
        return ClipValue.not_there(str(reason), unavailable=isinstance(reason, Unavailable))
    if value.value is not None and not math.isfinite(value.value):
        raise UserError(f"metric {spec.id} gave {value.value}; its weights or input are broken: run 'egox-bench weights verify'")
    return value


def retry_key(key: str) -> str:
    """What a reason of this machine is written down under in place of a score's key: nobody asks for it, so that the score is
    tried again, and the reason can still be told."""
    return f"unavailable {key}"


def _arguments(spec: MetricSpec, sample: Sample, extraction: Extraction) -> tuple[Any, ...]:
    compared = Need.TRUTH in spec.needs
    extractor = extractor_of(spec)
    if extractor is None:
        return (sample.prediction, sample.needed_truth) if compared else (sample.prediction,)
    if extractor.of == "pair":
        return (extraction.pair(extractor, sample),)
    ours = extraction.prediction(extractor, sample)
    return (ours, extraction.truth(extractor, sample)) if compared else (ours,)


def _part(spec: MetricSpec, sample: Sample, extraction: Extraction) -> ClipPart:
    extractor = extractor_of(spec)
    if extractor is None:
        raise ValueError(f"metric {spec.id} of a set has no extractor")
    ours, theirs = extraction.prediction(extractor, sample), extraction.truth(extractor, sample)
    notes = () if sample.constant is None else (sample.constant,)
    part = ClipPart(feature=_vector(ours["feature"]), truth_feature=_vector(theirs["feature"]), notes=notes)
    if not (np.isfinite(part.feature).all() and np.isfinite(part.truth_feature).all()):
        raise UserError(f"features of {extractor.id} hold NaN or infinity; run 'egox-bench weights verify'")
    return part


def _vector(values: NDArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype="<f4").ravel()


def extractor_of(spec: MetricSpec) -> ExtractorSpec | None:
    """The extractor whose arrays a metric takes, if it takes any."""
    from . import EXTRACTORS

    return None if spec.extractor is None else EXTRACTORS[spec.extractor]
