"""Rule (d) of the audit: do the first ego frames of two splits look alike? 64-bit perceptual hashes, compared by bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..canvas import Canvas
from ..clip import Input
from ..datasets.dataset import Dataset, Progress
from ..errors import UserError
from .audit import Leak
from .manifest import Manifest

ALIKE_BITS = 4
"""Two first frames whose hashes differ in this many of 64 bits, or fewer, are taken for the same sight."""

_SIDE = 32


def picture_hash(frame: NDArray[np.uint8]) -> int:
    """64-bit hash of an RGB picture [height, width, 3]: signs of its 8x8 lowest cosine terms against their median.

    Only the square inside the picture's inscribed circle is used: the black corners of a fisheye picture are in all of them.
    """
    import cv2

    height, width = frame.shape[:2]
    half = int(min(height, width) / 2 / np.sqrt(2))
    middle = frame[height // 2 - half : height // 2 + half, width // 2 - half : width // 2 + half]
    grey = cv2.cvtColor(np.ascontiguousarray(middle), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:8, :8].ravel()
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def first_frame_hashes(
    dataset: Dataset, manifests: Sequence[Manifest], canvas: Canvas, *, workers: int, progress: Progress
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Hash of each clip's first ego frame, by split and clip id, and why a clip has none ("clip: reason")."""
    hashes: dict[str, dict[str, int]] = {}
    reasons: list[str] = []
    done, total = 0, sum(len(manifest.rows) for manifest in manifests)
    for manifest in manifests:
        found = hashes.setdefault(manifest.split, {})
        dataset.prepare(manifest.rows, canvas, needs=frozenset({Input.TRUTH}), workers=workers, progress=progress)
        for row in manifest.rows:
            try:
                truth = dataset.clip(row, canvas).truth
                if truth is None:
                    reasons.append(f"{row.clip_id}: no ego video")
                else:
                    found[row.clip_id] = picture_hash(truth.video.read([0])[0])
            except UserError as error:
                reasons.append(f"{row.clip_id}: {error}")
            done += 1
            progress(done, total, row.clip_id)
    return hashes, reasons


def look_alikes(hashes: Mapping[str, Mapping[str, int]]) -> Iterator[Leak]:
    """For each clip of a later split, the most alike clip of each earlier split, where they differ in ALIKE_BITS or fewer."""
    for (split, some), (other_split, others) in combinations(hashes.items(), 2):
        if not some or not others:
            continue
        names = sorted(some)
        table = np.array([some[name] for name in names], dtype=np.uint64)
        for name in sorted(others):
            bits = np.bitwise_count(table ^ np.uint64(others[name]))
            nearest = int(np.argmin(bits))
            if bits[nearest] <= ALIKE_BITS:
                what = f"first ego frames differ in {int(bits[nearest])} of 64 hash bits"
                yield Leak(rule="d", split=split, clip=names[nearest], other_split=other_split, other_clip=name, what=what)
