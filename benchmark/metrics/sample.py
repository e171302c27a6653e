"""One clip as metrics see it: the pixels of both videos, and what else may be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from ..errors import Undefined
from ..video import Frames, pixel_digest
from .metric import Arrays, Need
from .pair import constant_note


class Readings(Protocol):
    """What can be read beside the two videos."""

    def read(self, need: Need) -> Any:
        """The value, as `Need` describes it. Raises Undefined with the reason where the clip has none."""
        ...

    def key(self, need: Need) -> str:
        """Identity of the value, known without reading it; the same text for the same value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyRate:
    """Readings of footage that is no clip of a dataset: a rate, and nothing else."""

    fps: float

    def read(self, need: Need) -> Any:
        if need is Need.FPS:
            return self.fps
        raise Undefined(f"needs {WHAT[need]}, which only clips of a dataset have")

    def key(self, need: Need) -> str:
        return repr(self.fps) if need is Need.FPS else "absent"


WHAT = {
    Need.TRUTH: "the truth",
    Need.FPS: "the frame rate",
    Need.EXO: "the exo view",
    Need.EGO_CAMERA: "the ego camera",
    Need.COVER: "the pixels that the ego prior covers",
}
"""What a person calls each."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A prediction, its truth where there is one, and the readings.

    prediction, truth: [frames, height, width, 3] uint8 RGB of one shape; checked by whoever makes the sample.
    kept: arrays that extractors found already, by key; lives as long as the sample.
    """

    prediction: Frames
    truth: Frames | None
    readings: Readings
    no_truth: str = "no ego truth"
    kept: dict[str, Arrays] = field(default_factory=dict)

    @cached_property
    def prediction_digest(self) -> str:
        """Identity of the prediction's pixels."""
        return pixel_digest(self.prediction)

    @cached_property
    def truth_digest(self) -> str:
        """Identity of the truth's pixels. Raises Undefined where there is none."""
        return pixel_digest(self.needed_truth)

    @cached_property
    def constant(self) -> str | None:
        """A note where the prediction is all but one colour."""
        return constant_note(self.prediction)

    @property
    def needed_truth(self) -> Frames:
        """The truth. Raises Undefined, with the reason, where there is none."""
        if self.truth is None:
            raise Undefined(self.no_truth)
        return self.truth
