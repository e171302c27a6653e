"""Whether the mini object metrics' segments outlast damage: of every object of the truth, in pictures damaged in known ways.

python tests/bench/object_stability.py EFFICIENTNET_LITE0.safetensors [--data sim] [--split val] [--canvas mini] [--clips 24]

A row a damage, sizes in px at a picture of 128 px (they grow with the picture), over the first frames of the clips:
"found": share of objects of which some segment of the damaged picture has an IoU above 0.5 with the object where it should be;
"matched": share that finds a partner by its features; "right": share whose partner has such an IoU;
"iou" and "error": object-iou-mini and location-error-mini; "median": distance of the matched objects' centres, the median in
px of the picture. "another place" is the truth of another clip: nothing there is right.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.calibration.perturbations import blurred, noisy, shifted
from benchmark.canvas import canvas_named
from benchmark.datasets.opening import open_dataset
from benchmark.metrics.catalogue_objects import MINI_TAU
from benchmark.metrics.extractors.objects_mini import MiniObjects
from benchmark.metrics.mask_overlap import mask_iou
from benchmark.metrics.mask_tracks import Masks, Tracks
from benchmark.metrics.metric import Arrays
from benchmark.metrics.object_matching import NOBODY, one_to_one
from benchmark.metrics.object_pairs import ObjectPairs, record_pairs
from benchmark.metrics.objects_strict import iou, location_error
from benchmark.video import Frames

FOUND = 0.5

Damage = tuple[Callable[[Frames], Frames], Callable[[Masks], Masks]]
"""What is done to frames [1, height, width, 3], and where it takes masks [objects, height, width]."""


def damages(side: float) -> dict[str, Damage]:
    """By name, for a picture `side` times as large as 128 px."""

    def stays(masks: Masks) -> Masks:
        return masks

    def moved(px: int) -> Damage:
        return lambda frames: shifted(frames, px), lambda masks: shifted(masks[..., None].view(np.uint8), px)[..., 0] > 0

    def compressed(frames: Frames) -> Frames:
        code = cv2.imencode(".jpg", frames[0], [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)[None]

    found: dict[str, Damage] = {"none": (lambda frames: frames, stays)}
    found |= {f"shift {px}": moved(round(px * side)) for px in (1, 2, 4, 8)}
    found |= {f"blur {s:g}": (lambda frames, s=s: blurred(frames, s * side), stays) for s in (0.5, 1, 2)}
    found |= {f"noise {sd}": (lambda frames, sd=sd: noisy(frames, sd, np.random.default_rng(0)), stays) for sd in (3, 10)}
    found["JPEG 50"] = compressed, stays
    found["warp 1.5"] = (
        lambda frames: _warped(frames[0], side)[None],
        lambda masks: np.stack([_warped(mask.astype(np.uint8), side) for mask in masks]).astype(np.bool_),
    )
    return found


def _warped(picture: NDArray[np.uint8], side: float) -> NDArray[np.uint8]:
    """Waves 1.5 px high and 40 px long."""
    rows, columns = np.indices(picture.shape[:2], dtype=np.float32)
    wave, height = np.float32(2 * np.pi / (40 * side)), np.float32(1.5 * side)
    x, y = columns + height * np.sin(wave * rows), rows + height * np.cos(wave * columns)
    way = cv2.INTER_LINEAR if picture.ndim == 3 else cv2.INTER_NEAREST
    return cv2.remap(picture, x, y, way, borderMode=cv2.BORDER_REFLECT_101).astype(np.uint8)


def line(name: str, cases: Sequence[tuple[Arrays, Arrays, Masks]]) -> str:
    """Of truths, predictions, and where the truths' objects should be in them."""
    found, matched, right, offsets, overlaps, errors = [], [], [], [], [], []
    for truth, prediction, expected in cases:
        arrays = record_pairs(truth, prediction).arrays()
        pairs, overlap = ObjectPairs.read(arrays), mask_iou(expected, Tracks.read(prediction).masks(0))
        partners = one_to_one(pairs.cosine, MINI_TAU)
        with_one = np.flatnonzero(partners != NOBODY)
        found += (overlap.max(axis=1, initial=0) > FOUND).tolist()
        matched += (partners != NOBODY).tolist()
        right += (overlap[with_one, partners[with_one]] > FOUND).tolist()
        away = pairs.truth_centres[0, with_one] - pairs.predicted_centres[0, partners[with_one]]
        offsets += np.linalg.norm(away, axis=1).tolist()
        overlaps.append(iou(arrays, tau=MINI_TAU).value)
        errors.append(location_error(arrays, tau=MINI_TAU).value)
    shares = "".join(f"{100 * share:9.1f}" for share in (np.mean(found), np.mean(matched), np.sum(right) / len(matched)))
    median = np.median(offsets) if offsets else np.nan
    return f"{name:14s}{shares}{np.mean(overlaps):9.3f}{np.mean(errors):9.2f}{median:9.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", default="sim")
    parser.add_argument("--split", default="val")
    parser.add_argument("--canvas", default="mini")
    parser.add_argument("--clips", type=int, default=24)
    args = parser.parse_args()
    extractor, dataset = MiniObjects({"efficientnet-lite0": args.weights}, "cpu"), open_dataset(args.data)
    canvas, frames = canvas_named(args.canvas), []
    for row in dataset.manifest(args.split).rows[: args.clips]:
        truth = dataset.clip(row, canvas).truth
        assert truth
        frames.append(truth.video.read()[:1])
    truths = [extractor(frame) for frame in frames]
    objects = [Tracks.read(truth).first(int(truth["objects"][0])).masks(0) for truth in truths]
    print(f"{len(frames)} clips of {canvas.ego_side} px, {sum(map(len, objects))} objects, tau {MINI_TAU}")
    print(f"{'':14s}" + "".join(f"{title:>9s}" for title in ("found %", "matched %", "right %", "iou", "error", "median")))
    for name, (damage, goes) in damages(canvas.ego_side / 128).items():
        print(line(name, [(t, extractor(damage(f)), goes(m)) for t, f, m in zip(truths, frames, objects)]), flush=True)
    if len(truths) > 1:
        far = len(truths) // 2
        print(line("another place", list(zip(truths, truths[far:] + truths[:far], objects))))


if __name__ == "__main__":
    main()
