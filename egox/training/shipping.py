"""Puts finished trainings together to the checkpoint that is shipped: `python -m egox.training.shipping OUT --into FOLDER`.

    FOLDER/   model_index.json  transformer/ vae/ text_encoder/ tokenizer/ scheduler/   the base
              lora/<name>/   pytorch_lora_weights.safetensors  also.safetensors  preconditioner/   one a recipe
              README.md      what it was trained on, for how long, how well

Trained weights are rounded to bfloat16; codec and text encoder stay as they are, for examples depend on their last bit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..adapter import ALSO, WEIGHTS
from ..checkpoints import INDEX, PRECONDITIONER
from ..recipe import load_recipe, recipe_names
from .files import forget_places
from .keeping import weights_identity
from .report import REPORT, ClipsReport, Report, ReportError, read_report

MOST_BYTES, MOST_BYTES_OF_A_FILE = 20_000_000, 15_000_000

README = "README.md"


class ShippingError(ValueError):
    """Trainings that cannot be shipped together; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished training: its model's folder and its report."""

    model: Path
    report: Report

    @property
    def name(self) -> str:
        """The last part of the recipe's name."""
        return Path(self.report.recipe).name

    @property
    def is_adapter(self) -> bool:
        return (self.model / WEIGHTS).is_file()

    @property
    def is_regression(self) -> bool:
        """By the recipe of that name; of a file of one's own nothing is known here."""
        training = load_recipe(self.report.recipe).training if self.report.recipe in recipe_names() else None
        return training is not None and training.is_regression


def finished_in(out: Path) -> tuple[Trained, ...]:
    """All finished trainings below a folder of the train verb, by recipe. Raises ShippingError where there is none, or where a
    report cannot be read."""
    try:
        found = [(path.parent, read_report(path)) for path in sorted(out.rglob(f"model/{REPORT}"))]
    except ReportError as error:
        raise ShippingError(str(error)) from None
    trained = tuple(Trained(model=model, report=report) for model, report in found if report is not None)
    if not trained:
        raise ShippingError(f"{out}: no finished training; they leave model/{REPORT}")
    return trained


def ship(out: Path, into: Path, *, mark: str = "") -> tuple[Trained, ...]:
    """Write the checkpoint of all adapters below `out` and the base that they share; what was in `into` is replaced.

    An adapter that another one went on from is not put in, nor is a regression, which is an opponent and no model. mark: words
    on top of the model card. Returns the trainings that led to what was put in, each after those that it started from.
    Raises ShippingError where adapters do not share one base, where one began with weights that have changed,
    or where the result is too large; `into` is as it was then.
    """
    trained = {one.report.recipe: one for one in finished_in(out)}
    passed = {one.report.started_from for one in trained.values()}
    models = [one for one in trained.values() if one.is_adapter and one.report.recipe not in passed and not one.is_regression]
    ways = [_way(one, trained) for one in models]
    wanted = sorted({next((one.report.recipe for one in reversed(way) if not one.is_adapter), "nothing") for way in ways})
    if len(wanted) != 1 or wanted[0] not in trained:
        there = ", ".join(name for name, one in trained.items() if not one.is_adapter) or "none"
        raise ShippingError(f"{out}: the adapters start from {', '.join(wanted) or 'nothing'}; expected one base among {there}")
    adapters = [way[-1] for way in ways]
    everything = list(dict.fromkeys(one.report.recipe for way in ways for one in way))
    aside = into.with_name(f".{into.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        _base(trained[wanted[0]].model, aside)
        for one in adapters:
            _adapter(one.model, aside / "lora" / one.name)
        forget_places(aside)
        (aside / README).write_text(card([trained[name] for name in everything], mark=mark), encoding="utf-8")
        _check_sizes(aside)
        if into.exists():
            shutil.rmtree(into)
        aside.rename(into)
    except OSError as error:
        raise ShippingError(f"{into}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return tuple(trained[name] for name in everything)


def _way(one: Trained, trained: Mapping[str, Trained]) -> list[Trained]:
    """The trainings that led to this one, first to last."""
    way = [one]
    while way[0].report.started_from in trained:
        before = trained[way[0].report.started_from]
        if weights_identity(before.model) != way[0].report.start:
            raise ShippingError(
                f"{way[0].report.recipe} was trained from other weights of {before.report.recipe} than {before.model} holds:"
                " train it again"
            )
        way.insert(0, before)
    return way


def card(trained: Sequence[Trained], *, mark: str) -> str:
    """The model card, from the reports."""
    first = trained[0].report
    lines = ["# Mini EgoX", ""]
    lines += [f"**{mark}**", ""] if mark else []
    shortened = [one.report.recipe for one in trained if one.report.shortened]
    if shortened:
        lines += [f"**Cut short, to try the path out: {', '.join(shortened)}.**", ""]
    limited = [one.report.recipe for one in trained if (one.report.train.limit, one.report.val.limit) != (None, None)]
    if limited:
        lines += [f"**On the first clips of their splits alone: {', '.join(limited)}.**", ""]
    lines += [
        f"The code is Apache-2.0, and so are the weights. The canvas is `{first.train.canvas}`. What each recipe is:"
        " `egox/recipes`.",
        "",
        "| recipe | starts from | trained on | validated on | steps | samples | seconds | device | loss"
        " | validation at t = .1 .3 .5 .7 .9 .98 |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    lines += [_row(one.report) for one in trained]
    commands = dict.fromkeys(one.report.command for one in trained)
    libraries = ", ".join(f"{name} {version}" for name, version in first.libraries.items())
    lines += ["", "Losses of different recipes do not compare: they are of different tasks and preconditioners.", ""]
    lines += ["The calls that finished the trainings:", "", *(f"    {command}" for command in commands), ""]
    lines += [f"Made with {libraries}.", ""]
    return "\n".join(lines)


def _row(report: Report) -> str:
    loss = "" if report.loss is None else f"{report.loss:.4f}"
    levels = " ".join(f"{value:.3f}" for value in report.validation.values())
    return (
        f"| {report.recipe} | {report.started_from} | {_clips(report.train)} | {_clips(report.val)} |"
        f" {report.steps} | {report.samples} | {report.seconds:.0f} |"
        f" {report.device} | {loss} | {levels} |"
    )


def _clips(clips: ClipsReport) -> str:
    return f"`{clips.data}`, {clips.clips} clips of `{clips.split}`"


def _base(model: Path, into: Path) -> None:
    into.mkdir(parents=True)
    shutil.copyfile(model / INDEX, into / INDEX)
    for path in sorted(model.iterdir()):
        if path.is_dir() and path.name not in (PRECONDITIONER, "lora"):
            shutil.copytree(path, into / path.name)
    for path in (into / "transformer").glob("*.safetensors"):
        _round(path, path)


def _adapter(model: Path, into: Path) -> None:
    into.mkdir(parents=True)
    for name in (WEIGHTS, ALSO):
        if (model / name).is_file():
            _round(model / name, into / name)
    if (model / PRECONDITIONER).is_dir():
        shutil.copytree(model / PRECONDITIONER, into / PRECONDITIONER, ignore=shutil.ignore_patterns("*.txt"))


def _round(source: Path, target: Path) -> None:
    """To bfloat16; the metadata stays."""
    with safe_open(source, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    save_file({name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, target, metadata=metadata)
    target.chmod(0o644)  # safetensors lets nobody else read it


def _check_sizes(folder: Path) -> None:
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    largest = max(sizes, key=lambda path: sizes[path])
    if sizes[largest] > MOST_BYTES_OF_A_FILE or sum(sizes.values()) > MOST_BYTES:
        raise ShippingError(
            f"the checkpoint has {sum(sizes.values()) / 1e6:.1f} MB, its largest file {largest.relative_to(folder)}"
            f" {sizes[largest] / 1e6:.1f}; {MOST_BYTES / 1e6:.0f} and {MOST_BYTES_OF_A_FILE / 1e6:.0f} are the most"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m egox.training.shipping", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of 'egox-bench train'")
    parser.add_argument("--into", type=Path, default=Path("egox/weights/mini"), help="folder of the checkpoint")
    parser.add_argument("--mark", default="", help="words on top of the model card")
    asked = parser.parse_args(arguments)
    try:
        shipped = ship(asked.out, asked.into, mark=asked.mark)
    except ShippingError as error:
        raise SystemExit(f"shipping: {error}") from None
    size = sum(path.stat().st_size for path in asked.into.rglob("*") if path.is_file())
    print(f"{asked.into}: {', '.join(one.report.recipe for one in shipped)}; {size / 1e6:.1f} MB", file=sys.stdout)


if __name__ == "__main__":
    main()
