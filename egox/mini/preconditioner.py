"""What is known of the ego latents before training: an affine guess, and the best linear denoiser of what is left of them.

The transformer's output F is turned into the velocity, so that F = 0 already samples a Gaussian fitted to the training data, and
the network learns only what is not linear. For a mini model on little compute this is worth more than loss, optimiser and size
together; for production weights there is none of it.

With levels t in 0..1, z_t = (1 - t) x + t noise and the velocity noise - x:

    guess      g = known * (there + carry * (condition - told)) + (1 - known) * (open + fill * (condition - washed))
    residual   x - g, taken to be N(0, W diag(s^2) W^T)
    velocity   v = W [ ((t - (1 - t) s^2) W^T z_t - t W^T g + s sqrt(D) W^T F) / D ],   D = (1 - t)^2 s^2 + t^2

which is bounded for every t, since s^2 is. `known` is the mean of the mask channels. Per kind of frame (first, or later), channel
and cell, `there` and `told` are the means of target and condition where the condition is known, `open` and `washed` where it is
not. A sample whose condition is zero throughout has none: its guess is `place`, the mean latent of a cell.

`carry`, per kind and channel, brings the spread of what is known to that of the truth: it keeps the detail of the condition.
The gain with the least squared error does not: geometry is a few pixels off, so detail correlates weakly pixel by pixel, and
the best gain on it is .03 to .4. A network of little training stays near its guess, and its pictures looked like that one: stains
of colour. With the detail kept (validation frames of `sim`, 16 channels, the guess itself against least squares): PSNR 17.0
against 17.6 dB, ST-LPIPS .30 against .44, Eff-I .46 against .31. `fill` is the gain of least squares: what is filled has no
detail to keep.

W turns over the cells of a map first: one orthonormal basis for all channels and frames, principal components of the targets. In
it each channel and component has its own covariance over the latent frames. W turns over the later frames next, for each
component into the eigenvectors of what the covariances of all channels have in common, and only variances belong to channels:
what they do not share is left out. A basis for each channel and kind of frame fits few examples too well, and eigenvectors for
each channel need twice the file for .4 % of loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..canvas import Grid
from .codec import CHANNELS

MASK = 4
"""Mask channels of the transformer's input, between noisy latents and condition (Wan's image-to-video layout)."""

VERSION = "3"
"""Of how a preconditioner is fitted and kept: part of the key of one that lies on disk, to be raised with any change."""

LEVELS = 1000
"""Timesteps of a call are levels times this."""

SHRINK, SHARED = 0.1, 10
"""Few examples would make covariances over frames too sure of small variances: they are drawn this much towards their diagonals,
and what all channels have in common for a component counts like this many examples."""

LEAST_VARIANCE = 1e-4

MEAN_OF = 4.0
"""Examples that a cell's mean of targets that are known (or not) there must outweigh; with few it stays at the mean of all."""

MOST_CARRY = 2.0
"""A condition that hardly varies is not blown up by more."""

Examples = tuple[Tensor, Tensor, Tensor]
"""target [n, 48, f, h, w], condition the same, mask channels [n, 4, f, h, w]: the ego columns as the transformer has them."""


class PreconditionerError(ValueError):
    """Data or a transformer that a preconditioner does not fit; the message says what differs."""


class Preconditioner(ModelMixin, ConfigMixin):
    """Fitted once per canvas and data (`fit`), kept beside the weights, hooked into a stock transformer (`attach`).

    height, width: latent cells of the ego columns. frames: latent frames of the clips that it serves, besides single ones.
    channels: of the latents; shapes here name the codec's 48.
    Its file has about 1 MB at the mini canvas. It is and computes in float32, whatever pipeline or autocast around it do: half
    precision would round away small variances.
    """

    _keep_in_fp32_modules = ["place", "means", "gains", "basis", "mixing", "variance"]  # noqa: RUF012 - diffusers reads a list

    place: Tensor  # [kinds, 48, height, width]; kinds of frames are the first, and all later ones
    means: Tensor  # [4, kinds, 48, height, width]: there, told, open, washed
    gains: Tensor  # [kinds, 48, 2]: carry, fill
    basis: Tensor  # [cells, components], orthonormal
    mixing: Tensor  # [components, frames, frames], orthonormal columns
    variance: Tensor  # [48, frames, components], of what `mixing` turns into

    @register_to_config
    def __init__(self, height: int, width: int, frames: int, channels: int = CHANNELS) -> None:
        super().__init__()
        kinds, cells = min(frames, 2), height * width
        self.register_buffer("place", torch.zeros(kinds, channels, height, width))
        self.register_buffer("means", torch.zeros(4, kinds, channels, height, width))
        self.register_buffer("gains", torch.zeros(kinds, channels, 2))
        self.register_buffer("basis", torch.eye(cells))
        self.register_buffer("mixing", torch.eye(frames).repeat(cells, 1, 1))
        self.register_buffer("variance", torch.ones(channels, frames, cells))
        self._hook: _Hook | None = None

    @classmethod
    def fit(cls, batches: Iterable[Examples]) -> Self:
        """The preconditioner of examples that come in batches; they are read twice and none is kept.

        All examples have the same f, h and w. The result serves clips of f latent frames and single ones, which are taken for
        first frames. Raises PreconditionerError for an iterator (it cannot be read twice), no examples, or values that are not
        finite.
        """
        if isinstance(batches, Iterator):
            raise PreconditionerError("the batches are an iterator, expected something that can be read twice, such as a list")
        moments: _Moments | None = None
        for target, condition, known in _checked(batches):
            moments = moments or _Moments(target)
            moments.add(target, condition, known)
        if moments is None:
            raise PreconditionerError("there is no example to fit the preconditioner on")
        frames, height, width = moments.size
        fitted = cls(height=height, width=width, frames=frames, channels=moments.channels)
        for kind in range(len(fitted.place)):
            fitted.place[kind], fitted.means[:, kind], fitted.gains[kind] = moments.guess(kind)
        fitted.basis.copy_(moments.basis())
        covariance = torch.zeros(moments.channels, height * width, frames, frames, dtype=torch.float64)
        for target, condition, known in _checked(batches):
            turned = ((target - fitted.guess(condition, known)).flatten(3) @ fitted.basis).double()
            covariance += torch.einsum("ncfk,ncgk->ckfg", turned, turned)
        covariance = _steadied(covariance / max(moments.count - 1, 1), moments.count)
        mixing = torch.linalg.eigh(_shared(covariance)).eigenvectors
        fitted.mixing.copy_(mixing)
        fitted.variance.copy_(torch.einsum("kfg,ckfh,khg->cgk", mixing, covariance, mixing).clamp_min(LEAST_VARIANCE))
        return fitted

    @property
    def size(self) -> tuple[int, int, int]:
        """(latent frames, height, width) in latent cells of the ego columns that it was fitted on."""
        frames, (height, width) = self.variance.shape[1], self.place.shape[-2:]
        return frames, height, width

    def guess(self, condition: Tensor, known: Tensor) -> Tensor:
        """What to expect of the latents, [n, 48, f, h, w] float32. condition: the same shape; known: [n, f, h, w] in 0..1."""
        kinds = self._kinds(condition.shape[2])
        place = self.place[kinds].transpose(0, 1)  # [48, f, h, w]
        there, told, open_, washed = self.means[:, kinds].transpose(1, 2)
        carry, fill = self.gains[kinds].permute(2, 1, 0)[..., None, None]  # [48, f, 1, 1]
        share, condition = known.float()[:, None], condition.float()
        guess = share * (there + carry * (condition - told)) + (1 - share) * (open_ + fill * (condition - washed))
        return torch.where(_present(condition)[:, None, None, None, None], guess, place)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """`to` and the like move it, and leave its precision alone."""
        before = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, tensor in before.items():
            moved = self._buffers[name]
            if tensor is not None and moved is not None and moved.dtype != tensor.dtype:
                self._buffers[name] = tensor.to(moved.device)
        return self

    def velocity(self, output: Tensor, state: Tensor, level: Tensor, condition: Tensor, known: Tensor) -> Tensor:
        """The velocity from the transformer's output F, [n, 48, f, h, w] float32, all on the ego columns.

        output, state, condition: [n, 48, f, h, w]; level: [n] in 0..1; known: [n, f, h, w].
        """
        with torch.autocast(state.device.type, enabled=False):
            return self._velocity(output, state, level, condition, known)

    def _velocity(self, output: Tensor, state: Tensor, level: Tensor, condition: Tensor, known: Tensor) -> Tensor:
        guess = self.guess(condition, known)
        turned = torch.stack([state.float(), guess, output.float()]).flatten(4) @ self.basis  # [3, n, 48, f, components]
        whole = state.shape[2] > 1
        if whole:
            turned = torch.einsum("kfg,sncfk->sncgk", self.mixing, turned)
            variance = self.variance
        else:  # of the first frame alone, whatever the others are
            variance = torch.einsum("kg,cgk->ck", self.mixing[:, 0] ** 2, self.variance)[:, None]
        t = level.float().reshape(-1, 1, 1, 1)
        total = (1 - t) ** 2 * variance + t**2  # [n, 48, f, components]
        solved = ((t - (1 - t) * variance) * turned[0] - t * turned[1]) / total + (variance / total).sqrt() * turned[2]
        if whole:
            solved = torch.einsum("kfg,ncgk->ncfk", self.mixing, solved)
        return (solved @ self.basis.T).unflatten(-1, state.shape[-2:])

    def attach(self, transformer: nn.Module, latents: Grid) -> None:
        """From now on the transformer returns velocities: on the ego columns from its output, on the exo columns 0.

        latents: the grid of the canvas; its frames do not count. One hook reads what it needs from the call's arguments;
        adapters, gradient checkpointing and guidance by text see a stock transformer. Raises PreconditionerError where this or
        another preconditioner is attached already, or the grid is not the one it was fitted on.
        """
        _, height, width = self.size
        if (latents.height, latents.ego) != (height, width):
            raise PreconditionerError(
                f"the preconditioner was fitted on {height}x{width} ego cells, the canvas has {latents.height}x{latents.ego}: "
                "fit it on this canvas"
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

    def _kinds(self, frames: int) -> list[int]:
        if frames not in (1, self.size[0]):
            fitted = f"clips of {self.size[0]} latent frames" if self.size[0] > 1 else "single frames"
            raise PreconditionerError(f"the preconditioner was fitted on {fitted}, the call has {frames}")
        return [0] + [1] * (frames - 1)


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
        _, height, width = self.preconditioner.size
        size, expected = inputs.shape[-2:], (height, self.exo + width)
        if tuple(size) != expected:
            raise PreconditionerError(
                f"the call has {size[0]}x{size[1]} cells, expected {expected[0]}x{expected[1]} of the canvas"
            )
        if timestep.ndim != 1:
            raise PreconditionerError(f"timesteps are {tuple(timestep.shape)}, expected one a sample: there is one noise level")
        solve = self.preconditioner
        if solve.place.device != inputs.device:
            solve.to(inputs.device)  # pyright: ignore[reportArgumentType]
        channels = solve.place.shape[1]
        state, mask, condition = inputs[..., self.exo :].split([channels, MASK, channels], dim=1)
        ego = solve.velocity(output[..., self.exo :], state, timestep.float() / LEVELS, condition, mask.float().mean(1))
        return torch.cat([torch.zeros_like(output[..., : self.exo]), ego.to(output.dtype)], dim=-1)


class _Moments:
    """What guess and basis are found from: sums over examples, none of which is kept.

    Per kind of frame, channel and cell: of targets; and over examples with a condition, weighed by what is known and by what is
    not, of 1, target, condition and their products. Per kind and channel: of products of the targets of two cells.
    """

    def __init__(self, target: Tensor) -> None:
        self.count, self.channels = 0, target.shape[1]
        self.size = (target.shape[2], target.shape[3], target.shape[4])
        self._kinds = [slice(0, 1), slice(1, None)][: self.size[0]]
        kinds, cells = len(self._kinds), self.size[1] * self.size[2]
        self._targets = torch.zeros(kinds, self.channels, *self.size[1:], dtype=torch.float64)
        self._sums = torch.zeros(kinds, 2, 6, self.channels, *self.size[1:], dtype=torch.float64)
        self._outer = torch.zeros(kinds, self.channels, cells, cells, dtype=torch.float64)

    def add(self, target: Tensor, condition: Tensor, known: Tensor) -> None:
        """target, condition [n, 48, f, h, w], known [n, f, h, w]."""
        if tuple(target.shape[2:]) != self.size:
            raise PreconditionerError(f"an example has {tuple(target.shape[2:])} latent cells, those before it {self.size}")
        present = _present(condition)[:, None, None, None, None].double()
        weights = torch.stack([present * known[:, None], present * (1 - known[:, None])]).expand(
            -1, -1, self.channels, -1, -1, -1
        )
        x, c = target.double(), condition.double()
        values = torch.stack([torch.ones_like(x), x, c, x * x, c * c, x * c])
        for kind, frames in enumerate(self._kinds):
            self._targets[kind] += x[:, :, frames].sum((0, 2))
            self._sums[kind] += torch.einsum("wncfhx,sncfhx->wschx", weights[:, :, :, frames], values[:, :, :, frames])
            flat = target[:, :, frames].flatten(3)
            self._outer[kind] += torch.einsum("ncfi,ncfj->cij", flat, flat)
        self.count += len(target)

    def guess(self, kind: int) -> tuple[Tensor, Tensor, Tensor]:
        """place [48, h, w], means [4, 48, h, w] and gains [48, 2]; gains are 0 where the condition does not vary."""
        place = self._place(kind)
        means, moments = [], []
        for sums in self._sums[kind]:
            weight, x, c, xx, cc, xc = sums
            total = weight.sum((1, 2)).clamp_min(1)
            there = (x + MEAN_OF * place) / (weight + MEAN_OF)
            told = torch.where(weight > 1, c / weight, place)  # drawn to another mean it would carry the difference
            means += [there, told]
            moments.append(
                [
                    (xx - 2 * there * x + weight * there**2).sum((1, 2)).clamp_min(0) / total,
                    (cc - 2 * told * c + weight * told**2).sum((1, 2)).clamp_min(0) / total,
                    (xc - told * x - there * c + weight * told * there).sum((1, 2)) / total,
                ]
            )
        (truth, condition, _), (_, wash, both) = moments
        gains = torch.stack([(truth / condition).sqrt().clamp(max=MOST_CARRY), both / wash], dim=1)
        varies = torch.stack([condition, wash], dim=1) > LEAST_VARIANCE
        return place.float(), torch.stack(means).float(), torch.where(varies, gains, 0.0).float()

    def basis(self) -> Tensor:
        """[cells, components]: eigenvectors of the mean covariance of all channels, each of them scaled to the same variance."""
        covariance = torch.zeros(self._outer.shape[1:], dtype=torch.float64)
        for kind, frames in enumerate(self._numbers()):
            place = self._place(kind).flatten(1)
            covariance += self._outer[kind] / self.count - frames * place[:, :, None] * place[:, None, :]
        variance = covariance.diagonal(dim1=1, dim2=2).mean(1).clamp_min(LEAST_VARIANCE)
        return torch.linalg.eigh((covariance / variance[:, None, None]).mean(0)).eigenvectors.float()

    def _place(self, kind: int) -> Tensor:
        return self._targets[kind] / (self.count * self._numbers()[kind])

    def _numbers(self) -> list[int]:
        """Frames of each kind in a clip."""
        return [1, self.size[0] - 1][: len(self._kinds)]


def _steadied(covariance: Tensor, count: int) -> Tensor:
    """Covariances over frames [48, components, f, f] of `count` examples, made safe to be believed."""
    scales = _scales(covariance)
    mixed = (count * covariance + SHARED * (covariance / scales).mean(0) * scales) / (count + SHARED)
    return (1 - SHRINK) * mixed + SHRINK * torch.diag_embed(mixed.diagonal(dim1=2, dim2=3))


def _shared(covariance: Tensor) -> Tensor:
    """[components, f, f]: what the covariances over frames of all channels have in common, the first frame apart.

    Its channels are components of another kind than those of later frames, so that channels have nothing in common there; and
    single frames, which are first ones, need its variance exactly.
    """
    shared = (covariance / _scales(covariance)).mean(0)
    shared[:, 0, 1:] = shared[:, 1:, 0] = 0
    return shared


def _scales(covariance: Tensor) -> Tensor:
    """[48, 1, f, f], products of the standard deviations of two frames over all components: what makes channels comparable."""
    scale = covariance.diagonal(dim1=2, dim2=3).mean(1).clamp_min(LEAST_VARIANCE).sqrt()  # [48, f]
    return (scale[:, :, None] * scale[:, None, :])[:, None]


def _checked(batches: Iterable[Examples]) -> Iterator[Examples]:
    """Target, condition and the share that is known [n, f, h, w] of every batch, float32."""
    for target, condition, mask in batches:
        expected = (len(target), target.shape[1], *target.shape[2:])
        shapes = (tuple(target.shape), tuple(condition.shape), tuple(mask.shape))
        if target.ndim != 5 or shapes != (expected, expected, (len(target), MASK, *expected[2:])):
            raise PreconditionerError(
                f"target, condition and mask are {shapes[0]}, {shapes[1]} and {shapes[2]}, "
                f"expected [n, channels, f, h, w] twice and [n, {MASK}, f, h, w]"
            )
        values = (target.float(), condition.float(), mask.float().mean(1))
        if not all(math.isfinite(tensor.sum()) for tensor in values):
            raise PreconditionerError("an example holds values that are not finite: its latents were not computed rightly")
        yield values


def _present(condition: Tensor) -> Tensor:
    """Which samples have a condition at all, [n] bool."""
    return (condition != 0).flatten(1).any(1)
