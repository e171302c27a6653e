"""The ledger drawn: aligned text that is the same everywhere, tables for a terminal, flat records for CSV and JSON."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.metrics import METRICS

from .attainability import CAVEAT
from .ledger import Entry, Ledger, LedgerTable, MethodEntries, Ours, Verdict, command_for

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 120
"""Sentences are broken here; tables are as wide as they must be."""

FIELDS = (
    "source", "table", "split", "method", "name", "metric", "against", "reference", "reference_n", "whose", "run", "value", "low",
    "high", "n", "judgement", "difference", "because",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of the page: a heading, then lines of cells under columns, sentences, and commands, which are never broken."""

    heading: str
    columns: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    sentences: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def blocks_of(ledger: Ledger) -> list[Block]:
    """The whole ledger in the order in which it is read."""
    blocks = [block for table in ledger.tables for block in _table(table)]
    if ledger.unplaced:
        blocks.append(Block(heading="Runs that no source prints", sentences=ledger.unplaced))
    if ledger.third_parties:
        sources = (f"{table.source.title}: {table.source.source}" for table in ledger.third_parties)
        notes = (note for table in ledger.third_parties for note in table.notes)
        blocks.append(Block(heading="Measured elsewhere", sentences=tuple(dict.fromkeys((*sources, *notes)))))
    shares = tuple(one.text for one in ledger.shares)
    if shares:
        blocks.append(Block(heading="Can these shares be k of N clips?", sentences=(*shares, CAVEAT)))
    return blocks


def plain_text(ledger: Ledger) -> str:
    """The ledger as aligned text without colour, the same bytes each time; ends in a newline."""
    return "\n\n".join("\n".join(_plain(block)) for block in blocks_of(ledger)) + "\n"


def rich_parts(ledger: Ledger, *, width: int) -> Iterator[Table | str]:
    """The ledger for a terminal: tables, and text that is to be printed as it is; what agrees is green, what is off red.

    width: of the terminal, in characters.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for block in blocks_of(ledger):
        yield block.heading
        if block.columns:
            table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
            for place, column in enumerate(block.columns):
                table.add_column(Text(column), justify="left" if place == 0 else "right", overflow="fold")
            for line in block.lines:
                table.add_row(*(Text(cell, style=_colour(cell)) for cell in line))
            yield table
        yield "\n".join([*_prose(block, min(width, WIDTH)), ""])


def records_of(ledger: Ledger) -> list[dict[str, Any]]:
    """Every verdict as a flat record (`FIELDS`): numbers as printed or in their shortest exact form, None where there is none.

    whose: "third party" or "ours". A printed row without a run has records of ours without a value, which say so.
    """
    return [dict(zip(FIELDS, values, strict=True)) for table in ledger.tables for values in _records(table)]


def to_csv(ledger: Ledger) -> str:
    """`records_of` as CSV, one verdict a line; empty where there is no number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows(["" if value is None else value for value in record.values()] for record in records_of(ledger))
    return out.getvalue()


def to_json(ledger: Ledger) -> dict[str, Any]:
    """What --json prints: verdicts, notes of the tables, runs without a place, and what the shares allow."""
    return {
        "verdicts": records_of(ledger),
        "notes": {table.printed.id: list(table.printed.notes) for table in ledger.tables},
        "unplaced": list(ledger.unplaced),
        "shares": [
            {
                "source": one.source,
                "tables": list(one.tables),
                "metric": one.metric,
                "announced": one.announced,
                "cannot_occur": [share.text for share in one.cannot_occur],
                "possible": list(one.possible),
                "text": one.text,
            }
            for one in ledger.shares
        ],
        "caveat": CAVEAT,
    }


def _table(table: LedgerTable) -> Iterator[Block]:
    printed = table.printed
    page = f", page {printed.page}" if printed.page is not None else ""
    yield Block(
        heading=f"{printed.source.title}, {printed.label}: in print, {printed.n} clips announced ({printed.source.source}{page})",
        columns=("method", *(column.heading for column in printed.columns)),
        lines=tuple((method.row.name, *(entry.printed.text for entry in method.entries)) for method in table.methods),
        sentences=printed.notes,
    )
    for method in table.methods:
        yield from _method(table, method)
    if table.without_run:
        yield Block(
            heading=f"{printed.source.title}, {printed.label}: no run of {', '.join(table.without_run)} yet",
            commands=(command_for(table.without_run, printed),),
        )


def _method(table: LedgerTable, method: MethodEntries) -> Iterator[Block]:
    title = f"{table.printed.source.title}, {table.printed.label} · {method.row.name}"
    usable = [place for place, run in enumerate(method.runs) if not run.obstacles]
    if any(entry.elsewhere for entry in method.entries) and not usable:
        yield _side_by_side(title, method, None)
    for place in usable:
        yield _side_by_side(title, method, place)
    hindered = tuple(f"{run.label}: cannot be compared: {'; '.join(run.obstacles)}" for run in method.runs if run.obstacles)
    if hindered:
        yield Block(heading=f"{title}, runs of other things", sentences=hindered)


def _side_by_side(title: str, method: MethodEntries, place: int | None) -> Block:
    """One line a metric: print, third parties, and the run at `place`, each with its verdict."""
    columns = ["metric", "printed"]
    for other in next((entry.elsewhere for entry in method.entries if entry.elsewhere), ()):
        columns += [f"{other.source} (n {other.n})", "against print"]
    most = 0
    if place is not None:
        most = max(entry.ours[place].n for entry in method.entries)
        columns += [f"ours (n {most})", "against print"]
        columns += [f"against {other.source}" for other in method.entries[0].elsewhere]
    lines: list[tuple[str, ...]] = []
    notes: dict[str, None] = {}
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in method.entries:
        line, verdicts = [_heading(entry), entry.printed.text], list[tuple[str, Verdict]]()
        for other in entry.elsewhere:
            verdicts.append((f"{other.source} against print", other.verdict))
            line += [other.number.text, _short(other.verdict)]
        if place is not None:
            ours = entry.ours[place]
            verdicts.append(("ours against print", ours.verdict))
            verdicts += [(f"ours against {other.source}", found) for other, found in zip(entry.elsewhere, ours.beside)]
            line += [_cell(entry.column.metric, ours, most), _short(ours.verdict), *(_short(found) for found in ours.beside)]
            if ours.interval and ours.value is not None:
                notes[f"interval: {ours.interval}"] = None
        for which, verdict in verdicts:
            for reason in verdict.because:
                reasons.setdefault((which, reason), []).append(entry.column.heading)
        lines.append(tuple(line))
    told = (f"{which}, {', '.join(headings)}: {reason}" for (which, reason), headings in reasons.items())
    name = f" · {method.runs[place].label}" if place is not None else ""
    return Block(heading=title + name, columns=tuple(columns), lines=tuple(lines), sentences=(*told, *notes))


def _short(verdict: Verdict) -> str:
    """The verdict without its reasons, which stand below the table."""
    return verdict.text if verdict.judgement == "off" else verdict.judgement


def _heading(entry: Entry) -> str:
    arrow = {"up": "↑", "down": "↓", "truth": "≈"}[METRICS[entry.column.metric].direction]
    return " ".join(part for part in (entry.column.heading, arrow, METRICS[entry.column.metric].unit) if part)


def _cell(metric: str, ours: Ours, most: int) -> str:
    if ours.value is None:
        return "–"
    decimals = METRICS[metric].decimals
    text = f"{ours.value:.{decimals}f}"
    if ours.low is not None and ours.high is not None:
        text += f" [{ours.low:.{decimals}f}, {ours.high:.{decimals}f}]"
    return text if ours.n == most else f"{text} (n {ours.n})"


def _colour(cell: str) -> str:
    if cell == "agrees":
        return "green"
    return "red" if cell.startswith("off by") else "dim" if cell.startswith("cannot") else ""


def _plain(block: Block) -> Iterator[str]:
    yield block.heading
    if block.columns:
        widths = [max(len(line[place]) for line in (block.columns, *block.lines)) for place in range(len(block.columns))]
        yield ""
        yield _aligned(block.columns, widths)
        yield "─" * (sum(widths) + 2 * (len(widths) - 1))
        yield from (_aligned(line, widths) for line in block.lines)
        if block.sentences:
            yield ""
    yield from _prose(block, WIDTH)


def _prose(block: Block, width: int) -> Iterator[str]:
    for sentence in block.sentences:
        yield textwrap.fill(
            sentence, width, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    yield from (f"    {command}" for command in block.commands)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(line, widths)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()


def _records(table: LedgerTable) -> Iterator[tuple[Any, ...]]:
    printed = table.printed
    for method in table.methods:
        for entry in method.entries:
            what = (printed.source.title, printed.id, printed.split, method.row.method, method.row.name, entry.column.metric)
            print_ = (printed.source.title, entry.printed.text, printed.n)
            for other in entry.elsewhere:
                measured = (other.source, None, other.number.text, None, None, other.n)
                yield (*what, *print_, "third party", *measured[1:], *_verdict(other.verdict))
            for ours in entry.ours:
                measured = (ours.run, ours.value, ours.low, ours.high, ours.n)
                yield (*what, *print_, "ours", *measured, *_verdict(ours.verdict))
                for other, verdict in zip(entry.elsewhere, ours.beside):
                    yield (*what, other.source, other.number.text, other.n, "ours", *measured, *_verdict(verdict))
            if not entry.ours:
                because = f"no run of this method on this split; {command_for([method.row.method], printed)}"
                nothing = (None, None, None, None, None)
                yield (*what, *print_, "ours", *nothing, "cannot be compared", None, because)


def _verdict(verdict: Verdict) -> tuple[str, str | None, str | None]:
    difference = None if verdict.difference is None else f"{verdict.difference:+f}"
    return verdict.judgement, difference, "; ".join(verdict.because) or None
