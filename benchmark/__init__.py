"""The benchmark: clips and splits, metrics and protocols, the runner and its store. Imports egox.cameras only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]


def __getattr__(name: str) -> Any:
    """`benchmark.evaluate` is there at once; numpy and scikit-image are imported when it is first asked for."""
    if name in __all__:
        from . import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
