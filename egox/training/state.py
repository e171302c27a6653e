"""Checkpoints of a training: whole or not there, and the only thing that a resumed training starts from.

    <folder>/recipe.json                     what is trained on what; another recipe or other examples are refused by it
    <folder>/checkpoints/step-00000250/      tensors.safetensors (weights, optimizer, average), progress.json

A checkpoint is written aside, flushed and renamed, so a kill at any moment leaves the one before it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..recipe import Recipe, recipe_key
from .files import replace_file
from .sharding import full, spread_like, whole

logger = logging.getLogger(__name__)

TENSORS = "tensors.safetensors"
PROGRESS = "progress.json"


class TrainingError(ValueError):
    """Training that cannot go on; the message says where it stands and what to do. Nothing written before is lost."""


class Progress(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a training stands. samples: seen so far, which is the place in the order of examples.

    window: what was counted since the last line of the curves (`egox.training.curves`). loss: of that line.
    validation: the loss at each fixed level, as of step `validated`. measured: what an interrupted validation has so far, level
    by level; measuring: of which step, on which examples.
    """

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    window: dict[str, list[float]] = msgspec.field(default_factory=dict)
    loss: float | None = None
    validation: dict[float, float] | None = None
    validated: int = -1
    measured: list[float] = msgspec.field(default_factory=list)
    measuring: str = ""


class Checkpoints:
    """The checkpoints of one folder; the newest `keep` stay."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._folder = folder / "checkpoints"
        self._keep = keep
        self._damaged: set[int] = set()

    def steps(self) -> list[int]:
        """Of all that are there, newest first."""
        return sorted((int(path.name.removeprefix("step-")) for path in self._folder.glob("step-*")), reverse=True)

    def save(self, tensors: Mapping[str, Tensor], progress: Progress) -> None:
        """Raises TrainingError where the disk is full or cannot be written."""
        final = self._folder / f"step-{progress.step:08d}"
        aside = self._folder / f".{final.name}.part"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            save_file({name: value.contiguous() for name, value in tensors.items()}, aside / TENSORS)
            (aside / PROGRESS).write_bytes(msgspec.json.encode(progress))
            for path in (aside / TENSORS, aside / PROGRESS, aside):
                flush(path)
            if final.exists():
                shutil.rmtree(final)
            aside.rename(final)
            flush(self._folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise TrainingError(f"{final}: the checkpoint cannot be written ({error}); free the disk and train again") from error
        # A damaged one of a later step counts for nothing: it would crowd out those that are whole.
        self._damaged.discard(progress.step)
        whole_ones = [step for step in self.steps() if step not in self._damaged]
        for step in {*whole_ones[self._keep :], *self._damaged}:
            shutil.rmtree(self._folder / f"step-{step:08d}", ignore_errors=True)
        self._damaged.clear()

    def newest(self) -> tuple[dict[str, Tensor], Progress] | None:
        """The newest one that can be read; None where there is none. A damaged one is named in the log and passed over."""
        for step in self.steps():
            path = self._folder / f"step-{step:08d}"
            try:
                progress = msgspec.json.decode((path / PROGRESS).read_bytes(), type=Progress)
                with safe_open(path / TENSORS, framework="pt") as file:
                    return {name: file.get_tensor(name) for name in file.keys()}, progress  # noqa: SIM118
            except (OSError, SafetensorError, msgspec.DecodeError) as error:
                self._damaged.add(step)
                logger.warning("%s is damaged (%s); training goes on from the checkpoint before it", path, error)
        return None


def flush(path: Path) -> None:
    """Ask the system to bring a file or the entries of a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def state_tensors(
    parameters: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor] | None,
    *,
    copy: bool,
) -> dict[str, Tensor]:
    """Weights, the optimizer's state and the average under flat names, whole and on the CPU; all processes must call it.

    copy: whether this process takes them; one that does not only gives its shards, and gets nothing.
    """
    named = {f"weights/{name}": value for name, value in parameters.items()}
    for name, parameter in parameters.items():
        state = optimizer.state.get(parameter, {})
        named |= {f"optimizer/{key}/{name}": value for key, value in state.items()}
    named |= {f"average/{name}": value for name, value in (average or {}).items()}
    if not copy:
        for value in named.values():
            full(value)
        return {}
    return {name: whole(value) for name, value in named.items()}


@torch.no_grad()
def restore(
    tensors: Mapping[str, Tensor],
    parameters: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor] | None,
) -> None:
    """The inverse of `state_tensors`. Raises TrainingError where the checkpoint holds other weights than the model trains."""
    expected = {f"weights/{name}" for name in parameters} | {f"average/{name}" for name in average or {}}
    found = {name for name in tensors if not name.startswith("optimizer/")}
    if expected != found:
        odd = sorted(expected ^ found)
        raise TrainingError(f"checkpoint and model differ in {len(odd)} weights, such as {odd[0]}: train in another folder")
    state: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "weights":
            _copy(parameters[rest].data, value, name)
        elif kind == "average" and average is not None:
            _copy(average[rest], value, name)
        else:
            key, _, parameter = rest.partition("/")
            state.setdefault(parameter, {})[key] = value
    for name, values in state.items():
        parameter = parameters[name]
        optimizer.state[parameter] = {key: spread_like(value, parameter) for key, value in values.items()}


def _copy(target: Tensor, value: Tensor, name: str) -> None:
    if target.shape != value.shape:
        raise TrainingError(f"{name} is {tuple(value.shape)} in the checkpoint, {tuple(target.shape)} in the model")
    target.copy_(spread_like(value, target))


def fingerprint(parameters: Mapping[str, Tensor]) -> str:
    """Identity of weights that are not trained: names, shapes and up to 64 values spread over each, 16 hex digits."""
    digest = hashlib.sha256()
    for name, value in sorted(parameters.items()):
        flat = value.detach().reshape(-1)
        some = flat[:: max(1, flat.numel() // 64)][:64].to("cpu", torch.float32)
        digest.update(f"{name} {tuple(value.shape)} ".encode() + some.numpy().tobytes())
    return digest.hexdigest()[:16]


def digest_of(examples: Sequence[Mapping[str, Tensor]]) -> str:
    """Identity of examples and their order, 16 hex digits: a store knows its own, others are read through."""
    known = getattr(examples, "digest", None)
    if isinstance(known, str):
        return known
    digest = hashlib.sha256()
    for index in range(len(examples)):
        for field, value in sorted(examples[index].items()):
            digest.update(f"{field} {tuple(value.shape)} ".encode() + value.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def claim(folder: Path, recipe: Recipe, **others: str | None) -> None:
    """Make a folder that of one training, or find that it is. Raises TrainingError naming what differs.

    others: all else that decides the weights, by name: digests of the data, of the weights that an adapter stands on and so on.
    """
    path = folder / "recipe.json"
    mine = {**others, "recipe": json.loads(recipe_key(recipe))}
    if not path.exists():
        try:
            replace_file(path, (json.dumps(mine, indent=1, sort_keys=True) + "\n").encode())
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error}); free the disk or choose another folder") from error
        return
    try:
        theirs = json.loads(path.read_text())
    except ValueError as error:
        raise TrainingError(f"{path}: cannot be read ({error}); train in another folder") from None
    changed = _differences(theirs, mine)
    if changed:
        raise TrainingError(
            f"{folder} holds another training: {'; '.join(changed)}. Train in another folder, or delete this one to start anew"
        )


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted(before.keys() | now.keys())
        return [line for key in keys for line in _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))]
    return [] if before == now else [f"{name} was {json.dumps(before)}, is {json.dumps(now)}"]
