"""Learned perceptual distance between two pictures (Zhang et al. 2018), of a trunk's features, whole and by region.

At each layer the features are scaled to unit length along channels, and the squared difference is weighted by the layer's
linear head: a map. A frame's distance is the sum over layers of the maps' means. A region's is the same with weighted means:
the weight of a position is the share of the region in the part of the frame that the position stands for.

The maps are an extractor of their own, so that whole frames need nothing but the two videos, whatever becomes of the regions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...errors import Undefined
from ...video import Frames
from ..metric import Arrays
from ..regions import Region, imagined, seen
from .network import finite, pictures

Trunk = Callable[[Tensor], Sequence[Tensor]]
"""[N, 3, height, width] in -1..1 to the features [N, channels, h, w] of every layer."""

_EPSILON = 1e-10
_PIXELS_AT_ONCE = 2**17


class LayerMaps:
    """The map of every layer, "layer0" on, [T, h, w] float32 each, and "shape" [3]: T, height and width of the frames.

    heads: the weight [channels] of every channel of each layer. least: shortest side that leaves every layer a position.
    """

    def __init__(self, trunk: Trunk, heads: Sequence[Tensor], *, network: str, least: int, device: str) -> None:
        self._trunk = trunk
        self._heads = [head.reshape(1, -1, 1, 1) for head in heads]
        self._network = network
        self._least = least
        self._device = device

    def __call__(self, prediction: Frames, truth: Frames) -> Arrays:
        """prediction, truth: [T, height, width, 3] uint8 RGB of one shape, seen at their own size.

        Raises Undefined for frames that are too small.
        """
        height, width = truth.shape[1:3]
        if min(height, width) < self._least:
            raise Undefined(f"frames of {width}x{height} are smaller than the {self._least}x{self._least} of {self._network}")
        at_once = max(1, _PIXELS_AT_ONCE // (height * width))
        parts: list[list[NDArray]] = []
        for start in range(0, len(truth), at_once):
            part = slice(start, start + at_once)
            with torch.inference_mode():
                parts.append([self._map(*features) for features in self._features(prediction[part], truth[part])])
        maps = {f"layer{number}": np.concatenate(layer) for number, layer in enumerate(zip(*parts))}
        return maps | {"shape": np.array(truth.shape[:3])}

    def _features(self, prediction: Frames, truth: Frames) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of each layer: the prediction's features, the truth's, and the head. Both videos go through in one batch."""
        images = pictures(np.concatenate([prediction, truth]), self._device) / 127.5 - 1
        layers = self._trunk(images.contiguous(memory_format=torch.channels_last))
        halves = [layer.chunk(2) for layer in layers]
        return [(ours, theirs, head) for (ours, theirs), head in zip(halves, self._heads)]

    def _map(self, ours: Tensor, theirs: Tensor, head: Tensor) -> NDArray[np.float32]:
        difference = _of_unit_length(ours).sub_(_of_unit_length(theirs)).square_()
        return finite((difference * head).sum(dim=1), network=self._network)


class FrameDistance:
    """ "frame" [T] float64: the distance of every frame, of what `LayerMaps` found."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Takes no weights and runs on the CPU."""

    def __call__(self, maps: Arrays) -> Arrays:
        return {"frame": _mean(_layers(maps))}


class RegionDistance:
    """ "seen" and "imagined" [T] float64, of what `LayerMaps` found: NaN where a frame has no such pixel."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Takes no weights and runs on the CPU."""

    def __call__(self, maps: Arrays, *, cover: Region) -> Arrays:
        """cover: [T, height, width] bool, of the frames' shape."""
        layers, shape = _layers(maps), maps["shape"].tolist()

        def by_frame(region: Region) -> NDArray[np.float64]:
            # one at a time: a region in float64 is eight times as large as the video's own mask
            return np.concatenate([mean_over([layer[i : i + 1] for layer in layers], region[i : i + 1]) for i in range(shape[0])])

        return {"seen": by_frame(seen(shape, cover)), "imagined": by_frame(imagined(shape, cover))}


def _layers(maps: Arrays) -> list[NDArray[np.float32]]:
    return [maps[f"layer{number}"] for number in range(len(maps) - 1)]


def _of_unit_length(features: Tensor) -> Tensor:
    # added to the length as in the reference; under the root it would move the values of black patches
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + _EPSILON)


def mean_over(maps: Sequence[NDArray[np.float32]], region: Region) -> NDArray[np.float64]:
    """Distance [frames] over a region [frames, height, width], of the layers' maps [frames, h, w]; NaN where it is empty."""
    pixels = torch.from_numpy(np.ascontiguousarray(region, dtype=np.float64))[:, None]
    return _mean(maps, [F.interpolate(pixels, found.shape[1:], mode="area")[:, 0].numpy() for found in maps])


def _mean(maps: Sequence[NDArray[np.float32]], weights: Sequence[NDArray[np.float64]] | None = None) -> NDArray[np.float64]:
    """Sum over layers of means over positions, [frames]; NaN where all weights are 0."""
    weights = weights or [np.ones(found.shape) for found in maps]
    wide = [found.astype(np.float64) for found in maps]
    with np.errstate(invalid="ignore"):
        return np.sum([(m * w).sum(axis=(1, 2)) / w.sum(axis=(1, 2)) for m, w in zip(wide, weights)], axis=0)
