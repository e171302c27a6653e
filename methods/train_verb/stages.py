"""One recipe from clips to weights: its base, its examples, its preconditioner, the training loop, and what is left of it.

    OUT/<recipe>/   start/ (new bases)  preconditioner/  checkpoints/  curves.csv  tensorboard/  sheets/   while it is trained
                    model/  report.json   once it is done

Every part is kept as soon as it is whole, and found again by the next call.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import torch
import transformers
from torch import Tensor

from benchmark.errors import StorageError, UserError
from benchmark.files import reason_of
from benchmark.progress import progress
from egox.checkpoints import INDEX, PRECONDITIONER, load_component, load_preconditioner
from egox.pipeline import EgoXPipeline
from egox.recipe import Recipe, Training, load_recipe, recipe_key, recipe_names
from egox.training.batch import BatchError
from egox.training.encoding_clips import ExampleKind
from egox.training.examples import ExampleError, ExampleStore
from egox.training.files import forget_places
from egox.training.loop import train
from egox.training.piece import OnValidate, TrainingResult
from egox.training.preconditioning import fit_preconditioner, preconditioner_key
from egox.training.report import REPORT, SCHEMA, ClipsReport, Report, ReportError, library_versions, read_report, write_report
from egox.training.sheets import Sheets
from egox.training.state import TrainingError
from egox.training.tasks import TaskError

from . import processes
from .bases import START, Base, base_of, is_trained, new_base, whole_folder
from .budget import Budget, TimeIsUp
from .clips import Asked, TrainingClips
from .curriculum import place_of
from .encoders import text_of
from .making import Wanted, examples_of
from .processes import IS_MAIN, say, wait_for_everyone


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
        """The report of a training that is done. Raises UserError where it was another one, or what it was made of has changed:
        its weights are not thrown away."""
        try:
            report = read_report(self.folder / REPORT)
        except ReportError as error:
            raise UserError(str(error)) from None
        if report is None or not self.model.is_dir():
            return None
        asked, found = self.setup.train, report.train
        if report.recipe_key != _key(self.recipe) or (found.split, found.limit) != (asked.split, asked.limit):
            raise UserError(
                f"{self.folder} holds weights of another training ({report.steps} steps on {found.clips} clips): choose"
                " another --out, or remove it"
            )
        changed = self._changed_since(report)
        if changed is not None:
            raise UserError(
                f"{self.folder} holds weights that were trained {changed}: remove it to train them again, or choose another --out"
            )
        return report

    def _changed_since(self, report: Report) -> str | None:
        """What a finished training was made of that is another now; None where nothing is, or where it is not here any more."""
        try:
            base = base_of(self.recipe, self.setup.out)
        except UserError as error:
            say(f"{self.recipe.name}: what it was trained from is not compared: {error}")
            return None
        if base is not None and base.identity != report.start:
            return f"from other weights of {base.words}"
        for asked, clips in ((self.setup.train, report.train), (self.setup.val, report.val)):
            encoders = self.model if base is None else base.folder
            wanted = Wanted.of(asked, self.recipe, encoders=encoders, out=self.setup.out, device=self.setup.device)
            if wanted.digest != clips.digest:
                return f"with other examples of split {asked.split!r} (of other data, prior, encoders or code)"
        return None

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
        return self._found(self._encoded_for(self.recipe)).folder

    def _encoded_for(self, recipe: Recipe) -> Recipe:
        """The recipe whose base has them."""
        while recipe.training is not None and (before := recipe.training.starts_from) is not None:
            if place_of(before) not in self.setup.planned or is_trained(self.setup.out, before):
                break
            recipe = load_recipe(before)
        return recipe

    @cached_property
    def _later(self) -> list[Recipe]:
        """Recipes that this call trains after this one and that encode with the same base: of those that come with the package,
        which can be loaded by the name of their place."""
        places = self.setup.planned
        after = places[places.index(place_of(self.recipe.name)) + 1 :]
        recipes = [load_recipe(name) for name in after if name in recipe_names() and not is_trained(self.setup.out, name)]
        here = self._encoded_for(self.recipe).name
        return [recipe for recipe in recipes if self._encoded_for(recipe).name == here]

    def _found(self, recipe: Recipe) -> Base:
        setup = self.setup
        found = base_of(recipe, setup.out)
        if found is not None:
            return found
        start = setup.out / place_of(recipe.name) / START / INDEX
        self._alone(start, there=start.is_file())
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
                budget=setup.budget, later=self._later,
            )  # fmt: skip
        except ExampleError as error:
            raise UserError(str(error)) from error

    @cached_property
    def _mirror_signs(self) -> Tensor | None:
        """Of the codec that made the examples; None where the recipe does not mirror."""
        if not self.training.mirror:
            return None
        codec = load_component(self._encoders, "vae", dtype=torch.float32)
        return getattr(codec, "mirror_signs", None)  # Wan's codec has none

    @cached_property
    def _preconditioner(self) -> Any:
        if self.recipe.model.preconditioner == "none":
            return None
        digest = self.folder / PRECONDITIONER / "examples.txt"
        wanted = preconditioner_key(self.recipe, self.examples) + "\n"
        there = digest.is_file() and digest.read_text() == wanted
        self._alone(digest.parent, there=there)
        if not there:
            say(f"{self.recipe.name}: fitting the preconditioner on {len(self.examples)} examples")
            fitted = fit_preconditioner(self.recipe, self.examples, mirror_signs=self._mirror_signs)

            def fill(aside: Path) -> None:
                fitted.save_pretrained(aside)
                (aside / digest.name).write_text(wanted)

            whole_folder(self.folder / PRECONDITIONER, fill)
        # as it is kept: whoever goes on later trains with the very same one
        return load_preconditioner(self.folder)

    def _alone(self, made: Path, *, there: bool) -> None:
        """What is made once is made by one process: several would make it at once, and wait for each other too long."""
        if processes.PROCESSES > 1 and not there:
            raise UserError(
                f"{made} is missing or stale: before training on {processes.PROCESSES} processes make everything else with one,"
                f" egox-bench train RECIPE --only-examples"
            )

    # -- training ----------------------------------------------------------------------------------------------------------

    def _trained(self, base: Base) -> TrainingResult:
        recipe, precision = self.recipe, torch.bfloat16 if self.recipe.model.precision == "bf16" else torch.float32
        codec = load_component(base.folder, "vae", dtype=torch.float32)
        conditioning, empty = recipe.training_conditioning, None
        if self.training.text_dropout:
            empty = text_of(recipe, base.folder, rules=conditioning, device="cpu")("")
        with progress(recipe.name) as task:
            first: list[int] = []

            def done(step: int, steps: int, what: str) -> None:
                # the bar begins where this piece does: what earlier pieces did tells nothing about the time that is left
                if not first:
                    first.append(step - 1)
                task(step - first[0], steps - first[0], f"step {step} of {steps}, {what}")

            return train(
                recipe,
                load_component(base.folder, "transformer", dtype=precision),
                self.examples,
                self.val_examples,
                self.folder,
                adapter=base.adapter,
                preconditioner=self._preconditioner,
                mirror_signs=self._mirror_signs,
                empty_prompt=empty,
                minutes=self.setup.budget.minutes_left,
                progress=done,
                on_validate=self._sheets(base, codec),
            )

    def _sheets(self, base: Base, codec: Any) -> OnValidate | None:
        """What draws them; None where none are drawn. All that a sheet needs of text and pictures is embedded now, and once."""
        if not self.setup.sheets:
            return None
        if processes.PROCESSES > 1:  # one process would draw while the others wait, longer than they can, or lack the whole model
            say(f"{self.recipe.name}: no contact sheets on {processes.PROCESSES} processes; draw them by training on one")
            return None
        shown = min(self.setup.sheets, len(self.val_examples))
        numbers = [k * len(self.val_examples) // shown for k in range(shown)]
        scheduler = load_component(base.folder, "scheduler")
        pictures, negative, rules = {}, None, self.recipe.conditioning
        if self.training.task == "egox":
            pictures = {name: load_component(base.folder, name) for name in ("image_processor", "image_encoder")}
            if self.recipe.sampling.guidance_scale > 1:
                embed = text_of(self.recipe, base.folder, rules=rules, device="cpu")
                negative = embed(self.recipe.sampling.negative_prompt)
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
            negative_prompt_embeds=negative,
        )

        def draw(step: int, transformer: Any) -> Mapping[str, float] | None:
            try:
                return sheets.draw(step, transformer)
            except OSError as error:
                raise StorageError(f"{sheets.folder}: cannot be written ({reason_of(error)}); free the disk") from error
            except ValueError as error:  # a picture that cannot be made ends no training
                say(f"{self.recipe.name}, step {step}: no contact sheet: {error}")
                return None

        return draw

    # -- what is left --------------------------------------------------------------------------------------------------------

    def _left(self, base: Base, result: TrainingResult) -> Report:
        """Complete the model's folder, and write the report last: with it the training is done, for every process."""
        report = self._report(base, result)
        if IS_MAIN:
            self._complete(base, report)
        wait_for_everyone()
        return report

    def _complete(self, base: Base, report: Report) -> None:
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

    def _report(self, base: Base, result: TrainingResult) -> Report:
        batch = self.training.batch_size * self.training.accumulate * processes.PROCESSES
        return Report(
            schema=SCHEMA,
            recipe=place_of(self.recipe.name),
            recipe_key=_key(self.recipe),
            summary=self.recipe.summary,
            shortened=self.shortened,
            train=self._clips(self.setup.train, self.examples),
            val=self._clips(self.setup.val, self.val_examples),
            started_from=base.words,
            start=base.identity,
            steps=result.step,
            batch=batch,
            samples=result.samples,
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
    return words if processes.PROCESSES == 1 else f"{processes.PROCESSES} x {words}"
