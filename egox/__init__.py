"""The EgoX reference model as a library. Imports nothing from benchmark, methods or leaderboard.

What stands in `__all__` is the public API; it is imported when it is first asked for, so that `import egox` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .canvas import JointCanvas
    from .clip import EgoXClip, clip_of_prior
    from .conditioning import Conditioning, Guidance
    from .own import own_clip
    from .pipeline import EgoXPipeline
    from .prior import ego_prior
    from .recipe import Recipe, load_recipe, recipe_names

_HOMES = {
    "Conditioning": "conditioning",
    "EgoXClip": "clip",
    "EgoXPipeline": "pipeline",
    "Guidance": "conditioning",
    "JointCanvas": "canvas",
    "Recipe": "recipe",
    "clip_of_prior": "clip",
    "ego_prior": "prior",
    "load_recipe": "recipe",
    "own_clip": "own",
    "recipe_names": "recipe",
}

__all__ = [
    "Conditioning",
    "EgoXClip",
    "EgoXPipeline",
    "Guidance",
    "JointCanvas",
    "Recipe",
    "clip_of_prior",
    "ego_prior",
    "load_recipe",
    "own_clip",
    "recipe_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
