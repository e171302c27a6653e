"""What pages say of rows and clips beyond the table: what a method sees, what it costs, differences, every clip's value."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.contenders import Contender, Run, truth_run
from benchmark.datasets.opening import is_simulated
from benchmark.metrics import METRICS
from benchmark.registry import MethodSpec, load_registry
from benchmark.run_record import read_run_record
from benchmark.store import RunFolder

from ..rows import Row, is_reference
from ..table import Sheet
from .names import slug_of

Delta = tuple[float, float | None, float | None, int]
"""Difference of two rows, the ends of its 95 % interval, and who is ahead: 1 the first of the pair, -1 the other one, 0 where
Holm's corrected test does not separate them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFacts:
    """One row of a table page.

    number: its place in the sheet. views: exo views that the method needs, None where it is not registered here;
    trained_on: data that its weights were trained on, by us. seconds: median over clips of what generating one took, None
    where nobody kept it. run: its scores by clip, None where they are missing.
    """

    number: int
    label: str
    flags: str
    row: Row
    summary: str
    paper: str
    views: int | None
    trained_on: tuple[str, ...]
    seconds: float | None
    run: Run | None

    @property
    def competes(self) -> bool:
        """Whether the row can be best."""
        return self.row.competes

    def pixels(self, clip: str) -> str | None:
        """Digest of the pixels of this clip that were scored."""
        records = self.run.records if self.run is not None else ()
        return next((record.prediction for record in records if record.clip == clip), None)

    @property
    def options(self) -> str:
        """The options that the method was run with, those that are set."""
        return ", ".join(
            f"{name}={value}" for name, value in sorted(self.row.results.method.options.items()) if value not in ("", 0)
        )

    @property
    def reference(self) -> bool:
        """Whether the row is a control or saw truth."""
        return is_reference(self.row)

    @property
    def folder(self) -> RunFolder:
        """Where the run's videos and per-frame curves lie, where they do."""
        return RunFolder(self.row.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """One clip of a table's split. file: its name in files' names and addresses. values: by metric, each row's number or None."""

    clip_id: str
    file: str
    take: str
    place: str
    values: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """All of one table page. deltas: metric to (row, other row) with row < other, where a paired test could be made."""

    slug: str
    sheet: Sheet
    rows: tuple[RowFacts, ...]
    clips: tuple[ClipFacts, ...]
    deltas: Mapping[str, Mapping[tuple[int, int], Delta]]

    @property
    def on_sim(self) -> bool:
        """Whether all pixels are of the simulated world, which may be shown to anyone."""
        return is_simulated(self.sheet.lines[0].row.results.split.dataset)


def facts_of(sheets: Sequence[Sheet]) -> list[TableFacts]:
    """One page's facts a sheet. Slugs are "<split>-<protocol>", numbered where two sheets share them.

    Raises UserError for scores by clip that are damaged.
    """
    specs = load_registry().methods
    found: list[TableFacts] = []
    for sheet in sheets:
        results = sheet.lines[0].row.results
        slug = slug_of(f"{results.split.name}-{results.protocol.name}")
        taken = [facts.slug for facts in found]
        number = next(n for n in range(1, len(taken) + 2) if (slug if n == 1 else f"{slug}-{n}") not in taken)
        rows = tuple(_row(place, sheet, specs) for place in range(len(sheet.lines)))
        found.append(
            TableFacts(
                slug=slug if number == 1 else f"{slug}-{number}",
                sheet=sheet,
                rows=rows,
                clips=_clips(sheet, rows),
                deltas=_deltas(sheet, rows),
            )
        )
    return found


def _row(place: int, sheet: Sheet, specs: Mapping[str, MethodSpec]) -> RowFacts:
    line = sheet.lines[place]
    spec = specs.get(line.row.results.method.id)
    return RowFacts(
        number=place,
        label=line.label,
        flags=line.flags,
        row=line.row,
        summary=spec.summary if spec else "not registered here: known by its results alone",
        paper=spec.paper if spec else "",
        views=spec.exo_views if spec else None,
        trained_on=spec.trained_on if spec else (),
        seconds=_seconds(line.row),
        run=line.row.read() if line.row.records is not None else None,
    )


def _seconds(row: Row) -> float | None:
    record = read_run_record(RunFolder(row.folder))
    costs = [cost.seconds for cost in record.clips.values() if cost.seconds is not None] if record is not None else []
    return statistics.median(costs) if costs else None


def _clips(sheet: Sheet, rows: Sequence[RowFacts]) -> tuple[ClipFacts, ...]:
    records = [{record.clip: record for record in row.run.records} if row.run else {} for row in rows]
    any_record = {clip: record for known in records for clip, record in known.items()}
    by_clip = [column.metric for column in sheet.columns if column.metric not in METRICS or METRICS[column.metric].of == "clip"]
    values = {metric: [row.run.values(metric) if row.run else {} for row in rows] for metric in by_clip}
    return tuple(
        ClipFacts(
            clip_id=clip,
            file=slug_of(clip),
            take=any_record[clip].cluster,
            place=any_record[clip].place,
            values={metric: tuple(known.get(clip) for known in found) for metric, found in values.items()},
        )
        for clip in sorted(any_record)
    )


def _deltas(sheet: Sheet, rows: Sequence[RowFacts]) -> dict[str, dict[tuple[int, int], Delta]]:
    """Every row against every other one, each run by itself: a table's rows are runs, seeds are not averaged."""
    from benchmark.comparison import pairwise

    having = [row for row in rows if row.run is not None]
    contenders = [Contender(label=row.label, runs=(row.run,)) for row in having if row.run is not None]
    if len(contenders) < 2:
        return {}
    found: dict[str, dict[tuple[int, int], Delta]] = {}
    truth = truth_run([contender.runs[0] for contender in contenders])
    shown = {column.metric for column in sheet.columns}
    for one in pairwise(contenders, truth=truth):
        # without the truth's own value a difference of such a metric says nothing of better or worse
        blind = METRICS[one.metric].direction == "truth" and truth is None
        if one.difference is not None and one.metric in shown and not blind:
            ahead = 0 if not one.separated or one.ahead is None else 1 if one.ahead == one.a else -1
            pair = (having[one.a].number, having[one.b].number)
            found.setdefault(one.metric, {})[pair] = (one.difference, one.low, one.high, ahead)
    return found
