"""Scores of arrays or videos that are already at hand: for notebooks and other people's scripts. Writes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .errors import UserError
from .metrics import ClipValue
from .protocols import Protocol, load_protocol
from .video import Frames, Video

Footage = Frames | Video


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What `evaluate` found.

    metrics: metric id to the mean over clips that have a number; None where none has. clips: clip id to metric id to the
    clip's value, its per-frame curve and notes. off_canvas: clips whose size or length is not the protocol's, so that
    their numbers do not belong into its tables.
    """

    protocol: Protocol
    metrics: Mapping[str, float | None]
    clips: Mapping[str, Mapping[str, ClipValue]]
    off_canvas: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.protocol.name}@{self.protocol.version}, {len(self.clips)} clip{'s' if len(self.clips) != 1 else ''}"]
        for spec, _ in self.protocol.metrics:
            values = [clip[spec.id] for clip in self.clips.values()]
            scored = sum(value.value is not None for value in values)
            mean = self.metrics[spec.id]
            number = "undefined" if mean is None else f"{mean:.{spec.decimals}f} {spec.unit}".rstrip()
            lines.append(f"  {spec.id:8s} {number}  ({scored}/{len(values)} scored)")
            lines += sorted({f"    undefined: {value.undefined}" for value in values if value.undefined is not None})
        if self.off_canvas:
            canvas = self.protocol.canvas
            asked = f"{canvas.frames} frames of {canvas.ego_side}x{canvas.ego_side}"
            lines.append(f"  {len(self.off_canvas)} not on the protocol's canvas ({asked}): not comparable with its tables")
        return "\n".join(lines)


def evaluate(
    pred: Footage | Mapping[str, Footage], truth: Footage | Mapping[str, Footage], protocol: str | Protocol = "rgb"
) -> Evaluation:
    """Score a prediction against its truth, or several: mappings from clip id to footage with the same keys.

    Footage is an array [frames, height, width, 3] uint8 RGB or a `Video`; prediction and truth must agree in shape, and
    nothing is resized. Videos are decoded one pair at a time. protocol: a name, a path to a TOML file, or a `Protocol`.
    Raises UserError naming the clip and both shapes where a pair does not fit, and the clips where keys differ.

    >>> import numpy as np
    >>> import benchmark
    >>> truth = np.full((2, 32, 32, 3), 100, np.uint8)
    >>> found = benchmark.evaluate(truth + 16, truth, protocol="rgb")
    >>> round(found.metrics["psnr"], 4)
    24.0484
    """
    chosen = protocol if isinstance(protocol, Protocol) else load_protocol(protocol)
    pairs = _paired(pred, truth)
    clips: dict[str, Mapping[str, ClipValue]] = {}
    off_canvas = []
    canvas = chosen.canvas
    for name, (ours, theirs) in pairs.items():
        frames = _frames(theirs)
        clips[name] = MappingProxyType(chosen.score(_frames(ours), frames, label=name))
        if frames.shape[:3] != (canvas.frames, canvas.ego_side, canvas.ego_side):
            off_canvas.append(name)
    metrics = {spec.id: _mean([clip[spec.id] for clip in clips.values()]) for spec, _ in chosen.metrics}
    return Evaluation(
        protocol=chosen, metrics=MappingProxyType(metrics), clips=MappingProxyType(clips), off_canvas=tuple(off_canvas)
    )


def _paired(pred: Footage | Mapping[str, Footage], truth: Footage | Mapping[str, Footage]) -> dict[str, tuple[Footage, Footage]]:
    if not isinstance(pred, Mapping) and not isinstance(truth, Mapping):
        return {"clip": (pred, truth)}
    if not (isinstance(pred, Mapping) and isinstance(truth, Mapping)):
        raise UserError("one of pred and truth maps clips to footage and the other does not; give both the same form")
    if not truth:
        raise UserError("there are no clips to score: both mappings are empty" if not pred else "truth has no clips")
    for what, missing in (("pred", truth.keys() - pred.keys()), ("truth", pred.keys() - truth.keys())):
        if missing:
            named = ", ".join(sorted(missing)[:5]) + (", …" if len(missing) > 5 else "")
            raise UserError(f"{what} lacks {len(missing)} clip{'s' if len(missing) > 1 else ''} of the other mapping: {named}")
    return {name: (pred[name], truth[name]) for name in truth}


def _frames(footage: Footage) -> Frames:
    return footage.read() if isinstance(footage, Video) else footage


def _mean(values: list[ClipValue]) -> float | None:
    numbers = [value.value for value in values if value.value is not None]
    return math.fsum(numbers) / len(numbers) if numbers else None
