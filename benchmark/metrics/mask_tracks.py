"""Objects' masks through a video as a few compact arrays: each mask as the bits of its own box."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metric import Arrays

Masks = NDArray[np.bool_]


def box_of(mask: Masks) -> tuple[int, int, int, int]:
    """(left, top, right, bottom), right and bottom exclusive, of the set pixels of [height, width]; zeros where none is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class TrackWriter:
    """Takes the objects' masks frame by frame, so that no video of masks is ever held."""

    def __init__(self, height: int, width: int, *, min_area: int) -> None:
        """min_area: a mask of fewer pixels is absent from its frame."""
        self._size = (height, width)
        self._min_area = min_area
        self._boxes: list[list[tuple[int, int, int, int]]] = []
        self._areas: list[list[int]] = []
        self._bits: list[NDArray[np.uint8]] = []

    def add(self, masks: Masks) -> None:
        """The next frame: [objects, height, width] bool, the same objects in the same order every time."""
        boxes, areas = [], []
        for mask in masks:
            area = int(np.count_nonzero(mask))
            if area < max(self._min_area, 1):
                boxes.append((0, 0, 0, 0))
                areas.append(0)
                continue
            left, top, right, bottom = box_of(mask)
            boxes.append((left, top, right, bottom))
            areas.append(area)
            self._bits.append(np.packbits(mask[top:bottom, left:right]))
        self._boxes.append(boxes)
        self._areas.append(areas)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `Tracks.read` reads: size [2], boxes [frames, objects, 4], areas [frames, objects] (0: absent), bits [bytes]."""
        areas = np.array(self._areas, np.int32)
        return {
            "size": np.array(self._size, np.int32),
            "boxes": np.array(self._boxes, np.int32).reshape(*areas.shape, 4),
            "areas": areas,
            "bits": np.concatenate([np.zeros(0, np.uint8), *self._bits]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Masks of the same objects in every frame.

    boxes: [frames, objects, 4] int32 left, top, right, bottom in pixels, right and bottom exclusive, zeros where absent.
    areas: [frames, objects] int32, 0 where absent.
    """

    height: int
    width: int
    boxes: NDArray[np.int32]
    areas: NDArray[np.int32]
    _bits: NDArray[np.uint8]
    _starts: NDArray[np.int64]

    @classmethod
    def read(cls, arrays: Arrays) -> Tracks:
        """From what a `TrackWriter` made."""
        boxes = arrays["boxes"]
        pixels = (boxes[..., 2] - boxes[..., 0]).astype(np.int64) * (boxes[..., 3] - boxes[..., 1])
        ends = np.cumsum((pixels.ravel() + 7) // 8).reshape(pixels.shape)
        height, width = arrays["size"].tolist()
        return cls(
            height=height,
            width=width,
            boxes=boxes,
            areas=arrays["areas"],
            _bits=arrays["bits"],
            _starts=ends - (pixels + 7) // 8,
        )

    @property
    def present(self) -> NDArray[np.bool_]:
        """[frames, objects]."""
        return self.areas > 0

    def first(self, count: int) -> Tracks:
        """Only the first so many objects."""
        return replace(self, boxes=self.boxes[:, :count], areas=self.areas[:, :count], _starts=self._starts[:, :count])

    def crops(self, frame: int) -> list[Masks | None]:
        """The objects' masks within their boxes, None where absent."""
        crops: list[Masks | None] = []
        for (left, top, right, bottom), start in zip(self.boxes[frame].tolist(), self._starts[frame].tolist()):
            height, width = bottom - top, right - left
            pixels = height * width
            if not pixels:
                crops.append(None)
                continue
            packed = self._bits[start : start + (pixels + 7) // 8]
            crops.append(np.unpackbits(packed, count=pixels).view(np.bool_).reshape(height, width))
        return crops

    def masks(self, frame: int) -> Masks:
        """[objects, height, width] bool, all False where absent."""
        full = np.zeros((self.boxes.shape[1], self.height, self.width), np.bool_)
        for mask, crop, (left, top, right, bottom) in zip(full, self.crops(frame), self.boxes[frame].tolist()):
            if crop is not None:
                mask[top:bottom, left:right] = crop
        return full

    def centres(self) -> NDArray[np.float64]:
        """[frames, objects, 2] x, y: the mean of the pixels' coordinates; zeros where absent."""
        centres = np.zeros((*self.areas.shape, 2))
        for frame in range(len(self.areas)):
            for k, crop in enumerate(self.crops(frame)):
                if crop is None:
                    continue
                left, top = self.boxes[frame, k, :2].tolist()
                height, width = crop.shape
                # sums of whole numbers: a mask moved by whole pixels has its centre moved by exactly as many
                area = int(np.count_nonzero(crop))
                x = int(np.count_nonzero(crop, axis=0) @ np.arange(left, left + width))
                y = int(np.count_nonzero(crop, axis=1) @ np.arange(top, top + height))
                centres[frame, k] = x / area, y / area
        return centres
