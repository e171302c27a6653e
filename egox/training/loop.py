"""The training loop: from a recipe, a transformer and examples to trained weights, in as many pieces as it takes.

Exact by construction: data order, noise and global random numbers are functions of seed and step, so a checkpoint holds weights,
optimizer and average alone, and a training that was killed ends with the same bits as one that was not (on the same device).
Processes share a step: two with a batch of 1 see what one with a batch of 2 sees.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch import Tensor, nn

from ..canvas import Grid
from ..recipe import Recipe
from .batch import canvas_of
from .keeping import MODEL, kept
from .piece import OnValidate, Piece, Report, TrainingResult
from .sharding import fsdp_plugin
from .signals import StopSignals
from .state import TrainingError, claim, digest_of, fingerprint
from .tasks import Task, task_of


class Preconditioner(Protocol):
    """What the mini size puts around its transformer (`egox.mini`): a module of constants, none of them trained."""

    def to(self, device: torch.device) -> Any: ...

    def attach(self, transformer: nn.Module, latents: Grid) -> Any: ...

    def detach(self) -> Any: ...

    def state_dict(self) -> Mapping[str, Tensor]: ...


def train(
    recipe: Recipe,
    transformer: nn.Module,
    examples: Sequence[Mapping[str, Tensor]],
    val_examples: Sequence[Mapping[str, Tensor]],
    folder: Path,
    *,
    adapter: Path | None = None,
    task: Task | None = None,
    preconditioner: Preconditioner | None = None,
    mirror_signs: Tensor | None = None,
    empty_prompt: Tensor | None = None,
    minutes: float | None = None,
    mixed_precision: str | None = None,
    progress: Report | None = None,
    on_validate: OnValidate | None = None,
) -> TrainingResult:
    """Train to the end of a recipe, or as far as `minutes` reach; the next call with the same folder goes on from there.

    transformer: as training starts; changed in place. With a LoRA in the recipe its own weights stay as they are.
    adapter: folder of a trained adapter of the same shape that the recipe's begins as; None begins with one that changes nothing.
    examples: `examples[i]` is a dict of tensors (`egox.training.batch`); `names` and `digest` of a store are used. Several
    threads read them at once where an accelerator trains.
    task, mirror_signs, empty_prompt: see `egox.training.tasks`; without a task, that of the recipe.
    mixed_precision: "no" or "bf16"; None takes the recipe's for bf16 weights, else what `accelerate` is configured to.
    Started by `accelerate launch` or `torchrun` the processes share the work; each calls this with the same arguments.
    Writes <folder>/{recipe.json, checkpoints/, curves.csv, tensorboard/} and, at the end, model/.
    Ctrl-C and SIGTERM end it with a checkpoint, as `minutes` do. Seeds global random numbers at each step.
    Raises TrainingError where the folder belongs to another training or the disk is full, NonFiniteLossError for a loss that is
    not finite, TaskError and BatchError for examples that do not fit.
    """
    started = time.monotonic()
    training = recipe.training
    if training is None:
        raise TrainingError(f"recipe {recipe.name} has no [training]: it is for sampling alone")
    if not len(examples):
        raise TrainingError(f"recipe {recipe.name} has no examples to train on: make them first")
    accelerator = _accelerator(recipe, mixed_precision)
    if on_validate is not None and accelerator.distributed_type == DistributedType.FSDP:
        raise TrainingError("on_validate needs the whole transformer on one GPU, FSDP spreads it: train without contact sheets")
    task = task or task_of(recipe, transformer, examples[0], mirror_signs=mirror_signs, empty_prompt=empty_prompt)
    # What is trained whole is in the checkpoints; what an adapter stands on is not, and must be the same again.
    base = {} if recipe.model.lora is None else dict(transformer.named_parameters())
    claims = {
        "examples": digest_of(examples),
        "base": fingerprint({**base, **_tensors_of(adapter)}),
        "precision": accelerator.mixed_precision,
        "mirror_signs": None if mirror_signs is None else fingerprint({"": mirror_signs}),
        "empty_prompt": None if empty_prompt is None else fingerprint({"": empty_prompt}),
        "preconditioner": None if preconditioner is None else fingerprint(preconditioner.state_dict()),
    }
    if accelerator.is_main_process:
        claim(folder, recipe, **claims)
    accelerator.wait_for_everyone()
    claim(folder, recipe, **claims)
    if (about := kept(folder)) is not None:
        return _finished(folder, about)
    trainable = _trainable(recipe, transformer, adapter)
    with contextlib.ExitStack() as undo:
        task.attach(transformer)
        undo.callback(task.detach, transformer)
        if preconditioner is not None:
            preconditioner.to(accelerator.device)
            preconditioner.attach(transformer, canvas_of(examples[0]))
            undo.callback(preconditioner.detach)
        stop = undo.enter_context(StopSignals(None if minutes is None else started + 60 * minutes))
        run = Piece(recipe, training, task, transformer, accelerator, folder, trainable)
        undo.callback(run.unwrap)
        run.load()
        return run.to_the_end(examples, val_examples, stop=stop, progress=progress, on_validate=on_validate)


def _accelerator(recipe: Recipe, mixed_precision: str | None) -> Accelerator:
    # accelerate keeps one state a process and refuses another precision in it: each training sets its own.
    AcceleratorState._reset_state()
    chosen = mixed_precision or ("bf16" if recipe.model.precision == "bf16" else None)
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
    plugin = fsdp_plugin(chosen or os.environ.get("ACCELERATE_MIXED_PRECISION")) if sharded else None
    return Accelerator(mixed_precision=chosen, fsdp_plugin=plugin)


def _tensors_of(adapter: Path | None) -> dict[str, Tensor]:
    """Every tensor of an adapter's folder, by file and key."""
    from safetensors.torch import load_file

    files = [] if adapter is None else sorted(adapter.glob("*.safetensors"))
    return {f"{file.name}/{key}": value for file in files for key, value in load_file(file).items()}


def _trainable(recipe: Recipe, transformer: nn.Module, adapter: Path | None) -> tuple[str, ...]:
    """Names of what is trained, float32, all else frozen: a bf16 weight would round most of its steps away."""
    if recipe.model.lora is None:
        transformer.requires_grad_(True).float()
    elif adapter is None:
        from ..adapter import add_lora

        assert recipe.training is not None  # `train` has looked
        add_lora(transformer, recipe.model.lora, seed=recipe.training.seed)
    else:
        from ..adapter import AdapterError, load_adapter

        try:
            load_adapter(transformer, adapter, recipe.model.lora, trainable=True)
        except AdapterError as error:
            raise TrainingError(f"recipe {recipe.name} cannot begin with {adapter}: {error}") from None
    trained = {name: value for name, value in transformer.named_parameters() if value.requires_grad}
    if not trained:
        raise TrainingError(f"recipe {recipe.name} trains no weight: the lora's targets name no module of this transformer")
    return tuple(trained)


def _finished(folder: Path, about: Mapping[str, Any]) -> TrainingResult:
    if "samples" not in about:
        raise TrainingError(f"{folder / MODEL} was trained by an older version of this code: train in another folder")
    validation = about["validation"] and {float(level): value for level, value in about["validation"].items()}
    return TrainingResult(
        step=about["steps"],
        steps=about["steps"],
        samples=about["samples"],
        seconds=about["seconds"],
        model=folder / MODEL,
        loss=about["loss"],
        validation=validation,
    )
