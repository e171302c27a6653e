"""Whether printed shares can be what they are said to be: k of N clips, rounded to the digits in print.

A share of 100 clips has two decimals, so .978 is none. What is found is a hint, not a proof: a column may be computed on fewer
clips than a paper announces, or be no plain share of clips, or be rounded in another way (both ways are allowed at a tie; a
number that was cut off rather than rounded is not foreseen).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR

from .published import PrintedNumber, PrintedTable

CAVEAT = "a hint, not a proof: the column may be no plain share of clips, or cut off where we take it for rounded"


def counts(share: PrintedNumber, n: int) -> range:
    """Every k for which k/n is printed as `share`; empty where none is. Raises ValueError where n is below 1."""
    if n < 1:
        raise ValueError(f"a share is of one clip at least, not of {n}")
    least = ((share.value - share.half_unit) * n).to_integral_value(ROUND_CEILING)
    most = ((share.value + share.half_unit) * n).to_integral_value(ROUND_FLOOR)
    return range(max(0, int(least)), min(n, int(most)) + 1)


def impossible(shares: Iterable[PrintedNumber], n: int) -> tuple[PrintedNumber, ...]:
    """Those that no k of n clips gives, in their order, each once."""
    return tuple(share for share in dict.fromkeys(shares) if not counts(share, n))


def totals(shares: Sequence[PrintedNumber], *, up_to: int) -> tuple[int, ...]:
    """Every number of clips up to `up_to`, which is included, at which each of the shares can occur; ascending."""
    return tuple(n for n in range(1, up_to + 1) if not impossible(shares, n))


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The only number of clips that gives all shares of `table`, and the other tables' shares that cannot occur at it."""

    table: str
    n: int
    cannot_occur: tuple[PrintedNumber, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the shares of one column allow, in one table or in all tables of a source on a split.

    tables: their labels. announced: the number of clips that the source states. cannot_occur: shares that no k of that many
    gives. possible: every smaller or equal number of clips at which all of them occur, ascending. needed: where one of several
    tables allows a single number of clips, that table and number, and what the others then cannot have.
    """

    source: str
    tables: tuple[str, ...]
    heading: str
    metric: str
    shares: tuple[PrintedNumber, ...]
    announced: int
    cannot_occur: tuple[PrintedNumber, ...]
    possible: tuple[int, ...]
    needed: tuple[Needed, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every share occurs at the announced number of clips."""
        return not self.cannot_occur

    @property
    def text(self) -> str:
        """The finding as one sentence."""
        where = f"{self.source}, {' and '.join(self.tables)}: {self.heading}"
        if self.fits:
            return f"{where} fits the {self.announced} clips announced"
        lacking = f"{where}: of {self.announced} clips no share is {_listed([share.text for share in self.cannot_occur], 'or')}"
        if not self.possible:
            lacking += f"; no number of clips up to {self.announced} gives all values"
            for one in self.needed:
                lacking += f"; at the {one.n} of {one.table} no share is {_listed([s.text for s in one.cannot_occur], 'or')}"
            return lacking
        if len(self.possible) == 1:
            return f"{lacking}; {self.possible[0]} is the only number of clips up to {self.announced} that gives all values"
        return f"{lacking}; all values occur at {_listed([str(n) for n in self.possible], 'or')} clips"


def findings(tables: Iterable[PrintedTable]) -> tuple[Finding, ...]:
    """A finding for every column of shares of every table, and one for those that several tables of a source print of a split.

    The columns of two tables on one split were computed on the same clips, if both are what the source says.
    """
    found: list[Finding] = []
    of_split: dict[tuple[str, str], list[PrintedTable]] = {}
    for table in tables:
        found += _of([table])
        of_split.setdefault((table.source.id, table.split), []).append(table)
    for together in of_split.values():
        if len(together) > 1:
            found += [dataclasses.replace(one, needed=_needed(one, found)) for one in _of(together)]
    return tuple(found)


def _of(tables: Sequence[PrintedTable]) -> list[Finding]:
    first = tables[0]
    found = []
    for place, column in enumerate(first.columns):  # a source has the same columns in all its tables
        if not column.share:
            continue
        shares = tuple(dict.fromkeys(row.numbers[place] for table in tables for row in table.rows))
        announced = max(table.n for table in tables)
        found.append(
            Finding(
                source=first.source.title,
                tables=tuple(table.label for table in tables),
                heading=column.heading,
                metric=column.metric,
                shares=shares,
                announced=announced,
                cannot_occur=impossible(shares, announced),
                possible=totals(shares, up_to=announced),
            )
        )
    return found


def _needed(joint: Finding, alone: Sequence[Finding]) -> tuple[Needed, ...]:
    """What the tables of a joint finding that allow a single number of clips say about all of its shares."""
    own = [
        one
        for one in alone
        if (one.source, one.metric) == (joint.source, joint.metric) and one.tables[0] in joint.tables and len(one.possible) == 1
    ]
    found = [
        Needed(table=one.tables[0], n=one.possible[0], cannot_occur=impossible(joint.shares, one.possible[0])) for one in own
    ]
    return tuple(one for one in found if one.cannot_occur)


def _listed(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
