"""What a figure shows, kept inside its PNG: by it a figure that is out of date is found without any video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmark.errors import UserError
from benchmark.results import ProtocolHeader, SplitHeader, read_records

from ..rows import Row
from . import read_figure

KEY = "egox-bench"
"""Keyword of the PNG's text chunk."""

SCHEMA = 1


class ShownRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column. run: its key; predictions: clip to digest of the prediction's pixels, as scores.jsonl has it."""

    method: str
    label: str
    run: str
    seed: int
    predictions: dict[str, str]


class Contents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a figure shows. clips: from top to bottom; frames: of each; prior, methods: columns from left to right."""

    schema: int
    figure: str
    split: SplitHeader
    protocol: ProtocolHeader
    clips: tuple[str, ...]
    frames: tuple[int, ...]
    prior: ShownRun
    methods: tuple[ShownRun, ...]

    def to_text(self) -> str:
        """Canonical JSON."""
        return msgspec.json.encode(self, order="sorted").decode()


def contents_of(png: Path) -> Contents:
    """What a figure says of itself. Raises UserError for a file that is no figure of this benchmark."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(png) as image:
            image.load()  # text may come behind the pixels
            text = getattr(image, "text", {}).get(KEY)
    except FileNotFoundError:
        raise UserError(f"{png}: no such file; make it with 'egox-bench figure'") from None
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise UserError(f"{png}: not a readable PNG ({error})") from None
    if text is None:
        raise UserError(f"{png}: has no {KEY} chunk; 'egox-bench figure' makes figures that say what they show")
    try:
        found = msgspec.json.decode(str(text), type=Contents)
    except msgspec.DecodeError as error:
        raise UserError(f"{png}: its {KEY} chunk does not fit ({error}); make the figure again") from None
    if found.schema != SCHEMA:
        raise UserError(f"{png}: its {KEY} chunk has schema {found.schema}, this version reads {SCHEMA}; make the figure again")
    return found


def stale(png: Path, rows: Sequence[Row]) -> list[str]:
    """Why a figure no longer shows what these runs hold, a sentence each; empty where it does.

    Pixels decide: of each column a run must be there that has the same predictions of the clips that are shown, and no method
    that the figure would take may be missing in it. A key that changed with the code alone makes no figure stale, and neither
    does a score. Raises UserError where the file is no figure, or a run's scores cannot be read.
    """
    shown = contents_of(png)
    split = shown.split
    here = [row for row in rows if (row.results.split, row.results.protocol.name) == (split, shown.protocol.name)]
    found = []
    for column in (shown.prior, *shown.methods):
        own = [row for row in here if (row.results.method.id, row.results.seed) == (column.method, column.seed)]
        if not own:
            where = f"{split.dataset} {split.name} ({split.digest}), {shown.protocol.name}, seed {column.seed}"
            found.append(f"{column.label}: no run of {column.method} on {where} among these")
            continue
        same_key = [row for row in own if row.run == column.run]
        reasons = [_changes(column, row) for row in same_key or own]
        if all(reasons):
            found += reasons[-1]
    listed = {column.method for column in (shown.prior, *shown.methods)}
    view = read_figure(shown.figure).view_on(split.name)
    new = {row.results.method.id for row in here if view.shows(row)} - listed
    return found + [f"{method} has a run, but is not in the figure" for method in sorted(new)]


def _changes(column: ShownRun, row: Row) -> list[str]:
    if row.records is None:
        raise UserError(f"{row.file}: there are no scores by clip beside it; score the run again")
    now = {record.clip: record.prediction for record in read_records(row.records)}
    changes = []
    for clip, pixels in column.predictions.items():
        if now.get(clip) is None:
            changes.append(f"{column.label}: run {row.run} has no video of {clip}")
        elif now[clip] != pixels:
            changes.append(f"{column.label}: {clip} is another video in run {row.run} ({now[clip]}, the figure shows {pixels})")
    return changes
