"""Which runs a figure shows: one a method, of one split and one protocol. By rules that look at no score."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import UserError

from ..rows import Row
from . import Figure
from .commands import again, run_command


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One method in the figure: its run, and what it is called."""

    row: Row
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """prior: whose videos stand beside the exo view. methods: from left to right. notes: what to tell of the choice."""

    prior: Column
    methods: tuple[Column, ...]
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The prior and the methods."""
        return (self.prior, *self.methods)


def pick(
    figure: Figure,
    rows: Sequence[Row],
    *,
    split: str,
    installed: Collection[str],
    dataset: str | None = None,
    protocol: str | None = None,
    named: Collection[Path] = (),
    started: Callable[[Row], str] = lambda row: "",
) -> Picked:
    """The figure's runs. Methods that the view has no row for (it may take others on some data) stand left of those it has.

    split, dataset, protocol: names that the runs must have. installed: ids of methods; only those can be asked for.
    Of several runs of a method the first by these is taken: named by its own folder (`named`), every clip attempted, lowest
    seed, last run (`started`). Raises UserError where runs lack, and where the figure could be of several splits or protocols.
    """
    view = figure.view_on(split)
    here = [
        row
        for row in rows
        if row.results.split.name == split
        and dataset in {None, row.results.split.dataset}
        and protocol in {None, row.results.protocol.name}
    ]
    fitting = [row for row in here if view.shows(row) and row.results.method.id != figure.prior.method]
    kinds = list(dict.fromkeys(_terms(row) for row in fitting))
    if not kinds:
        wanted = [figure.prior.method, *(row.method for row in view.rows if row.method in installed)]
        raise UserError(
            f"no run of {figure.title!r} on split {split!r} among these; make some: {run_command(wanted, split=split)}"
        )
    if len(kinds) > 1:
        told = "; ".join(f"{name} {split} ({digest}) under {terms}" for name, digest, terms in kinds)
        raise UserError(f"{figure.title!r} would mix {told}: say which with --data or --protocol, or name the runs' folders")
    group = [row for row in here if _terms(row) == kinds[0]]

    def best(method: str) -> tuple[Row, int] | None:
        own = sorted((row for row in group if row.results.method.id == method), key=started, reverse=True)
        own.sort(key=lambda row: (row.folder.resolve() not in named, row.results.partial, row.results.seed))
        return (own[0], len(own)) if own else None

    labels = view.labels
    others = sorted({row.results.method.id for row in fitting} - labels.keys())
    lacking = [name for name in (figure.prior.method, *labels) if name in installed and best(name) is None]
    if lacking:
        command = again(fitting[0], method=",".join(lacking))
        raise UserError(f"no run of {', '.join(lacking)} on {kinds[0][0]} {split} among these; make it: {command}")
    prior = best(figure.prior.method)
    if prior is None:
        raise UserError(f"no run of {figure.prior.method}, which {figure.title!r} shows, and no such method is installed")
    columns, notes = [], []
    for name in (*others, *labels):
        found = best(name)
        label = labels.get(name, name)
        if found is None:
            notes.append(f"no run of {label} ({name}), and no such method is installed: left out")
            continue
        columns.append(Column(row=found[0], label=label))
        notes += _choice(*found)
    notes += _choice(*prior)
    return Picked(prior=Column(row=prior[0], label=figure.prior.label), methods=tuple(columns), notes=tuple(notes))


def _terms(row: Row) -> tuple[str, str, str]:
    """What the runs of one figure share; versions of metrics do not matter to pictures."""
    return row.results.split.dataset, row.results.split.digest, row.results.protocol.name


def _choice(row: Row, count: int) -> list[str]:
    if count == 1:
        return []
    return [f"{row.results.method.id}: run {row.run} with seed {row.results.seed}, of {count} runs"]
