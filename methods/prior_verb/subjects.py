"""What priors are made of: clips of a dataset, or (`own_video`) a video of one's own; as inputs that a method sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmark.canvas import Canvas
from benchmark.clip import ClipInputs, inputs_for
from benchmark.datasets.dataset import Dataset
from benchmark.inputs import Input
from benchmark.progress import progress
from benchmark.registry import MethodSpec
from benchmark.splits.manifest import Row
from benchmark.video import Video
from benchmark.worker_pool import available_cores


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Subject:
    """One clip as the method sees it, and the truth to lay beside the prior. no_truth: why there is none; "" where nobody
    would expect one."""

    inputs: ClipInputs
    truth: Video | None = None
    no_truth: str = ""


class Source(Protocol):
    """Where subjects come from. Everything but `prepare` and reading a subject's pictures is quick."""

    @property
    def names(self) -> tuple[str, ...]:
        """Each becomes the name of a folder."""
        ...

    @property
    def frames(self) -> int:
        """Of each subject."""
        ...

    def identity(self, name: str) -> dict[str, Any]:
        """All that decides what is written, but for options and code. Raises UserError where a file cannot be read."""
        ...

    def prepare(self, names: Sequence[str]) -> None:
        """Make what these subjects need."""
        ...

    def subject(self, name: str) -> Subject:
        """Raises Undefined or UserError, with the reason, where the prior cannot be made."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Clips:
    """Clips of a dataset on one canvas."""

    dataset: Dataset
    canvas: Canvas
    rows: dict[str, Row]
    spec: MethodSpec

    @classmethod
    def open(
        cls,
        data: str,
        *,
        split: str,
        protocol: str | None,
        clips: Sequence[str] | None,
        limit: int | None,
        spec: MethodSpec,
    ) -> Clips:
        """As `egox-bench generate` understands these flags. Raises UserError for a wrong name, with the nearest one."""
        from benchmark.datasets.opening import open_dataset
        from benchmark.job import manifest_of
        from benchmark.protocols.protocol import load_protocol
        from benchmark.splits.selection import select

        dataset = open_dataset(data)
        canvas = load_protocol(protocol or dataset.default_protocol).canvas
        rows = select(manifest_of(dataset, split), limit=limit, clips=clips or ())
        return cls(dataset=dataset, canvas=canvas, rows={row.clip_id: row for row in rows}, spec=spec)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.rows)

    @property
    def frames(self) -> int:
        return self.canvas.frames

    def identity(self, name: str) -> dict[str, Any]:
        digests = self.dataset.digests(self.rows[name], self.canvas)
        return {"inputs": digests.inputs, "truth": digests.truth, "canvas": repr(self.canvas)}

    def prepare(self, names: Sequence[str]) -> None:
        needs = self.spec.needs | self.spec.optional | {Input.TRUTH}
        with progress("preparing clips") as task:
            self.dataset.prepare(
                [self.rows[name] for name in names], self.canvas, needs=needs, workers=available_cores(), progress=task
            )

    def subject(self, name: str) -> Subject:
        clip = self.dataset.clip(self.rows[name], self.canvas)
        inputs = inputs_for(clip, needs=self.spec.needs, optional=self.spec.optional)
        if clip.truth is None:
            return Subject(inputs=inputs, no_truth=clip.missing.get(Input.TRUTH, "no ego video"))
        return Subject(inputs=inputs, truth=clip.truth.video)
