"""What is known of the ego latents before training: an affine guess, and the best linear denoiser around it.

The transformer's output F is turned into the velocity, so that F = 0 already samples the Gaussian that fits the training data
best, and the network learns only what is not linear. For a mini model on little compute this is worth more than loss, optimiser
and size together; for production weights there is none of it.

With levels t in 0..1, z_t = (1 - t) x + t noise and the velocity noise - x, per channel and kind of latent frame (first, later):

    guess      g = place + offset + (seen * known + hole * (1 - known)) * (condition - place)
    residual   x - g ~ N(0, U diag(s^2) U^T) over the cells of the map
    velocity   v = U [ ((t - (1 - t) s^2) U^T z_t - t U^T g + s sqrt(D) U^T F) / D ],   D = (1 - t)^2 s^2 + t^2

which is bounded for every t, since s^2 is. Of U the strongest `rank` components are kept; all others share one variance. `known`
is the mean of the mask channels, `place` the mean latent of a cell, `offset` what makes the residual's mean zero in every cell. A
sample whose condition is zero throughout has none: its guess is `place`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..canvas import Grid

STATE, MASK, CONDITION = 16, 4, 16
"""Channels of the transformer's input, in this order."""

LEVELS = 1000
"""Timesteps of a call are levels times this."""

SHRINK = 0.05
"""The covariance is drawn this much towards its mean variance: fitted on few examples it would be too sure of its small ones."""

LEAST_VARIANCE = 1e-4
RIDGE = 1e-4

Examples = tuple[Tensor, Tensor, Tensor]
"""target [n, 16, f, h, w], condition the same, mask channels [n, 4, f, h, w]: the ego columns as the transformer has them."""


class PreconditionerError(ValueError):
    """Data or a transformer that a preconditioner does not fit; the message says what differs."""


class Preconditioner(ModelMixin, ConfigMixin):
    """Fitted once per canvas and data (`fit`), kept beside the weights, hooked into a stock transformer (`attach`).

    height, width: latent cells of the ego columns. kinds: 1 knows single frames, 2 whole clips as well.
    The file holds U in half precision, about 1 MB at the mini canvas.
    """

    place: Tensor  # [kinds, 16, height, width]
    offset: Tensor  # the same
    gains: Tensor  # [kinds, 16, 2]: seen, hole
    basis: Tensor  # [kinds, 16, height * width, rank], orthonormal columns
    variance: Tensor  # [kinds, 16, rank]
    remainder: Tensor  # [kinds, 16, 1]: variance of everything outside of the basis

    @register_to_config
    def __init__(self, height: int, width: int, kinds: int = 2, rank: int = 48) -> None:
        super().__init__()
        cells = height * width
        if not (0 < rank < cells and kinds in (1, 2)):
            raise PreconditionerError(f"rank is {rank} and kinds {kinds}, expected 1 to {cells - 1} and 1 or 2")
        self.register_buffer("place", torch.zeros(kinds, STATE, height, width))
        self.register_buffer("offset", torch.zeros(kinds, STATE, height, width))
        self.register_buffer("gains", torch.zeros(kinds, STATE, 2))
        self.register_buffer("basis", torch.eye(cells, rank).repeat(kinds, STATE, 1, 1))
        self.register_buffer("variance", torch.ones(kinds, STATE, rank))
        self.register_buffer("remainder", torch.ones(kinds, STATE, 1))
        self._hook: _Hook | None = None

    @classmethod
    def fit(cls, batches: Iterable[Examples], *, rank: int = 48) -> Self:
        """The preconditioner of examples that come in batches; they are read twice and none is kept.

        All batches have the same h and w; f may differ. With single frames only, the result serves single frames only.
        rank: at most half the cells of a map; a smaller map gets fewer.
        Raises PreconditionerError for an iterator (it cannot be read twice), no examples, or values that are not finite.
        """
        if isinstance(batches, Iterator):
            raise PreconditionerError("the batches are an iterator, expected something that can be read twice, such as a list")
        moments: dict[int, _Moments] = {}
        for kind, target, condition, known, present in _by_kind(batches):
            size = tuple(target.shape[-2:])
            if moments and size != moments[0].size:
                raise PreconditionerError(
                    f"an example has {size[0]}x{size[1]} cells, those before it {moments[0].size[0]}x{moments[0].size[1]}"
                )
            moments.setdefault(kind, _Moments(size)).add(target, condition, known, present)
        if not moments:
            raise PreconditionerError("there is no example to fit the preconditioner on")
        height, width = moments[0].size
        fitted = cls(height=height, width=width, kinds=len(moments), rank=min(rank, max(1, height * width // 2)))
        for kind, seen in moments.items():
            fitted.place[kind], fitted.gains[kind], fitted.offset[kind] = seen.guess()
        outer = torch.zeros(len(moments), STATE, height * width, height * width, dtype=torch.float64)
        for kind, target, condition, known, present in _by_kind(batches):
            away = (target - fitted._guess_of(kind, condition, known, present)).flatten(2)
            outer[kind] += torch.einsum("nci,ncj->cij", away, away)
        for kind, seen in moments.items():
            fitted._keep_strongest(kind, outer[kind] / seen.count)
        return fitted

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in latent cells of the ego columns that it was fitted on."""
        height, width = self.place.shape[-2:]
        return height, width

    def guess(self, condition: Tensor, known: Tensor) -> Tensor:
        """What to expect of the latents, [n, 16, f, h, w] float32. condition: the same shape; known: [n, f, h, w] in 0..1."""
        present = _present(condition)
        frames = condition.float().unbind(2)
        return torch.stack(
            [
                self._guess_of(kind, frame, share, present)
                for kind, frame, share in zip(self._kinds(len(frames)), frames, known.float().unbind(1))
            ],
            dim=2,
        )

    def velocity(self, output: Tensor, state: Tensor, level: Tensor, condition: Tensor, known: Tensor) -> Tensor:
        """The velocity from the transformer's output F, [n, 16, f, h, w] float32, all on the ego columns.

        output, state, condition: [n, 16, f, h, w]; level: [n] in 0..1; known: [n, f, h, w].
        """
        kinds = self._kinds(state.shape[2])
        maps = torch.stack([state.float(), self.guess(condition, known), output.float()]).flatten(4)  # [3, n, c, f, cells]
        basis = self.basis[kinds]  # [f, c, cells, rank]
        turned = torch.einsum("fcir,sncfi->sncfr", basis, maps)
        t = level.float().reshape(-1, 1, 1, 1)
        shared = _weights(self.remainder[kinds].transpose(0, 1), t)  # [3, n, c, f, 1]
        own = _weights(self.variance[kinds].transpose(0, 1), t)  # [3, n, c, f, rank]
        corrections = ((own - shared) * turned).sum(0)
        total = (shared * maps).sum(0) + torch.einsum("fcir,ncfr->ncfi", basis, corrections)
        return total.unflatten(-1, state.shape[-2:])

    def attach(self, transformer: nn.Module, latents: Grid) -> None:
        """From now on the transformer returns velocities: on the ego columns from its output, on the exo columns 0.

        latents: the grid of the canvas; of its frames nothing is kept. One hook reads what it needs from the call's arguments;
        adapters, gradient checkpointing and guidance by text see a stock transformer. Raises PreconditionerError where this or
        another preconditioner is attached already, or the grid is not the one it was fitted on.
        """
        if (latents.height, latents.ego) != self.size:
            raise PreconditionerError(
                f"the preconditioner was fitted on {self.size[0]}x{self.size[1]} ego cells, "
                f"the canvas has {latents.height}x{latents.ego}: fit it on this canvas"
            )
        if self._hook is not None or any(isinstance(hook, _Hook) for hook in transformer._forward_hooks.values()):
            raise PreconditionerError("a preconditioner is attached already; detach it first")
        self._hook = _Hook(self, latents.exo)
        self._hook.handle = transformer.register_forward_hook(self._hook, with_kwargs=True)

    def detach(self) -> None:
        """The transformer is as it was. Does nothing where none is attached."""
        if self._hook is not None and self._hook.handle is not None:
            self._hook.handle.remove()
        self._hook = None

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As diffusers saves models, with U in half precision."""
        compact: Preconditioner = type(self).from_config(self.config)  # pyright: ignore[reportAssignmentType]
        compact.load_state_dict(self.state_dict())
        compact.basis = compact.basis.half()
        super(Preconditioner, compact).save_pretrained(save_directory, **options)

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, pretrained_model_name_or_path: str | Path, **options: Any
    ) -> Self:
        """As diffusers loads models, always in float32, with U made orthonormal again."""
        loaded = super().from_pretrained(pretrained_model_name_or_path, **options).float()
        loaded.basis = _orthonormal(loaded.basis)
        return loaded

    def _kinds(self, frames: int) -> list[int]:
        kinds = [0] + [1] * (frames - 1)
        if max(kinds) >= len(self.place):
            raise PreconditionerError(f"the preconditioner was fitted on single frames, the clip has {frames} latent frames")
        return kinds

    def _guess_of(self, kind: int, condition: Tensor, known: Tensor, present: Tensor) -> Tensor:
        """One frame: condition [n, 16, h, w], known [n, h, w], present [n]."""
        place, (seen, hole) = self.place[kind], self.gains[kind, :, :, None, None].unbind(1)
        share = known[:, None]
        told = self.offset[kind] + (seen * share + hole * (1 - share)) * (condition - place)
        return place + told * present[:, None, None, None]

    def _keep_strongest(self, kind: int, covariance: Tensor) -> None:
        """covariance: [16, cells, cells] float64, of one kind."""
        cells, rank = covariance.shape[-1], self.basis.shape[-1]
        mean = covariance.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        values, vectors = torch.linalg.eigh((1 - SHRINK) * covariance + SHRINK * mean * torch.eye(cells, dtype=torch.float64))
        values, vectors = values.flip(1), vectors.flip(2)
        self.basis[kind] = vectors[..., :rank]
        self.variance[kind] = values[:, :rank].clamp_min(LEAST_VARIANCE)
        self.remainder[kind] = values[:, rank:].mean(1, keepdim=True).clamp_min(LEAST_VARIANCE)


class _Hook:
    """Turns what a call of the transformer returns into velocities."""

    def __init__(self, preconditioner: Preconditioner, exo: int) -> None:
        self.preconditioner, self.exo = preconditioner, exo
        self.handle: Any = None

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], returned: Any) -> Any:
        names = ("hidden_states", "timestep")
        inputs, timestep = (kwargs[name] if name in kwargs else args[place] for place, name in enumerate(names))
        output = returned[0] if isinstance(returned, tuple) else returned.sample
        velocity = self._velocity(output, inputs, timestep)
        return (velocity, *returned[1:]) if isinstance(returned, tuple) else type(returned)(sample=velocity)

    def _velocity(self, output: Tensor, inputs: Tensor, timestep: Tensor) -> Tensor:
        size, expected = inputs.shape[-2:], (self.preconditioner.size[0], self.exo + self.preconditioner.size[1])
        if tuple(size) != expected:
            raise PreconditionerError(
                f"the call has {size[0]}x{size[1]} cells, expected {expected[0]}x{expected[1]} of the canvas"
            )
        if timestep.ndim != 1:
            raise PreconditionerError(f"timesteps are {tuple(timestep.shape)}, expected one a sample: there is one noise level")
        solve = self.preconditioner
        if solve.place.device != inputs.device:
            solve.to(inputs.device)  # pyright: ignore[reportArgumentType]
        state, mask, condition = inputs[..., self.exo :].split([STATE, MASK, CONDITION], dim=1)
        ego = solve.velocity(output[..., self.exo :], state, timestep.float() / LEVELS, condition, mask.float().mean(1))
        return torch.cat([torch.zeros_like(output[..., : self.exo]), ego.to(output.dtype)], dim=-1)


class _Moments:
    """What the guess of one kind of frame is found from, per channel and cell: sums over examples of targets, and over those with
    a condition of products of (known * condition, (1 - known) * condition, known, 1 - known, target, 1).

    Those of what `seen`, `hole` and the offset stand beside follow from them for any `place`, so examples are read once for it.
    """

    def __init__(self, size: tuple[int, ...]) -> None:
        self.size = size
        self.count = 0
        self._targets = torch.zeros(STATE, *size, dtype=torch.float64)
        self._sums = torch.zeros(STATE, *size, 6, 6, dtype=torch.float64)

    def add(self, target: Tensor, condition: Tensor, known: Tensor, present: Tensor) -> None:
        there = present[:, None, None, None].expand_as(target).double()
        share = known[:, None].double()
        seen, hole = share * there, (1 - share) * there
        features = torch.stack([seen * condition, hole * condition, seen, hole, target * there, there], dim=-1)
        self._targets += target.double().sum(0)
        self._sums += torch.einsum("nchwa,nchwb->chwab", features, features)
        self.count += len(target)

    def guess(self) -> tuple[Tensor, Tensor, Tensor]:
        """place [16, h, w], gains [16, 2] and offset [16, h, w] of least squares; 0 without any condition."""
        place = self._targets / self.count
        means = self._sums / self._sums[..., 5:, 5:].clamp_min(1)
        turn = torch.zeros(*place.shape, 4, 6, dtype=torch.float64)  # to known and unknown (condition - place), target - place, 1
        turn[..., 0, 0] = turn[..., 1, 1] = turn[..., 2, 4] = turn[..., 3, 5] = 1
        turn[..., 0, 2] = turn[..., 1, 3] = turn[..., 2, 5] = -place
        moments = turn @ means @ turn.transpose(-1, -2)
        mean = moments[..., :3, 3]
        spread = (moments[..., :3, :3] - mean[..., :, None] * mean[..., None, :]).mean((1, 2))  # [16, 3, 3]
        gains = torch.linalg.solve(spread[:, :2, :2] + RIDGE * torch.eye(2, dtype=torch.float64), spread[:, :2, 2])
        offset = mean[..., 2] - (mean[..., :2] * gains[:, None, None]).sum(-1)
        return place.float(), gains.float(), offset.float()


def _by_kind(batches: Iterable[Examples]) -> Iterator[tuple[int, Tensor, Tensor, Tensor, Tensor]]:
    """(kind, target [m, 16, h, w], condition, known [m, h, w], present [m]) of every batch, float32."""
    for target, condition, mask in batches:
        expected = (len(target), STATE, *target.shape[2:])
        if tuple(target.shape) != expected or condition.shape != target.shape or mask.shape != (len(target), MASK, *expected[2:]):
            raise PreconditionerError(
                f"target, condition and mask are {tuple(target.shape)}, {tuple(condition.shape)} and {tuple(mask.shape)}, "
                f"expected [n, {STATE}, f, h, w] twice and [n, {MASK}, f, h, w]"
            )
        target, condition, known = target.float(), condition.float(), mask.float().mean(1)
        if not all(math.isfinite(tensor.sum()) for tensor in (target, condition, known)):
            raise PreconditionerError("an example holds values that are not finite: its latents were not computed rightly")
        present, later = _present(condition), target.shape[2] - 1
        yield 0, target[:, :, 0], condition[:, :, 0], known[:, 0], present
        if later:
            flat = [tensor[:, :, 1:].transpose(1, 2).flatten(0, 1) for tensor in (target, condition)]
            yield 1, flat[0], flat[1], known[:, 1:].flatten(0, 1), present.repeat_interleave(later)


def _present(condition: Tensor) -> Tensor:
    """Which samples have a condition at all, [n] bool."""
    return (condition != 0).flatten(1).any(1)


def _weights(variance: Tensor, t: Tensor) -> Tensor:
    """What state, guess and output count in the velocity, [3, n, ...]; variance [...] broadcasts against t [n, 1, 1, 1]."""
    total = (1 - t) ** 2 * variance + t**2
    return torch.stack([(t - (1 - t) * variance) / total, (-t / total).expand_as(total), (variance / total).sqrt()])


def _orthonormal(basis: Tensor) -> Tensor:
    """The nearest orthonormal columns, by three steps of Newton-Schulz: enough for what half precision loses."""
    for _ in range(3):
        basis = 1.5 * basis - 0.5 * basis @ (basis.transpose(-1, -2) @ basis)
    return basis
