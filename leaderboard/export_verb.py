"""egox-bench export: a method's results in the formats of the Hugging Face hub."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmark.errors import UserError
from benchmark.files import atomic_file


class Format(StrEnum):
    """What is written."""

    MODEL_INDEX = "model-index"
    EVAL_RESULTS = "eval-results"
    CARD = "card"


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Runs: folders with a results.json, folders searched for them, or a results repository.", show_default=False
        ),
    ],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="model-index: front matter of a model card. eval-results: a file for .eval_results/. card: a whole model card.",
        ),
    ] = Format.MODEL_INDEX,
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="Whose page it is, where the runs are of several.", show_default=False)
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="For a card: the folder of the weights, with its README.md.", show_default=False),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark",
            help="For eval-results: the dataset on the hub that is registered as the benchmark.",
            metavar="OWNER/NAME",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", help="For eval-results: address of the results repository.", metavar="URL", show_default=False),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write this file instead of stdout.", show_default=False)] = None,
) -> None:
    """Write a method's results in the hub's formats: front matter, .eval_results, or a model card. Nothing is uploaded.

    Each number carries its protocol, split digest, seed, counts and interval. Metrics without a number are left out; partial runs
    and controls are refused. A card has the README of the weights, and the tables of all runs that are given.

    Examples:

    egox-bench export runs/egox --format model-index

    egox-bench export runs/egox --format eval-results --benchmark OWNER/NAME --to .eval_results/egox-bench.yaml

    egox-bench export runs --method egox --format card --weights egox/weights/mini --to README.md
    """
    from .exports.measured import chosen
    from .rows import find_rows

    _check_options(form, weights=weights, benchmark=benchmark, source=source)
    rows = find_rows(runs)
    own = chosen(rows, method)
    if form is Format.CARD:
        from .exports.card import card

        assert weights is not None  # _check_options
        text = card(rows, own=own, weights=weights)
    elif form is Format.EVAL_RESULTS:
        from .exports.eval_results import eval_results_yaml

        text = eval_results_yaml(own, benchmark=benchmark or "", source=source)
    else:
        from .exports.model_index import front_matter

        text = front_matter(own)
    if to is None:
        print(text, end="")
    else:
        data = text.encode()
        atomic_file(to, lambda aside: aside.write_bytes(data))
    for row in own:
        lacking = [metric for metric in row.metric_ids if row.results.metrics[metric].mean is None]
        if lacking:
            print(f"{row.results.method.id} ({row.run}): no number, left out: {', '.join(lacking)}", file=sys.stderr)


def _check_options(form: Format, *, weights: Path | None, benchmark: str | None, source: str | None) -> None:
    """Raise UserError for an option that the format lacks, or that belongs to another."""
    if form is Format.CARD and weights is None:
        raise UserError("--format card needs --weights DIR: the folder of the weights, with its README.md (egox/weights/mini)")
    if form is Format.EVAL_RESULTS and benchmark is None:
        raise UserError(
            "--format eval-results needs --benchmark OWNER/NAME: results belong to a dataset on the hub that is registered as a"
            " benchmark, and none is assumed"
        )
    for name, value, wanted in (
        ("--weights", weights, Format.CARD),
        ("--benchmark", benchmark, Format.EVAL_RESULTS),
        ("--source", source, Format.EVAL_RESULTS),
    ):
        if value is not None and form is not wanted:
            raise UserError(f"{name} is for --format {wanted.value}, not for {form.value}; leave it away")
