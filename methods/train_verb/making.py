"""Makes the examples of a recipe from clips, in as many processes as are asked for; what is there and fresh is left alone.

OUT/examples/<kind>-<rules>/<split>/            see `egox.training.examples`; <rules> tells apart recipes that encode differently
OUT/examples/<kind>-<rules>/<split>/lost.json   clips that give no example, with the reason: they are not tried again
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import torch
import transformers

from benchmark.errors import LoadError, StorageError, Unavailable, Undefined, UserError
from benchmark.files import atomic_file
from benchmark.progress import progress
from benchmark.store import content_key
from benchmark.worker_pool import WorkerDied, in_processes
from egox.pretrained import WeightsError
from egox.recipe import Recipe
from egox.threads import one_thread
from egox.training.encoding_clips import VERSION, ClipEncoder, ExampleKind
from egox.training.examples import (
    ExampleError,
    ExampleStore,
    digest_of_keys,
    is_damaged,
    stale_or_missing,
    write_example,
    write_index,
)
from methods.ego_prior.making import Maker

from . import processes
from .budget import Budget
from .clips import Asked, TrainingClips
from .encoders import encoder_digest, encoder_of, takes_pictures
from .processes import say

AT_ONCE = 8
"""Clips a worker that are rendered before examples are made of them: time may be up in between."""

USUAL = {"precision": "fp32", "text_tokens": 128}
"""Of the mini size, and no part of a folder's name: what was made with these values stays where it is."""


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
        self._prior = Maker(work.asked.prior)

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


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A clip that gives no example. key: of all examples that it would give; with another one it is tried again."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Wanted:
    """The examples of a split for a recipe, before they are made. keys: of the examples of each clip, by name."""

    clips: TrainingClips
    work: Work
    keys: dict[str, dict[str, str]]

    @classmethod
    def of(cls, asked: Asked, recipe: Recipe, *, encoders: Path, out: Path, device: str) -> Wanted:
        clips = TrainingClips.open(asked)
        assert recipe.training is not None
        kind, model = ExampleKind.of(recipe.training), recipe.model
        rules = kind.relevant(recipe.training_conditioning)
        encoding = {"text_tokens": model.text_tokens, "precision": model.precision}
        shared = {
            "version": VERSION,
            "encoders": encoder_digest(encoders, pictures=takes_pictures(encoders)),
            **encoding,
            "rules": rules,
        }
        odd = {name: value for name, value in encoding.items() if value != USUAL[name]}
        place = f"{kind.name}-{content_key({'rules': rules, 'checkpoint': model.checkpoint, **odd})[:6]}"
        folder = out / "examples" / place / _plain(asked.split)
        work = Work(asked=asked, recipe=recipe, encoders=encoders, folder=folder, device=device)
        return cls(clips=clips, work=work, keys={name: _keys(clips, name, kind, shared) for name in clips.names})

    @property
    def _record(self) -> Path:
        return self.work.folder / "lost.json"

    def lost(self) -> dict[str, Lost]:
        """Of these clips those that were found to give no example."""
        found = self._recorded()
        return {clip: one for clip, one in found.items() if clip in self.keys and one.key == content_key(self.keys[clip])}

    def _recorded(self) -> dict[str, Lost]:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=dict[str, Lost])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise UserError(f"{self._record}: cannot be read ({error}); delete it, and its clips are tried again") from None

    def lose(self, clip: str, reason: str) -> None:
        """Write down that a clip gives no example."""
        lost = {**self._recorded(), clip: Lost(key=content_key(self.keys[clip]), reason=reason)}
        encoded = msgspec.json.format(msgspec.json.encode(lost)) + b"\n"
        atomic_file(self._record, lambda aside: aside.write_bytes(encoded))

    def given(self, lost: Container[str]) -> dict[str, str]:
        """Keys of all examples but those of lost clips, by name."""
        return {name: key for clip, keys in self.keys.items() if clip not in lost for name, key in keys.items()}

    @property
    def digest(self) -> str:
        """That of the store of these examples."""
        return digest_of_keys(self.given(self.lost()))


def examples_of(
    asked: Asked, recipe: Recipe, *, encoders: Path, out: Path, workers: int, device: str, budget: Budget
) -> ExampleStore:
    """All examples of a split for a recipe, made where they are missing or stale.

    A clip without depth, truth or the like is named and left out. Raises UserError where none gives any, TimeIsUp.
    """
    wanted = Wanted.of(asked, recipe, encoders=encoders, out=out, device=device)
    folder, known = wanted.work.folder, wanted.lost()
    if known:
        say(f"{folder}: {len(known)} clips give no example, lost.json says why; without it they are tried again")
    missing = _missing(folder, {clip: keys for clip, keys in wanted.keys.items() if clip not in known})
    if missing and processes.PROCESSES > 1:
        raise UserError(
            f"{folder}: examples of {len(missing)} clips are missing: before training on several processes make them with"
            " one, egox-bench train RECIPE --only-examples"
        )
    lost = _make(wanted, missing, workers=workers, budget=budget) if missing else set()
    kept = wanted.given(known.keys() | lost)
    if not kept:
        raise UserError(f"no clip of split {asked.split!r} of {asked.data} gives an example; see the reasons above")
    if processes.IS_MAIN:
        write_index(folder)
    return ExampleStore(folder, kept)


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


def _make(wanted: Wanted, missing: Sequence[str], *, workers: int, budget: Budget) -> set[str]:
    """Make them, and return the clips that gave none."""
    work, total = wanted.work, len(missing)
    title = f"{work.kind.name} of {work.asked.split}"
    for first in range(0, total, AT_ONCE * workers):
        budget.check()
        portion = missing[first : first + AT_ONCE * workers]
        with progress(f"{title}: clips {first + 1} to {first + len(portion)} of {total}") as task:
            wanted.clips.prepare(portion, workers=workers, progress=task)
    lost: set[str] = set()
    with progress(title) as task, contextlib.closing(_spread(wanted, missing, workers=workers)) as results:
        budget.check()
        for done, (clip, error) in enumerate(results, start=1):
            task(done, total, clip)
            if error is not None:
                lost.add(clip)
                say(f"{clip}: no example: {error}")
                if not isinstance(error, Unavailable | WorkerDied):  # these are true of this machine, not of the clip
                    wanted.lose(clip, str(error))
            budget.check()
    return lost


def _spread(wanted: Wanted, missing: Sequence[str], *, workers: int) -> Generator[tuple[str, Exception | None]]:
    """Each clip with what went wrong, or None. What is no clip's fault is raised. Encoders are loaded once a process."""
    if min(workers, len(missing)) > 1:
        yield from in_processes(
            missing,
            _in_worker,
            arguments=lambda clip: (clip, wanted.keys[clip]),
            start=_start,
            start_arguments=(wanted.work,),
            workers=workers,
        )
        return
    maker = ExampleMaker(wanted.work, wanted.clips)
    for clip in missing:
        # the prior's many small operations wait for each other: on a busy machine two threads took 28 times as long
        with one_thread():
            reason = _reason(maker, clip, wanted.keys[clip])
        yield clip, reason


def _reason(maker: ExampleMaker, clip: str, keys: Mapping[str, str]) -> Exception | None:
    try:
        maker.make(clip, keys)
    except ExampleError as error:
        if isinstance(error.__cause__, OSError):
            raise StorageError(str(error)) from error
        return error
    except StorageError:
        raise
    except UserError as error:
        if isinstance(error.__cause__, WeightsError):  # the prior's networks: every clip lacks them
            raise LoadError(str(error)) from error
        return error
    except (Undefined, ValueError) as error:
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
