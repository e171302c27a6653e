"""Detail of the prior that the codec cannot keep, laid back over the decoded video where the prior is known.

The mini codec keeps 48 of 768 numbers of a patch, and whatever goes through it loses its finest detail: the prior too, which is
there in pixels. What decoding can know of the picture should not have to come through the latents: the same thought as in Zhu et
al., Designing a Better Asymmetric VQGAN for StableDiffusion (2023), whose decoder is given the pixels that inpainting keeps.
Nothing is learned here: the difference between the prior and its own round trip is added, brought to the brightness that
the model has given the place. A codec that keeps everything would make it zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAR = 17
"""Pixels on a side of the window in which brightness is compared: two patches of the codec and one."""

DARKEST = 8.0
"""Levels; a darker round trip says nothing about a ratio."""

RATIO = (0.3, 1.5)
"""Of the brightness of the video to that of the prior, at most: vignette and exposure, not another thing."""


def with_prior_detail(
    video: NDArray[np.uint8], prior: NDArray[np.uint8], round_trip: NDArray[np.uint8], known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The video with the prior's finest detail, all [t, h, w, 3] uint8.

    round_trip: the prior, encoded as the model was given it and decoded. known: [t, h, w], where the prior knows something;
    elsewhere the video stays as it is, and detail fades in over the pixels beside it.
    Raises ValueError where shapes differ.
    """
    if not video.shape == prior.shape == round_trip.shape or known.shape != video.shape[:-1]:
        raise ValueError(
            f"video, prior, round trip and known pixels are {video.shape}, {prior.shape}, {round_trip.shape} and {known.shape}, "
            "expected three of [t, h, w, 3] and [t, h, w]"
        )
    return (
        np.stack([_with_detail(*frame) for frame in zip(video, prior, round_trip, known, strict=True)]) if len(video) else video
    )


def _with_detail(
    picture: NDArray[np.uint8], prior: NDArray[np.uint8], round_trip: NDArray[np.uint8], known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    import cv2

    share = known * cv2.blur(known.astype(np.float32), (3, 3), borderType=cv2.BORDER_REPLICATE)
    ours, theirs = (cv2.blur(seen.mean(axis=-1, dtype=np.float32), (NEAR, NEAR)) for seen in (picture, round_trip))
    weight = share * np.clip(ours / np.maximum(theirs, DARKEST), *RATIO)
    detail = prior.astype(np.float32) - round_trip
    return (picture + weight[..., None] * detail).round().clip(0, 255).astype(np.uint8)
