"""Recipes: everything that distinguishes one EgoX from another, as TOML under `egox/recipes`.

A recipe names its base, its conditioning, how it is sampled and how it is trained; `extends` takes another one and changes
parts of it. Sampling and training may condition differently (the published weights were):
`[training_conditioning]` changes single values.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from .conditioning import Conditioning


class RecipeError(ValueError):
    """A recipe that is not there or does not fit; the message names file, field and what is possible."""


def _check(name: str, value: float, fits: bool, expected: str) -> None:
    """Raises ValueError naming the field. NaN fits nowhere: comparisons with it are false."""
    if not fits:
        raise ValueError(f"{name} is {value}, expected {expected}")


class Lora(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """targets: names that the adapted modules end with. also: modules that are trained whole and kept beside the adapter."""

    rank: int = 256
    alpha: int = 256
    targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check("rank", self.rank, self.rank >= 1, "1 or more")
        _check("alpha", self.alpha, self.alpha >= 1, "1 or more")


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """checkpoint: the base model in diffusers' layout, a folder, a name on the hub, or "mini" for the one that is shipped.

    transformer: arguments of WanTransformer3DModel for a base that is trained from nothing; None takes the checkpoint's.
    text_tokens: length that prompts are padded to; the image branch of Wan counts on 512.
    precision: of the base weights. lora: None trains or runs the base itself.
    preconditioner: "fitted" puts the linear denoiser of `egox.mini.Preconditioner` around the transformer, fitted on the training
    examples; production weights take none.
    """

    checkpoint: str
    transformer: Mapping[str, Any] | None = None
    text_tokens: int = 512
    precision: Literal["bf16", "fp32"] = "bf16"
    preconditioner: Literal["none", "fitted"] = "none"
    lora: Lora | None = None


class Sampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """shift: flow shift of the scheduler; None keeps that of the checkpoint. guidance_scale: of text; 1 needs one pass a step.

    temperature: standard deviation of the first noise. 1 samples the model; less comes nearer to its mean, which suits a model
    that is trained too little to sample from: smoother, and less diverse.
    known: "prior" takes what the prior knows from the prior (`egox.known`), which suits a model that is trained too little to do
    better there; "model" leaves it to the model. Without a prior in the conditioning nothing is known. Sheets and ladders of a
    training show the model alone.
    """

    steps: int = 50
    guidance_scale: float = 5.0
    temperature: float = 1.0
    shift: float | None = None
    negative_prompt: str = ""
    known: Literal["model", "prior"] = "model"

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise ValueError(f"temperature is {self.temperature}, expected 0 to 2")
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}, expected at least 1")
        if not 0 <= self.guidance_scale < float("inf"):
            raise ValueError(f"guidance_scale is {self.guidance_scale}, expected a finite number, 1 for no guidance by text")
        if self.shift is not None and not 0 < self.shift < float("inf"):
            raise ValueError(f"shift is {self.shift}, expected a finite number above 0")


class NoiseLevels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How levels t in (0, 1] are drawn in training, before `shift` moves them: t -> shift t / (1 + (shift - 1) t).

    kind: "one" is always t = 1, pure noise, which makes training a regression: all that can be told comes from the conditions.
    """

    kind: Literal["uniform", "logit_normal", "one"] = "uniform"
    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0

    def __post_init__(self) -> None:
        _check("mean", self.mean, math.isfinite(self.mean), "a finite number")
        _check("std", self.std, 0 < self.std < math.inf, "more than 0")
        _check("shift", self.shift, 0 < self.shift < math.inf, "more than 0")


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """task: "egox" (Eq. 3), or "inpaint": one view with known parts, what a base learns before it is given two.

    frames: whole clips, or single frames of them ("single"). starts_from: the recipe whose result this one begins with, besides
    the checkpoint; a path is from where the file lies that has it. schedule: "constant", or "decay": linear to 2 % over the
    second half. ema: decay of the averaged weights that are kept; None keeps the last ones. text_dropout, prior_dropout: share of
    examples that lose the prompt, or the prior. mirror: share of examples that are seen in a mirror, left for right, for codecs
    whose latents can be (`egox.mini`). validation_examples: measured on so many, evenly chosen; None for all.
    """

    task: Literal["egox", "inpaint"] = "egox"
    frames: Literal["all", "single"] = "all"
    starts_from: str | None = None
    steps: int
    batch_size: int = 1
    accumulate: int = 1
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-8
    weight_decay: float = 1e-4
    warmup_steps: int = 100
    schedule: Literal["constant", "decay"] = "constant"
    clip_norm: float = 1.0
    ema: float | None = None
    noise: NoiseLevels = NoiseLevels()
    text_dropout: float = 0.0
    prior_dropout: float = 0.0
    mirror: float = 0.0
    gradient_checkpointing: bool = True
    checkpoint_every: int = 250
    validate_every: int = 250
    validation_examples: int | None = None
    keep_checkpoints: int = 2
    seed: int = 42

    @property
    def is_regression(self) -> bool:
        """Without noise to learn from: an opponent on the ladder, and no model to be sampled."""
        return self.noise.kind == "one"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "checkpoint_every", "validate_every", "keep_checkpoints"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("learning_rate", "epsilon", "clip_norm"):
            _check(name, getattr(self, name), 0 < getattr(self, name) < math.inf, "more than 0")
        for name in ("text_dropout", "prior_dropout", "mirror"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "0 to 1")
        for beta in self.betas:
            _check("betas", beta, 0 <= beta < 1, "two numbers from 0 to less than 1")
        _check("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "0 or more")
        _check("warmup_steps", self.warmup_steps, self.warmup_steps >= 0, "0 or more")
        if self.ema is not None:
            _check("ema", self.ema, 0 < self.ema < 1, "a decay between 0 and 1 such as 0.999")
        if self.validation_examples is not None:
            _check("validation_examples", self.validation_examples, self.validation_examples >= 1, "1 or more")


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """source: where the values come from, and where sources disagree.

    training_conditioning: what training conditions on; that of sampling where none is given.
    """

    name: str = ""
    summary: str
    source: str = ""
    model: Model
    conditioning: Conditioning = Conditioning()
    training_conditioning: Conditioning = None  # pyright: ignore[reportAssignmentType] - see __post_init__
    sampling: Sampling = Sampling()
    training: Training | None = None

    def __post_init__(self) -> None:
        if self.training_conditioning is None:
            msgspec.structs.force_setattr(self, "training_conditioning", self.conditioning)
        told = self.conditioning.ego_mask == self.training_conditioning.ego_mask == "valid"
        if self.sampling.known == "prior" and (self.model.preconditioner == "none" or not told):
            raise ValueError(
                'sampling.known = "prior" takes known cells from a preconditioner\'s guess: it needs'
                ' model.preconditioner = "fitted" and conditioning.ego_mask = "valid", in training too;'
                ' or set sampling.known = "model"'
            )


def recipe_names() -> tuple[str, ...]:
    """All recipes that are shipped, such as "paper" and "mini/egox"."""
    root = Path(str(resources.files("egox"))) / "recipes"
    return tuple(sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.toml")))


def load_recipe(name: str | Path) -> Recipe:
    """A shipped recipe by its name, or a TOML file of one's own by its path. Raises RecipeError in one sentence."""
    table: dict[str, Any] = {}
    for path, own in _chain(str(name)):
        table = _merged({key: value for key, value in _placed(own, path.parent).items() if key != "extends"}, table)
    changes = {"training_conditioning": table.pop("training_conditioning", {})}
    table |= _merged({"training_conditioning": table.get("conditioning", {})}, changes)
    table["name"] = str(name).removesuffix(".toml")
    try:
        return msgspec.convert(table, Recipe)
    except msgspec.ValidationError as error:
        raise RecipeError(f"recipe {name}: {error}{_meant(str(error))}") from None


def recipe_files(name: str | Path) -> tuple[Path, ...]:
    """The TOML files that a recipe is made of: its own, and those that it extends."""
    return tuple(path for path, _ in _chain(str(name)))


def recipe_key(recipe: Recipe) -> bytes:
    """What of a recipe decides the trained weights, as bytes for digests.

    Not its words, nor how it is sampled afterwards, nor how often training is looked at and kept, nor in which folder the file
    lies that it starts from.
    """
    plain = msgspec.to_builtins(recipe)
    for part in ("name", "summary", "source", "sampling", "conditioning"):
        plain.pop(part)
    for part in ("checkpoint_every", "validate_every", "validation_examples", "keep_checkpoints"):
        (plain["training"] or {}).pop(part, None)
    before = (plain["training"] or {}).get("starts_from")
    if before is not None and before.endswith(".toml"):
        plain["training"]["starts_from"] = Path(before).name
    return msgspec.json.encode(plain, order="deterministic")


def _chain(name: str) -> list[tuple[Path, dict[str, Any]]]:
    """The file of a recipe and those that it extends, each with what it holds; a path in a file is from where that file lies."""
    found: list[tuple[Path, dict[str, Any]]] = []
    following: str | None = name
    while following is not None:
        path = _path(following, beside=found[-1][0].parent if found else Path())
        names = [str(earlier) for earlier, _ in found]
        if any(path.resolve() == earlier.resolve() for earlier, _ in found):
            raise RecipeError(f"recipe {path} extends itself: {' -> '.join((*names, str(path)))}")
        table = _read(path)
        found.append((path, table))
        following = table.get("extends")
        if following is not None and not isinstance(following, str):
            raise RecipeError(f"{path}: extends is {following!r}, expected the name of a recipe, or the path of a .toml file")
    return found


def _placed(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a file in this folder holds, with the path of a recipe that it starts from made one from here."""
    training = table.get("training")
    before = training.get("starts_from") if isinstance(training, dict) else None
    if not isinstance(training, dict) or not isinstance(before, str) or not before.endswith(".toml"):
        return table
    return {**table, "training": {**training, "starts_from": str(folder / before)}}


def _meant(error: str) -> str:
    """The nearest key that there is, for an error that names an unknown one."""
    unknown = re.search(r"unknown field `(.*?)`(?: - at `\$\.(.*)`)?", error)
    if unknown is None:
        return ""
    kind: Any = Recipe
    for part in (unknown[2] or "").split("."):
        for member in (kind, *get_args(kind)):
            if part and hasattr(member, "__struct_fields__"):
                kind = get_type_hints(member)[part]
                break
    names = next(member.__struct_fields__ for member in (kind, *get_args(kind)) if hasattr(member, "__struct_fields__"))
    near = difflib.get_close_matches(unknown[1], names, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return msgspec.toml.decode(path.read_bytes())
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise RecipeError(f"{path}: {error}") from None


def _path(name: str, *, beside: Path) -> Path:
    if name.endswith(".toml"):
        return beside / name
    if name not in recipe_names():
        near = difflib.get_close_matches(name, recipe_names(), n=1, cutoff=0.4)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise RecipeError(f"no recipe {name!r}; {meant}there are {', '.join(recipe_names())}, and paths of .toml files")
    return Path(str(resources.files("egox"))) / "recipes" / f"{name}.toml"


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in changes.items():
        mine = out.get(key)
        out[key] = _merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return out
