"""What a still exo camera has seen of the static scene over the whole clip: one picture and one depth map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR = 0.05
"""A frame shows the background of a pixel where its depth is within this fraction of it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Background:
    """picture: [height, width, 3] uint8; depth_m: [height, width] float32 z in metres, 0 where it was never seen."""

    picture: NDArray[np.uint8]
    depth_m: NDArray[np.float32]


def fuse(
    frames: NDArray[np.uint8], depth_m: NDArray[np.float32], moving: NDArray[np.bool_], behind_m: NDArray[np.float32]
) -> Background:
    """Mean colour and mean depth over the frames in which a pixel shows the background.

    frames: [t, height, width, 3]; depth_m, moving: [t, height, width]; behind_m: [height, width] as
    `egox.motion.background_depth` finds it. Averaging removes the noise of the frames and the flicker of their depth.
    A place that something moving covers in every frame has no background: it is left unknown.
    """
    count = np.zeros(behind_m.shape, np.float32)
    depth_sum, colour_sum = np.zeros_like(count), np.zeros((*behind_m.shape, 3), np.float32)
    for picture, depth, mask in zip(frames, depth_m, moving):
        shows = (depth > 0) & ~mask & (np.abs(depth - behind_m) < NEAR * behind_m)
        count += shows
        depth_sum += np.where(shows, depth, 0)
        colour_sum += np.where(shows[..., None], picture, 0)
    seen = np.maximum(count, 1)
    return Background(
        picture=np.rint(colour_sum / seen[..., None]).astype(np.uint8), depth_m=(depth_sum / seen).astype(np.float32)
    )
