"""Scores of arrays or videos that are already at hand: for notebooks and other people's scripts. Writes nothing but the cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from .cache import cache_root
from .errors import UserError
from .metrics import ClipValue, MetricSpec, Parameter, SetValue
from .metrics.extraction import Extraction
from .metrics.measure import ClipPart
from .metrics.pair import check_pair
from .metrics.sample import OnlyRate, Sample
from .protocols import Protocol, load_protocol
from .video import Frames, Video

Footage = Frames | Video


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What `evaluate` found.

    metrics: metric id to the mean over clips that have a number; None where none has. clips: clip id to metric id to the
    clip's value, its per-frame curve and notes. sets: metric id to the value of a metric of the whole set (FVD), each clip
    counted as a take of its own. off_canvas: clips whose size, length or (of a `Video`) frame rate is not the protocol's,
    so that their numbers do not belong into its tables.
    """

    protocol: Protocol
    metrics: Mapping[str, float | None]
    clips: Mapping[str, Mapping[str, ClipValue]]
    sets: Mapping[str, SetValue]
    off_canvas: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.protocol.name}@{self.protocol.version}, {len(self.clips)} clip{'s' if len(self.clips) != 1 else ''}"]
        width = max(len(spec.id) for spec, _ in self.protocol.metrics)
        for spec, _ in self.protocol.metrics:
            values = [clip[spec.id] for clip in self.clips.values() if spec.id in clip]
            mean = self.metrics[spec.id]
            scored = self.sets[spec.id].n if spec.id in self.sets else sum(value.value is not None for value in values)
            number = "undefined" if mean is None else f"{mean:.{spec.decimals}f} {spec.unit}".rstrip()
            lines.append(f"  {spec.id:{width}s} {number}  ({scored}/{len(self.clips)} scored)")
            reasons = {value.undefined for value in (*values, *([self.sets[spec.id]] if spec.id in self.sets else []))}
            lines += sorted(f"    undefined: {reason}" for reason in reasons if reason is not None)
        if self.off_canvas:
            canvas = self.protocol.canvas
            asked = f"{canvas.frames} frames of {canvas.ego_side}x{canvas.ego_side} at {canvas.fps:g} fps"
            lines.append(f"  {len(self.off_canvas)} not on the protocol's canvas ({asked}): not comparable with its tables")
        return "\n".join(lines)


def evaluate(
    pred: Footage | Mapping[str, Footage], truth: Footage | Mapping[str, Footage], protocol: str | Protocol = "rgb"
) -> Evaluation:
    """Score a prediction against its truth, or several: mappings from clip id to footage with the same keys.

    Footage is an array [frames, height, width, 3] uint8 RGB or a `Video`; prediction and truth must agree in shape, and
    nothing is resized. Videos are decoded one pair at a time. protocol: a name, a path to a TOML file, or a `Protocol`.
    Frames are taken to come at the protocol's rate. What needs more of a clip than its two videos (its camera, its exo view)
    is undefined here. Raises UserError naming the clip and both shapes where a pair does not fit, where a `Video` has no
    frame rate, and the clips where keys differ.

    >>> import numpy as np
    >>> import benchmark
    >>> truth = np.full((2, 32, 32, 3), 100, np.uint8)
    >>> found = benchmark.evaluate(truth + 16, truth, protocol="rgb")
    >>> round(found.metrics["psnr"], 4)
    24.0484
    """
    chosen = protocol if isinstance(protocol, Protocol) else load_protocol(protocol)
    canvas = chosen.canvas
    extraction = Extraction(cache_root() / "features")
    clips: dict[str, Mapping[str, ClipValue]] = {}
    parts: dict[str, list[ClipPart]] = {}
    shapes: dict[str, set[tuple[int, ...]]] = {}
    off_canvas = []
    for name, (ours, theirs) in _paired(pred, truth).items():
        rates = [_rate(footage, label=name) for footage in (ours, theirs) if isinstance(footage, Video)]
        sample = Sample(prediction=_frames(ours), truth=_frames(theirs), readings=OnlyRate(fps=canvas.fps))
        check_pair(sample.prediction, sample.needed_truth, label=name)
        found = dict(chosen.score(sample, extraction))
        clips[name] = MappingProxyType({metric: value for metric, value in found.items() if isinstance(value, ClipValue)})
        for metric, part in found.items():
            if isinstance(part, ClipPart):
                parts.setdefault(metric, []).append(part)
                shapes.setdefault(metric, set()).add(sample.prediction.shape[:3])
        shape = (canvas.frames, canvas.ego_side, canvas.ego_side)
        if sample.prediction.shape[:3] != shape or any(abs(rate - canvas.fps) > 0.01 for rate in rates):
            off_canvas.append(name)
    metrics: dict[str, float | None] = {}
    sets: dict[str, SetValue] = {}
    for spec, parameters in chosen.metrics:
        if spec.id in parts:
            sets[spec.id] = _of_set(spec, parameters, parts[spec.id], shapes[spec.id])
            metrics[spec.id] = sets[spec.id].value
        else:
            metrics[spec.id] = _mean([clip[spec.id] for clip in clips.values()])
    return Evaluation(
        protocol=chosen,
        metrics=MappingProxyType(metrics),
        clips=MappingProxyType(clips),
        sets=MappingProxyType(sets),
        off_canvas=tuple(off_canvas),
    )


def _of_set(
    spec: MetricSpec, parameters: Mapping[str, Parameter], parts: list[ClipPart], shapes: set[tuple[int, ...]]
) -> SetValue:
    import numpy as np

    if len(shapes) > 1:
        named = ", ".join(f"{frames} frames of {width}x{height}" for frames, height, width in sorted(shapes))
        return SetValue(value=None, n=len(parts), undefined=f"clips of one set must agree in length and size; these are {named}")
    ours = np.stack([part.feature for part in parts]).astype(np.float64)
    theirs = np.stack([part.truth_feature for part in parts]).astype(np.float64)
    value: SetValue = spec.load()(ours, theirs, [str(number) for number in range(len(parts))], **parameters)
    noted = [part.notes for part in parts if part.notes]
    return replace(value, notes=(*value.notes, f"{len(noted)} of {len(parts)} clips: {noted[0][0]}")) if noted else value


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


def _rate(video: Video, *, label: str) -> float:
    if not (math.isfinite(video.fps) and video.fps > 0):
        raise UserError(f"{label}: a video with a frame rate of {video.fps}; say how many frames a second it has")
    return video.fps


def _frames(footage: Footage) -> Frames:
    return footage.read() if isinstance(footage, Video) else footage


def _mean(values: list[ClipValue]) -> float | None:
    numbers = [value.value for value in values if value.value is not None]
    return math.fsum(numbers) / len(numbers) if numbers else None
