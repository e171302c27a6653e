"""What a recipe's training begins with: a whole checkpoint in diffusers' layout, found, or made for a new base.

OUT/codec/          of new bases, fitted on training clips (about.json: on which)
OUT/<recipe>/start/ a new base before its first step
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmark.errors import StorageError, Undefined, UserError
from benchmark.files import atomic_file, reason_of
from benchmark.progress import progress
from benchmark.registry import train_subset
from benchmark.store import content_key
from benchmark.video import Frames
from egox.adapter import WEIGHTS
from egox.checkpoints import INDEX, folder_of
from egox.pretrained import WeightsError
from egox.recipe import Recipe, load_recipe
from egox.training.files import forget_places
from egox.training.keeping import weights_identity

from .budget import Budget
from .clips import Asked, TrainingClips
from .curriculum import place_of
from .encoders import check_components
from .processes import say

CODEC, ABOUT, START = "codec", "about.json", "start"
NEW = "new"

CODEC_CLIPS = 120
"""The codec is fitted on so many clips, evenly spread: its few thousand numbers gain nothing from more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """folder: a whole checkpoint. adapter: folder of a trained adapter on it to begin with, or None. words: for reports."""

    folder: Path
    words: str
    adapter: Path | None = None

    @property
    def identity(self) -> str:
        """Of the weights that a training begins with; "" of a new base, which the recipe and the codec decide."""
        return "" if self.words == NEW else weights_identity(self.adapter or self.folder)


class _Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """OUT/codec/about.json. clips: key of those that the codec was fitted on. psnr: of the fit, in dB, by kind of frame."""

    clips: str
    count: int
    data: str
    split: str
    first_psnr: float
    group_psnr: float


def base_of(recipe: Recipe, out: Path) -> Base | None:
    """The checkpoint that a recipe begins with; None where it is a new base. Raises UserError where it is not there."""
    assert recipe.training is not None
    before = recipe.training.starts_from
    if before is None and recipe.model.transformer is not None:
        return None
    if before is None:
        base = Base(folder=_found(recipe.model.checkpoint), words=recipe.model.checkpoint)
    else:
        folder = out / place_of(before) / "model"
        if (folder / INDEX).is_file():
            base = Base(folder=folder, words=place_of(before))
        elif recipe.model.lora is not None and (folder / WEIGHTS).is_file():
            under = base_of(load_recipe(before), out)
            assert under is not None  # an adapter stands on something
            base = Base(folder=under.folder, words=place_of(before), adapter=folder)
        else:
            base = _instead(recipe, folder)
    check_components(base.folder)
    return base


def is_trained(out: Path, recipe: str) -> bool:
    """Whether a recipe's weights are there, a whole checkpoint's or an adapter's."""
    model = out / place_of(recipe) / "model"
    return (model / INDEX).is_file() or (model / WEIGHTS).is_file()


def new_base(recipe: Recipe, out: Path, asked: Asked, *, workers: int, budget: Budget) -> Base:
    """An untrained checkpoint of a recipe around the codec of OUT, which is fitted first where there is none."""
    folder = out / place_of(recipe.name) / START
    codec = _codec(out / CODEC, asked, workers=workers, budget=budget)
    if not (folder / INDEX).is_file():
        from egox.mini import FixedBasisCodec, new_mini_components

        assert recipe.training is not None
        loaded = FixedBasisCodec.from_pretrained(codec)
        parts = new_mini_components(recipe.model, loaded, seed=recipe.training.seed)  # pyright: ignore[reportArgumentType]

        def fill(aside: Path) -> None:
            parts.save(aside)
            forget_places(aside)

        whole_folder(folder, fill)
    return Base(folder=folder, words=NEW)


def whole_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write a neighbour of `folder`, then rename it: a folder that is there is whole. Raises StorageError."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        fill(aside)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({reason_of(error)}); free the disk or choose another --out") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _found(checkpoint: str) -> Path:
    try:
        return folder_of(checkpoint)
    except WeightsError as error:
        raise UserError(str(error)) from None


def _instead(recipe: Recipe, folder: Path) -> Base:
    """The recipe's checkpoint, where what it starts from was not trained here."""
    assert recipe.training is not None
    before = recipe.training.starts_from
    assert before is not None
    try:
        if load_recipe(before).model.lora is not None:
            raise WeightsError("checkpoints hold adapters as they end, not what others go on from")
        found = folder_of(recipe.model.checkpoint)
    except WeightsError:
        raise UserError(
            f"recipe {recipe.name} starts from {before}, which is not at {folder}: train it first (egox-bench train {before}),"
            " with the same --out"
        ) from None
    say(f"{before} was not trained in this --out: starting from checkpoint {recipe.model.checkpoint}")
    return Base(folder=found, words=recipe.model.checkpoint)


def _codec(folder: Path, asked: Asked, *, workers: int, budget: Budget) -> Path:
    clips = TrainingClips.open(asked)
    names = train_subset(clips.names, CODEC_CLIPS)
    from egox.mini.codec import VERSION

    key = content_key({"version": VERSION, "clips": [clips.identity(name, prior=False) for name in names]})
    about = _about(folder / ABOUT)
    if about is not None:
        if about.clips != key:
            raise UserError(
                f"{folder} was fitted on other clips ({about.count} of split {about.split} of {about.data}) or by another version"
                " of this code, and all examples of this --out are encoded with it; choose another --out, or remove this one"
            )
        return folder
    _prepare(clips, names, workers=workers, budget=budget)
    from egox.mini import CodecError, fit_codec

    try:
        codec = fit_codec(_videos(clips, names))
    except CodecError as error:
        raise UserError(f"no codec can be fitted on split {asked.split!r} of {asked.data}: {error}") from None
    first, group = (float(codec.config[f"{kind}_psnr"]) for kind in ("first", "group"))
    fitted = _Fitted(clips=key, count=len(names), data=clips.dataset.name, split=asked.split, first_psnr=first, group_psnr=group)
    whole_folder(folder, codec.save_pretrained)
    atomic_file(folder / ABOUT, lambda aside: aside.write_bytes(msgspec.json.format(msgspec.json.encode(fitted)) + b"\n"))
    say(f"codec: fitted on {len(names)} clips, {first:.1f} dB for single frames, {group:.1f} dB for groups of four")
    return folder


def _prepare(clips: TrainingClips, names: list[str], *, workers: int, budget: Budget) -> None:
    at_once = 8 * workers
    for first in range(0, len(names), at_once):
        budget.check()
        portion = names[first : first + at_once]
        with progress(f"codec: clips {first + 1} to {first + len(portion)} of {len(names)}") as task:
            clips.prepare(portion, workers=workers, progress=task)


def _videos(clips: TrainingClips, names: list[str]) -> Iterator[Frames]:
    with progress("codec") as task:
        for number, name in enumerate(names, start=1):
            try:
                views = clips.views(name)
            except Undefined as error:
                say(f"{name}: left out of the codec: {error}")
                continue
            yield views.exo
            yield views.ego
            task(number, len(names), name)


def _about(path: Path) -> _Fitted | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Fitted)
    except (OSError, msgspec.DecodeError):
        return None
