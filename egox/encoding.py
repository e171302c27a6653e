"""From pictures and words to what the transformer takes, and back: latents, embeddings of text, embeddings of a picture.

Exo and ego are encoded and decoded apart. Latents are normalised by the codec's own means and spreads, (z - mean) / std, and kept
in float32 whatever the codec computes in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .canvas import CanvasError, Grid, JointCanvas
from .clip import EgoXClip
from .conditioning import Conditioning, Posterior


class EncodingError(ValueError):
    """What cannot be encoded or decoded; the message says what was given and what is expected."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EncodedClip:
    """Normalised float32 latents of a clip: exo [1, channels, f, h, We] and prior [1, channels, f, h, w].

    valid: [1, temporal, f, h, w], the share of pixels that the prior knows in each latent cell.
    Raises EncodingError where shapes do not fit each other.
    """

    exo: Tensor
    prior: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        exo, prior, valid = tuple(self.exo.shape), tuple(self.prior.shape), tuple(self.valid.shape)
        fits = len(exo) == len(prior) == len(valid) == 5 and exo[:4] == prior[:4] and valid[0] == 1 and valid[2:] == prior[2:]
        if not fits or exo[0] != 1:
            raise EncodingError(f"latents of exo {exo}, prior {prior} and known shares {valid} are not of one clip")
        for name in ("exo", "prior", "valid"):
            if not torch.isfinite(getattr(self, name)).all():
                raise EncodingError(
                    f"latents of the {name} video are not finite: the codec's weights or precision do not bear it"
                )

    def to(self, device: str | torch.device) -> EncodedClip:
        return EncodedClip(exo=self.exo.to(device), prior=self.prior.to(device), valid=self.valid.to(device))

    def canvas(self, codec: Any, transformer: Any) -> JointCanvas:
        """What these latents are laid out on, with the strides of both models."""
        temporal, spatial = codec.config.scale_factor_temporal, codec.config.scale_factor_spatial
        frames, height, ego = self.prior.shape[2:]
        exo = self.exo.shape[-1]
        pixels = Grid(frames=(frames - 1) * temporal + 1, height=height * spatial, exo=exo * spatial, ego=ego * spatial)
        return JointCanvas(pixels=pixels, temporal=temporal, spatial=spatial, patch=tuple(transformer.config.patch_size))


KEPT = 64
"""Embeddings of prompts and pictures that are kept."""


class Kept:
    """The latest embeddings of prompts and pictures: negative prompts come again with every clip, prompts with every seed."""

    def __init__(self) -> None:
        self._tensors: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What is kept under this key; made where there is nothing."""
        if key not in self._tensors:
            self._tensors[key] = make()
        self._tensors.move_to_end(key)
        while len(self._tensors) > KEPT:
            self._tensors.popitem(last=False)
        return self._tensors[key]


def encode_clip(
    codec: Any,
    clip: EgoXClip,
    canvas: JointCanvas,
    rules: Conditioning,
    *,
    generator: torch.Generator | None = None,
    device: str | torch.device | None = None,
) -> EncodedClip:
    """Latents of a clip's exo video and prior. generator: on the CPU, where the posterior is sampled (exo first).

    device: where the codec computes; None is where its weights are. Raises CanvasError where the clip is not of this canvas.
    """
    pixels = canvas.pixels
    sizes = (len(clip), *clip.exo_size, *clip.ego_size)
    if sizes != (pixels.frames, pixels.height, pixels.exo, pixels.height, pixels.ego):
        raise CanvasError(
            f"the clip has {sizes[0]} frames of {sizes[2]}x{sizes[1]} | {sizes[4]}x{sizes[3]},"
            f" the canvas {pixels.frames} of {pixels.exo}x{pixels.height} | {pixels.ego}x{pixels.height}"
        )
    prior = clip.prior
    if rules.prior_holes == "filled":
        from .prior.filling import filled

        prior = filled(prior, clip.prior_valid, clip.circle)
    options: dict[str, Any] = {"posterior": rules.posterior, "generator": generator, "device": device}
    exo = encode_video(codec, clip.exo, **options)
    return EncodedClip(
        exo=exo,
        prior=encode_video(codec, prior, **options),
        valid=canvas.cell_shares(torch.from_numpy(clip.prior_valid)).to(exo.device)[None],
    )


@torch.no_grad()
def encode_video(
    codec: Any,
    frames: NDArray[np.uint8],
    *,
    posterior: Posterior = "mode",
    generator: torch.Generator | None = None,
    device: str | torch.device | None = None,
) -> Tensor:
    """Normalised latents [1, channels, f, h, w] float32 of uint8 frames [t, height, width, 3].

    generator: on the CPU, needed for posterior="sample", so that seeds mean the same on every device.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise EncodingError(f"frames are {frames.dtype} of shape {frames.shape}, expected uint8 [frames, height, width, 3]")
    if len(frames) % codec.config.scale_factor_temporal != 1 % codec.config.scale_factor_temporal:
        raise EncodingError(f"{len(frames)} frames: the codec takes {codec.config.scale_factor_temporal} n + 1")
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2)[None]
    values = pictures.to(device or codec.device).to(codec.dtype) / 127.5 - 1
    distribution = codec.encode(values).latent_dist
    if posterior == "sample":
        if generator is None:
            raise EncodingError("sampling the codec's posterior takes a generator: give a seeded one, or take the mode")
        latents = distribution.sample(generator)
    else:
        latents = distribution.mode()
    mean, std = _moments(codec, latents)
    return (latents.float() - mean) / std


@torch.no_grad()
def decode_video(codec: Any, latents: Tensor, *, device: str | torch.device | None = None) -> NDArray[np.uint8]:
    """uint8 frames [t, height, width, 3] of normalised latents [1, channels, f, h, w]."""
    if latents.ndim != 5 or latents.shape[:2] != (1, codec.config.z_dim):
        raise EncodingError(f"latents are {tuple(latents.shape)}, expected [1, {codec.config.z_dim}, frames, height, width]")
    if not torch.isfinite(latents).all():
        raise EncodingError("latents are not finite: there is no picture of them")
    latents = latents.to(device or codec.device).float()
    mean, std = _moments(codec, latents)
    video = codec.decode((latents * std + mean).to(codec.dtype), return_dict=False)[0]
    levels = ((video[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 3, 0).cpu().numpy())


@torch.no_grad()
def encode_text(
    tokenizer: Any, text_encoder: Any, text: str, *, rules: Conditioning, tokens: int, device: str | torch.device | None = None
) -> Tensor:
    """Embeddings [length, width] of a prompt, trimmed to what is not zero; at most `tokens` long, the rest of the text is cut.

    rules.text: "stock" cleans the text as diffusers does and keeps the embeddings of the text alone; "raw_padding" keeps what the
    encoder makes of the padding as well, without a mask: always `tokens` long.
    """
    raw = rules.text == "raw_padding"
    inputs = tokenizer(
        [text if raw else _cleaned(text)],
        padding="max_length",
        max_length=tokens,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    where = device or text_encoder.device
    ids, mask = inputs.input_ids.to(where), inputs.attention_mask.to(where)
    embeds = (text_encoder(ids) if raw else text_encoder(ids, mask)).last_hidden_state[0]
    return embeds if raw else embeds[: int(mask.sum())].clone()


def padded(embeds: Tensor, tokens: int) -> Tensor:
    """[length, width] as [1, tokens, width]: zero beyond its end, as Wan was trained. Raises EncodingError if too long."""
    if embeds.ndim != 2 or len(embeds) > tokens:
        raise EncodingError(f"prompt embeddings are {tuple(embeds.shape)}, expected [at most {tokens}, width]")
    return torch.cat([embeds, embeds.new_zeros(tokens - len(embeds), embeds.shape[1])])[None]


def context_picture(rules: Conditioning, exo: NDArray[np.uint8], truth: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """The picture [height, width, 3] for the image encoder: the first exo frame, alone or beside the first true ego frame.

    Raises EncodingError where the rule takes the truth and there is none, or takes noise: see `noise_picture`.
    """
    if rules.image_context == "exo":
        return exo
    if rules.image_context == "exo_beside_noise" or truth is None:
        raise EncodingError(f"image context {rules.image_context!r} cannot be made of the exo frame alone")
    return np.concatenate([exo, truth], axis=1)


def noise_picture(codec: Any, exo: Tensor, noise: Tensor, *, device: str | torch.device | None = None) -> NDArray[np.uint8]:
    """The picture of rule "exo_beside_noise": the first frame of a canvas whose ego half is noise, decoded as one picture.

    exo, noise: latents [1, channels, f, h, ...] of the two halves.
    """
    return decode_video(codec, torch.cat([exo[:, :, :1], noise[:, :, :1]], dim=-1), device=device)[0]


@torch.no_grad()
def encode_picture(
    image_processor: Any,
    image_encoder: Any,
    picture: NDArray[np.uint8],
    rules: Conditioning,
    *,
    device: str | torch.device | None = None,
) -> Tensor:
    """Embeddings [1, n, width] of a picture: the image encoder's last hidden state but one, as Wan takes it.

    The darkened rule divides by 255 twice, as the published training did.
    """
    darkened = rules.image_context == "exo_beside_truth_darkened"
    inputs = image_processor(images=picture, return_tensors="pt", rescale_factor=1 / 255**2 if darkened else 1 / 255)
    pixels = inputs.pixel_values.to(device or image_encoder.device, image_encoder.dtype)
    return image_encoder(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]


def _moments(codec: Any, latents: Tensor) -> tuple[Tensor, Tensor]:
    shape = (1, codec.config.z_dim, 1, 1, 1)
    mean = torch.tensor(codec.config.latents_mean, dtype=torch.float32, device=latents.device)
    std = torch.tensor(codec.config.latents_std, dtype=torch.float32, device=latents.device)
    return mean.view(shape), std.view(shape)


def _cleaned(text: str) -> str:
    from diffusers.pipelines.wan.pipeline_wan_i2v import prompt_clean

    return prompt_clean(text)
