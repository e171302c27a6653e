"""Objects without a model hub: segments of the first frame, carried by flow, told apart by EfficientNet-lite0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate, normalize

from ...errors import Undefined
from ...video import Frames
from ..mask_tracks import Masks, TrackWriter, box_of
from ..metric import Arrays
from .dis import SMALLEST, one_thread
from .efficientnet_lite0 import FEATURES, load_efficientnet_lite0
from .network import finite
from .region_tree import side_of
from .segments import Segments, carry, segment

MIN_AREA = 25
"""px: a smaller segment is absent from its frame."""
SMOOTHED = 1.5
"""px at a picture of 128: sigma that every picture is smoothed by before the network sees it. A segment's box is enlarged many
times, so that blur or grain of a pixel would otherwise be most of what the network tells two segments apart by."""
SURROUND = 127
"""Grey level outside the object in what the network sees: the middle of its range."""


class MiniObjects:
    """At most 12 objects of the first frame through the video, alternatives to them, and a feature of each."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        self._network = load_efficientnet_lite0(weights["efficientnet-lite0"], device)
        self._device = device

    def __call__(self, frames: Frames) -> Arrays:
        """What a `TrackWriter` writes, "feature" [segments, 1280] float32 of unit length, and "objects" [1] int32.

        So many of the first segments are the video's objects, the rest are alternatives: `record_pairs` looks for the objects
        of a truth among all segments of a prediction. Undefined under 16 px a side.
        """
        _, height, width, _ = frames.shape
        if min(height, width) < SMALLEST:
            raise Undefined(f"frames of {width}x{height} are smaller than the {SMALLEST} px that optical flow needs")
        segments = _large_enough(segment(frames[0]))
        writer = TrackWriter(height, width, min_area=MIN_AREA)
        for masks in carry(frames, segments):
            writer.add(masks)
        return {
            **writer.arrays(),
            "feature": self._features(frames[0], segments.masks()),
            "objects": np.array([segments.objects], np.int32),
        }

    def _features(self, frame: Frames, masks: Masks) -> NDArray[np.float32]:
        if not len(masks):
            return np.zeros((0, FEATURES), np.float32)
        sigma = SMOOTHED * side_of(frame)
        with one_thread():
            smooth = cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101).astype(np.uint8, copy=False)
        crops = torch.cat([_crop(smooth, mask) for mask in masks])
        with torch.inference_mode():
            found = self._network.pooled(crops.to(self._device)).double()
        return finite(normalize(found, dim=1), network="efficientnet-lite0")


def _large_enough(segments: Segments) -> Segments:
    """Without those that are absent from the first frame already."""
    kept = segments.masks().sum(axis=(1, 2)) >= MIN_AREA
    objects = int(np.count_nonzero(kept[: segments.objects]))
    return Segments(pieces=segments.pieces, members=segments.members[kept], objects=objects)


def _crop(frame: Frames, mask: Masks) -> torch.Tensor:
    """[1, 3, 224, 224]: the object's box, grey outside the object, antialiased where it shrinks."""
    left, top, right, bottom = box_of(mask)
    cut = np.where(mask[..., None], frame, np.uint8(SURROUND))[top:bottom, left:right]
    pixels = (torch.from_numpy(cut).permute(2, 0, 1)[None].float() - 127) / 128
    return interpolate(pixels, size=(224, 224), mode="bilinear", align_corners=False, antialias=True)
