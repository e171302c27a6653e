"""What the prior knows is taken from the prior: in latents, and in the finest detail of the decoded video.

A model of little training paints over known surfaces with something softer, and whatever goes through the mini codec, which keeps
48 of 192 or 768 numbers of a patch, loses its finest detail: the prior too, which is there in pixels. As inpainting pastes known
pixels back, `video_with_prior` takes known cells from the preconditioner's guess (the prior in the brightness and vignette of
the ego camera), and adds what the codec lost of the prior, as Zhu et al., Designing a Better Asymmetric VQGAN
for StableDiffusion (2023) give their decoder the pixels that are kept. There it is learned; here it is a difference of two
pictures, brought to the brightness of the place. A codec that keeps everything would make it zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .encoding import decode_video

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .clip import EgoXClip
    from .encoding import EncodedClip
    from .mini import Preconditioner

DARK = 8.0
"""Levels that are added to both brightnesses before they are compared: in the dark their ratio goes to 1."""

BRIGHTEST = 1.5
"""The most that detail is strengthened by where the video is brighter than the prior: more is another thing, not other light."""


def video_with_prior(
    clip: EgoXClip,
    encoded: EncodedClip,
    *,
    latents: Tensor,
    codec: Any,
    preconditioner: Preconditioner,
    device: torch.device,
) -> tuple[NDArray[np.uint8], Tensor]:
    """Sampled latents [1, channels, f, h, w] of a clip with what its prior knows: frames [t, h, w, 3] uint8, and their latents.

    device: where the codec computes.
    """
    where, share = preconditioner.device, encoded.valid.mean(1)
    guess = preconditioner.guess(encoded.prior.to(where), share.to(where))
    latents = with_prior_latents(latents, guess, share)
    frames, round_trip = (decode_video(codec, each, device=device) for each in (latents, encoded.prior))
    near_px = 2 * codec.config.scale_factor_spatial + 1  # a cell to each side
    frames = with_prior_detail(frames, clip.prior, round_trip=round_trip, known=clip.prior_valid, near_px=near_px)
    return frames, latents


def with_prior_latents(latents: Tensor, guess: Tensor, known: Tensor) -> Tensor:
    """Sampled latents [n, channels, f, h, w]; in known cells the guess, in cells that are known in part a mixture by their share.

    guess: as latents. known: [n, f, h, w], the share of pixels that the prior knows, 0 to 1.
    """
    share = known.to(latents)[:, None]
    return share * guess.to(latents) + (1 - share) * latents


def with_prior_detail(
    video: NDArray[np.uint8], prior: NDArray[np.uint8], *, round_trip: NDArray[np.uint8], known: NDArray[np.bool_], near_px: int
) -> NDArray[np.uint8]:
    """The video with the prior's finest detail, all [t, h, w, 3] uint8.

    round_trip: the prior, encoded as the model was given it and decoded. known: [t, h, w] bool, where the prior knows something;
    elsewhere the video stays as it is, and detail fades in over the pixels beside it. near_px: side of the window, of odd length,
    in whose known pixels the brightness of video and prior is compared.
    Raises ValueError where shapes differ.
    """
    if not video.shape == prior.shape == round_trip.shape or known.shape != video.shape[:-1]:
        raise ValueError(
            f"video, prior, round trip and known pixels are {video.shape}, {prior.shape}, {round_trip.shape} and {known.shape}, "
            "expected three of [t, h, w, 3] and [t, h, w]"
        )
    frames = zip(video, prior, round_trip, known, strict=True)
    return np.stack(
        [_with_detail(shown, true, round_trip=lossy, known=there, near_px=near_px) for shown, true, lossy, there in frames]
    )


def _with_detail(
    picture: NDArray[np.uint8],
    prior: NDArray[np.uint8],
    *,
    round_trip: NDArray[np.uint8],
    known: NDArray[np.bool_],
    near_px: int,
) -> NDArray[np.uint8]:
    import cv2

    weight = known.astype(np.float32)
    counted = np.maximum(cv2.blur(weight, (near_px, near_px)), 1e-6)
    ours, theirs = (
        cv2.blur(seen.mean(axis=-1, dtype=np.float32) * weight, (near_px, near_px)) / counted for seen in (picture, round_trip)
    )
    share = weight * cv2.blur(weight, (3, 3)) * np.minimum((ours + DARK) / (theirs + DARK), BRIGHTEST)
    detail = prior.astype(np.float32) - round_trip
    return (picture + share[..., None] * detail).round().clip(0, 255).astype(np.uint8)
