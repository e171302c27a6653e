"""Views: which rows and columns a published table has, in which order and by what names. Data: one TOML file a view.

`paper1` and `paper2` are Tables 1 and 2 of the EgoX paper; a TOML file of one's own is a view too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmark.errors import UserError, unknown
from benchmark.metrics import METRICS

from ..rows import Row, grouped, is_reference, kept_apart, partial_reason
from ..table import Sheet, sheet_of

FOLDER = Path(__file__).parent


class ViewRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method by its id and what the view calls it."""

    method: str
    label: str


class View(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table as data.

    splits: one block each, in this order. columns: ids of metrics by protocol; of another protocol all metrics. rows: in this
    order. controls: whether control rows and rows that saw truth stand below. others: names of datasets, without their version,
    where other methods than those of `rows` are shown too, but for `not_others`.
    """

    title: str
    source: str
    splits: tuple[str, ...]
    rows: tuple[ViewRow, ...]
    columns: dict[str, tuple[str, ...]]
    controls: bool = False
    others: tuple[str, ...] = ()
    not_others: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """What the view calls methods, by id."""
        return {row.method: row.label for row in self.rows}

    def shows(self, row: Row) -> bool:
        """Whether a run belongs into the view."""
        return row.results.split.name in self.splits and self.has_row_of(row)

    def has_row_of(self, row: Row) -> bool:
        """Whether the view has a row for the run's method, on whatever split it was run."""
        if is_reference(row):
            return self.controls
        method, dataset = row.results.method.id, row.results.split.dataset
        return method in self.labels or (self._takes_others(dataset) and method not in self.not_others)

    def _takes_others(self, dataset: str) -> bool:
        return dataset.split("-")[0] in self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A view of some runs. sheets: one a block; left_out: why runs and rows are not in it, a sentence each."""

    sheets: tuple[Sheet, ...]
    left_out: tuple[str, ...]


def names() -> list[str]:
    """The views that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def is_view(word: str) -> bool:
    """Whether a word of the command line means a view and no run: a name of `names`, or a TOML file."""
    return word in names() or word.endswith(".toml")


def read_view(word: str) -> View:
    """The view of this name or file. Raises UserError for one that is not there or does not fit."""
    path = Path(word) if word.endswith(".toml") else FOLDER / f"{word}.toml"
    try:
        data = path.read_bytes()
    except OSError as error:
        if not word.endswith(".toml"):
            raise unknown("view", word, names()) from None
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        view = msgspec.toml.decode(data, type=View)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message, _, where = str(error).partition(" - at `$")
        field = re.sub(r"^\.", "", where.rstrip("`"))
        raise UserError(f"{path}: no view ({f'field {field}: ' if field else ''}{message})") from None
    for protocol, columns in view.columns.items():
        for metric in columns:
            if metric not in METRICS:
                raise UserError(f"{path}: no view (field columns.{protocol}: {unknown('metric', metric, METRICS)})")
    return view


def show(view: View, rows: Sequence[Row]) -> Shown:
    """The view of these runs: for each split one sheet a group of comparable rows.

    Partial runs never enter a view. Where no run is on a split of the view, those on others are shown, and `left_out` says so.
    Raises UserError where nothing remains.
    """
    mine = [row for row in rows if view.has_row_of(row)]
    said = [partial_reason(row) for row in mine if row.results.partial]
    # control rows bear columns out where the view does not show them, too
    whole = [row for row in rows if not row.results.partial and (view.has_row_of(row) or is_reference(row))]
    competing = {row.results.split.name for row in whole if row.competes}
    splits = [split for split in view.splits if split in competing]
    if not splits and competing:
        splits = sorted(competing)
        said.append(f"no run on {' or '.join(view.splits)}, which are this table's splits; shown: {', '.join(splits)}")
    if not splits:
        raise UserError(
            f"no complete run of {view.title!r} among these; make some:"
            f" egox-bench run --method {','.join(row.method for row in view.rows)} --split {view.splits[0]}"
        )
    sheets = []
    for split in splits:
        groups = [
            group
            for group in grouped(row for row in whole if row.results.split.name == split)
            if any(row.competes for row in group)
        ]
        sheets += [_sheet(view, group) for group in groups]
        said += kept_apart(groups)
        there = {row.results.method.id for group in groups for row in group}
        lacking = [f"{row.label} ({row.method})" for row in view.rows if row.method not in there]
        said += [f"{split}: no run of {', '.join(lacking)}"] if lacking else []
    said += [f"{split}: no run at all" for split in view.splits if split not in splits and set(splits) <= {*view.splits}]
    return Shown(sheets=tuple(sheets), left_out=tuple(said))


def _sheet(view: View, group: Sequence[Row]) -> Sheet:
    shown, beside = ([row for row in group if view.has_row_of(row) is wanted] for wanted in (True, False))
    columns = view.columns.get(group[0].results.protocol.name)
    return sheet_of(shown, columns=columns, labels=view.labels, order=[row.method for row in view.rows], beside=beside)
