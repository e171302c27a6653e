"""Makes the examples of a recipe from clips, in as many processes as are asked for; what is there and fresh is left alone.

Nearly all that an example costs is the prior of its clip. Where single frames are asked for now and whole clips later, or the
other way round, both are made of one prior.

OUT/examples/<kind>-<rules>/<split>/            see `egox.training.examples`; <rules> tells apart recipes that encode differently
OUT/examples/<kind>-<rules>/<split>/lost.json   clips that give no example, with the reason: they are not tried again
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch
import transformers

from benchmark.errors import LoadError, StorageError, Undefined, UserError
from benchmark.files import atomic_file
from benchmark.progress import progress
from benchmark.store import content_key
from benchmark.video import Frames
from benchmark.worker_pool import in_processes
from egox.clip import EgoXClip
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
from .clips import Asked, TrainingClips, Views
from .encoders import encoder_digest, encoder_of, takes_pictures
from .processes import say

AT_ONCE = 8
"""Clips a worker that are rendered before examples are made of them: time may be up in between."""

USUAL = {"precision": "fp32", "text_tokens": 128}
"""Of the mini size, and no part of a folder's name: what was made with these values stays where it is."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Plain values from which any process makes examples: clips, recipe, folder of the encoders."""

    asked: Asked
    recipe: Recipe
    encoders: Path
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is to be made of one clip: its examples of one kind. keys: of all of them, by name."""

    kind: ExampleKind
    folder: Path
    keys: Mapping[str, str]


class ExampleMaker:
    """Makes the examples of one clip after the other; encoders are loaded with the first."""

    def __init__(self, work: Work, clips: TrainingClips | None = None) -> None:
        self._work = work
        self._clips = clips or TrainingClips.open(work.asked)
        self._prior = Maker(work.asked.prior)

    @cached_property
    def _encoder(self) -> ClipEncoder:
        return encoder_of(self._work.recipe, self._work.encoders, device=self._work.device)

    def read(self, clip: str, *, one_view: bool) -> Views | tuple[EgoXClip, Frames]:
        """What examples are made of: each view alone, or both with the prior, and the truth. Raises Undefined or ValueError."""
        return self._clips.views(clip) if one_view else self._clips.with_prior(clip, self._prior)

    def write(self, clip: str, read: Views | tuple[EgoXClip, Frames], part: Part) -> None:
        """Write the examples of one kind. Raises ValueError where the clip gives none."""
        seed = int(content_key({"clip": clip}), 16) >> 2
        if isinstance(read, Views):
            made = self._encoder.views(part.kind, read.exo, read.ego, read.prompt, seed=seed)
        else:
            given, truth = read
            made = self._encoder.examples(part.kind, given, truth, seed=seed)
        for name, tensors in zip(part.kind.examples_of(clip, self._clips.canvas.frames), made, strict=True):
            write_example(part.folder, name, key=part.keys[name], tensors=tensors)


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A clip that gives no example. key: of all examples that it would give; with another one it is tried again."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Wanted:
    """The examples of a split for a recipe, before they are made. keys: of the examples of each clip, by name."""

    clips: TrainingClips
    work: Work
    kind: ExampleKind
    folder: Path
    keys: dict[str, dict[str, str]]

    @classmethod
    def of(cls, asked: Asked, recipe: Recipe, *, encoders: Path, out: Path, device: str) -> Wanted:
        clips = TrainingClips.open(asked)
        kind, encoding = _kind(recipe), _encoding(recipe)
        shared = {
            "version": VERSION,
            "encoders": encoder_digest(encoders, pictures=takes_pictures(encoders)),
            **encoding,
        }
        odd = {name: encoding[name] for name, usual in USUAL.items() if encoding[name] != usual}
        named = content_key({"rules": encoding["rules"], "checkpoint": recipe.model.checkpoint, **odd})[:6]
        return cls(
            clips=clips,
            work=Work(asked=asked, recipe=recipe, encoders=encoders, device=device),
            kind=kind,
            folder=out / "examples" / f"{kind.name}-{named}" / _plain(asked.split),
            keys={name: _keys(clips, name, kind, shared) for name in clips.names},
        )

    @property
    def _record(self) -> Path:
        return self.folder / "lost.json"

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

    def part(self, clip: str) -> Part:
        return Part(kind=self.kind, folder=self.folder, keys=self.keys[clip])

    def given(self, lost: Container[str]) -> dict[str, str]:
        """Keys of all examples but those of lost clips, by name."""
        return {name: key for clip, keys in self.keys.items() if clip not in lost for name, key in keys.items()}

    @property
    def digest(self) -> str:
        """That of the store of these examples."""
        return digest_of_keys(self.given(self.lost()))


def examples_of(
    asked: Asked,
    recipe: Recipe,
    *,
    encoders: Path,
    out: Path,
    workers: int,
    device: str,
    budget: Budget,
    later: Sequence[Recipe] = (),
) -> ExampleStore:
    """All examples of a split for a recipe, made where they are missing or stale.

    later: recipes of which examples will be asked for with the same encoders; what they lack is made in one go where a clip's
    prior serves for both. A clip without depth, truth or the like is named and left out. Raises UserError where none gives any,
    TimeIsUp.
    """
    wanted = Wanted.of(asked, recipe, encoders=encoders, out=out, device=device)
    folder, known = wanted.folder, wanted.lost()
    if known:
        say(f"{folder}: {len(known)} clips give no example, lost.json says why; without it they are tried again")
    missing = _missing(wanted, [clip for clip in wanted.keys if clip not in known])
    if missing and processes.PROCESSES > 1:
        raise UserError(
            f"{folder}: examples of {len(missing)} clips are missing: before training on several processes make them with"
            " one, egox-bench train RECIPE --only-examples"
        )
    lost: set[str] = set()
    if missing:
        beside = {
            one.folder: one
            for other in later
            if shares_prior(recipe, other)
            and (one := Wanted.of(asked, other, encoders=encoders, out=out, device=device)).folder != folder
        }
        lost = _make(wanted, missing, list(beside.values()), workers=workers, budget=budget)
    kept = wanted.given(known.keys() | lost)
    if not kept:
        raise UserError(f"no clip of split {asked.split!r} of {asked.data} gives an example; see the reasons above")
    if processes.IS_MAIN:
        write_index(folder)
    return ExampleStore(folder, kept)


def _kind(recipe: Recipe) -> ExampleKind:
    assert recipe.training is not None
    return ExampleKind.of(recipe.training)


def _encoding(recipe: Recipe) -> dict[str, Any]:
    """What decides a recipe's examples, beside clips, encoders and kind."""
    model = recipe.model
    rules = _kind(recipe).relevant(recipe.training_conditioning)
    return {"text_tokens": model.text_tokens, "precision": model.precision, "rules": rules}


def shares_prior(recipe: Recipe, other: Recipe) -> bool:
    """Whether examples of both can be made of one prior by one encoder. Examples of one view have no prior to share."""
    return not (_kind(recipe).one_view or _kind(other).one_view) and _encoding(recipe) == _encoding(other)


def _keys(clips: TrainingClips, clip: str, kind: ExampleKind, shared: Mapping[str, object]) -> dict[str, str]:
    identity = clips.identity(clip, prior=not kind.one_view)
    return {name: content_key({**shared, **identity, "name": name}) for name in kind.examples_of(clip, clips.canvas.frames)}


def _missing(wanted: Wanted, clips: Sequence[str]) -> list[str]:
    """Of these clips those of which an example is missing, stale or damaged; how many there are of the latter two is told."""
    folder, missing, stale, damaged = wanted.folder, [], 0, 0
    for clip in clips:
        found = stale_or_missing(folder, wanted.keys[clip])
        if found:
            missing.append(clip)
        stale += sum(other is not None for other in found.values())
        damaged += sum(is_damaged(folder, name) for name, other in found.items() if other is None)
    if stale:
        say(f"{folder}: {stale} examples are of other clips, encoders or code; they are made anew")
    if damaged:
        say(f"{folder}: {damaged} examples are damaged; they are made anew")
    return missing


def _make(wanted: Wanted, missing: Sequence[str], beside: Sequence[Wanted], *, workers: int, budget: Budget) -> set[str]:
    """Make what is missing, and of the same clips what others beside lack. Returns the clips that gave none of those wanted."""
    lacking = {clip: [wanted] for clip in missing}
    for other in beside:
        known = other.lost()
        for clip in _missing(other, [clip for clip in missing if clip not in known]):
            lacking[clip].append(other)
    total = len(missing)
    names = dict.fromkeys(one.kind.name for several in lacking.values() for one in several)
    title = f"{' and '.join(names)} of {wanted.work.asked.split}"
    for first in range(0, total, AT_ONCE * workers):
        budget.check()
        portion = missing[first : first + AT_ONCE * workers]
        with progress(f"{title}: clips {first + 1} to {first + len(portion)} of {total}") as task:
            wanted.clips.prepare(portion, workers=workers, progress=task)
    parts = {clip: [one.part(clip) for one in several] for clip, several in lacking.items()}
    lost: set[str] = set()
    with progress(title) as task, contextlib.closing(_spread(wanted, parts, workers=workers)) as results:
        budget.check()
        for done, (clip, errors) in enumerate(results, start=1):
            task(done, total, clip)
            for error in dict.fromkeys(error for error in errors if error is not None):
                failed = [one.kind.name for one, own in zip(lacking[clip], errors, strict=True) if own is error]
                kinds = "" if len(failed) == len(errors) else f" of kind {' and '.join(failed)}"
                say(f"{clip}: no example{kinds}: {error}")
            for one, error in zip(lacking[clip], errors, strict=True):
                if error is not None:
                    one.lose(clip, str(error))
            if errors[0] is not None:
                lost.add(clip)
            budget.check()
    return lost


def _spread(
    wanted: Wanted, parts: Mapping[str, Sequence[Part]], *, workers: int
) -> Generator[tuple[str, Sequence[Exception | None]]]:
    """Each clip with what went wrong with each of its parts, or None. What is no clip's fault is raised. Encoders are loaded
    once a process."""
    if min(workers, len(parts)) > 1:
        for clip, errors in in_processes(
            list(parts),
            _in_worker,
            arguments=lambda clip: (clip, parts[clip]),
            start=_start,
            start_arguments=(wanted.work,),
            workers=workers,
        ):
            yield clip, [errors] * len(parts[clip]) if isinstance(errors, Exception) else errors
        return
    maker = ExampleMaker(wanted.work, wanted.clips)
    for clip in parts:
        # the prior's many small operations wait for each other: on a busy machine two threads took 28 times as long
        with one_thread():
            errors = _errors(maker, clip, parts[clip])
        yield clip, errors


def _errors(maker: ExampleMaker, clip: str, parts: Sequence[Part]) -> list[Exception | None]:
    """Make the parts of a clip, all of one view or all of both. What cannot be read is wrong with each of them."""
    read = _tried(partial(maker.read, clip, one_view=parts[0].kind.one_view))
    if isinstance(read, Exception):
        return [read] * len(parts)
    return [_tried(partial(maker.write, clip, read, part)) for part in parts]


def _tried(act: Callable[[], T]) -> T | Exception:
    """What it gives, or the clip's fault that it ends with."""
    try:
        return act()
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


_maker: ExampleMaker | None = None


def _start(work: Work) -> None:
    global _maker
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    _maker = ExampleMaker(work)


def _in_worker(clip: str, parts: Sequence[Part]) -> list[Exception | None]:
    assert _maker is not None
    return _errors(_maker, clip, parts)


def _plain(split: str) -> str:
    """A split's name as the name of a folder; of a manifest file its stem."""
    return Path(split).stem if split.endswith(".jsonl") else split.replace(":", "-")
