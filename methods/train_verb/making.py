"""Makes the examples of a recipe from clips, in as many processes as are asked for; what is there and fresh is left alone.

OUT/examples/<kind>-<rules>/<split>/   see `egox.training.examples`; <rules> tells apart recipes that encode differently
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import transformers

from benchmark.errors import StorageError, Undefined, UserError
from benchmark.progress import progress, say
from benchmark.store import content_key
from benchmark.worker_pool import in_processes
from egox.recipe import Recipe
from egox.threads import one_thread
from egox.training.encoding_clips import VERSION, ClipEncoder, ExampleKind
from egox.training.examples import (
    ExampleError,
    ExampleStore,
    is_damaged,
    stale_or_missing,
    write_example,
    write_index,
)
from methods.ego_prior.making import Maker

from .budget import Budget
from .clips import PRIOR, Asked, TrainingClips
from .encoders import encoder_digest, encoder_of, takes_pictures

AT_ONCE = 8
"""Clips a worker that are rendered before examples are made of them: time may be up in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Plain values from which any process makes examples: clips, recipe, folder of the encoders, folder of the examples."""

    asked: Asked
    recipe: Recipe
    encoders: Path
    folder: Path
    device: str

    @property
    def kind(self) -> ExampleKind:
        assert self.recipe.training is not None
        return ExampleKind.of(self.recipe.training)


class ExampleMaker:
    """Makes the examples of one clip after the other; encoders are loaded with the first."""

    def __init__(self, work: Work, clips: TrainingClips | None = None) -> None:
        self._work = work
        self._clips = clips or TrainingClips.open(work.asked)
        self._prior = Maker(PRIOR)

    @cached_property
    def _encoder(self) -> ClipEncoder:
        return encoder_of(self._work.recipe, self._work.encoders, device=self._work.device)

    def make(self, clip: str, keys: Mapping[str, str]) -> None:
        """Write a clip's examples. keys: of all of them, by name. Raises Undefined or ValueError where the clip gives none."""
        kind, seed = self._work.kind, int(content_key({"clip": clip}), 16) >> 2
        if kind.one_view:
            views = self._clips.views(clip)
            made = self._encoder.views(kind, views.exo, views.ego, views.prompt, seed=seed)
        else:
            given, truth = self._clips.with_prior(clip, self._prior)
            made = self._encoder.examples(kind, given, truth, seed=seed)
        for name, tensors in zip(kind.examples_of(clip, self._clips.canvas.frames), made, strict=True):
            write_example(self._work.folder, name, key=keys[name], tensors=tensors)


def examples_of(
    asked: Asked, recipe: Recipe, *, encoders: Path, out: Path, workers: int, device: str, budget: Budget
) -> ExampleStore:
    """All examples of a split for a recipe, made where they are missing or stale.

    A clip without depth, truth or the like is named and left out. Raises UserError where none gives any, TimeIsUp.
    """
    clips = TrainingClips.open(asked)
    assert recipe.training is not None
    kind = ExampleKind.of(recipe.training)
    rules = kind.relevant(recipe.training_conditioning)
    shared = {
        "version": VERSION,
        "encoders": encoder_digest(encoders, pictures=takes_pictures(encoders)),
        "text_tokens": recipe.model.text_tokens,
        "precision": recipe.model.precision,
        "rules": rules,
    }
    place = f"{kind.name}-{content_key({'rules': rules, 'checkpoint': recipe.model.checkpoint})[:6]}"
    work = Work(
        asked=asked, recipe=recipe, encoders=encoders, folder=out / "examples" / place / _plain(asked.split), device=device
    )
    wanted = {name: _keys(clips, name, kind, shared) for name in clips.names}
    missing = _missing(work.folder, wanted)
    if missing and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            f"{work.folder}: examples of {len(missing)} clips are missing: before training on several processes make them with"
            " one, egox-bench train RECIPE --only-examples"
        )
    lost = _make(clips, work, wanted, missing, workers=workers, budget=budget) if missing else set()
    kept = {name: key for clip, keys in wanted.items() if clip not in lost for name, key in keys.items()}
    if not kept:
        raise UserError(f"no clip of split {asked.split!r} of {asked.data} gives an example; see the reasons above")
    write_index(work.folder)
    return ExampleStore(work.folder, kept)


def _keys(clips: TrainingClips, clip: str, kind: ExampleKind, shared: Mapping[str, object]) -> dict[str, str]:
    identity = clips.identity(clip, prior=not kind.one_view)
    return {name: content_key({**shared, **identity, "name": name}) for name in kind.examples_of(clip, clips.canvas.frames)}


def _missing(folder: Path, wanted: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Clips of which an example is missing, stale or damaged; how many there are of the latter two is told."""
    missing, stale, damaged = [], 0, 0
    for clip, keys in wanted.items():
        found = stale_or_missing(folder, keys)
        if found:
            missing.append(clip)
        stale += sum(other is not None for other in found.values())
        damaged += sum(is_damaged(folder, name) for name, other in found.items() if other is None)
    if stale:
        say(f"{folder}: {stale} examples are of other clips, encoders or code; they are made anew")
    if damaged:
        say(f"{folder}: {damaged} examples are damaged; they are made anew")
    return missing


def _make(
    clips: TrainingClips,
    work: Work,
    wanted: Mapping[str, Mapping[str, str]],
    missing: Sequence[str],
    *,
    workers: int,
    budget: Budget,
) -> set[str]:
    """Make them, and return the clips that gave none."""
    lost: set[str] = set()
    done, total = 0, len(missing)
    title = f"{work.kind.name} of {work.asked.split}"
    for first in range(0, total, AT_ONCE * workers):
        budget.check()
        portion = missing[first : first + AT_ONCE * workers]
        with progress(f"{title}: clips {first + 1} to {first + len(portion)} of {total}") as task:
            clips.prepare(portion, workers=workers, progress=task)
        with progress(title) as task:
            for clip, error in _spread(clips, work, wanted, portion, workers=workers, budget=budget):
                done += 1
                task(done, total, clip)
                if error is not None:
                    lost.add(clip)
                    say(f"{clip}: no example: {error}")
    return lost


def _spread(
    clips: TrainingClips,
    work: Work,
    wanted: Mapping[str, Mapping[str, str]],
    portion: Sequence[str],
    *,
    workers: int,
    budget: Budget,
) -> Iterator[tuple[str, Exception | None]]:
    """Each clip with what went wrong, or None. What is no clip's fault is raised."""
    if min(workers, len(portion)) > 1:
        results = in_processes(
            portion,
            _in_worker,
            arguments=lambda clip: (clip, wanted[clip]),
            start=_start,
            start_arguments=(work,),
            workers=workers,
        )
        yield from results
        return
    maker = ExampleMaker(work, clips)
    # the prior's many small operations wait for each other: on a busy machine two threads were measured to take 28 times as long
    with one_thread():
        for clip in portion:
            budget.check()
            yield clip, _reason(maker, clip, wanted[clip])


def _reason(maker: ExampleMaker, clip: str, keys: Mapping[str, str]) -> Exception | None:
    try:
        maker.make(clip, keys)
    except ExampleError as error:
        if isinstance(error.__cause__, OSError):
            raise StorageError(str(error)) from error
        return error
    except StorageError:
        raise
    except (Undefined, UserError, ValueError) as error:
        return error
    return None


_maker: ExampleMaker | None = None


def _start(work: Work) -> None:
    global _maker
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    _maker = ExampleMaker(work)


def _in_worker(clip: str, keys: Mapping[str, str]) -> Exception | None:
    assert _maker is not None
    return _reason(_maker, clip, keys)


def _plain(split: str) -> str:
    """A split's name as the name of a folder; of a manifest file its stem."""
    return Path(split).stem if split.endswith(".jsonl") else split.replace(":", "-")
