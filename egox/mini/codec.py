"""The latent codec of the mini size: principal components of lapped 8x8 patches, fixed, behind the interface of AutoencoderKLWan.

The first frame alone, then four frames at once, each as the 48 strongest components of a patch: 17 frames of [h, w] become
5 maps of [h/8, w/8] with 48 channels, the grid of Wan's causal codec. Nothing is trained, a fit reads every video once, and
encoding is one matrix product. With 16 components that beats a small AutoencoderKLWan of 16 channels after minutes of training by
4 to 5 dB; 48 keep 2.6 dB more of a clip.

Patches are lapped: before they are cut, an orthonormal transform of the 8 pixels across every border between two of them makes
what the two share smooth, and its transpose after decoding spreads every component over both (Tran, Liang and Tu, Lapped
Transform via Time-Domain Pre- and Post-Filtering, IEEE TSP 2003; here the lapped orthogonal transform of Malvar, Staelin 1989).
It keeps 0.3 dB more, and what a model gets wrong is a soft stain, not a square with an edge.

All components of a frame are divided by one number, which brings their mean square to 1: noise on the latents is white noise on
the picture, and an error in one channel looks as large as in another. Brought to standard deviation 1 each, as latents usually
are, noise hits the brightness of patches fifteen times as hard as the weakest of 16 components, and a model of little training
draws squares. First and later latent frames have a number of their own. The config says `latents_mean` 0 and `latents_std` 1:
whoever normalises with these, as Wan's pipelines do, changes nothing.

Components are fitted on every patch and on its mirror image, so each is even or odd: the latents of a mirrored video are the
mirrored latents times `mirror_signs`, and training can mirror what was encoded once.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from numpy.typing import NDArray
from torch import Tensor, nn

SIDE, GROUP, CHANNELS = 8, 4, 48
"""Pixels on a side of a patch, frames of a group, components kept: strides of Wan's codec, channels of that of Wan 2.2."""

FIRST_VALUES = SIDE * SIDE * 3
GROUP_VALUES = FIRST_VALUES * GROUP

VERSION = "3"
"""Of how a codec is fitted: part of the key of what is encoded with it, to be raised with any change."""

LEAST_SCALE = 1e-3
"""Least number that components are divided by: data without any spread must not blow up other pictures."""


class CodecError(ValueError):
    """A video that the codec does not take; the message says what it has and what would fit."""


class _Components(nn.Module):
    """Orthonormal rows [48, values] around a mean [values], and the root mean square [] of what they give."""

    rows: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, values: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.eye(CHANNELS, values))
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("scale", torch.ones(()))

    def encode(self, patches: Tensor) -> Tensor:
        """[..., values] -> [..., 48]."""
        return (patches - self.mean.float()) @ self.rows.float().T / self.scale.float()

    def decode(self, latents: Tensor) -> Tensor:
        return (latents * self.scale.float()) @ self.rows.float() + self.mean.float()


class FixedBasisCodec(ModelMixin, ConfigMixin):
    """Encodes [n, 3, 1 + 4 k, h, w] in -1..1 to [n, 48, 1 + k, h / 8, w / 8], and decodes.

    The arithmetic is float32 whatever the kind of the input; results have the kind of the input. `sample` and `mode` of a
    posterior are the same: it has no spread. `first_psnr` and `group_psnr` of the config: what a round trip keeps of the data of
    the fit, in dB, before values are clamped and rounded. Raises CodecError for sizes that do not fit.
    """

    _supports_gradient_checkpointing = False
    _keep_in_fp32_modules = ["first", "group"]  # noqa: RUF012 - diffusers reads it as a list

    @register_to_config
    def __init__(
        self,
        z_dim: int = CHANNELS,
        latents_mean: tuple[float, ...] = (0.0,) * CHANNELS,
        latents_std: tuple[float, ...] = (1.0,) * CHANNELS,
        scale_factor_temporal: int = GROUP,
        scale_factor_spatial: int = SIDE,
        first_psnr: float | None = None,
        group_psnr: float | None = None,
    ) -> None:
        super().__init__()
        del latents_mean, latents_std, first_psnr, group_psnr
        if (z_dim, scale_factor_temporal, scale_factor_spatial) != (CHANNELS, GROUP, SIDE):
            raise CodecError(f"the fixed basis has {CHANNELS} channels and strides {GROUP} and {SIDE}, no others")
        self.first, self.group = _Components(FIRST_VALUES), _Components(GROUP_VALUES)

    @property
    def mirror_signs(self) -> Tensor:
        """1 or -1 [2, 48]: what each channel of the first, and of later latent frames is multiplied with in a mirror.

        Raises CodecError where a component is neither even nor odd.
        """
        signs = torch.stack([(rows * rows[:, _mirrored(rows.shape[1])]).sum(1) for rows in (self.first.rows, self.group.rows)])
        if (signs.abs() - 1).abs().max() > 1e-3:
            raise CodecError(
                "components of this codec are neither even nor odd, so its latents have no mirror image: fit it anew"
            )
        return signs.sign()

    @apply_forward_hook
    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderKLOutput | tuple[DiagonalGaussianDistribution]:
        if x.ndim != 5 or x.shape[1] != 3 or x.shape[2] % GROUP != 1 or x.shape[3] % SIDE or x.shape[4] % SIDE:
            raise CodecError(
                f"the video to encode is {tuple(x.shape)}, expected [batch, 3, {GROUP} n + 1, height, width] with sides that "
                f"are multiples of {SIDE} px"
            )
        patches = _patches(x.float())
        latents = [self.first.encode(patches[:, :1])]
        if patches.shape[1] > 1:
            latents.append(self.group.encode(_grouped(patches[:, 1:])))
        z = torch.cat(latents, dim=1).permute(0, 4, 1, 2, 3).to(x.dtype)  # [n, 48, 1 + k, h / 8, w / 8]
        posterior = DiagonalGaussianDistribution(torch.cat([z, torch.zeros_like(z)], dim=1), deterministic=True)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    @apply_forward_hook
    def decode(self, z: Tensor, return_dict: bool = True) -> DecoderOutput | tuple[Tensor]:
        """[n, 48, 1 + k, h, w] to [n, 3, 1 + 4 k, 8 h, 8 w], clamped to -1..1 as Wan's codec does."""
        if z.ndim != 5 or z.shape[1] != CHANNELS:
            raise CodecError(f"the latents to decode are {tuple(z.shape)}, expected [batch, {CHANNELS}, frames, height, width]")
        cells = z.float().permute(0, 2, 3, 4, 1)
        patches = [self.first.decode(cells[:, :1])]
        if cells.shape[1] > 1:
            patches.append(_ungrouped(self.group.decode(cells[:, 1:])))
        video = _pixels(torch.cat(patches, dim=1)).clamp(-1, 1).to(z.dtype)
        return DecoderOutput(sample=video) if return_dict else (video,)

    def forward(self, sample: Tensor) -> DecoderOutput:
        """The round trip."""
        return self.decode(self.encode(sample).latent_dist.mode())  # pyright: ignore[reportAttributeAccessIssue, reportReturnType]


def fit_codec(videos: Iterable[NDArray[np.uint8]]) -> FixedBasisCodec:
    """The codec whose components are the strongest of these videos, [frames, height, width, 3] uint8 RGB of any size.

    Every video is read once and none is kept. All frames count for the components of single frames; frames 1 to 4, 5 to 8, ...
    for those of groups: at least one video must have five. Exo and ego videos should both be among them, for both are encoded.
    """
    first, group = _Covariance(FIRST_VALUES), _Covariance(GROUP_VALUES)
    for video in videos:
        if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8 or video.shape[1] % SIDE or video.shape[2] % SIDE:
            raise CodecError(
                f"a video to fit the codec on is {video.shape} {video.dtype}, expected uint8 [frames, height, width, 3] with "
                f"sides that are multiples of {SIDE} px"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(video)).permute(3, 0, 1, 2)[None].double() / 127.5 - 1
        patches = _patches(pixels)
        first.add(patches)
        whole = (len(video) - 1) // GROUP * GROUP
        if whole:
            group.add(_grouped(patches[:, 1 : 1 + whole]))
    for covariance, frames in ((first, 1), (group, GROUP + 1)):
        if covariance.count < 2:
            raise CodecError(f"the codec needs at least one video of {frames} frames to be fitted on")
    codec = FixedBasisCodec(first_psnr=first.psnr, group_psnr=group.psnr)
    first.fill(codec.first)
    group.fill(codec.group)
    return codec


class _Covariance:
    """Mean and second moments of patches, summed up in float64 while they pass."""

    def __init__(self, values: int) -> None:
        self.count = 0
        self._sum = torch.zeros(values, dtype=torch.float64)
        self._outer = torch.zeros(values, values, dtype=torch.float64)

    def add(self, patches: Tensor) -> None:
        rows = patches.reshape(-1, len(self._sum))
        self.count += len(rows)
        self._sum += rows.sum(0)
        self._outer.addmm_(rows.T, rows)

    @property
    def mean(self) -> Tensor:
        """Of the patches and their mirror images."""
        mean = self._sum / self.count
        return (mean + mean[_mirrored(len(mean))]) / 2

    def eigen(self) -> tuple[Tensor, Tensor]:
        """Variances, largest first, and components as rows, of the patches and their mirror images.

        Even and odd components are found apart, since nearly equal variances would mix them. The largest value of each is
        positive, which settles its sign.
        """
        mean, mirror = self.mean, _mirrored(len(self._sum))
        moments = self._outer / self.count
        moments = (moments + moments[mirror][:, mirror]) / 2 - torch.outer(mean, mean)
        one = torch.eye(len(mean), dtype=torch.float64)
        left = torch.arange(len(mean)) < mirror
        found = []
        for sign in (1, -1):
            half = (one + sign * one[mirror])[left] / 2**0.5  # an orthonormal basis of the even, or the odd patches
            values, vectors = torch.linalg.eigh(half @ moments @ half.T)
            found.append((values, vectors.T @ half))
        values, rows = (torch.cat(parts) for parts in zip(*found))
        order = values.argsort(descending=True)
        values, rows = values[order].clamp_min(0), rows[order]
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
        return values, rows * largest.sign()

    @property
    def psnr(self) -> float:
        """Of the round trip of the same data, in dB: what the components that are left out hold. Pixel values span 2."""
        lost = self.eigen()[0][CHANNELS:].mean().item() * (1 - CHANNELS / len(self._sum))
        return round(10 * np.log10(4 / max(lost, 1e-12)).item(), 3)

    def fill(self, components: _Components) -> None:
        values, rows = self.eigen()
        components.rows.copy_(rows[:CHANNELS])
        components.mean.copy_(self.mean)
        components.scale.copy_(values[:CHANNELS].mean().sqrt().clamp_min(LEAST_SCALE))


def _patches(video: Tensor) -> Tensor:
    """[n, 3, t, h, w] -> [n, t, h / 8, w / 8, 192]."""
    n, t = video.shape[0], video.shape[2]
    frames = _across_borders(video.transpose(1, 2).flatten(0, 1), _LAPPING)
    return F.pixel_unshuffle(frames, SIDE).permute(0, 2, 3, 1).unflatten(0, (n, t))


def _pixels(patches: Tensor) -> Tensor:
    n, t = patches.shape[:2]
    frames = F.pixel_shuffle(patches.flatten(0, 1).permute(0, 3, 1, 2), SIDE)
    return _across_borders(frames, _LAPPING.T).unflatten(0, (n, t)).transpose(1, 2)


def _mirrored(values: int) -> Tensor:
    """Of each value of a patch the number of the one that it changes places with in a mirror; columns come fastest."""
    return torch.arange(values).view(-1, SIDE).flip(1).flatten()


def _lapping() -> Tensor:
    """The orthonormal transform [8, 8] of the pixels across a border that turns a block transform into a lapped one.

    B diag(I, V) B with the butterflies B = [[I, J], [J, -I]] / sqrt(2) and V = J DCT-II^T DCT-IV J (Malvar and Staelin's).
    """
    half = SIDE // 2
    k, i = torch.meshgrid(*[torch.arange(half, dtype=torch.float64)] * 2, indexing="ij")
    even = (2 / half) ** 0.5 * torch.cos(torch.pi * k * (2 * i + 1) / (2 * half))
    even[0] /= 2**0.5
    odd = (2 / half) ** 0.5 * torch.cos(torch.pi * (2 * k + 1) * (2 * i + 1) / (4 * half))
    one = torch.eye(half, dtype=torch.float64)
    mirror = one.flip(0)
    butterflies = torch.cat([torch.cat([one, mirror], 1), torch.cat([mirror, -one], 1)]) / 2**0.5
    return butterflies @ torch.block_diag(one, mirror @ even.T @ odd @ mirror) @ butterflies


_LAPPING = _lapping()


def _across_borders(frames: Tensor, transform: Tensor) -> Tensor:
    """[..., h, w] with the 8 pixels across each border of patches transformed, along rows and columns."""
    transform, half = transform.to(frames), SIDE // 2
    for _ in range(2):
        rim, inner, other = frames[..., :half], frames[..., half:-half], frames[..., -half:]
        inner = (inner.reshape(*inner.shape[:-1], inner.shape[-1] // SIDE, SIDE) @ transform.T).flatten(-2)
        frames = torch.cat([rim, inner, other], dim=-1).transpose(-1, -2)
    return frames


def _grouped(patches: Tensor) -> Tensor:
    """[n, 4 k, h, w, 192] -> [n, k, h, w, 768]."""
    return patches.unflatten(1, (-1, GROUP)).permute(0, 1, 3, 4, 2, 5).flatten(4)


def _ungrouped(groups: Tensor) -> Tensor:
    return groups.unflatten(4, (GROUP, -1)).permute(0, 1, 4, 2, 3, 5).flatten(1, 2)
