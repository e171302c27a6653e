"""One recipe from clips to weights: its base, its examples, its preconditioner, the training loop, and what is left of it.

    OUT/<recipe>/   start/ (new bases)  preconditioner/  checkpoints/  curves.csv  tensorboard/  sheets/   while it is trained
                    model/  report.json   once it is done

Every part is kept as soon as it is whole, and found again by the next call.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import torch
import transformers

from benchmark.errors import StorageError, UserError
from benchmark.files import reason_of
from benchmark.progress import progress, say
from egox.checkpoints import INDEX, PRECONDITIONER, load_component, load_preconditioner
from egox.pipeline import EgoXPipeline
from egox.recipe import Recipe, Training, load_recipe, recipe_key
from egox.training.batch import BatchError
from egox.training.encoding_clips import ExampleKind
from egox.training.examples import ExampleError, ExampleStore
from egox.training.files import forget_places
from egox.training.loop import TrainingResult, train
from egox.training.preconditioning import fit_preconditioner
from egox.training.report import REPORT, SCHEMA, ClipsReport, Report, library_versions, read_report, write_report
from egox.training.sheets import Sheets
from egox.training.state import TrainingError
from egox.training.tasks import TaskError

from .bases import START, Base, base_of, is_trained, new_base, whole_folder
from .budget import Budget, TimeIsUp
from .clips import Asked, TrainingClips
from .curriculum import place_of
from .encoders import text_of
from .making import examples_of

PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))
IS_MAIN = os.environ.get("RANK", "0") == "0"
SHARDED = os.environ.get("ACCELERATE_USE_FSDP") == "true"
"""As `accelerate launch` and `torchrun` say it. A sheet needs the whole transformer on one GPU, and FSDP spreads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What holds for all recipes of a call. steps: instead of the recipe's. sheets: examples on a contact sheet.

    planned: where the call's recipes are trained (`place_of`), all of them.
    """

    train: Asked
    val: Asked
    out: Path
    workers: int
    device: str
    budget: Budget
    steps: int | None
    sheets: int
    planned: tuple[str, ...]
    arguments: tuple[str, ...]


class Stage:
    """One recipe's training in one folder."""

    def __init__(self, recipe: Recipe, setup: Setup) -> None:
        assert recipe.training is not None
        transformers.logging.disable_progress_bar()  # one bar a file of weights, among ours
        self.setup = setup
        self.shortened = setup.steps is not None and setup.steps < recipe.training.steps
        if setup.steps is not None:
            recipe = msgspec.structs.replace(recipe, training=msgspec.structs.replace(recipe.training, steps=setup.steps))
        self.recipe = recipe
        self.folder = setup.out / place_of(recipe.name)

    @property
    def training(self) -> Training:
        assert self.recipe.training is not None
        return self.recipe.training

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def finished(self) -> Report | None:
        """The report of a training that is done. Raises UserError where it was another one: its weights are not thrown away."""
        report = read_report(self.folder / REPORT)
        if report is None or not self.model.is_dir():
            return None
        asked, found = self.setup.train, report.train
        if report.recipe_key != _key(self.recipe) or (found.split, found.limit) != (asked.split, asked.limit):
            raise UserError(
                f"{self.folder} holds weights of another training ({report.steps} steps on {found.clips} clips): choose"
                " another --out, or remove it"
            )
        return report

    def prepare(self) -> None:
        """All that is made of clips: codec, examples, preconditioner. What the recipe starts from need not be trained yet."""
        _ = self.examples, self.val_examples, self._preconditioner

    def run(self) -> Report:
        """Train to the end. Raises TimeIsUp or KeyboardInterrupt where a checkpoint was written instead."""
        self.prepare()
        base = self._base
        say(
            f"{self.recipe.name}: {self.training.steps} steps of {self.training.batch_size * self.training.accumulate} on"
            f" {len(self.examples)} examples, from {base.words}"
        )
        try:
            result = self._trained(base)
        except (ExampleError, TrainingError, TaskError, BatchError) as error:
            raise UserError(str(error)) from error
        if result.stopped_by == "minutes":
            raise TimeIsUp
        if result.stopped_by is not None:
            raise KeyboardInterrupt
        return self._left(base, result)

    # -- what it is made of ----------------------------------------------------------------------------------------------

    @cached_property
    def _base(self) -> Base:
        return self._found(self.recipe)

    @cached_property
    def _encoders(self) -> Path:
        """The checkpoint whose encoders make the examples: of what this starts from, or of what that starts from, and so on.

        They are the same all along the way, so that examples can be made before anything is trained.
        """
        recipe = self.recipe
        while recipe.training is not None and (before := recipe.training.starts_from) is not None:
            if place_of(before) not in self.setup.planned or is_trained(self.setup.out, before):
                break
            recipe = load_recipe(before)
        return self._found(recipe).folder

    def _found(self, recipe: Recipe) -> Base:
        setup = self.setup
        found = base_of(recipe, setup.out)
        if found is not None:
            return found
        self._alone(setup.out / place_of(recipe.name) / START / INDEX)
        return new_base(recipe, setup.out, setup.train, workers=setup.workers, budget=setup.budget)

    @cached_property
    def examples(self) -> ExampleStore:
        return self._store(self.setup.train)

    @cached_property
    def val_examples(self) -> ExampleStore:
        return self._store(self.setup.val)

    def _store(self, asked: Asked) -> ExampleStore:
        setup = self.setup
        try:
            return examples_of(
                asked, self.recipe, encoders=self._encoders, out=setup.out, workers=setup.workers, device=setup.device,
                budget=setup.budget,
            )  # fmt: skip
        except ExampleError as error:
            raise UserError(str(error)) from error

    @cached_property
    def _preconditioner(self) -> Any:
        if self.recipe.model.preconditioner == "none":
            return None
        digest = self.folder / PRECONDITIONER / "examples.txt"
        wanted = f"{self.examples.digest} {_key(self.recipe)}\n"
        if not digest.is_file() or digest.read_text() != wanted:
            self._alone(digest)
            say(f"{self.recipe.name}: fitting the preconditioner on {len(self.examples)} examples")
            fitted = fit_preconditioner(self.recipe, self.examples)

            def fill(aside: Path) -> None:
                fitted.save_pretrained(aside)
                (aside / digest.name).write_text(wanted)

            whole_folder(self.folder / PRECONDITIONER, fill)
        # as it is kept, in half precision: whoever goes on later trains with the very same one
        return load_preconditioner(self.folder)

    def _alone(self, made: Path) -> None:
        """What is made once is made by one process: several would make it at once, and wait for each other too long."""
        if PROCESSES > 1 and not made.is_file():
            raise UserError(
                f"{made} is not there: before training on {PROCESSES} processes make everything else with one,"
                f" egox-bench train RECIPE --only-examples"
            )

    # -- training ----------------------------------------------------------------------------------------------------------

    def _trained(self, base: Base) -> TrainingResult:
        recipe, precision = self.recipe, torch.bfloat16 if self.recipe.model.precision == "bf16" else torch.float32
        codec = load_component(base.folder, "vae", dtype=torch.float32)
        spread = getattr(codec, "channel_spread", None)
        with progress(recipe.name) as task:
            first: list[int] = []

            def done(step: int, steps: int, what: str) -> None:
                # the bar begins where this piece does: what earlier pieces did tells nothing about the time that is left
                first.append(step - 1) if not first else None
                task(step - first[0], steps - first[0], f"step {step} of {steps}, {what}")

            return train(
                recipe,
                load_component(base.folder, "transformer", dtype=precision),
                self.examples,
                self.val_examples,
                self.folder,
                adapter=base.adapter,
                preconditioner=self._preconditioner,
                channel_spread=torch.tensor(codec.config.latents_std) if spread is None else spread,
                empty_prompt=text_of(recipe, base.folder, device="cpu")("") if self.training.text_dropout else None,
                minutes=self.setup.budget.minutes_left,
                progress=done,
                on_validate=self._sheets(base, codec) if self.setup.sheets and not SHARDED else None,
            )

    def _sheets(self, base: Base, codec: Any) -> Callable[[int, Any], None]:
        shown = min(self.setup.sheets, len(self.val_examples))
        numbers = [k * len(self.val_examples) // shown for k in range(shown)]
        scheduler = load_component(base.folder, "scheduler")
        pictures = {name: load_component(base.folder, name) for name in ("image_processor", "image_encoder")}
        codec = codec.to(self.setup.device)

        def pipeline(transformer: Any) -> EgoXPipeline:
            made = EgoXPipeline(
                vae=codec, transformer=transformer, scheduler=scheduler, recipe=self.recipe, preconditioner=self._preconditioner,
                **pictures,
            )  # fmt: skip
            made.set_progress_bar_config(disable=True)
            return made

        sheets = Sheets(
            folder=self.folder / "sheets",
            recipe=self.recipe,
            examples=[self.val_examples[number] for number in numbers],
            names=[self.val_examples.names[number] for number in numbers],
            codec=codec,
            pipeline=pipeline,
            preconditioner=self._preconditioner,
        )

        def draw(step: int, transformer: Any) -> None:
            try:
                sheets.draw(step, transformer)
            except OSError as error:
                raise StorageError(f"{sheets.folder}: cannot be written ({reason_of(error)}); free the disk") from error
            except ValueError as error:  # a picture that cannot be made ends no training
                say(f"{self.recipe.name}, step {step}: no contact sheet: {error}")

        return draw

    # -- what is left --------------------------------------------------------------------------------------------------------

    def _left(self, base: Base, result: TrainingResult) -> Report:
        """Complete the model's folder, and write the report last: with it the training is done."""
        report = self._report(base, result)
        if not IS_MAIN:
            return report
        try:
            if self._preconditioner is not None:
                shutil.copytree(self.folder / PRECONDITIONER, self.model / PRECONDITIONER, dirs_exist_ok=True)
            if self.recipe.model.lora is None:
                for path in sorted(base.folder.iterdir()):
                    if path.is_dir() and path.name not in ("transformer", PRECONDITIONER, "lora"):
                        shutil.copytree(path, self.model / path.name, dirs_exist_ok=True)
                shutil.copyfile(base.folder / INDEX, self.model / INDEX)
            forget_places(self.model)
            write_report(self.model / REPORT, report)
            write_report(self.folder / REPORT, report)
            if base.folder == self.folder / START:
                shutil.rmtree(base.folder)
        except OSError as error:
            raise StorageError(f"{self.model}: cannot be written ({reason_of(error)}); free the disk, then go on") from error
        return report

    def _report(self, base: Base, result: TrainingResult) -> Report:
        batch = self.training.batch_size * self.training.accumulate * PROCESSES
        return Report(
            schema=SCHEMA,
            recipe=place_of(self.recipe.name),
            recipe_key=_key(self.recipe),
            summary=self.recipe.summary,
            shortened=self.shortened,
            train=self._clips(self.setup.train, self.examples),
            val=self._clips(self.setup.val, self.val_examples),
            started_from=base.words,
            steps=result.step,
            batch=batch,
            samples=result.step * batch,
            seconds=round(result.seconds, 1),
            device=_device_words(self.setup.device),
            loss=result.loss,
            validation={f"{level:g}": loss for level, loss in (result.validation or {}).items()},
            command=_command_words(self.setup.arguments),
            libraries=library_versions(),
        )

    def _clips(self, asked: Asked, store: ExampleStore) -> ClipsReport:
        clips = TrainingClips.open(asked)
        return ClipsReport(
            data=clips.dataset.name,
            split=asked.split,
            limit=asked.limit,
            clips=len(clips.names),
            canvas=clips.canvas.name,
            kind=ExampleKind.of(self.training).name,
            examples=len(store),
            digest=store.digest,
        )


def _key(recipe: Recipe) -> str:
    return hashlib.sha256(recipe_key(recipe)).hexdigest()[:16]


def _command_words(arguments: Sequence[str]) -> str:
    """The call as one would type it. Where things lie on this machine is nobody's business: of paths the last name stays."""
    return shlex.join(["egox-bench", *(Path(word).name if Path(word).is_absolute() else word for word in arguments)])


def _device_words(device: str) -> str:
    """ "NVIDIA H200", or "CPU, 2 thread(s)"; how many of them, where there are several."""
    words = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)"
    return words if PROCESSES == 1 else f"{PROCESSES} x {words}"
