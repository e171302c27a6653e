"""A picture as a tree of regions: basins of its smoothed gradient, merged two by two until all is one.

Where a region appears and where it is swallowed say how clearly it stands out, so that regions can be chosen that a little
blur, noise or compression does not take apart. Merging by what whole regions look like, instead of by single pixels (as
Felzenszwalb's grouping does), is what makes them last.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import watershed

from ...video import Frames

UNIT = 128
"""px: the side of a square picture for which widths below are in pixels; in others they grow with the picture."""
GRADIENT_SIGMA = 2.0
"""Smoothing of the gradient's strength, which decides how small the basins are."""
FAINT = 0.5
"""Merging cost that is still noise: added to both ends of a region's life before they are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """All regions of a tree but the whole picture: the basins, then every merging in its order.

    basins: [height, width] int32 0..; members: [regions, basins] float32, 1 where the region holds the basin.
    areas: [regions] px. life: [regions] logarithm of the cost at which the region is merged with another over the cost at
    which it was made, at least 0.
    """

    basins: NDArray[np.int32]
    members: NDArray[np.float32]
    areas: NDArray[np.float32]
    life: NDArray[np.float64]

    def only(self, kept: NDArray[np.bool_]) -> Regions:
        """The kept regions."""
        return Regions(basins=self.basins, members=self.members[kept], areas=self.areas[kept], life=self.life[kept])

    def iou(self, other: Regions) -> NDArray[np.float64]:
        """[regions, other's regions], of another tree of a picture of the same size."""
        count, others = self.members.shape[1], other.members.shape[1]
        places = self.basins.ravel() * others + other.basins.ravel()
        shared = np.bincount(places, minlength=count * others).reshape(count, others)
        # whole numbers: no order of summation changes them
        both = self.members @ shared @ other.members.T
        return both / (self.areas[:, None] + other.areas[None] - both)


def side_of(picture: Frames) -> float:
    """Of a square as large as [height, width, 3], in UNIT."""
    return float(np.sqrt(picture.shape[0] * picture.shape[1])) / UNIT


def region_tree(picture: Frames, *, sigma: float) -> Regions:
    """The regions of [height, width, 3] uint8 RGB, smoothed by `sigma` of UNIT."""
    side = side_of(picture)
    colours = _smooth(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), sigma * side)
    slopes = np.stack([cv2.Sobel(colours, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (0, 1)])
    # in levels a px of UNIT, so that a picture and its enlargement have the same costs
    gradient = _smooth(np.sqrt((slopes.astype(np.float64) ** 2).sum(axis=(0, 3))) * side, GRADIENT_SIGMA * side)
    # a flat picture has no minimum and no basin: all its pixels are 0
    basins = np.maximum(watershed(gradient) - 1, 0).astype(np.int32)
    parts, made, swallowed = _merged(basins, colours, gradient)
    count = int(basins.max()) + 1
    members = np.zeros((len(made), count), np.float32)
    members[np.arange(count), np.arange(count)] = 1
    for region, (a, b) in enumerate(parts, count):
        members[region] = members[a] + members[b]
    areas = members @ np.bincount(basins.ravel(), minlength=count).astype(np.float32)
    life = np.log((swallowed + FAINT) / (made + FAINT))
    return Regions(basins=basins, members=members, areas=areas, life=life).only(areas < basins.size)


def _smooth(values: NDArray, sigma: float) -> NDArray:
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def _merged(
    basins: NDArray[np.int32], colours: NDArray, gradient: NDArray
) -> tuple[list[tuple[int, int]], NDArray[np.float64], NDArray[np.float64]]:
    """The two parts of every merging, and of every region the costs at which it is made and swallowed.

    A merging costs what it adds to the root of the squared error if each region has one colour (Ward's criterion, areas as
    shares of the picture), times the mean gradient along the border.
    """
    count = int(basins.max()) + 1
    areas = (np.bincount(basins.ravel(), minlength=count) / basins.size).tolist()
    sums = [tuple(s) for s in np.stack([np.bincount(basins.ravel(), c.ravel(), count) for c in np.moveaxis(colours, 2, 0)], 1)
            / basins.size]  # fmt: skip
    borders = _borders(basins, gradient)

    def cost(a: int, b: int) -> float:
        length, strength = borders[a][b]
        apart = sum((x / areas[a] - y / areas[b]) ** 2 for x, y in zip(sums[a], sums[b]))
        return float((apart * areas[a] * areas[b] / (areas[a] + areas[b])) ** 0.5 * strength / length)

    queue = [(cost(a, b), a, b) for a in range(count) for b in borders[a] if a < b]
    heapq.heapify(queue)
    parts: list[tuple[int, int]] = []
    made, swallowed, alive = [0.0] * count, [0.0] * (2 * count - 1), [True] * count
    while queue:
        price, a, b = heapq.heappop(queue)
        if not (alive[a] and alive[b]):
            continue
        new = len(areas)
        # no cheaper than what it is made of: a region's life cannot be negative
        price = max(price, made[a], made[b])
        swallowed[a] = swallowed[b] = price
        alive[a] = alive[b] = False
        alive.append(True)
        made.append(price)
        parts.append((a, b))
        areas.append(areas[a] + areas[b])
        sums.append(tuple(x + y for x, y in zip(sums[a], sums[b])))
        borders.append({})
        for part in (a, b):
            for neighbour, (length, strength) in borders[part].items():
                if neighbour in (a, b):
                    continue
                before = borders[new].get(neighbour, (0, 0.0))
                borders[new][neighbour] = (before[0] + length, before[1] + strength)
                del borders[neighbour][part]
        for neighbour, border in borders[new].items():
            borders[neighbour][new] = border
            heapq.heappush(queue, (cost(neighbour, new), neighbour, new))
    return parts, np.array(made), np.array(swallowed)


def _borders(basins: NDArray[np.int32], gradient: NDArray) -> list[dict[int, tuple[int, float]]]:
    """For every basin its neighbours, with the border's length in pairs of pixels and the sum of the gradient along it."""
    count = int(basins.max()) + 1
    ends, strengths = [], []
    for here, there in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        a, b = basins[here].astype(np.int64), basins[there].astype(np.int64)
        apart = a != b
        ends.append((np.minimum(a, b) * count + np.maximum(a, b))[apart])
        strengths.append(np.maximum(gradient[here], gradient[there])[apart])
    pairs, which = np.unique(np.concatenate(ends), return_inverse=True)
    lengths, sums = np.bincount(which).tolist(), np.bincount(which, np.concatenate(strengths)).tolist()
    found: list[dict[int, tuple[int, float]]] = [{} for _ in range(count)]
    for pair, length, strength in zip(pairs.tolist(), lengths, sums):
        a, b = divmod(pair, count)
        found[a][b] = found[b][a] = (length, strength)
    return found
