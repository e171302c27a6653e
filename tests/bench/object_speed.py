"""Prints what the object metrics cost a clip: finding and tracking, recording all pairs, and one mode's arithmetic.

python tests/bench/object_speed.py EFFICIENTNET_LITE0.safetensors [--sam2 FOLDER --dinov3 FOLDER [--device cuda]]
python tests/bench/object_speed.py EFFICIENTNET_LITE0.safetensors --untrained [--device cuda]

--untrained: SAM 2 and DINOv3 at their real sizes (hiera-large, ViT-L/16) with random weights, 20 squares for seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import objects_paper, objects_strict
from benchmark.metrics.extractors.objects_mini import MiniObjects
from benchmark.metrics.extractors.objects_sam2 import Sam2Objects
from benchmark.metrics.mask_tracks import TrackWriter
from benchmark.metrics.object_pairs import record_pairs

Result = TypeVar("Result")


def timed(what: str, work: Callable[[], Result]) -> Result:
    """Run once and print the seconds."""
    began = time.perf_counter()
    result = work()
    print(f"{what:58s}{time.perf_counter() - began:8.2f} s", flush=True)
    return result


def footage(frames: int, side: int) -> NDArray[np.uint8]:
    """Coloured blobs that drift."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (side + frames, side), interpolation=cv2.INTER_CUBIC)
    return np.stack([wide[:, t : t + side] for t in range(frames)])


def squares(count: int, side: int) -> NDArray[np.bool_]:
    """[count, side, side], 40..160 px wide."""
    generator, masks = np.random.default_rng(1), np.zeros((count, side, side), np.bool_)
    for mask in masks:
        size = int(generator.integers(40, 160))
        x, y = generator.integers(0, side - size, 2).tolist()
        mask[y : y + size, x : x + size] = True
    return masks


def mini(extractor: MiniObjects, *, frames: int, side: int) -> None:
    """What needs no model hub."""
    found = timed(f"objects-mini, {frames} frames of {side}x{side}", lambda: extractor(footage(frames, side)))
    count = len(found["feature"])
    pairs = timed(f"object-pairs-mini, {count} x {count} objects", lambda: record_pairs(found, found)).arrays()
    timed("object-iou-mini", lambda: objects_strict.iou(pairs, tau=0.5))


def full_pairs(objects: int) -> None:
    """Pairs of the size that the full path makes."""
    writer = TrackWriter(448, 448, min_area=64)
    for t in range(49):
        writer.add(np.roll(squares(objects, 448), 2 * t, axis=2))
    generator = np.random.default_rng(2)
    found = {
        **writer.arrays(),
        "feature": generator.normal(size=(objects, 1024)).astype(np.float32),
        "frame_feature": generator.normal(size=(49, objects, 1024)).astype(np.float32),
    }
    label = f"object-pairs-sam2-dinov3, {objects} x {objects} objects, 49 frames of 448"
    pairs = timed(label, lambda: record_pairs(found, found)).arrays()
    timed("object-iou", lambda: objects_paper.iou(pairs, tau=0.9))


def untrained(folder: Path) -> dict[str, Path]:
    """The released sizes with random weights."""
    import transformers as t

    backbone = t.Sam2HieraDetConfig(
        hidden_size=144,
        num_attention_heads=2,
        blocks_per_stage=[2, 6, 36, 4],
        embed_dim_per_stage=[144, 288, 576, 1152],
        num_attention_heads_per_stage=[2, 4, 8, 16],
        window_size_per_stage=[8, 4, 16, 8],
        global_attention_blocks=[23, 33, 43],
    )
    vision = t.Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=[1152, 576, 288, 144])
    t.Sam2VideoModel(t.Sam2VideoConfig(vision_config=vision)).save_pretrained(folder / "sam2")
    large = t.DINOv3ViTConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, num_register_tokens=4
    )
    t.DINOv3ViTModel(large).save_pretrained(folder / "dinov3")
    return {"sam2-hiera-large": folder / "sam2", "dinov3-vitl16": folder / "dinov3"}


def full(weights: dict[str, Path], device: str, *, seeds: NDArray[np.bool_] | None, frames: int) -> None:
    """SAM 2 and DINOv3 on one clip of the paper's size."""
    extractor = timed(f"loading SAM 2 and DINOv3 ({device})", lambda: Sam2Objects(weights, device))
    clip = footage(frames, 448)
    found = timed("automatic masks, 1024 points, 448x448", lambda: extractor._segment(clip[0]))
    print(f"{len(found)} masks")
    if seeds is not None:
        extractor._segment = lambda picture: seeds  # type: ignore[assignment]
    found = timed(f"objects-sam2-dinov3, {frames} frames", lambda: extractor(clip))
    print(f"{int(found['seeds'][0])} objects followed, {int(found['prompt_failed'][0])} not taken")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--sam2", type=Path)
    parser.add_argument("--dinov3", type=Path)
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=49)
    args = parser.parse_args()
    extractor = MiniObjects({"efficientnet-lite0": args.weights}, "cpu")
    mini(extractor, frames=17, side=128)
    mini(extractor, frames=49, side=448)
    full_pairs(20)
    if args.untrained:
        with tempfile.TemporaryDirectory() as folder:
            full(untrained(Path(folder)), args.device, seeds=squares(20, 448), frames=args.frames)
    elif args.sam2 and args.dinov3:
        full({"sam2-hiera-large": args.sam2, "dinov3-vitl16": args.dinov3}, args.device, seeds=None, frames=args.frames)


if __name__ == "__main__":
    main()
