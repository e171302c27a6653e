"""Numbers that others printed, as data: one TOML file a source, read into frozen records.

A number is kept as the digits that stand in print, since how finely it was rounded decides what agrees with it. Nothing here is
ours, and nothing is computed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmark.errors import UserError, unknown
from benchmark.metrics import metric_named

Kind = Literal["paper", "calibration"]
"""paper: what a paper prints. calibration: what a third party measured of the weights that a paper's authors released."""

_NUMBER = re.compile(r"-?\d*\.?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedNumber:
    """One number as printed: ".370" is not ".37". The unit is that of the column's metric."""

    text: str

    @property
    def value(self) -> Decimal:
        """The number, exactly."""
        return Decimal(self.text)

    @property
    def decimals(self) -> int:
        """Digits behind the point."""
        return len(self.text.partition(".")[2])

    @property
    def half_unit(self) -> Decimal:
        """Half of the last printed digit: what was rounded lies within this of `value`."""
        return Decimal(5).scaleb(-self.decimals - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedSource:
    """Where numbers stand.

    id: the name of its file. title: what tables call it. source: what to cite. datasets: names of our datasets that hold its
    clips. protocol, protocol_version: which of our protocols measures what its columns do, as far as is known.
    """

    id: str
    kind: Kind
    title: str
    source: str
    url: str | None
    datasets: tuple[str, ...]
    protocol: str
    protocol_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedColumn:
    """One column. heading: its name in print, shortened. metric: ours. share: the number is a share k/N of the clips."""

    heading: str
    metric: str
    share: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRow:
    """One row. name: as printed. method: the id of ours. numbers: one a column of the table, in order."""

    name: str
    method: str
    numbers: tuple[PrintedNumber, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedTable:
    """One table of a source on one split.

    page: None where it is not known. n: clips of the split as the source announces them, whatever each column was computed
    from. notes: oddities of the print, and what a reader of its numbers must know.
    """

    source: PrintedSource
    id: str
    label: str
    page: int | None
    split: str
    n: int
    columns: tuple[PrintedColumn, ...]
    rows: tuple[PrintedRow, ...]
    notes: tuple[str, ...]

    def number(self, method: str, metric: str) -> PrintedNumber | None:
        """The number of this method (our id) on this metric; None where the table has none."""
        for row in self.rows:
            for column, number in zip(self.columns, row.numbers):
                if (row.method, column.metric) == (method, metric):
                    return number
        return None


def printed(split: str | None = None, *, dataset: str | None = None, kind: Kind = "paper") -> tuple[PrintedTable, ...]:
    """The printed tables that ship, those of papers unless `kind` says otherwise, by file and then in the order of print.

    split: those on this split only. dataset: those whose clips our dataset of this name holds ("sim" has none).
    """
    return tuple(
        table
        for table in shipped()
        if table.source.kind == kind and split in (None, table.split) and (dataset is None or dataset in table.source.datasets)
    )


def shipped() -> tuple[PrintedTable, ...]:
    """Every table that ships, of papers and of third parties."""
    folder = resources.files(__name__)
    tables = []
    for name in sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")):
        tables += _parsed((folder / f"{name}.toml").read_bytes(), label=f"{name}.toml", source=name)
    return tuple(tables)


def read_published(path: Path) -> tuple[PrintedTable, ...]:
    """The tables of one file. Raises UserError naming file and field for anything that does not fit."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return _parsed(data, label=str(path), source=path.stem)


class _Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    heading: str
    metric: str
    share: bool = False


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    method: str
    values: tuple[str, ...]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    label: str
    split: str
    n: int
    rows: tuple[_Row, ...]
    page: int | None = None
    notes: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a file."""

    kind: Kind
    title: str
    source: str
    datasets: tuple[str, ...]
    protocol: str
    protocol_version: int
    columns: tuple[_Column, ...]
    tables: tuple[_Table, ...]
    url: str | None = None


def _parsed(data: bytes, *, label: str, source: str) -> tuple[PrintedTable, ...]:
    try:
        raw = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{label}: not TOML ({error})") from None
    try:
        file = _converted(raw)
        return tuple(_tables(file, source))
    except UserError as error:
        raise UserError(f"{label}: {error}") from None


def _converted(raw: dict[str, Any]) -> _File:
    for key in raw:
        if key not in _File.__struct_fields__:
            raise unknown("field", key, _File.__struct_fields__)
    try:
        return msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".")
        raise UserError(f"{f'field {field}: ' if field else ''}{message}") from None


def _tables(file: _File, source: str) -> Iterator[PrintedTable]:
    for column in file.columns:
        metric_named(column.metric)
    own = PrintedSource(
        id=source,
        kind=file.kind,
        title=file.title,
        source=file.source,
        url=file.url,
        datasets=file.datasets,
        protocol=file.protocol,
        protocol_version=file.protocol_version,
    )
    columns = tuple(PrintedColumn(heading=c.heading, metric=c.metric, share=c.share) for c in file.columns)
    seen: set[str] = set()
    for table in file.tables:
        if table.id in seen:
            raise UserError(f"field tables: two tables have the id {table.id!r}; give each its own")
        if table.n < 1:
            raise UserError(f"field n of table {table.id}: {table.n} clips; expected 1 or more")
        seen.add(table.id)
        rows = tuple(_row(row, table.id, columns) for row in table.rows)
        yield PrintedTable(
            source=own,
            id=table.id,
            label=table.label,
            page=table.page,
            split=table.split,
            n=table.n,
            columns=columns,
            rows=rows,
            notes=table.notes,
        )


def _row(row: _Row, table: str, columns: tuple[PrintedColumn, ...]) -> PrintedRow:
    where = f"field values of row {row.name!r} in table {table}"
    if len(row.values) != len(columns):
        raise UserError(f"{where}: {len(row.values)} numbers for {len(columns)} columns; write one a column, in their order")
    for column, text in zip(columns, row.values):
        if not _NUMBER.fullmatch(text):
            raise UserError(f'{where}: {column.heading} is {text!r}; write the digits as printed, like ".370"')
        if column.share and not 0 <= Decimal(text) <= 1:
            raise UserError(f"{where}: {column.heading} is {text!r}, and a share lies between 0 and 1")
    return PrintedRow(name=row.name, method=row.method, numbers=tuple(PrintedNumber(text=text) for text in row.values))


__all__ = [
    "Kind",
    "PrintedColumn",
    "PrintedNumber",
    "PrintedRow",
    "PrintedSource",
    "PrintedTable",
    "printed",
    "read_published",
    "shipped",
]
