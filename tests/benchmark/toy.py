"""A dataset of painted boxes in memory, and jobs on it: what the runner's tests run on, without a file or a renderer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.answers import Answers
from benchmark.box_room import box_room_clip
from benchmark.canvas import MINI, Canvas
from benchmark.clip import Clip, ClipInputs, Input
from benchmark.datasets.dataset import ClipDigests, Problem, Progress
from benchmark.job import Job, JobConfig, make_job
from benchmark.protocols.protocol import Protocol
from benchmark.registry import MethodSpec
from benchmark.splits.manifest import Manifest, Row
from benchmark.store import content_key
from benchmark.video import Frames

from ..pixels import PIXELS

TINY = dataclasses.replace(MINI, name="tiny", ego_side=32, frames=3)
"""Small enough that a test of the runner spends its time in the runner."""


def toy_protocol(canvas: Canvas = TINY) -> Protocol:
    """The pixel metrics on a tiny canvas."""
    return dataclasses.replace(PIXELS, name="toy", canvas=canvas)


class ToyDataset:
    """Clips c0..cN of box rooms, two a take. `changes` maps a clip id to a function of its Clip."""

    name = "toy"
    default_protocol = "mini"

    def __init__(self, n: int = 4, changes: dict[str, Callable[[Clip], Clip]] | None = None) -> None:
        self.n, self.changes, self.opened = n, changes or {}, []
        self.truths: dict[str, str] = {}

    def splits(self) -> tuple[str, ...]:
        return ("all", "train")

    def manifest(self, split: str) -> Manifest:
        rows = [
            Row(
                clip_id=f"c{i}",
                take_uid=f"t{i // 2}",
                take_name=f"t{i // 2}",
                first_frame=49 * i,
                last_frame=49 * i + 48,
                exo_cam="cam01",
            )
            for i in range(self.n)
        ]
        return Manifest.of(split, self.name, rows)

    def digests(self, row: Row, canvas: Canvas) -> ClipDigests:
        key = content_key({"clip": row.clip_id, "canvas": canvas.name, "changed": row.clip_id in self.changes})
        return ClipDigests(inputs=key, truth=self.truths.get(row.clip_id, key))

    def prepare(self, rows: Sequence[Row], canvas: Canvas, *, needs: frozenset[Input], workers: int, progress: Progress) -> None:
        progress(len(rows), len(rows), "")

    def clip(self, row: Row, canvas: Canvas) -> Clip:
        self.opened.append(row.clip_id)
        clip = box_room_clip(row.clip_id, seed=int(row.clip_id[1:]), frames=canvas.frames, ego_side=canvas.ego_side)
        return self.changes.get(row.clip_id, lambda same: same)(clip)

    def verify(self, *, progress: Progress) -> Iterator[Problem]:
        return iter(())


class Tinted:
    """A method that answers with the truth's first frame plus noise from the seed; counts what it did."""

    loads = 0

    def __init__(self) -> None:
        Tinted.loads += 1
        self.asked: list[str] = []

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        self.asked.append(inputs.clip_id)
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (inputs.n_frames, *inputs.size, 3), dtype=np.uint8)


def toy_answers(make: Callable[[], Any] = Tinted, **changes: Any) -> Answers:
    """Answers of a method that is not installed anywhere."""
    spec = MethodSpec(
        **{"id": "toy-method", "target": "", "summary": "for tests", "version": "1", "needs": frozenset(), **changes}
    )
    return Answers(spec=spec, source="code-1", key_options={}, make=make, extra_key=lambda clip: "")


def toy_job(out: Path, *, dataset: ToyDataset | None = None, answers: Answers | None = None, seed: int = 0) -> Job:
    """A job on the toy dataset."""
    dataset = dataset or ToyDataset()
    config = JobConfig(data="toy", split="all", protocol="toy", out=out, seed=seed, method="toy-method")
    return make_job(
        config, dataset=dataset, manifest=dataset.manifest("all"), protocol=toy_protocol(), answers=answers or toy_answers()
    )
