"""What a metric is, as light data, and what it says about one clip. The arithmetic lives in one module a criterion."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from ..errors import UserError, unknown

Parameter = float | int | str | bool


class Need(StrEnum):
    """What a metric reads beside the prediction."""

    TRUTH = "truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipValue:
    """What one metric says about one clip: a finite number, or why there is none.

    frames: the per-frame curve behind the value, in the metric's unit. notes: what a reader of the number must know
    (frames at a cap, a constant picture).
    """

    value: float | None
    undefined: str | None = None
    frames: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) == (self.undefined is None):
            raise ValueError("a clip has either a value or a reason why it is undefined")

    @classmethod
    def not_there(cls, reason: str) -> ClipValue:
        """The outcome "undefined" with its reason."""
        return cls(value=None, undefined=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """A metric as data: one definition, one version. Another definition is another id.

    target: "module:function", called as `function(prediction, truth, **parameters) -> ClipValue` with uint8 RGB frames
    [frames, height, width, 3] of one shape. defaults: every parameter with its value where a protocol names none.
    decimals: how tables round. version: raised by any change that can move a value; part of every score's key.
    """

    id: str
    title: str
    unit: str
    direction: Literal["up", "down"]
    decimals: int
    version: int
    summary: str
    definition: str
    target: str
    needs: frozenset[Need]
    defaults: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))

    def load(self) -> Callable[..., ClipValue]:
        """Import the arithmetic."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)

    def parameters(self, given: Mapping[str, object]) -> Mapping[str, Parameter]:
        """All parameters: the defaults with `given` laid over. Raises UserError for an unknown one or a wrong type."""
        values = dict(self.defaults)
        for key, value in given.items():
            if key not in values:
                raise unknown(f"parameter of metric {self.id}", key, values)
            wanted = type(values[key])
            if isinstance(value, bool) != (wanted is bool) or not isinstance(value, int if wanted is bool else (wanted, int)):
                raise UserError(f"parameter {key!r} of metric {self.id} is {value!r}, expected {wanted.__name__}")
            values[key] = wanted(value)
        return MappingProxyType(values)
