"""The ledger: every number in print beside what a third party measured and what we measured, each with a verdict.

A printed number stands for everything that is rounded to it; ours stands for its 95 % interval. Where both can be true of one
number they agree. Numbers of other clips, or measured in another way, are never called off: they cannot be compared, and the
verdict says why. Nothing is read here and nothing drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from benchmark.contenders import labels as method_labels
from benchmark.metrics import METRICS
from benchmark.results import Aggregate

from .attainability import Finding, findings
from .published import PrintedColumn, PrintedNumber, PrintedRow, PrintedTable
from .rows import Row

Judgement = Literal["agrees", "off", "cannot be compared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one number says about another one.

    difference: it less the other one, in the metric's unit, rounded to digits that both have; None where it cannot be
    compared, and `because` says why.
    """

    judgement: Judgement
    difference: Decimal | None = None
    because: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The verdict in words: "agrees", "off by -0.48", "cannot be compared: other dataset (sim)"."""
        if self.judgement == "off":
            return f"off by {self.difference:+f}"
        return f"{self.judgement}: {'; '.join(self.because)}" if self.because else self.judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What a third party measured of the same method on the same split. source: its title; n: its clips."""

    source: str
    number: PrintedNumber
    n: int
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What a run of ours measured. verdict: against print; beside: against each third party, in the order of the entry's.

    value, low, high: mean over clips (or the value of the set) with its 95 % interval, in the metric's unit; None where there
    is none. interval: why there is no interval, or that it is only indicative. n: clips that have a number.
    """

    run: str
    value: float | None
    low: float | None
    high: float | None
    interval: str | None
    n: int
    verdict: Verdict
    beside: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One printed number and all that is known beside it; `ours` has one for every run of the method."""

    column: PrintedColumn
    printed: PrintedNumber
    elsewhere: tuple[Elsewhere, ...]
    ours: tuple[Ours, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OurRun:
    """A run that stands in a table. label: what tells it from other runs; obstacles: why none of its numbers compares."""

    run: str
    label: str
    obstacles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodEntries:
    """One printed row: its numbers in the order of columns, and the runs of this method on this split."""

    row: PrintedRow
    runs: tuple[OurRun, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTable:
    """One printed table with what is known beside it."""

    printed: PrintedTable
    methods: tuple[MethodEntries, ...]

    @property
    def without_run(self) -> tuple[str, ...]:
        """Our ids of the methods that have no run on the table's split."""
        return tuple(method.row.method for method in self.methods if not method.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """unplaced: runs of which no source prints the method on the split, by label. shares: what `attainability` finds."""

    tables: tuple[LedgerTable, ...]
    third_parties: tuple[PrintedTable, ...]
    unplaced: tuple[str, ...]
    shares: tuple[Finding, ...]

    def only(self, tables: Collection[str]) -> Ledger:
        """The tables of these ids, the third parties on their splits, and the findings about any of them."""
        kept = tuple(table for table in self.tables if table.printed.id in tables)
        splits = {table.printed.split for table in kept}
        beside = tuple(table for table in self.third_parties if table.split in splits)
        named = {(table.source.title, table.label) for table in (*beside, *(one.printed for one in kept))}
        shares = tuple(one for one in self.shares if {(one.source, label) for label in one.tables} & named)
        return dataclasses.replace(self, tables=kept, third_parties=beside, shares=shares)


def ledger_of(published: Iterable[PrintedTable], rows: Sequence[Row] = ()) -> Ledger:
    """Papers' tables with what third parties and our runs say beside them.

    A run stands beside a printed row of its method and split, whatever it was measured on: its verdict says what that is worth.
    """
    tables = sorted(published, key=lambda table: table.source.kind != "paper")
    papers = [table for table in tables if table.source.kind == "paper"]
    third = [table for table in tables if table.source.kind == "calibration"]
    named = _named(rows)
    places = {(row.method, table.split) for table in papers for row in table.rows}
    return Ledger(
        tables=tuple(
            LedgerTable(printed=table, methods=tuple(_method(table, row, third, named) for row in table.rows)) for table in papers
        ),
        third_parties=tuple(third),
        unplaced=tuple(
            f"{label} on {row.results.split.dataset}/{row.results.split.name}"
            for row, label in named
            if (row.results.method.id, row.results.split.name) not in places
        ),
        shares=findings(tables),
    )


def _named(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Rows in a fixed order, each with what tells it from others of its split and protocol."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.results.method.id, row.run)):
        split, protocol = row.results.split, row.results.protocol
        groups.setdefault((split.dataset, split.name, split.digest, protocol.name, protocol.digest), []).append(row)
    labelled = (
        zip(group, method_labels([row.results for row in group], [row.run for row in group], seeds=True))
        for _, group in sorted(groups.items())
    )
    return [pair for pairs in labelled for pair in pairs]


def command_for(methods: Sequence[str], table: PrintedTable) -> str:
    """The command that makes runs which stand beside this table."""
    return f"egox-bench run --method {','.join(methods)} --split {table.split} --data DIR --protocol {table.source.protocol}"


def _method(
    table: PrintedTable, row: PrintedRow, third: Sequence[PrintedTable], named: Sequence[tuple[Row, str]]
) -> MethodEntries:
    own = [(one, label) for one, label in named if (one.results.method.id, one.results.split.name) == (row.method, table.split)]
    runs = tuple(OurRun(run=one.run, label=label, obstacles=obstacles(one, table)) for one, label in own)
    entries = []
    for column, number in zip(table.columns, row.numbers):
        beside = [
            (other, found)
            for other in third
            if other.split == table.split and (found := other.number(row.method, column.metric)) is not None
        ]
        entries.append(
            Entry(
                column=column,
                printed=number,
                elsewhere=tuple(
                    Elsewhere(
                        source=other.source.title,
                        number=found,
                        n=other.n,
                        verdict=verdict_on_print(found, number, metric=column.metric, n=other.n, reference_n=table.n),
                    )
                    for other, found in beside
                ),
                ours=tuple(_ours(one, column.metric, (table, number), beside) for one, _ in own),
            )
        )
    return MethodEntries(row=row, runs=runs, entries=tuple(entries))


def _ours(
    row: Row, metric: str, printed: tuple[PrintedTable, PrintedNumber], beside: Sequence[tuple[PrintedTable, PrintedNumber]]
) -> Ours:
    found = row.results.metrics.get(metric)
    verdicts = [
        verdict_on_run(found, number, metric=metric, reference_n=table.n, obstacles=obstacles(row, table))
        for table, number in (printed, *beside)
    ]
    return Ours(
        run=row.run,
        value=found.mean if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        interval=found.interval if found else None,
        n=found.n if found else 0,
        verdict=verdicts[0],
        beside=tuple(verdicts[1:]),
    )


def obstacles(row: Row, table: PrintedTable) -> tuple[str, ...]:
    """Why none of a run's numbers can be compared with those of a table; empty where they can."""
    results, source = row.results, table.source
    protocol = f"{results.protocol.name}@{results.protocol.version}"
    wanted = f"{source.protocol}@{source.protocol_version}"
    reasons = (
        (results.split.dataset not in source.datasets, f"other dataset ({results.split.dataset})"),
        (results.split.name != table.split, f"other split ({results.split.name})"),
        (protocol != wanted, f"other protocol ({protocol}, these columns are {wanted})"),
        (results.partial, f"partial run ({results.n_scored} of {results.n_expected} clips scored)"),
    )
    return tuple(reason for holds, reason in reasons if holds)


def verdict_on_run(
    found: Aggregate | None, reference: PrintedNumber, *, metric: str, reference_n: int, obstacles: Sequence[str] = ()
) -> Verdict:
    """Our number against a printed one of `reference_n` clips.

    They agree where the 95 % interval and what is rounded to the printed digits have a number in common; without an interval
    the mean alone must be rounded to them. found: None where the run did not measure the metric. obstacles: of the whole run.
    A mean over clips compares at any number of clips, which its interval accounts for; a distance between sets does not: its
    bias depends on their size.
    """
    because = list(obstacles)
    if found is None:
        because.append("not measured in this run")
    else:
        version = METRICS[metric].version
        if found.version != version:
            because.append(f"other version of the metric ({found.version}, this release has {version})")
        if found.mean is None:
            because.append(f"no number: {found.reason or found.interval or 'no clip has one'}")
        elif METRICS[metric].of == "set" and found.n != reference_n:
            because.append(f"other number of clips ({found.n}, there {reference_n})")
    if because or found is None or found.mean is None:
        return Verdict(judgement="cannot be compared", because=tuple(because))
    low, high = (found.mean, found.mean) if found.low is None or found.high is None else (found.low, found.high)
    least, most = reference.value - reference.half_unit, reference.value + reference.half_unit
    difference = _rounded(Decimal(repr(found.mean)) - reference.value, METRICS[metric].decimals)
    overlap = Decimal(repr(low)) <= most and Decimal(repr(high)) >= least
    return Verdict(judgement="agrees" if overlap else "off", difference=difference)


def verdict_on_print(found: PrintedNumber, reference: PrintedNumber, *, metric: str, n: int, reference_n: int) -> Verdict:
    """One printed number of `n` clips against another one of `reference_n`; neither has an interval.

    They agree where one number can be rounded to both.
    """
    if METRICS[metric].of == "set" and n != reference_n:
        return Verdict(judgement="cannot be compared", because=(f"other number of clips ({n}, there {reference_n})",))
    difference = found.value - reference.value
    overlap = abs(difference) < found.half_unit + reference.half_unit  # .989 and .990 share no more than a tie
    return Verdict(
        judgement="agrees" if overlap else "off",
        difference=_rounded(difference, min(found.decimals, reference.decimals)),
    )


def _rounded(value: Decimal, decimals: int) -> Decimal:
    rounded = value.quantize(Decimal(1).scaleb(-decimals))
    return rounded if rounded else abs(rounded)  # no "-0.00"
