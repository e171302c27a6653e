"""Videos of a clip for the page: exo view, ego prior, methods, truth, as short H.264 files that any browser steps through.

What may be shown is decided here. Of the simulated world everything; of other data only what a trained method made anew, since
their licences forbid to pass on pixels, and an ego prior is made of the exo view's; all of it for a page that stays private.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contenders import TRUTH_METHOD
from benchmark.errors import UserError
from benchmark.run_record import read_run_record

from ..rows import is_reference
from .facts import ClipFacts, RowFacts, TableFacts

if TYPE_CHECKING:
    from benchmark.canvas import Canvas
    from benchmark.clip import Clip
    from benchmark.datasets.dataset import Dataset
    from benchmark.progress import Task
    from benchmark.splits.manifest import Manifest
    from benchmark.video import Frames

PRIOR_METHOD = "ego-prior"
KEYFRAME_EVERY = 4
CRF = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """One video of a clip's page. file: its name in the folder of the clip's media; row: the place of the row that made it, None
    for what the clip holds itself; frames: how many; width, height in pixels."""

    label: str
    file: str
    row: int | None
    frames: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may leave the machine. everything: simulated data, or a page that stays private; else the videos of `generated`
    and of methods whose weights were trained by us, where they see no truth."""

    everything: bool
    generated: frozenset[str] = frozenset()

    def shows(self, row: RowFacts) -> bool:
        """Whether the row's videos may be shown."""
        return self.everything or row.row.results.method.id in self.generated or (row.competes and bool(row.trained_on))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The clips themselves, for exo view and truth."""

    dataset: Dataset
    manifest: Manifest
    canvas: Canvas

    def clip(self, name: str) -> Clip:
        """The clip of this id. Raises UserError where the split lacks it."""
        for row in self.manifest.rows:
            if row.clip_id == name:
                return self.dataset.clip(row, self.canvas)
        raise UserError(f"clip {name}: not in split {self.manifest.split!r} of {self.manifest.dataset}")


def canvas_of(table: TableFacts) -> Canvas:
    """The canvas that the rows' videos have: as their run.json names it, else that of their protocol.

    Raises UserError where neither is known here.
    """
    from benchmark.canvas import CANVASES
    from benchmark.protocols import load_protocol

    for row in table.rows:
        record = read_run_record(row.folder)
        for canvas in CANVASES.values():
            if record is not None and record.identity.canvas == repr(canvas):
                return canvas
    return load_protocol(table.rows[0].row.results.protocol.name).canvas


def source_of(table: TableFacts, clips: Sequence[ClipFacts], *, data: str | None, progress: Task) -> Source:
    """Opens the data that the rows were measured on, for these clips: `data`, or what their run.json names.

    Raises UserError where it cannot be opened, or where its split is another one.
    """
    from benchmark.datasets.opening import open_dataset
    from benchmark.inputs import Input

    results = table.rows[0].row.results
    record = next((found for row in table.rows if (found := read_run_record(row.folder)) is not None), None)
    if data is None:
        data = record.data if record is not None else "sim" if table.on_sim else None
    if data is None:
        raise UserError(f"{results.split.dataset}: no run says where its clips are; name the folder with --data")
    dataset = open_dataset(data)
    manifest = dataset.manifest(results.split.name)
    if manifest.digest != results.split.digest:
        raise UserError(
            f"split {results.split.name} of {data} has digest {manifest.digest}, the runs were measured on {results.split.digest}"
        )
    canvas = canvas_of(table)
    wanted = {clip.clip_id for clip in clips}
    rows = [row for row in manifest.rows if row.clip_id in wanted]
    dataset.prepare(rows, canvas, needs=frozenset({Input.EXO_VIDEO, Input.TRUTH}), workers=1, progress=progress)
    return Source(dataset=dataset, manifest=manifest, canvas=canvas)


def encode(
    clip: ClipFacts, table: TableFacts, folder: Path, *, source: Source | None, fps: float, allowed: Allowed, faults: list[str]
) -> tuple[Player, ...]:
    """Write the clip's videos into `folder` and return its players, in the order exo, prior, methods, truth.

    What is missing or damaged is left out, with a sentence added to `faults`.
    """
    from benchmark.video import write_h264

    folder.mkdir(parents=True, exist_ok=True)
    players, encoding = [], []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # the encoder leaves Python's lock alone
        for label, file, row, frames in _videos(clip, table.rows, source=source, allowed=allowed, faults=faults):
            encoding.append(pool.submit(write_h264, folder / file, frames, fps=fps, crf=CRF, keyframe_every=KEYFRAME_EVERY))
            height, width = frames.shape[1:3]
            players.append(Player(label=label, file=file, row=row, frames=len(frames), width=width, height=height))
    for one in encoding:
        one.result()
    return tuple(players)


def _videos(
    clip: ClipFacts, rows: Sequence[RowFacts], *, source: Source | None, allowed: Allowed, faults: list[str]
) -> Iterator[tuple[str, str, int | None, Frames]]:
    from benchmark.video import Video, decoded_frames, pixel_digest

    def of_rows(wanted: Collection[int]) -> Iterator[tuple[str, str, int | None, Frames]]:
        import numpy as np

        for row in rows:
            path = row.folder.video(clip.clip_id)
            if row.number not in wanted or not allowed.shows(row) or not path.is_file():
                continue
            try:
                frames = np.stack(list(decoded_frames(path)))
            except (UserError, ValueError):
                faults.append(f"{path}: the video cannot be read and is left out; delete it and run again")
                continue
            if pixel_digest(frames) != row.pixels(clip.clip_id):
                faults.append(f"{path}: the video is not the one that was scored, and is left out; delete it and run again")
                continue
            yield row.label, f"row{row.number}.mp4", row.number, frames

    def own(video: Video) -> Frames | None:
        try:
            return video.read()
        except UserError as error:
            faults.append(f"clip {clip.clip_id}: {error}")
            return None

    held = None
    if source is not None and allowed.everything:
        try:
            held = source.clip(clip.clip_id)
        except UserError as error:
            faults.append(str(error))
    if held is not None and held.exo and (exo := own(held.exo[0].video)) is not None:
        yield "exo", "exo.mp4", None, exo
    priors = {row.number for row in rows if row.row.results.method.id == PRIOR_METHOD}
    references = {row.number for row in rows if is_reference(row.row)}
    yield from of_rows(priors)
    yield from of_rows({row.number for row in rows} - priors - references)
    if held is not None and held.truth is not None and (truth := own(held.truth.video)) is not None:
        yield "truth", "truth.mp4", None, truth
    elif held is None and allowed.everything:
        yield from of_rows({row.number for row in rows if row.row.results.method.id == TRUTH_METHOD})
