"""What a metric is, as light data, and what it says about one clip. The arithmetic lives in one module a criterion."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import UserError, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

Parameter = float | int | str | bool

Group = Literal["image", "objects", "video", "seen and imagined", "pose"]
"""What a metric is about."""

GROUPS: tuple[Group, ...] = get_args(Group)
"""In the order of tables."""


Arrays = Mapping[str, "NDArray"]
"""What an extractor found in a video or a pair of videos, by name; no object arrays."""


class Need(StrEnum):
    """What is read beside the prediction. All but TRUTH reach functions and extractors as a keyword of this name."""

    TRUTH = "truth"
    FPS = "fps"
    """Frames a second of the protocol's canvas, a float; never a container's tag."""
    EXO = "exo"
    """The exo view on the protocol's canvas: [frames, height, width, 3] uint8 RGB."""
    EGO_CAMERA = "ego_camera"
    """`egox.cameras.Camera`: the true ego lens and the pose that was asked for at every frame."""
    COVER = "cover"
    """Pixels that the reference ego prior covers: [frames, height, width] bool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipValue:
    """What one metric says about one clip: a finite number, or why there is none.

    frames: the per-frame curve behind the value, in the metric's unit. notes: what a reader of the number must know
    (frames at a cap, a constant picture). chance: the value that the clip's things have where nothing matches them, for
    metrics that match; of a wrong truth (shuffled pairing) it is the level of chance. unavailable: the reason is this
    machine's (see `errors.Unavailable`), so it is shown and never kept as the clip's result.
    """

    value: float | None
    undefined: str | None = None
    frames: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    chance: float | None = None
    unavailable: bool = False

    def __post_init__(self) -> None:
        if (self.value is None) == (self.undefined is None):
            raise ValueError("a clip has either a value or a reason why it is undefined")

    @classmethod
    def not_there(cls, reason: str, *, unavailable: bool = False) -> ClipValue:
        """The outcome "undefined" with its reason."""
        return cls(value=None, undefined=reason, unavailable=unavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Two halves of the real clips, `n` each, parted by take: their mean distance over `splits` seeded partings.

    prediction: the mean distance of one half's predictions from the other half's real clips, the same halves.
    """

    real: float
    prediction: float
    n: int
    splits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetValue:
    """What a metric of a whole set of clips says: a finite number, or why there is none.

    low, high: 95 % interval, None with a reason in `interval`. n: different clips that it was computed from.
    floor: the same distance between real clips and other real clips, and the prediction's at the same number, so that the
    two compare (see the metric's definition). notes: what a reader of the number must know.
    """

    value: float | None
    n: int
    undefined: str | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    floor: Floor | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) == (self.undefined is None):
            raise ValueError("a set has either a value or a reason why it is undefined")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorSpec:
    """What turns frames into arrays that are kept, as data: one definition, one version.

    target: "module:Class". It is made once as `Class(weights, device)`: weights maps each id of `weights` to its file or
    folder, device is "cpu" or "cuda". It is called with keywords for what `reads` names:
    of "video": `extract(frames, **reads) -> Arrays` with [frames, height, width, 3] uint8 RGB;
    of "pair": `extract(prediction, truth, **reads) -> Arrays`; where `base` names a video extractor, with its arrays of
    either video in place of the frames; where it names a pair extractor, `extract(arrays, **reads)` with that one's arrays.
    It may raise `Undefined(reason)`, and `Unavailable(reason)` where the machine lacks something. It must not depend on what
    it was called with before.
    weights: ids of the weights manifest. package: an import that is no dependency of the core ("vbench").
    libraries: distributions whose releases give other numbers of the same pixels ("opencv-python-headless"). files: beside the
    catalogues, data that decides the numbers of those who take its arrays. Versions and bytes are part of the key.
    version: raised by any change that can move a number; part of the key that its arrays are kept under. keep: False for
    arrays that are too large for the disk: they live as long as the sample, for those that have it as base.
    """

    id: str
    version: int
    summary: str
    target: str
    of: Literal["video", "pair"]
    base: str | None = None
    weights: tuple[str, ...] = ()
    package: str | None = None
    libraries: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    reads: frozenset[Need] = frozenset()
    keep: bool = True

    def load(self) -> Callable[..., Callable[..., Arrays]]:
        """Import the class."""
        return _imported(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """A metric as data: one definition, one version. Another definition is another id.

    target: "module:function". What it is called with:
    - no extractor: `function(prediction, truth, **reads, **parameters) -> ClipValue` with uint8 RGB frames
      [frames, height, width, 3] of one shape; without TRUTH in `needs`, `function(prediction, **reads, **parameters)`;
    - a video extractor: the same with the extractor's arrays in place of frames;
    - a pair extractor: `function(arrays, **reads, **parameters) -> ClipValue`;
    - of "set", with a video extractor whose arrays hold a vector "feature":
      `function(prediction, truth, takes, **parameters) -> SetValue` with [clips, D] float64 each and the take of each clip.
    It may raise `Undefined(reason)`. defaults: every parameter with its value where a protocol names none.
    decimals: how tables round. version: raised by any change that can move a value; part of every score's key.
    direction "truth": better the nearer to the truth's own value; neither end is good in itself.
    group: under which heading tables show it.
    """

    id: str
    title: str
    unit: str
    direction: Literal["up", "down", "truth"]
    decimals: int
    version: int
    summary: str
    definition: str
    target: str
    needs: frozenset[Need]
    of: Literal["clip", "set"] = "clip"
    extractor: str | None = None
    group: Group = "image"
    defaults: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))

    def load(self) -> Callable[..., Any]:
        """Import the arithmetic."""
        return _imported(self.target)

    def parameters(self, given: Mapping[str, object]) -> Mapping[str, Parameter]:
        """All parameters: the defaults with `given` laid over.

        Raises UserError for an unknown one, a wrong type, and a number that is not finite.
        """
        values = dict(self.defaults)
        for key, value in given.items():
            if key not in values:
                raise unknown(f"parameter of metric {self.id}", key, values)
            wanted = type(values[key])
            if isinstance(value, bool) != (wanted is bool) or not isinstance(value, int if wanted is bool else (wanted, int)):
                raise UserError(f"parameter {key!r} of metric {self.id} is {value!r}, expected {wanted.__name__}")
            if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:  # an integer can be too large as well
                raise UserError(f"parameter {key!r} of metric {self.id} is {value!r}, expected a finite number")
            values[key] = wanted(value)
        return MappingProxyType(values)


def _imported(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
