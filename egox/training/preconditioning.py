"""Fits the preconditioner of the mini size on what a recipe's transformer will be given: its examples under its conditioning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import torch
from torch import Tensor

from ..conditioning import condition_channels
from ..mini import Preconditioner
from ..mini.preconditioner import VERSION
from ..recipe import Recipe
from .batch import canvas_of
from .order import generator_of
from .state import digest_of
from .tasks import known_cells, mirrored

AT_ONCE = 32
"""Examples of a batch."""


def fit_preconditioner(
    recipe: Recipe, examples: Sequence[Mapping[str, Tensor]], *, mirror_signs: Tensor | None = None
) -> Preconditioner:
    """The preconditioner of a recipe. The same examples give the same one.

    For inpainting, known cells are drawn once an example, from the recipe's seed, as training draws them anew at every step.
    mirror_signs: of the codec, for recipes that mirror: mirror images count like the examples themselves.
    """
    return Preconditioner.fit(_Batches(recipe, examples, mirror_signs))


def preconditioner_key(recipe: Recipe, examples: Sequence[Mapping[str, Tensor]]) -> str:
    """Identity of all that decides a recipe's preconditioner, 16 hex digits: what trains differently may share it."""
    assert recipe.training is not None
    rules = msgspec.to_builtins(recipe.training_conditioning)
    drawn = recipe.training.seed if recipe.training.task == "inpaint" else None
    parts = {
        "version": VERSION,
        "examples": digest_of(examples),
        "rules": rules,
        "task": recipe.training.task,
        "seed": drawn,
        "mirror": recipe.training.mirror > 0,
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]


class _Batches:
    """Target, condition and mask channels of the ego columns in batches, as often as they are asked for."""

    def __init__(self, recipe: Recipe, examples: Sequence[Mapping[str, Tensor]], mirror_signs: Tensor | None) -> None:
        assert recipe.training is not None
        self._rules, self._training, self._examples = recipe.training_conditioning, recipe.training, examples
        self._signs = None
        if recipe.training.mirror:
            if mirror_signs is None:
                raise ValueError(f"recipe {recipe.name} mirrors examples: pass the codec's mirror_signs")
            self._signs = mirror_signs

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for first in range(0, len(self._examples), AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, len(self._examples)))
            parts = [part for number in numbers for part in self._parts(number)]
            targets, conditions, masks = (torch.stack(values) for values in zip(*parts))
            yield targets, conditions, masks

    def _parts(self, number: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        example = self._examples[number]
        both = [example] if self._signs is None else [example, mirrored(example, self._signs)]
        for seen in both:
            yield self._inpaint(seen, number) if self._training.task == "inpaint" else self._egox(seen)

    def _inpaint(self, example: Mapping[str, Tensor], number: int) -> tuple[Tensor, Tensor, Tensor]:
        known = known_cells(canvas_of(example), generator_of(self._training.seed, "preconditioner", number))[None]
        return example["ego"], known * example["ego"], known.expand(4, -1, -1, -1)

    def _egox(self, example: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        grid = canvas_of(example)
        exo, prior, valid = (example[name][None] for name in ("exo", "prior", "valid"))
        channels = grid.split(condition_channels(grid, self._rules, exo=exo, prior=prior, valid=valid))[1][0]
        folded = valid.shape[1]
        return example["ego"], channels[folded:], channels[:folded]
