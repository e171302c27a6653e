"""One piece of a training: steps, validations, checkpoints and curves, until it is done or has to stop."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, set_seed
from torch import Tensor, nn

from ..recipe import Recipe, Training
from .averaging import Average
from .batch import names_of
from .curves import Curves, count, line
from .curves_picture import draw_curves
from .keeping import MODEL, keep
from .noise import validation_levels
from .order import Order, ahead, seed_of
from .sharding import full, gather
from .signals import StopSignals
from .state import Checkpoints, Progress, TrainingError, restore, state_tensors
from .tasks import Task
from .validation import evenly, loss_at

CURVE_EVERY = 10
"""Steps between two lines of the curves."""

READERS = 4
"""At most so many threads make batches for an accelerator: of small examples one makes fewer than the mini model trains on."""

Report = Callable[[int, int, str], None]
"""progress(done, total, what)."""

OnValidate = Callable[[int, nn.Module], Mapping[str, float] | None]
"""on_validate(step, transformer), with the weights that would be kept, in evaluation mode and without gradients. What it measures
and returns, by the name of a curve, is kept with the losses."""


class NonFiniteLossError(TrainingError):
    """A loss or gradient that is not a number; nothing of that step is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """step of steps. model: folder of the trained weights once it is finished. loss: of the last line of the curves.

    validation: mean squared error at each of `noise.validation_levels`, of the last time it was measured. stopped_by: "minutes"
    or "signal" where training is to go on later. samples: examples, each as often as it was seen. seconds: of all pieces.
    """

    step: int
    steps: int
    samples: int
    seconds: float
    model: Path | None = None
    loss: float | None = None
    validation: Mapping[float, float] | None = None
    stopped_by: str | None = None

    @property
    def finished(self) -> bool:
        return self.model is not None


class Piece:
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
        self.levels = validation_levels(training.noise)
        self.state = Progress()
        self.began = time.monotonic()

    @property
    def is_sharded(self) -> bool:
        return self.accelerator.distributed_type == DistributedType.FSDP

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
            # A first validation that was not kept is made again.
            after = -1 if self.state.step == 0 and self.state.validated < 0 else self.state.step
            curves = closing.enter_context(Curves(self.folder, after=after)) if main else None
            batches = self._batches(examples)
            closing.callback(batches.close)
            shown = evenly(len(val_examples), rules.validation_examples)
            # What a stop kept from being measured is measured first; the step's own checkpoint is there.
            stopped = self._validate(val_examples, shown, curves, stop, on_validate)
            if stopped:
                self._save()
                return self._result(stopped_by=stopped)
            at, since = self.state.step, time.monotonic()
            while self.state.step < rules.steps:
                self._step(batches)
                step, last = self.state.step, self.state.step == rules.steps
                if step % CURVE_EVERY == 0 or last:
                    speed = (step - at) * self.samples_a_step / (time.monotonic() - since)
                    self.state.loss = line(curves, step, self.state.window, samples_per_s=speed)
                    self.state.window = {}
                    at, since = step, time.monotonic()
                before = time.monotonic()
                stopped = self._validate(val_examples, shown, curves, stop, on_validate)
                since += time.monotonic() - before
                stopped = stopped or self._agreed(None if last else stop.reason())
                if step % rules.checkpoint_every == 0 or last or stopped:
                    self._save()
                if progress is not None and main:
                    loss = "" if self.state.loss is None else f": loss {self.state.loss:.4f}"
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
        threads = readers(self.accelerator.device)
        return ahead(made, firsts, depth=2 * threads, threads=threads)

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
                losses = self._losses(batch, draws)
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
        raise NonFiniteLossError(
            f"step {self.state.step + 1} of {self.recipe.name}: {what}; {self._where()}."
            " Look at the examples, or lower the learning rate"
        )

    def _where(self) -> str:
        steps = self.checkpoints.steps()
        return f"the checkpoint of step {steps[0]} is intact" if steps else "there is no checkpoint yet"

    def _losses(self, batch: Any, draws: Any) -> Tensor:
        """Under FSDP accelerate casts weights alone, and what meets them is cast here; else it does both."""
        with self.accelerator.autocast() if self.is_sharded else contextlib.nullcontext():
            return self.task.losses(self.model, batch, draws)

    @torch.no_grad()
    def _validate(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        shown: Sequence[int],
        curves: Curves | None,
        stop: StopSignals,
        on_validate: OnValidate | None,
    ) -> str | None:
        """Measure the present step where that is due and not done, level by level. The reason, where it has to stop in between.

        shown: numbers of the examples that are measured on. At least one level is, so that short pieces come to an end too.
        """
        state = self.state
        due = state.step % self.rules.validate_every == 0 or state.step == self.rules.steps
        if not shown or not due or state.validated == state.step:
            return None
        measuring = f"{state.step} {getattr(examples, 'digest', '')} {','.join(map(str, shown))} {self.levels}"
        if state.measuring != measuring:  # of another step, on other examples, or at other levels, than what was interrupted
            state.measuring, state.measured = measuring, []
        self.model.eval()
        with self._kept_weights():
            for level in self.levels[len(state.measured) :]:
                loss = loss_at(
                    level, self.task, self._losses, examples, shown,
                    size=self.rules.batch_size, seed=self.rules.seed, accelerator=self.accelerator,
                )  # fmt: skip
                if not math.isfinite(loss):
                    raise NonFiniteLossError(
                        f"step {state.step} of {self.recipe.name}: validation at level {level} is {loss}; {self._where()}."
                        " Look at the validation examples, or lower the learning rate"
                    )
                state.measured.append(loss)
                more = len(state.measured) < len(self.levels)
                if more and (reason := self._agreed(stop.reason())) is not None:
                    self.model.train()
                    return reason
            state.validation, state.measured, state.validated = dict(zip(self.levels, state.measured)), [], state.step
            measured = None
            if on_validate is not None and self.accelerator.is_main_process and state.step:
                measured = on_validate(state.step, self.transformer)
        self.model.train()
        if curves is not None:
            curves.add(state.step, "val", {**state.validation, None: sum(state.validation.values()) / len(state.validation)})
            for name, value in (measured or {}).items():
                curves.add(state.step, name, {None: value})
            draw_curves(self.folder, title=self.recipe.name, samples_a_step=self.samples_a_step)
        return None

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
        main = self.accelerator.is_main_process
        average = self.average.values if self.average else None
        tensors = state_tensors(self.parameters, self.optimizer, average, copy=main)
        self._seconds()
        if main:
            self.checkpoints.save(tensors, self.state)
        self.accelerator.wait_for_everyone()

    def _keep(self) -> Path:
        with self._kept_weights():
            gather(self.transformer, self.parameters)
            if self.accelerator.is_main_process:
                state, seconds = self.state, round(self._seconds(), 1)
                numbers = {"samples": state.samples, "seconds": seconds, "loss": state.loss, "validation": state.validation}
                keep(self.folder, self.transformer, self.recipe, {"steps": state.step, **numbers})
        self.accelerator.wait_for_everyone()
        return self.folder / MODEL

    def _result(self, *, model: Path | None = None, stopped_by: str | None = None) -> TrainingResult:
        return TrainingResult(
            step=self.state.step,
            steps=self.rules.steps,
            samples=self.state.samples,
            seconds=self._seconds(),
            model=model,
            loss=self.state.loss,
            validation=self.state.validation,
            stopped_by=stopped_by,
        )


def readers(device: torch.device) -> int:
    """Threads that make batches: where the CPU trains, or has few cores, one that reads ahead is all that is left over."""
    return 1 if device.type == "cpu" else max(1, min(READERS, (os.cpu_count() or 1) // 4))


def rate_at(step: int, rules: Training) -> float:
    """Share of the learning rate at a step, from 0 on: linear warm-up, then constant, or down to 2 % over the second half."""
    warm = min(1.0, (step + 1) / max(1, rules.warmup_steps))
    if rules.schedule == "constant":
        return warm
    half = rules.steps / 2
    return warm * (1.0 if step < half else 1 - 0.98 * (step - half) / max(1.0, rules.steps - 1 - half))
