"""Objects without a model hub: segments of the first frame, carried by flow, told apart by EfficientNet-lite0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate, normalize

from ...errors import Undefined
from ...video import Frames
from ..mask_tracks import Masks, TrackWriter, box_of
from ..metric import Arrays
from .dis import SMALLEST
from .efficientnet_lite0 import FEATURES, load_efficientnet_lite0
from .network import finite
from .segments import carry, segment

MIN_AREA = 25
"""px: a smaller segment is absent from its frame."""
SURROUND = 127
"""Grey level outside the object in what the network sees: the middle of its range."""


class MiniObjects:
    """At most 12 segments of the first frame through the video, and a feature of each."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        self._network = load_efficientnet_lite0(weights["efficientnet-lite0"], device)
        self._device = device

    def __call__(self, frames: Frames) -> Arrays:
        """What a `TrackWriter` writes, and "feature" [objects, 1280] float32 of unit length. Undefined under 16 px a side."""
        _, height, width, _ = frames.shape
        if min(height, width) < SMALLEST:
            raise Undefined(f"frames of {width}x{height} are smaller than the {SMALLEST} px that optical flow needs")
        first = segment(frames[0])
        numbers = np.flatnonzero(np.bincount(first.ravel())[1:] >= MIN_AREA)[:, None, None] + 1
        writer = TrackWriter(height, width, min_area=MIN_AREA)
        for labels in carry(frames, first):
            writer.add(labels == numbers)
        return {**writer.arrays(), "feature": self._features(frames[0], first == numbers)}

    def _features(self, frame: Frames, masks: Masks) -> NDArray[np.float32]:
        if not len(masks):
            return np.zeros((0, FEATURES), np.float32)
        crops = torch.cat([_crop(frame, mask) for mask in masks])
        with torch.inference_mode():
            found = self._network.pooled(crops.to(self._device)).double()
        return finite(normalize(found, dim=1), network="efficientnet-lite0")


def _crop(frame: Frames, mask: Masks) -> torch.Tensor:
    """[1, 3, 224, 224]: the object's box, grey outside the object, antialiased where it shrinks."""
    left, top, right, bottom = box_of(mask)
    cut = np.where(mask[..., None], frame, np.uint8(SURROUND))[top:bottom, left:right]
    pixels = (torch.from_numpy(cut).permute(2, 0, 1)[None].float() - 127) / 128
    return interpolate(pixels, size=(224, 224), mode="bilinear", align_corners=False, antialias=True)
