"""What a calibration says: a curve per metric and ladder, what damage costs, and whether a metric answers as it must."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from scipy import stats

from ..metrics import MetricSpec, Parameter
from ..protocols.protocol import Protocol
from ..splits.manifest import Row
from ..store import Score, content_key
from .ladders import Ladder
from .plan import TRUTH, Calibration, Rung

SCHEMA = 1

OWN_LADDERS: tuple[tuple[str, str], ...] = (
    ("psnr", "noise"),
    ("ssim", "blur"),
    ("st-lpips", "blur"),
    ("lpips", "blur"),
    ("clip-i", "blur"),
    ("eff-i", "blur"),
    ("location-error", "shift"),
    ("object-iou", "shift"),
    ("contour", "blur"),
    ("fvd", "blur"),
    ("kvd", "noise"),
    ("pose-rotation", "jitter"),
    ("pose-translation", "freeze"),
)
"""The ladder that a metric against the truth has to be monotone on, by its id or what its id begins with before a dash.

Contours are compared with their centres laid on each other, so a shift says nothing of them; a constant turn of the head
changes no relative motion, jitter does, but none of where the head goes. KVD has reached its end at a blur of 3 px of 128.
"""

PRIOR_AGAINST = ("blur", "noise", "shift", "turn", "jitter")
"""Ladders on which the copied prior gets a place: the level that costs as much."""

STEP = 1e-9
"""What is taken for no change at all, relative to the larger of the curve's end and 1."""

FALL = 0.01
"""What of a curve's range may be lost from a level to the next: a metric that has reached its end trembles there."""

Shape = Literal["monotone", "not monotone", "no answer", "undefined"]


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One level of a ladder. value: mean over the `n` clips with a number here and for the truth (or of their set).

    change: value less that of the truth of the same clips. loss: how much of it is for the worse: against the metric's
    direction, or mean distance from each clip's true value where the truth's own value is the best.
    undefined, reason: clips without a number, and why most of them have none.
    """

    level: float
    value: float | None
    change: float | None
    loss: float | None
    n: int
    undefined: int
    reason: str | None = None


class Curve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric on a ladder. rho: Spearman's of level and loss, from three levels on. own: it must be monotone here."""

    ladder: str
    title: str
    unit: str
    levels: tuple[Level, ...]
    rho: float | None
    shape: Shape
    own: bool


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was found of one metric.

    truth: its value for the truth itself. own: the ladder that it must be monotone on, "" where it has none.
    turn_degree, jitter_degree: value at one degree of constant head error and of camera jitter.
    frozen: value of the repeated first frame; rewards_frozen: whether that reads as better than the truth (upwards where the
    truth is the best, as the paper's tables read it).
    prior: value of the copied prior; prior_as: ladder to the level that costs as much, None where none does.
    unavailable: why it cannot be measured here.
    """

    id: str
    version: int
    title: str
    unit: str
    group: str
    direction: str
    decimals: int
    truth: float | None
    n: int
    own: str
    curves: dict[str, Curve]
    turn_degree: float | None = None
    jitter_degree: float | None = None
    frozen: float | None = None
    rewards_frozen: bool | None = None
    prior: float | None = None
    prior_as: dict[str, float | None] = {}
    unavailable: str | None = None

    @property
    def verdict(self) -> Shape | Literal["not measured", ""]:
        """How it answers on its own ladder; "" where it has none."""
        if not self.own:
            return ""
        return self.curves[self.own].shape if self.own in self.curves else "not measured"


class Summary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """calibration.json: no times, paths or devices, so that equal calibrations are equal bytes."""

    schema: int
    dataset: str
    split: str
    split_digest: str
    clips: tuple[str, ...]
    protocol: str
    protocol_version: int
    protocol_digest: str
    metrics: dict[str, Measured]

    def to_bytes(self) -> bytes:
        """The file's content; metrics and ladders in their own order."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @property
    def failing(self) -> tuple[Measured, ...]:
        """Metrics that are not monotone on their own ladder, though there are numbers to tell."""
        return tuple(one for one in self.metrics.values() if one.verdict in ("not monotone", "no answer"))


Kept = Mapping[str, Score]
"""Clip id to the score of one metric."""


def own_ladder(metric: str) -> str:
    """The ladder that a metric must be monotone on, "" where it has none."""
    return next((ladder for name, ladder in OWN_LADDERS if metric == name or metric.startswith(f"{name}-")), "")


def summarise(calibration: Calibration, rows: Sequence[Row]) -> Summary:
    """All that is kept of these clips, summed up. Measures nothing."""
    rungs = [rung for ladder in (None, *calibration.ladders) for rung in calibration.rungs(ladder)]
    kept = {rung.name: {row.clip_id: calibration.scores(row, rung) for row in rows} for rung in rungs}
    return Summary(
        schema=SCHEMA,
        dataset=calibration.dataset.name,
        split=calibration.manifest.split,
        split_digest=calibration.manifest.digest,
        clips=tuple(row.clip_id for row in rows),
        protocol=calibration.protocol.name,
        protocol_version=calibration.protocol.version,
        protocol_digest=calibration.protocol.digest,
        metrics=metrics_of(
            calibration.protocol,
            calibration.ladders,
            lambda metric, rung: {clip: found[metric] for clip, found in kept[rung.name].items() if metric in found},
            takes={row.clip_id: row.cluster for row in rows},
            unavailable=calibration.unavailable,
        ),
    )


def metrics_of(
    protocol: Protocol,
    ladders: Sequence[Ladder],
    kept: Callable[[str, Rung], Kept],
    *,
    takes: Mapping[str, str],
    unavailable: Mapping[str, str],
) -> dict[str, Measured]:
    """Metric id to what was found. kept: a metric's scores at a rung; takes: clip id to its take."""
    found = {}
    for spec, parameters in protocol.metrics:
        truth = kept(spec.id, TRUTH)
        curves = {}
        for ladder in ladders:
            at = {level: kept(spec.id, Rung(ladder, level)) for level in ladder.measured}
            scores = [_replaced(truth, at, ladder, level, clips=sorted(takes)) for level in ladder.levels]
            levels = tuple(_level(spec, parameters, level, here, truth, takes) for level, here in zip(ladder.levels, scores))
            curves[ladder.id] = _curve(spec, ladder, levels)
        whole = _level(spec, parameters, 0.0, truth, truth, takes)
        found[spec.id] = _measured(spec, whole, curves, unavailable.get(spec.id))
    return found


def _replaced(truth: Kept, at: Mapping[float, Kept], ladder: Ladder, level: float, *, clips: Sequence[str]) -> Kept:
    """The scores of a level; where levels are shares of clips, of the first clips in a fixed random order."""
    if level == 0:
        return truth
    if ladder.of == "frames":
        return at[level]
    order = sorted(clips, key=lambda clip: content_key({"ladder": ladder.id, "clip": clip}))
    chosen = set(order[: round(level * len(order))])
    (whole,) = at.values()
    return {clip: scores[clip] for clip in clips if clip in (scores := whole if clip in chosen else truth)}


def _level(
    spec: MetricSpec, parameters: Mapping[str, Parameter], level: float, here: Kept, truth: Kept, takes: Mapping[str, str]
) -> Level:
    reasons = [score.undefined for score in (*here.values(), *truth.values()) if score.undefined]
    if spec.of == "set":
        pairs, n, more = _of_set(spec, parameters, here, truth, takes)
        reasons += more
    else:
        pairs = [(one, best) for clip, score in sorted(here.items()) if (one := score.value) is not None
                 and clip in truth and (best := truth[clip].value) is not None]  # fmt: skip
        n = len(pairs)
    return Level(
        level=level,
        value=_mean([one for one, _ in pairs]),
        change=_mean([one - best for one, best in pairs]),
        loss=_mean([_loss(spec, one, best) for one, best in pairs]),
        n=n,
        undefined=len(takes) - n,
        reason=max(sorted(set(reasons)), key=reasons.count, default=None),
    )


def _of_set(
    spec: MetricSpec, parameters: Mapping[str, Parameter], here: Kept, truth: Kept, takes: Mapping[str, str]
) -> tuple[list[tuple[float, float]], int, list[str]]:
    """The set's value and the truth's of the same clips as one pair, or none; the number of clips; why there is none."""
    clips = [clip for clip in sorted(here.keys() & truth.keys()) if here[clip].feature and truth[clip].feature]
    if not clips:
        return [], 0, []
    theirs, of_takes = _stacked(truth[clip].truth_feature for clip in clips), [takes[clip] for clip in clips]
    values = []
    for scores in (here, truth):
        found = spec.load()(_stacked(scores[clip].feature for clip in clips), theirs, of_takes, **parameters)
        if found.value is None:
            return [], 0, [found.undefined]
        values.append(float(found.value))
    return [(values[0], values[1])], len(clips), []


def _stacked(features: Iterable[bytes | None]) -> Any:
    return np.stack([np.frombuffer(feature or b"", "<f4") for feature in features]).astype(np.float64)


def _loss(spec: MetricSpec, value: float, best: float) -> float:
    if spec.direction == "truth":
        return abs(value - best)
    return best - value if spec.direction == "up" else value - best


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _curve(spec: MetricSpec, ladder: Ladder, levels: tuple[Level, ...]) -> Curve:
    points = [(one.level, one.loss) for one in levels if one.loss is not None]
    losses = [loss for _, loss in points]
    rho = None
    if len(points) >= 3 and max(losses) > min(losses):
        rho = float(np.asarray(stats.spearmanr([level for level, _ in points], losses))[0])
    return Curve(
        ladder=ladder.id, title=ladder.title, unit=ladder.unit, levels=levels, rho=rho, shape=shape_of(losses),
        own=own_ladder(spec.id) == ladder.id,
    )  # fmt: skip


def shape_of(losses: Sequence[float]) -> Shape:
    """Whether losses rise from level to level: never fall by more than FALL of their range, and end above where they began."""
    if len(losses) < 2:
        return "undefined"
    step, reach = STEP * max(1.0, abs(losses[-1])), max(losses) - min(losses)
    if reach <= step:
        return "no answer"
    rising = all(after >= before - FALL * reach for before, after in itertools.pairwise(losses))
    return "monotone" if rising and losses[-1] > losses[0] + step else "not monotone"


def _measured(spec: MetricSpec, truth: Level, curves: dict[str, Curve], unavailable: str | None) -> Measured:
    still, prior = _last(curves.get("freeze")), _last(curves.get("prior"))
    change = None if still is None else still.change
    cost = None if prior is None else prior.loss
    return Measured(
        id=spec.id, version=spec.version, title=spec.title, unit=spec.unit, group=spec.group, direction=spec.direction,
        decimals=spec.decimals, truth=truth.value, n=truth.n, own=own_ladder(spec.id), curves=curves,
        turn_degree=value_at(curves.get("turn"), 1.0),
        jitter_degree=value_at(curves.get("jitter"), 1.0),
        frozen=None if still is None else still.value,
        rewards_frozen=None if change is None else (-change if spec.direction == "down" else change) > STEP,
        prior=None if prior is None else prior.value,
        prior_as={} if cost is None else {name: level_of(curves[name], cost) for name in PRIOR_AGAINST if name in curves},
        unavailable=unavailable,
    )  # fmt: skip


def _last(curve: Curve | None) -> Level | None:
    return None if curve is None else curve.levels[-1]


def value_at(curve: Curve | None, level: float) -> float | None:
    """The value at a level, linear between the measured ones; None beyond them, or where one of the two has none."""
    for before, after in itertools.pairwise(curve.levels if curve is not None else ()):
        if before.level <= level <= after.level and before.value is not None and after.value is not None:
            part = (level - before.level) / (after.level - before.level)
            return before.value + part * (after.value - before.value)
    return None


def level_of(curve: Curve, loss: float) -> float | None:
    """The first level at which the curve has this loss, linear between the measured ones; None where it never has."""
    for before, after in itertools.pairwise(curve.levels):
        if before.loss is None or after.loss is None:
            continue
        if before.loss <= loss <= after.loss and after.loss > before.loss:
            return before.level + (loss - before.loss) / (after.loss - before.loss) * (after.level - before.level)
    return None
