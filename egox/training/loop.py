"""The training loop: from a recipe, a transformer and examples to trained weights, in as many pieces as it takes.

Exact by construction: data order, noise and global random numbers are functions of seed and step, so a checkpoint holds weights,
optimizer and average alone, and a training that was killed ends with the same bits as one that was not (on the same device).
Processes share a step: two with a batch of 1 see what one with a batch of 2 sees.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, set_seed
from torch import Tensor, nn

from ..canvas import Grid
from ..recipe import Recipe, Training
from .averaging import Average
from .batch import canvas_of, names_of
from .curves import Curves, count, line
from .keeping import MODEL, keep, kept
from .order import Order, ahead, seed_of
from .sharding import full, gather
from .signals import StopSignals
from .state import Checkpoints, Progress, TrainingError, claim, digest_of, fingerprint, restore, state_tensors
from .tasks import Task, task_of
from .validation import loss_by_level

CURVE_EVERY = 10
"""Steps between two lines of the curves."""

Report = Callable[[int, int, str], None]
"""progress(done, total, what)."""

OnValidate = Callable[[int, nn.Module], None]
"""on_validate(step, transformer), with the weights that would be kept, in evaluation mode and without gradients."""


class Preconditioner(Protocol):
    """What the mini size puts around its transformer (`egox.mini`): a module of constants, none of them trained."""

    def to(self, device: torch.device) -> Any: ...

    def attach(self, transformer: nn.Module, latents: Grid) -> Any: ...

    def detach(self) -> Any: ...


class NonFiniteLossError(TrainingError):
    """A loss or gradient that is not a number; nothing of that step is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """step of steps. model: folder of the trained weights once it is finished. loss: of the last line of the curves.

    validation: mean squared error at each fixed level, of the last time it was measured. stopped_by: "minutes" or "signal" where
    training is to go on later. seconds: of all pieces.
    """

    step: int
    steps: int
    seconds: float
    model: Path | None = None
    loss: float | None = None
    validation: Mapping[float, float] | None = None
    stopped_by: str | None = None

    @property
    def finished(self) -> bool:
        return self.model is not None


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
    channel_spread: Tensor | None = None,
    empty_prompt: Tensor | None = None,
    minutes: float | None = None,
    mixed_precision: str | None = None,
    progress: Report | None = None,
    on_validate: OnValidate | None = None,
) -> TrainingResult:
    """Train to the end of a recipe, or as far as `minutes` reach; the next call with the same folder goes on from there.

    transformer: as training starts; changed in place. With a LoRA in the recipe its own weights stay as they are.
    adapter: folder of a trained adapter of the same shape that the recipe's begins as; None begins with one that changes nothing.
    examples: `examples[i]` is a dict of tensors (`egox.training.batch`); `names` and `digest` of a store are used.
    task, channel_spread, empty_prompt: see `egox.training.tasks`; without a task, that of the recipe.
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
    task = task or task_of(recipe, transformer, examples[0], channel_spread=channel_spread, empty_prompt=empty_prompt)
    # What is trained whole is in the checkpoints; what an adapter stands on is not, and must be the same again.
    base = {} if recipe.model.lora is None else dict(transformer.named_parameters())
    claims = {"examples": digest_of(examples), "base": fingerprint({**base, **_tensors_of(adapter)})}
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
        run = _Run(recipe, training, task, transformer, accelerator, folder, trainable)
        undo.callback(run.unwrap)
        run.load()
        return run.to_the_end(examples, val_examples, stop=stop, progress=progress, on_validate=on_validate)


class _Run:
    """One piece of a training."""

    def __init__(
        self,
        recipe: Recipe,
        training: Training,
        task: Task,
        transformer: nn.Module,
        accelerator: Accelerator,
        folder: Path,
        trainable: Sequence[str],
    ) -> None:
        self.recipe, self.rules, self.task, self.folder, self.accelerator = recipe, training, task, folder, accelerator
        transformer.train()
        checkpointing = "enable_gradient_checkpointing" if training.gradient_checkpointing else "disable_gradient_checkpointing"
        if hasattr(transformer, checkpointing):
            getattr(transformer, checkpointing)()
        optimizer = torch.optim.AdamW(
            [value for value in transformer.parameters() if value.requires_grad],
            lr=training.learning_rate,
            betas=training.betas,
            eps=training.epsilon,
            weight_decay=training.weight_decay,
            fused=True,
        )
        self.model, self.optimizer = accelerator.prepare(transformer, optimizer)
        self.transformer = accelerator.unwrap_model(self.model)
        named = dict(self.transformer.named_parameters())
        self.parameters = {name: named[name] for name in trainable}
        self.average = Average(self.parameters, decay=training.ema) if training.ema is not None else None
        self.checkpoints = Checkpoints(folder, keep=training.keep_checkpoints)
        self.state = Progress()
        self.loss: float | None = None
        self.validation: dict[float, float] | None = None
        self.began = time.monotonic()

    @property
    def samples_a_step(self) -> int:
        """Of all processes, over all accumulated batches."""
        return self.rules.batch_size * self.rules.accumulate * self.accelerator.num_processes

    def load(self) -> None:
        newest = self.checkpoints.newest()
        if newest is not None:
            tensors, self.state = newest
            restore(tensors, self.parameters, self.optimizer, self.average.values if self.average else None)

    def unwrap(self) -> None:
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        self.optimizer.zero_grad(set_to_none=True)

    def to_the_end(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        val_examples: Sequence[Mapping[str, Tensor]],
        *,
        stop: StopSignals,
        progress: Report | None,
        on_validate: OnValidate | None,
    ) -> TrainingResult:
        rules, main = self.rules, self.accelerator.is_main_process
        with contextlib.ExitStack() as closing:
            curves = closing.enter_context(Curves(self.folder, after=self.state.step)) if main else None
            batches = self._batches(examples)
            closing.callback(batches.close)
            if len(val_examples) and self.state.step == 0:
                self._validate(val_examples, curves, None)
            at, since = self.state.step, time.monotonic()
            while self.state.step < rules.steps:
                self._step(batches)
                step, last = self.state.step, self.state.step == rules.steps
                if step % CURVE_EVERY == 0 or last:
                    speed = (step - at) * self.samples_a_step / (time.monotonic() - since)
                    self.loss = line(curves, step, self.state.window, samples_per_s=speed)
                    self.state.window = {}
                    at, since = step, time.monotonic()
                if len(val_examples) and (step % rules.validate_every == 0 or last):
                    before = time.monotonic()
                    self._validate(val_examples, curves, on_validate)
                    since += time.monotonic() - before
                stopped = self._agreed(None if last else stop.reason())
                if step % rules.checkpoint_every == 0 or last or stopped:
                    self._save()
                if progress is not None and main:
                    loss = "" if self.loss is None else f": loss {self.loss:.4f}"
                    progress(step, rules.steps, f"{self.recipe.name}{loss}")
                if stopped:
                    return self._result(stopped_by=stopped)
        return self._result(model=self._keep())

    def _batches(self, examples: Sequence[Mapping[str, Tensor]]) -> Generator[tuple[Any, Any]]:
        """The batches of this process, from the present step to the last."""
        order = Order(len(examples), seed=self.rules.seed)
        size, index, world = self.rules.batch_size, self.accelerator.process_index, self.accelerator.num_processes
        names = names_of(examples)

        def made(first: int) -> tuple[Any, Any]:
            places = range(first, first + size)
            picked = [order.example_at(place) for place in places]
            generators = [order.generator_at(place) for place in places]
            return self.task.prepare([examples[k] for k in picked], generators, names=[names[k] for k in picked])

        # All at once: what makes batches runs ahead of the state.
        start, turns = self.state.samples + index * size, (self.rules.steps - self.state.step) * self.rules.accumulate
        firsts = range(start, start + turns * world * size, world * size)
        return ahead(made, firsts)

    def _step(self, batches: Iterator[tuple[Any, Any]]) -> None:
        step = self.state.step
        rate = self.rules.learning_rate * rate_at(step, self.rules)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # Only dropout inside the network asks for global random numbers.
        set_seed(seed_of(self.rules.seed, "global", step, self.accelerator.process_index) % 2**32)
        seen: list[tuple[Any, Any, Tensor]] = []
        for part in range(self.rules.accumulate):
            batch, draws = next(batches)
            batch, draws = batch.to(self.accelerator.device), draws.to(self.accelerator.device)
            waits = part < self.rules.accumulate - 1
            with self.accelerator.no_sync(self.model) if waits else contextlib.nullcontext():
                losses = self.task.losses(self.model, batch, draws)
                self.accelerator.backward(losses.mean() / self.rules.accumulate)
            seen.append((batch, draws, losses.detach()))
        norm = self.accelerator.clip_grad_norm_(list(self.parameters.values()), self.rules.clip_norm)
        levels = self.accelerator.gather(torch.cat([draws.levels for _, draws, _ in seen]))
        losses = self.accelerator.gather(torch.cat([losses for _, _, losses in seen]))
        assert isinstance(levels, Tensor)
        assert isinstance(losses, Tensor)
        assert norm is not None
        norm = float(full(norm))
        self._check(losses, levels, norm, seen)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.state.step += 1
        self.state.samples += self.samples_a_step
        if self.average is not None:
            self.average.update(self.state.step, last=self.state.step == self.rules.steps)
        count(self.state.window, losses.cpu(), levels.cpu(), norm=norm, rate=rate)

    def _check(self, losses: Tensor, levels: Tensor, norm: float, seen: Sequence[tuple[Any, Any, Tensor]]) -> None:
        if torch.isfinite(losses).all() and torch.isfinite(torch.tensor(norm)):
            return
        # Names are those of this process; every process stops, and the one that has the example names it.
        bad = [
            f"{name} (loss {float(loss)} at level {float(level):.4f})"
            for batch, draws, mine in seen
            for name, level, loss in zip(batch.names, draws.levels, mine)
            if not torch.isfinite(loss)
        ]
        what = f"loss not finite for {', '.join(bad)}" if bad else f"losses {losses.tolist()}, gradient norm {norm}"
        steps = self.checkpoints.steps()
        where = f"the checkpoint of step {steps[0]} is intact" if steps else "there is no checkpoint yet"
        raise NonFiniteLossError(
            f"step {self.state.step + 1} of {self.recipe.name}: {what}; {where}. Look at the examples, or lower the learning rate"
        )

    @torch.no_grad()
    def _validate(self, examples: Sequence[Mapping[str, Tensor]], curves: Curves | None, on_validate: OnValidate | None) -> None:
        self.model.eval()
        with self._kept_weights():
            self.validation = loss_by_level(
                self.task, self.model, examples, size=self.rules.batch_size, seed=self.rules.seed, accelerator=self.accelerator
            )
            if on_validate is not None and self.accelerator.is_main_process:
                on_validate(self.state.step, self.transformer)
        self.model.train()
        if curves is not None:
            curves.add(self.state.step, "val", {**self.validation, None: sum(self.validation.values()) / len(self.validation)})

    def _kept_weights(self) -> contextlib.AbstractContextManager[None]:
        """The averaged weights in the model, where the recipe has them."""
        return self.average.in_place() if self.average is not None else contextlib.nullcontext()

    def _agreed(self, reason: str | None) -> str | None:
        """Stop together: at the reason of the first process that has one."""
        if self.accelerator.num_processes == 1:
            return reason
        codes = [None, *StopSignals.REASONS]
        mine = torch.tensor([codes.index(reason)], device=self.accelerator.device)
        theirs = self.accelerator.gather(mine)
        assert isinstance(theirs, Tensor)
        return codes[int(theirs.max())]

    def _seconds(self) -> float:
        now = time.monotonic()
        self.state.seconds += now - self.began
        self.began = now
        return self.state.seconds

    def _save(self) -> None:
        tensors = state_tensors(self.parameters, self.optimizer, self.average.values if self.average else None)
        self._seconds()
        if self.accelerator.is_main_process:
            self.checkpoints.save(tensors, self.state)
        self.accelerator.wait_for_everyone()

    def _keep(self) -> Path:
        with self._kept_weights():
            gather(self.transformer, self.parameters)
            if self.accelerator.is_main_process:
                numbers = {"seconds": round(self._seconds(), 1), "loss": self.loss, "validation": self.validation}
                keep(self.folder, self.transformer, self.recipe, {"steps": self.state.step, **numbers})
        self.accelerator.wait_for_everyone()
        return self.folder / MODEL

    def _result(self, *, model: Path | None = None, stopped_by: str | None = None) -> TrainingResult:
        return TrainingResult(
            step=self.state.step,
            steps=self.rules.steps,
            seconds=self._seconds(),
            model=model,
            loss=self.loss,
            validation=self.validation,
            stopped_by=stopped_by,
        )


def rate_at(step: int, rules: Training) -> float:
    """Share of the learning rate at a step, from 0 on: linear warm-up, then constant, or down to 2 % over the second half."""
    warm = min(1.0, (step + 1) / max(1, rules.warmup_steps))
    if rules.schedule == "constant":
        return warm
    half = rules.steps / 2
    return warm * (1.0 if step < half else 1 - 0.98 * (step - half) / max(1.0, rules.steps - 1 - half))


def _accelerator(recipe: Recipe, mixed_precision: str | None) -> Accelerator:
    # accelerate keeps one state a process and refuses another precision in it: each training sets its own.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=mixed_precision or ("bf16" if recipe.model.precision == "bf16" else None))


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
    validation = about["validation"] and {float(level): value for level, value in about["validation"].items()}
    return TrainingResult(
        step=about["steps"],
        steps=about["steps"],
        seconds=about["seconds"],
        model=folder / MODEL,
        loss=about["loss"],
        validation=validation,
    )
