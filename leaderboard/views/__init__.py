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

from ..rows import Row, grouped
from ..table import Sheet, sheet_of

FOLDER = Path(__file__).parent


class ViewRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method by its id and what the view calls it."""

    method: str
    label: str


class View(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table as data.

    splits: one block each, in this order. columns: ids of metrics by protocol; of another protocol all metrics. rows: in this
    order. controls: whether control rows and rows that saw truth stand below. others: beginnings of names of datasets where
    other methods than those of `rows` are shown too, but for `not_others`.
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
        results, method = row.results, row.results.method
        if results.split.name not in self.splits:
            return False
        if is_reference(row):
            return self.controls
        return method.id in self.labels or (self._takes_others(results.split.dataset) and method.id not in self.not_others)

    def _takes_others(self, dataset: str) -> bool:
        return any(dataset.startswith(start) for start in self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A view of some runs. sheets: one a block; left_out: why runs and rows are not in it, a sentence each."""

    view: View
    sheets: tuple[Sheet, ...]
    left_out: tuple[str, ...]


def is_reference(row: Row) -> bool:
    """Whether a row is for reference only: a control, or one that saw truth."""
    return row.results.method.control or row.results.method.privileged != "none"


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
        return msgspec.toml.decode(data, type=View)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message, _, where = str(error).partition(" - at `$")
        field = re.sub(r"^\.", "", where.rstrip("`"))
        raise UserError(f"{path}: no view ({f'field {field}: ' if field else ''}{message})") from None


def show(view: View, rows: Sequence[Row]) -> Shown:
    """The view of these runs: for each split one sheet a group of comparable rows.

    Partial runs never enter a view. Raises UserError where nothing remains.
    """
    wanted = [row for row in rows if view.shows(row)]
    # control rows bear columns out where the view does not show them, too
    whole = [row for row in rows if not row.results.partial and (view.shows(row) or is_reference(row))]
    said = [f"{row.results.method.id} ({row.run}) is partial: {PARTIAL_RUNS}" for row in wanted if row.results.partial]
    sheets = []
    for split in view.splits:
        groups = grouped(row for row in whole if row.results.split.name == split)
        groups = [group for group in groups if any(row.competes for row in group)]
        for group in groups:
            shown, beside = ([row for row in group if view.shows(row) is wanted] for wanted in (True, False))
            columns = view.columns.get(group[0].results.protocol.name)
            order = [row.method for row in view.rows]
            sheets.append(sheet_of(shown, columns=columns, labels=view.labels, order=order, beside=beside))
        there = {row.results.method.id for group in groups for row in group}
        lacking = [row for row in view.rows if row.method not in there]
        if lacking:
            said.append(f"{split}: no run of {', '.join(f'{row.label} ({row.method})' for row in lacking)}")
    if not sheets:
        raise UserError(
            f"no complete run of {view.title!r} among these; make some:"
            f" egox-bench run --method {','.join(row.method for row in view.rows)} --split {view.splits[0]}"
        )
    return Shown(view=view, sheets=tuple(sheets), left_out=tuple(said))


PARTIAL_RUNS = "not every clip of the split was attempted; finish it without --limit and --clips"
