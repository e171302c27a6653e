"""Prints seconds a clip that each network takes, beside the public packages' own time on the same frames.

python -m tests.bench.network_speed [--threads 1] [--sizes mini full]

mini: 17 frames of 128x128; full: 49 frames of 448x448. A pair extractor's clip is a pair of them. Wall clock and processor
time of the fastest of three runs (of one at full size); numbers do not depend on what weights say, so AlexNet and CLIP run
with random ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from benchmark import weights
from benchmark.metrics import Arrays, Need
from benchmark.metrics.catalogue_networks import EXTRACTORS
from benchmark.metrics.extractors.lpips_alex import package_model
from tests.benchmark.metrics.extractors import random_weights
from tests.benchmark.metrics.pictures import Frames, noisy, textured

SIZES = {"mini": (17, 128, 3), "full": (49, 448, 1)}
UNTRAINED = ("alexnet", "clip-vit-b32")


def fastest(work: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Wall clock and processor seconds of the fastest run."""
    runs = []
    for _ in range(repeat):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(runs)


def package_lpips(model: Any, prediction: Frames, truth: Frames) -> None:
    """The lpips package as its readme calls it, a frame at a time: 49 large frames at once take gigabytes."""
    with torch.inference_mode():
        for frames in zip(prediction, truth):
            a, b = (torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1 for frame in frames)
            model(a, b)


def report(name: str, work: Callable[[], object], repeat: int) -> None:
    """Print the time of the fastest run."""
    wall, processor = fastest(work, repeat)
    print(f"  {name:22s}{wall:7.2f} / {processor:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {
            "alexnet": random_weights.written(random_weights.alexnet(), folder / "alexnet.safetensors"),
            "clip-vit-b32": folder,
        }
        CLIPModel(CLIPConfig()).save_pretrained(folder)
        CLIPImageProcessorPil().save_pretrained(folder)
        needed = {weight for spec in EXTRACTORS for weight in spec.weights}
        paths |= {weight: weights.fetch(weight) for weight in sorted(needed - set(UNTRAINED))}
        work = {spec.id: (spec, spec.load()(paths, "cpu")) for spec in EXTRACTORS}
    model = package_model()
    for size in args.sizes:
        frames, side, repeat = SIZES[size]
        truth = textured(frames=frames, height=side, width=side)
        prediction = noisy(truth, 20)
        cover = np.broadcast_to(np.arange(side) % 3 > 0, truth.shape[:3])
        print(f"{frames} frames of {side}x{side}, {args.threads} thread(s): wall clock / processor seconds")
        found: dict[str, Arrays] = {}
        for name, (spec, extract) in work.items():
            given = (found[spec.base],) if spec.base else (prediction, truth) if spec.of == "pair" else (truth,)
            read = {"cover": cover} if Need.COVER in spec.reads else {}
            found[name] = extract(*given, **read)
            report(name, partial(extract, *given, **read), repeat)
        report("lpips package", partial(package_lpips, model, prediction, truth), repeat)


if __name__ == "__main__":
    main()
