"""What a training must beat: predictions of ego latents that need no network, fitted on the training examples.

    mean_picture   the same for all
    Ridge          linear in prior, mask and exo
    nearest        what was seen where exo and prior looked most alike

Deterministic, and read in passes: examples are indexed one by one and never all held. An example is that of `batch`, with both
views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .tasks import mirrored
from .validation import evenly

Example = Mapping[str, Tensor]

LEADING = 5
"""Channels of prior and exo that a ridge regression looks at: the mini codec's are sorted by their spread, and of a prior whose
depth is estimated nothing beyond these tells of the truth."""

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Tried in units of the mean squared length of centred features."""

HELD_OUT = 5
"""Every so manieth place of the training examples chooses the penalty."""

CHOOSING = 1024
"""Targets, evenly chosen, on which penalties are compared."""

MOST_BYTES = 4 * 2**30
"""Of memory that a fit may take, about."""

AT_ONCE = 256
"""Examples of a block, or target columns."""


class AnchorError(ValueError):
    """Examples that nothing can be fitted on; the message says why."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WithMirrorImages(Sequence[Example]):
    """Examples, and after the last of them the mirror images of all, in the same order: what a training that mirrors sees.

    signs: see `mirrored`. Rays and directions stay as they were: no prediction here looks at them.
    """

    examples: Sequence[Example]
    signs: Tensor

    def __len__(self) -> int:
        return 2 * len(self.examples)

    def __getitem__(self, number: int) -> Example:  # pyright: ignore[reportIncompatibleMethodOverride] - no slices
        if not 0 <= number < len(self):
            raise IndexError(number)
        count = len(self.examples)
        return self.examples[number] if number < count else mirrored(self.examples[number - count], self.signs)


def mean_picture(examples: Sequence[Example]) -> Tensor:
    """Mean ego latents [channels, f, h, w] float32, summed in float64. Raises AnchorError without examples."""
    _check_any(examples)
    total = torch.zeros_like(examples[0]["ego"], dtype=torch.float64)
    for number in range(len(examples)):
        total += examples[number]["ego"]
    return (total / len(examples)).float()


def nearest(examples: Sequence[Example], asked: Sequence[Example]) -> list[int]:
    """Of each asked example the number of that whose exo and prior latents are nearest (squared distance over all cells of both);
    of equals the first. One pass over the examples. Raises AnchorError without examples."""
    _check_any(examples)
    views = [_views(example) for example in asked]
    best = [(float("inf"), 0)] * len(views)
    for number in range(len(examples)):
        here = _views(examples[number])
        for k, view in enumerate(views):
            best[k] = min(best[k], (float((here - view).square().sum()), number))
    return [number for _, number in best]


def features(example: Example) -> Tensor:
    """What a ridge regression is told, [features] float32: of the leading channels the prior times its known share, the prior
    times the unknown share, and exo in blocks of 2 x 2 cells; and the known share itself (mean of the mask channels)."""
    known = example["valid"].mean(0)
    prior, exo = example["prior"][:LEADING], example["exo"][:LEADING]
    parts = (prior * known, prior * (1 - known), known, F.avg_pool2d(exo, 2, ceil_mode=True))
    return torch.cat([part.flatten() for part in parts]).float()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ridge:
    """Linear regression with a penalty from `features` to all ego latents, fitted by `fit_ridge`.

    examples: that it was fitted on, of those that were given. penalty: in units of the mean squared length of centred features;
    None of a single example, of which there is nothing to choose it on and which is all that is predicted.
    """

    examples: int
    penalty: float | None
    feature_mean: Tensor  # [p]
    rows: Tensor | None  # [n, p] centred features of the examples, of the dual form; None in the primal one
    weights: Tensor  # [n, q] on the examples' rows, or [p, q] on features
    target_mean: Tensor  # [channels, f, h, w]

    def predict(self, example: Example) -> Tensor:
        """Ego latents [channels, f, h, w] float32."""
        told = features(example) - self.feature_mean
        told = told if self.rows is None else self.rows @ told
        return self.target_mean + (told @ self.weights).reshape(self.target_mean.shape)


def fit_ridge(examples: Sequence[Example], places: Sequence[str], *, most_bytes: int = MOST_BYTES) -> Ridge:
    """The regression of these examples, with the penalty that does best on every fifth place of them.

    places: of each example, so that no place is on both sides of that choice; where all are of one place, single examples are
    held out. With more examples than features it is solved in features, from sums of one pass. Else, or where these do not fit
    into most_bytes, it is solved in examples (the same regression), on as many of them, evenly chosen, as fit; the penalty is
    then chosen among these.
    Raises AnchorError without examples, or where not even two fit.
    """
    _check_any(examples)
    p, q = len(features(examples[0])), examples[0]["ego"].numel()
    if len(examples) > p and 8 * (3 * p * p + 4 * p * q) <= most_bytes:
        return _primal(examples, _held_out(places))
    taken = evenly(len(examples), _most_in_dual(p, q, most_bytes))
    return _dual(examples, taken, _held_out([places[number] for number in taken]))


def _check_any(examples: Sequence[Example]) -> None:
    if not len(examples):
        raise AnchorError("there is no training example to fit on")


def _views(example: Example) -> Tensor:
    return torch.cat([example["exo"].flatten(), example["prior"].flatten()])


def _held_out(places: Sequence[str]) -> Tensor:
    """[n] bool; of more than one example always some, and never all."""
    groups = list(places) if len(set(places)) > 1 else [str(number) for number in range(len(places))]
    number_of = {place: number for number, place in enumerate(dict.fromkeys(groups))}
    # the last of every five, so that the first are fitted on; of few the very last
    last = min(HELD_OUT, len(number_of)) - 1
    return torch.tensor([number_of[group] % HELD_OUT == last and len(number_of) > 1 for group in groups])


# -- solved in examples ------------------------------------------------------------------------------------------------------


def _most_in_dual(p: int, q: int, most_bytes: int) -> int:
    """How many examples fit: features and targets in float32, three square matrices in float64."""
    a, b = 24.0, 4.0 * (p + q)
    most = int(((b * b + 4 * a * most_bytes) ** 0.5 - b) / (2 * a))
    if most < 2:
        raise AnchorError(f"two examples of {p} features and {q} latents do not fit into {most_bytes:,} bytes")
    return most


def _dual(examples: Sequence[Example], taken: Sequence[int], held: Tensor) -> Ridge:
    first = examples[taken[0]]
    rows = torch.empty(len(taken), len(features(first)))
    targets = torch.empty(len(taken), first["ego"].numel())
    for at, number in enumerate(taken):
        example = examples[number]
        rows[at], targets[at] = features(example), example["ego"].flatten()
    feature_mean, target_mean = rows.double().mean(0).float(), targets.double().mean(0).float()
    rows -= feature_mean
    targets -= target_mean
    kernel = (rows @ rows.T).double()
    penalty = _best_in_dual(kernel, targets, held) if len(taken) > 1 else None
    factor = torch.linalg.cholesky(_penalised(kernel, (penalty or 0.0) * float(kernel.diagonal().mean())))
    for start in range(0, targets.shape[1], AT_ONCE):  # in place: the weights are as large as the targets
        block = targets[:, start : start + AT_ONCE]
        block.copy_(torch.cholesky_solve(block.double(), factor))
    return Ridge(
        examples=len(taken),
        penalty=penalty,
        feature_mean=feature_mean,
        rows=rows,
        weights=targets,
        target_mean=target_mean.reshape(first["ego"].shape),
    )


def _best_in_dual(kernel: Tensor, targets: Tensor, held: Tensor) -> float:
    columns = evenly(targets.shape[1], CHOOSING)
    fitted, asked = targets[~held][:, columns].double(), targets[held][:, columns].double()
    middle = fitted.mean(0)
    inner, across = kernel[~held][:, ~held], kernel[held][:, ~held]
    # features are centred on those that are fitted on: what is held out must not tell where the middle is
    mean = inner.mean(0)
    across = across - across.mean(1, keepdim=True) - mean + mean.mean()
    inner = inner - mean - mean[:, None] + mean.mean()
    unit, errors = float(inner.diagonal().mean()), []
    for penalty in PENALTIES:
        solved = torch.cholesky_solve(fitted - middle, torch.linalg.cholesky(_penalised(inner, penalty * unit)))
        errors.append(float((across @ solved + middle - asked).square().sum()))
    return PENALTIES[errors.index(min(errors))]


def _penalised(square: Tensor, penalty: float) -> Tensor:
    """The matrix with the penalty on its diagonal; above 0 even where all features are equal."""
    out = square.clone()
    out.diagonal().add_(max(penalty, 1e-6))
    return out


# -- solved in features --------------------------------------------------------------------------------------------------------


class _Sums:
    """Over examples: of features, targets, and products of features with features and targets, float64."""

    def __init__(self, p: int, q: int) -> None:
        self.count, self.features, self.targets = 0, torch.zeros(p).double(), torch.zeros(q).double()
        self.square, self.across = torch.zeros(p, p).double(), torch.zeros(p, q).double()

    def add(self, told: Tensor, ego: Tensor) -> None:
        self.count += len(told)
        self.features += told.sum(0)
        self.targets += ego.sum(0)
        self.square.addmm_(told.T, told)
        self.across.addmm_(told.T, ego)

    def include(self, other: _Sums) -> None:
        self.count += other.count
        for name in ("features", "targets", "square", "across"):
            getattr(self, name).add_(getattr(other, name))

    def centred(self, columns: list[int] | slice) -> tuple[Tensor, Tensor]:
        """Products around the means [p, p] and [p, chosen targets]."""
        square = torch.addr(self.square, self.features, self.features, alpha=-1 / self.count)
        across = torch.addr(self.across[:, columns], self.features, self.targets[columns], alpha=-1 / self.count)
        return square, across


def _primal(examples: Sequence[Example], held: Tensor) -> Ridge:
    shape = examples[0]["ego"].shape
    sizes = (len(features(examples[0])), examples[0]["ego"].numel())
    sums = {False: _Sums(*sizes), True: _Sums(*sizes)}
    for side, numbers in ((side, torch.nonzero(held == side).flatten().tolist()) for side in sums):
        for start in range(0, len(numbers), AT_ONCE):
            block = [examples[number] for number in numbers[start : start + AT_ONCE]]
            told, ego = torch.stack([features(one) for one in block]), torch.stack([one["ego"].flatten() for one in block])
            sums[side].add(told.double(), ego.double())
    whole = sums[False]
    penalty = _best_in_primal(whole, sums[True])
    whole.include(sums.pop(True))
    square, across = whole.centred(slice(None))
    unit = float(square.diagonal().sum()) / whole.count
    weights = torch.cholesky_solve(across, torch.linalg.cholesky(_penalised(square, penalty * unit)))
    return Ridge(
        examples=whole.count,
        penalty=penalty,
        feature_mean=(whole.features / whole.count).float(),
        rows=None,
        weights=weights.float(),
        target_mean=(whole.targets / whole.count).float().reshape(shape),
    )


def _best_in_primal(fitted: _Sums, held: _Sums) -> float:
    columns = evenly(len(fitted.targets), CHOOSING)
    square, across = fitted.centred(columns)
    # the held examples' products around the means of the fitted ones
    middle, aim = fitted.features / fitted.count, fitted.targets[columns] / fitted.count
    off = held.features - held.count * middle
    inner = held.square - torch.outer(off, middle) - torch.outer(middle, held.features)
    told = held.across[:, columns] - torch.outer(off, aim) - torch.outer(middle, held.targets[columns])
    unit, errors = float(square.diagonal().sum()) / fitted.count, []
    for penalty in PENALTIES:
        weights = torch.cholesky_solve(across, torch.linalg.cholesky(_penalised(square, penalty * unit)))
        errors.append(float(((inner @ weights - 2 * told) * weights).sum()))  # but for the targets' own squares
    return PENALTIES[errors.index(min(errors))]
