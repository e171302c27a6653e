"""Clips to learn from: which ones, what identifies them, and their pictures with the prior beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmark.canvas import Canvas
from benchmark.clip import Clip, inputs_for
from benchmark.datasets.dataset import Dataset
from benchmark.errors import Undefined
from benchmark.inputs import Input
from benchmark.progress import Task
from benchmark.registry import MethodSpec, deciding_options
from benchmark.splits.manifest import Row
from benchmark.video import Frames
from methods.ego_prior import SPEC, Options

if TYPE_CHECKING:
    from egox.clip import EgoXClip
    from methods.ego_prior.making import Maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Plain values from which any process opens the same clips.

    prior: how the prior is made that the model learns from; generating with the model should make it in the same way.
    """

    data: str
    split: str
    protocol: str | None
    limit: int | None
    prior: Options = field(default_factory=Options)

    @property
    def spec(self) -> MethodSpec:
        """The prior's method, with what it needs under these options."""
        return SPEC.with_options(self.prior)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Views:
    """Both videos of a clip, [frames, height, width, 3] uint8, and its caption ("" where it has none)."""

    exo: Frames
    ego: Frames
    prompt: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainingClips:
    """The first clips of one split on one canvas."""

    asked: Asked
    dataset: Dataset
    canvas: Canvas
    rows: dict[str, Row]

    @classmethod
    def open(cls, asked: Asked) -> TrainingClips:
        """Raises UserError for a wrong name, with the nearest one."""
        from benchmark.datasets.opening import open_dataset
        from benchmark.job import manifest_of
        from benchmark.protocols.protocol import load_protocol
        from benchmark.splits.selection import select

        dataset = open_dataset(asked.data)
        canvas = load_protocol(asked.protocol or dataset.default_protocol).canvas
        rows = select(manifest_of(dataset, asked.split), limit=asked.limit)
        return cls(asked=asked, dataset=dataset, canvas=canvas, rows={row.clip_id: row for row in rows})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.rows)

    def identity(self, name: str, *, prior: bool) -> dict[str, Any]:
        """All that decides a clip's pictures and cameras, and with `prior` how its prior is made. Nothing is decoded for it."""
        digests = self.dataset.digests(self.rows[name], self.canvas)
        parts: dict[str, Any] = {"inputs": digests.inputs, "truth": digests.truth, "canvas": repr(self.canvas)}
        if prior:
            parts["prior"] = [SPEC.version, SPEC.source_digest(), deciding_options(self.asked.prior)]
        return parts

    def prepare(self, names: Sequence[str], *, workers: int, progress: Task) -> None:
        """Render what these clips need, where they are rendered at all."""
        spec = self.asked.spec
        needs = spec.needs | spec.optional | {Input.TRUTH, Input.CAPTION}
        self.dataset.prepare([self.rows[name] for name in names], self.canvas, needs=needs, workers=workers, progress=progress)

    def views(self, name: str) -> Views:
        """Both videos as the model has them, equally high. Raises Undefined where one is missing."""
        from egox.clip import beside_ego

        clip = self._clip(name)
        truth, view = _truth(clip), clip.exo[0]
        height, width = beside_ego(view.video.size, truth.shape[1])
        return Views(exo=view.resized(width, height).video.read(), ego=truth, prompt=clip.caption or "")

    def with_prior(self, name: str, maker: Maker) -> tuple[EgoXClip, Frames]:
        """What the model is given of a clip, and the truth. Raises Undefined, with the reason, where something is missing."""
        from egox.clip import clip_of_prior
        from methods.ego_prior.adapter import prior_of

        clip, spec = self._clip(name), self.asked.spec
        prior = prior_of(inputs_for(clip, needs=spec.needs, optional=spec.optional), maker)
        return clip_of_prior(prior, prompt=clip.caption or "", fps=clip.fps), _truth(clip)

    def _clip(self, name: str) -> Clip:
        clip = self.dataset.clip(self.rows[name], self.canvas)
        reason = clip.undefined_for(frozenset({Input.EXO_VIDEO, Input.TRUTH}))
        if reason is not None:
            raise Undefined(reason)
        return clip


def _truth(clip: Clip) -> Frames:
    if clip.truth is None:
        raise Undefined(clip.missing.get(Input.TRUTH, "no ego video"))
    return clip.truth.video.read()
