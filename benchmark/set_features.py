"""The features that a run keeps for metrics of a set, and the difference of two runs on such a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .contenders import Run
from .errors import UserError
from .metrics import MetricSpec
from .metrics.kernels import Kernels
from .metrics.set_distance import MINIMUM, SetDistance, check_features, different, members_of
from .stats import ALPHA, detectable_difference, jackknife_error, jackknife_interval, sign_flip_p, smallest_p, t_p
from .store import RunFolder

SAME = 1e-3
"""Truth features of two runs may differ by this share of their length: a CPU and a GPU do not round alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """One clip's features [D], of the prediction and of its truth, and its take."""

    prediction: NDArray[np.float64]
    truth: NDArray[np.float64]
    take: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDifference:
    """Difference of two contenders' distances; fields as in `comparison.Difference`."""

    clips: int
    takes: int
    difference: float
    low: float | None
    high: float | None
    p: float | None
    smallest_p: float
    detectable: float | None
    notes: tuple[str, ...]


def set_vectors(run: Run, metric: str) -> dict[str, Vectors]:
    """What the run's clips give to the metric, by clip, in order of clips; read from the run's folder."""
    folder = RunFolder(run.folder)
    found = {}
    for clip, take in sorted(run.takes.items()):
        score = folder.scores(clip).metrics.get(metric)
        if score is not None and score.feature is not None and score.truth_feature is not None:
            ours, theirs = (np.frombuffer(data, "<f4").astype(np.float64) for data in (score.feature, score.truth_feature))
            found[clip] = Vectors(prediction=ours, truth=theirs, take=take)
    return found


class SetMeasure:
    """One metric of a set on several contenders, whose repeats (runs) each have vectors by clip.

    All distances are to one reference: a clip's truth as the first contender that has it measured it. A contender is fitted
    once for each set of clips, however many others it is compared with. Raises UserError where runs measured different
    truths, or where features are not finite.
    """

    def __init__(self, spec: MetricSpec, contenders: Sequence[Sequence[Mapping[str, Vectors]]]) -> None:
        self._distance = cast("SetDistance", spec.load())
        self._contenders = contenders
        self._reference: dict[str, Vectors] = {}
        self._sides: dict[tuple[int, tuple[str, ...]], _Side] = {}
        for repeats in contenders:
            for vectors in repeats:
                for clip, one in vectors.items():
                    _check_same(clip, self._reference.setdefault(clip, one).truth, one.truth)

    def clips(self, *places: int) -> tuple[str, ...]:
        """The clips that every repeat of these contenders has."""
        every = [set(vectors) for place in places for vectors in self._contenders[place]]
        return tuple(sorted(set.intersection(*every)))

    def values(self, place: int, clips: tuple[str, ...]) -> list[float]:
        """The value of each repeat on these clips, which it must have; none where there are too few."""
        side = self._side(place, clips) if clips else None
        return [self._distance.paired(kernels) for kernels in side.kernels] if side is not None else []

    def difference(self, a: int, b: int, *, seed: int) -> SetDifference | str:
        """Contender a - b on the clips that every repeat of both has, or why there is none; repeats' distances are averaged.

        The interval and, where nothing better exists, p (Student's t) come from leaving out each take of a, b and the
        reference together; where the distance allows it, p comes from swapping whole takes of a and b. Student's t knows no
        lower bound, and few takes may lie close together by chance: its p is never less than swaps of so many takes allow.
        """
        clips = self.clips(a, b)
        if not clips:
            return "no clip has features from both"
        ours, theirs = self._side(a, clips), self._side(b, clips)
        if ours is None or theirs is None:
            return f"fewer than {MINIMUM} different clips with features from both"
        distance, members = self._distance, ours.members
        difference = float(
            np.mean([distance.paired(k) for k in ours.kernels]) - np.mean([distance.paired(k) for k in theirs.kernels])
        )
        left_out = ours.left_out(distance) - theirs.left_out(distance)
        interval = jackknife_interval(difference, left_out, takes=len(members))
        error = jackknife_error(left_out) if len(left_out) else None
        least = smallest_p(len(members))
        notes = [interval.note] if interval.note and least < ALPHA else []
        if least >= ALPHA:
            notes.append(f"{len(members)} take{'s' if len(members) > 1 else ''}: no p below {least:g} is possible")
        if distance.swaps is not None:
            parts = [distance.swaps(x, y, ours.truth) for x in ours.predictions for y in theirs.predictions]
            p = sign_flip_p(np.array([np.mean(parts, axis=0)[member].sum() for member in members]), seed=seed)
        else:
            p = t_p(difference, error, degrees=len(left_out) - 1) if error is not None else None
            if p is not None and p < least:
                p = least
                notes.append(f"p is raised to {least:g}, the least that swaps of {len(members)} takes could give")
        return SetDifference(
            clips=len(ours.truth),
            takes=len(members),
            difference=difference,
            low=interval.low,
            high=interval.high,
            p=p,
            smallest_p=least,
            detectable=detectable_difference(error, len(left_out)) if error is not None and least < ALPHA else None,
            notes=tuple(notes),
        )

    def _side(self, place: int, clips: tuple[str, ...]) -> _Side | None:
        """None where there are too few different clips."""
        if (place, clips) not in self._sides:
            truth = np.stack([self._reference[clip].truth for clip in clips])
            takes = [self._reference[clip].take for clip in clips]
            kept = different(truth)
            predictions = [np.stack([one[clip].prediction for clip in clips]) for one in self._contenders[place]]
            for prediction in predictions:
                check_features(self._distance.name, prediction, truth, takes)
            if len(kept) < MINIMUM:
                return None
            self._sides[place, clips] = _Side(
                predictions=[prediction[kept] for prediction in predictions],
                truth=truth[kept],
                members=members_of([takes[i] for i in kept]),
                kernels=[self._distance.kernels(prediction[kept], truth[kept]) for prediction in predictions],
            )
        return self._sides[place, clips]


@dataclass(kw_only=True)
class _Side:
    """A contender on some clips: one matrix [clips, D] and one set of kernels a repeat, and the clips' places by take."""

    predictions: list[NDArray[np.float64]]
    truth: NDArray[np.float64]
    members: list[NDArray[np.intp]]
    kernels: list[Kernels]
    _left_out: NDArray[np.float64] | None = None

    def left_out(self, distance: SetDistance) -> NDArray[np.float64]:
        """The distance, averaged over repeats, with each take left out; fitted when first asked for."""
        if self._left_out is None:
            every = [distance.without_each_take(kernels, self.members) for kernels in self.kernels]
            self._left_out = np.asarray(np.mean(every, axis=0), dtype=np.float64)
        return self._left_out


def _check_same(clip: str, first: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    if other.shape != first.shape or np.linalg.norm(other - first) > SAME * np.linalg.norm(first):
        raise UserError(f"clip {clip}: the runs measured different truths; score both again with this version")
