"""Which recipes are trained, in which order, and where each leaves its result below one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UserError
from egox.recipe import Recipe, RecipeError, load_recipe, recipe_names


def recipes_named(names: Sequence[str]) -> tuple[Recipe, ...]:
    """Recipes to train, in order. The name of a folder of them ("mini") stands for all in it, each after what it starts from,
    but for regressions: they are opponents, trained where they are asked for by name.

    Raises UserError for a name that is not there (with the nearest one), and for a recipe that says nothing of training.
    """
    try:
        recipes = [load_recipe(name) for asked in names for name in _members(asked)]
        for recipe in recipes:
            _depth(recipe.name if recipe.name in recipe_names() else f"{recipe.name}.toml")  # all that it starts from is there
    except RecipeError as error:
        raise UserError(str(error)) from None
    for recipe in recipes:
        if recipe.training is None:
            raise UserError(f"recipe {recipe.name} has no [training]; it can be sampled with, not trained")
    places: dict[str, str] = {}
    for recipe in recipes:
        other = places.setdefault(place_of(recipe.name), recipe.name)
        if other != recipe.name:
            raise UserError(f"recipes {other} and {recipe.name} would be trained in one folder; rename one of the files")
    return tuple(recipes)


def place_of(recipe: str) -> str:
    """Where below the output folder a recipe is trained: a shipped one by its name, a file of one's own by its last name."""
    return recipe if recipe in recipe_names() else Path(recipe).name.removesuffix(".toml")


def _members(name: str) -> list[str]:
    inside = [shipped for shipped in recipe_names() if shipped.startswith(f"{name}/")]
    if name in recipe_names() or not inside:
        return [name]
    return sorted((member for member in inside if not _is_regression(member)), key=lambda member: (_depth(member), member))


def _is_regression(name: str) -> bool:
    training = load_recipe(name).training
    return training is not None and training.is_regression


def _depth(name: str, *, seen: tuple[str, ...] = ()) -> int:
    """How many recipes are trained one after the other before this one."""
    training = load_recipe(name).training
    if training is None or training.starts_from is None:
        return 0
    if name in seen:
        raise RecipeError(f"recipe {name} starts from itself: {' -> '.join((*seen, name))}")
    return 1 + _depth(training.starts_from, seen=(*seen, name))
