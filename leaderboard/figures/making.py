"""Making a figure: runs and videos found and checked, the grid drawn, what it shows written into the PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from benchmark.canvas import Canvas
from benchmark.clip import Clip, Input
from benchmark.datasets.dataset import Dataset
from benchmark.datasets.opening import open_dataset
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.errors import UserError
from benchmark.job import manifest_of
from benchmark.progress import progress
from benchmark.protocols.protocol import Protocol, load_protocol
from benchmark.registry import load_registry
from benchmark.results import ClipRecord
from benchmark.run_record import read_run_record
from benchmark.splits.manifest import Manifest
from benchmark.splits.manifest import Row as ClipRow
from benchmark.splits.selection import select
from benchmark.store import RunFolder
from benchmark.video import Frames, decoded_frames, pixel_digest

from ..legend import REMARK
from ..rows import Row, find_rows
from . import Figure, read_figure
from .choosing import spread
from .chunk import KEY, SCHEMA, Contents, ShownRun
from .commands import again
from .grid import Block, grid
from .picking import Column, Picked, pick


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the figure leaves open. None and empty take its own: its clips by `spread`, its frames, its split, the runs' data.

    split: a name, or a manifest file *.jsonl. data: where clips come from, as `run` takes it; runs on other data are left aside.
    protocol: a name, or the file of one's own protocol. clips: ids, from top to bottom. frames: of the clip, from 0.
    """

    split: str | None = None
    data: str | None = None
    protocol: str | None = None
    clips: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """png: the file's bytes. shows: what is in it. private: whether it holds pixels of a dataset with a licence of its own.

    notes: which runs and clips were chosen and what was left out.
    """

    png: bytes
    shows: Contents
    private: bool
    notes: tuple[str, ...]


def make(name: str, paths: Sequence[Path], asked: Asked) -> Made:
    """The figure of these runs (files, folders, or folders that hold runs); equal runs and clips give equal bytes.

    Raises UserError where a run, a video, a clip or the data is missing or does not fit, with what to do.
    """
    figure = read_figure(name)
    split = asked.split or figure.split
    listed = manifest_of_file(split)
    dataset = None if asked.data is None else open_dataset(asked.data)
    protocol = None if asked.protocol is None else load_protocol(asked.protocol)
    picked = pick(
        figure,
        find_rows(paths),
        split=split if listed is None else listed.split,
        installed=load_registry().methods,
        dataset=None if dataset is None else dataset.name,
        protocol=None if protocol is None else protocol.name,
        named={path.resolve() for path in paths},
        started=_started,
    )
    results = picked.prior.row.results
    dataset = dataset or _dataset_of(picked.prior.row)
    manifest = listed or dataset.manifest(results.split.name)
    if (dataset.name, manifest.digest) != (results.split.dataset, results.split.digest):
        raise UserError(
            f"the runs are of {results.split.dataset} {results.split.name} ({results.split.digest}), but the data has"
            f" {dataset.name} {manifest.split} ({manifest.digest}); name the data that they were made on with --data"
        )
    canvas = (protocol or _protocol_of(picked.prior.row)).canvas
    records = {column.row.run: {one.clip: one for one in column.row.read().records} for column in picked.columns}
    chosen, told = _clips(figure, picked, records, manifest, asked)
    frames = _frames(figure, canvas, asked)
    shows = _contents(name, picked, records, [row.clip_id for row in chosen], frames)
    videos = {column.row.run: _predictions(column.row, records[column.row.run], shows.clips, canvas) for column in picked.columns}
    blocks = _blocks(dataset, chosen, canvas, frames, [videos[column.row.run] for column in picked.columns])
    picture = grid(("exo", *(_heading(column) for column in picked.columns), "truth"), blocks, notes=_footer(picked))
    return Made(
        png=_png(picture, shows),
        shows=shows,
        private=not isinstance(dataset, SimDataset),
        notes=(*picked.notes, *told),
    )


def manifest_of_file(split: str) -> Manifest | None:
    """The manifest where a split is named by its file; None where it is named by its name."""
    from benchmark.splits.manifest import load_manifest

    return load_manifest(Path(split)) if split.endswith(".jsonl") else None


def clips_of(figure: Figure, *, data: str, split: str) -> list[str]:
    """The clips that the figure shows of this data where every run has all of them."""
    manifest = manifest_of(open_dataset(data), split)
    return [row.clip_id for row in spread(manifest.rows, figure.clips)]


def _started(row: Row) -> str:
    record = read_run_record(RunFolder(row.folder))
    return record.invocations[-1].started if record is not None and record.invocations else ""


def _dataset_of(row: Row) -> Dataset:
    """The data that run.json names."""
    record = read_run_record(RunFolder(row.folder))
    if record is None:
        raise UserError(f"{row.folder}: has no run.json that says where its clips are; name the data with --data")
    try:
        return open_dataset(record.data)
    except UserError as error:
        raise UserError(f"{error} (the runs were made on {record.data}; if it lies elsewhere now: --data)") from None


def _protocol_of(row: Row) -> Protocol:
    """The protocol by the name that the results have; one's own has no such name."""
    try:
        return load_protocol(row.results.protocol.name)
    except UserError as error:
        raise UserError(f"{error}; if it is your own, name its file with --protocol") from None


def _clips(
    figure: Figure,
    picked: Picked,
    records: Mapping[str, Mapping[str, ClipRecord]],
    manifest: Manifest,
    asked: Asked,
) -> tuple[list[ClipRow], list[str]]:
    """The clips to show, and what is to be said of them."""
    if asked.clips:
        by_id = {row.clip_id: row for row in select(manifest, clips=asked.clips)}
        for column in picked.columns:
            for clip in by_id:
                _check_there(column.row, records[column.row.run], clip)
        return [by_id[clip] for clip in dict.fromkeys(asked.clips)], []
    there = [row for row in manifest.rows if all(_has_video(found, row.clip_id) for found in records.values())]
    if not there:
        _check_there_at_all(picked, records, manifest)
    chosen = spread(there, figure.clips)
    names = ", ".join(row.clip_id for row in chosen)
    return chosen, [f"clips, spread over places: {names}"]


def _check_there_at_all(picked: Picked, records: Mapping[str, Mapping[str, ClipRecord]], manifest: Manifest) -> None:
    """Raise UserError: no clip has a video in every run. Names the first clip and who lacks it."""
    clip = manifest.rows[0].clip_id
    lacking = [column.row for column in picked.columns if not _has_video(records[column.row.run], clip)]
    if lacking:
        _check_there(lacking[0], records[lacking[0].run], clip)
    raise UserError(f"no clip of {manifest.split} has a video in every run; name clips with --clips to see which lack them")


def _has_video(records: Mapping[str, ClipRecord], clip: str) -> bool:
    return clip in records and records[clip].prediction is not None


def _check_there(row: Row, records: Mapping[str, ClipRecord], clip: str) -> None:
    if _has_video(records, clip):
        return
    what = f"{row.results.method.id} (run {row.run}) has no video of {clip}"
    if clip in records:
        raise UserError(f"{what}: {records[clip].reason}; show another clip with --clips")
    raise UserError(f"{what}; make it: {again(row, clips=[clip])}")


def _frames(figure: Figure, canvas: Canvas, asked: Asked) -> tuple[int, ...]:
    if not asked.frames:
        return figure.frames(canvas.frames)
    for frame in asked.frames:
        if not 0 <= frame < canvas.frames:
            raise UserError(f"--frames {frame}: clips of the {canvas.name} canvas have frames 0 to {canvas.frames - 1}")
    return tuple(sorted(set(asked.frames)))


def _contents(
    name: str,
    picked: Picked,
    records: Mapping[str, Mapping[str, ClipRecord]],
    clips: Sequence[str],
    frames: tuple[int, ...],
) -> Contents:
    def shown(column: Column) -> ShownRun:
        pixels = {clip: records[column.row.run][clip].prediction or "" for clip in clips}
        results = column.row.results
        return ShownRun(method=results.method.id, label=column.label, run=column.row.run, seed=results.seed, predictions=pixels)

    results = picked.prior.row.results
    return Contents(
        schema=SCHEMA,
        figure=name,
        split=results.split,
        protocol=results.protocol,
        clips=tuple(clips),
        frames=frames,
        prior=shown(picked.prior),
        methods=tuple(shown(column) for column in picked.methods),
    )


def _predictions(row: Row, records: Mapping[str, ClipRecord], clips: Sequence[str], canvas: Canvas) -> dict[str, Frames]:
    """The run's videos of these clips, whole: only then can their pixels be told to be those that were scored."""
    return {clip: _prediction(row, clip, records[clip].prediction or "", canvas) for clip in clips}


def _prediction(row: Row, clip: str, pixels: str, canvas: Canvas) -> Frames:
    path = RunFolder(row.folder).video(clip)
    remake = f"make it again: {again(row, clips=[clip])}"
    if not path.is_file():
        raise UserError(f"{path}: the video is not there; {remake}")
    try:
        frames = np.stack(list(decoded_frames(path)))
    except (UserError, ValueError) as error:
        raise UserError(f"{path}: the video is damaged ({str(error).partition(';')[0]}); delete it, then {remake}") from None
    found = pixel_digest(frames)
    if found != pixels:
        raise UserError(
            f"{path}: the video is not the one that was scored (its pixels are {found}, scores.jsonl has {pixels});"
            f" delete it, then {remake}"
        )
    if len(frames) != canvas.frames:
        raise UserError(
            f"{path}: has {len(frames)} frames, the {canvas.name} canvas {canvas.frames}; name the protocol: --protocol"
        )
    return frames


def _blocks(
    dataset: Dataset,
    clips: Sequence[ClipRow],
    canvas: Canvas,
    frames: tuple[int, ...],
    videos: Sequence[Mapping[str, Frames]],
) -> list[Block]:
    with progress("clips") as task:
        dataset.prepare(clips, canvas, needs=frozenset({Input.EXO_VIDEO, Input.TRUTH}), workers=1, progress=task)
    blocks = []
    for row in clips:
        clip: Clip = dataset.clip(row, canvas)
        exo = clip.exo[0].video.read(frames) if clip.exo else None
        truth = clip.truth.video.read(frames) if clip.truth is not None else None
        rows = [
            (
                None if exo is None else exo[place],
                *(video[row.clip_id][frame] for video in videos),
                None if truth is None else truth[place],
            )
            for place, frame in enumerate(frames)
        ]
        blocks.append(Block(name=row.clip_id, frames=frames, rows=tuple(rows)))
    return blocks


def _heading(column: Column) -> str:
    return f"{column.label} {REMARK}" if column.row.results.method.remark else column.label


def _footer(picked: Picked) -> list[str]:
    """Where the pictures are from, and what every table must say of these methods too."""
    results = picked.prior.row.results
    split, protocol = results.split, results.protocol
    remarks: dict[str, list[str]] = {}
    for column in picked.columns:
        if column.row.results.method.remark:
            remarks.setdefault(column.row.results.method.remark, []).append(column.label)
    seeds = sorted({column.row.results.seed for column in picked.columns})
    told = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    lines = [f"{split.dataset} {split.name} ({split.digest}) · {protocol.name}@{protocol.version} · {told}"]
    return lines + [f"{REMARK}  {', '.join(labels)}: {remark}" for remark, labels in remarks.items()]


def _png(picture: Frames, shows: Contents) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(KEY, shows.to_text())
    file = BytesIO()
    Image.fromarray(picture).save(file, format="PNG", pnginfo=info)
    return file.getvalue()
