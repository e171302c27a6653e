"""The pair extractor behind all object metrics: records, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..metric import Arrays
from ..object_pairs import record_pairs


class AllPairs:
    """`record_pairs` of two videos' objects."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Takes no weights and runs on the CPU."""

    def __call__(self, prediction: Arrays, truth: Arrays) -> Arrays:
        return record_pairs(truth, prediction).arrays()
