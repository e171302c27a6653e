"""A distance between the predictions and the truths of a whole set of clips: its value, interval and floor.

Such a metric has no value of one clip, and a bootstrap would hold clips twice, which these distances see. So intervals come
from leaving out one take at a time, and the floor from halves of the real clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..stats import jackknife_interval
from .kernels import Kernels
from .metric import Floor, SetValue

MINIMUM = 8
"""Different clips below which there is no value; a half of the floor has as many at least."""
PARTINGS = 20
LEFT_OUT = 100
"""Beyond so many takes, takes are left out in this many groups: every fit of an N x N problem costs N^3."""

Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDistance:
    """A metric of "set" as `MetricSpec` describes it: call it with features and takes.

    name: for messages. kernels: of predictions (A) and truths (B), [clips, D] each. paired: the distance of predictions
    from their own truths, clip i of A belongs to clip i of B. unpaired: of sets without a clip in common; the same
    function where it makes no difference. swaps: see `mmd.swap_parts`, None where the distance has no such parts.
    describe: a note for readers of the number, from the kernels.
    """

    name: str
    kernels: Callable[[Features, Features], Kernels]
    paired: Callable[[Kernels], float]
    unpaired: Callable[[Kernels], float]
    swaps: Callable[[Features, Features, Features], NDArray[np.float64]] | None = None
    describe: Callable[[Kernels], str] | None = None

    def __call__(self, prediction: Features, truth: Features, takes: Sequence[str]) -> SetValue:
        """The distance with its interval by takes and its floor. prediction, truth: [clips, D]; takes: one a clip.

        Clips with equal truths count once (the first of them), with a note; fewer than MINIMUM different ones are
        undefined. The order of clips does not matter. Raises UserError where features are not finite, with the number of clips.
        """
        check_features(self.name, prediction, truth, takes)
        kept = different(truth)
        notes = (f"{len(truth) - len(kept)} of {len(truth)} clips repeat another's truth and are left out",)
        notes = notes if len(kept) < len(truth) else ()
        n = len(kept)
        if n < MINIMUM:
            reason = f"{n} different clip{'s' if n > 1 else ''}; {self.name} needs {MINIMUM} or more"
            return SetValue(value=None, n=n, undefined=reason, notes=notes)
        members = members_of([takes[int(i)] for i in kept])
        kernels = self.kernels(prediction[kept], truth[kept])
        value = self.paired(kernels)
        interval = jackknife_interval(value, self.without_each_take(kernels, members), takes=len(members))
        floor = self._floor(kernels, members)
        if floor is None:
            from_takes = f"{len(members)} take{'s' if len(members) > 1 else ''}"
            notes = (*notes, f"no floor: halves of {n} clips from {from_takes} have fewer than {MINIMUM} clips")
        if self.describe is not None:
            notes = (*notes, self.describe(kernels))
        return SetValue(value=value, n=n, low=interval.low, high=interval.high, interval=interval.note, floor=floor, notes=notes)

    def without_each_take(self, kernels: Kernels, members: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
        """The paired distance with one take left out, for each; with more than LEFT_OUT takes, with one group of takes.

        The same takes give the same groups, so that two methods' values can be subtracted. None are left where there are
        fewer than three takes: the array is empty then.
        """
        if len(members) < 3:
            return np.empty(0)
        groups: Sequence[NDArray[np.intp]] = members
        if len(members) > LEFT_OUT:
            shuffled = np.random.Generator(np.random.PCG64(0)).permutation(len(members))
            groups = [np.concatenate([members[take] for take in part]) for part in np.array_split(shuffled, LEFT_OUT)]
        everything = np.arange(len(kernels.across))
        left = (np.setdiff1d(everything, group) for group in groups)
        return np.array([self.paired(kernels.part(rest, rest)) for rest in left])

    def _floor(self, kernels: Kernels, members: Sequence[NDArray[np.intp]]) -> Floor | None:
        """None where some half would have fewer than MINIMUM clips.

        Takes are dealt in a seeded order, each to the half with fewer clips; n is the smallest half of all partings, and
        every half is cut to n clips at random, so that all distances are of n against n.
        """
        generator = np.random.Generator(np.random.PCG64(0))
        partings = [_halves(members, generator) for _ in range(PARTINGS)]
        n = min(len(half) for parting in partings for half in parting)
        if n < MINIMUM:
            return None
        real, prediction = [], []
        truths = Kernels(within_a=kernels.within_b, within_b=kernels.within_b, across=kernels.within_b)
        for one, other in partings:
            one, other = (generator.permutation(half)[:n] for half in (one, other))
            real.append(self.unpaired(truths.part(one, other)))
            prediction += [self.unpaired(kernels.part(one, other)), self.unpaired(kernels.part(other, one))]
        return Floor(real=float(np.mean(real)), prediction=float(np.mean(prediction)), n=n, splits=PARTINGS)


def check_features(name: str, prediction: Features, truth: Features, takes: Sequence[str]) -> None:
    """Raise UserError where features hold NaN or infinity, ValueError where shapes do not fit."""
    if prediction.ndim != 2 or prediction.shape != truth.shape or len(takes) != len(truth):
        raise ValueError(f"features {prediction.shape} and {truth.shape} of {len(takes)} takes do not belong together")
    for what, features in (("predictions", prediction), ("truths", truth)):
        broken = int(np.count_nonzero(~np.isfinite(features).all(axis=1)))
        if broken:
            raise UserError(
                f"{name}: features of {broken} of {len(features)} {what} hold NaN or infinity;"
                " check the extractor's weights with 'egox-bench weights verify' and score again"
            )


def different(truth: Features) -> NDArray[np.intp]:
    """Places of clips that repeat no earlier clip's truth, ordered by truth, so that the clips' own order decides nothing."""
    return np.unique(truth, axis=0, return_index=True)[1]


def members_of(takes: Sequence[str]) -> list[NDArray[np.intp]]:
    """The clips' places of each take, takes in the order of their names."""
    names, where = np.unique(np.asarray(takes, dtype=str), return_inverse=True)
    return [np.flatnonzero(where == take) for take in range(len(names))]


def _halves(members: Sequence[NDArray[np.intp]], generator: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    halves: tuple[list[int], list[int]] = ([], [])
    for take in generator.permutation(len(members)):
        smaller = halves[0] if len(halves[0]) <= len(halves[1]) else halves[1]
        smaller.extend(members[take].tolist())
    return np.array(halves[0], dtype=np.intp), np.array(halves[1], dtype=np.intp)
