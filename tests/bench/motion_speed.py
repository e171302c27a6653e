"""Prints seconds a clip for the three video dimensions at both sizes, beside VBench's own time on the same frames.

Weights are random: the work is the same. VBench reads its frames from an mp4, which is part of its time; it is left out where
the wheel is not installed.

python tests/bench/motion_speed.py
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_large

from benchmark.metrics.catalogue_motion import EXTRACTORS
from benchmark.metrics.flickering import flickering
from benchmark.video import Frames, write_h264

SIZES = ((17, 128, 224, 10.0), (49, 448, 784, 30.0))
"""Frames, side of the ego view, width of the exo view, frames a second."""


def footage(frames: int, height: int, width: int) -> Frames:
    """A soft texture that slides 3 px a frame."""
    wide = np.random.default_rng(0).integers(0, 256, (height, width + 3 * frames, 3), dtype=np.uint8)
    soft = cv2.GaussianBlur(wide, (0, 0), 3.0).astype(np.float32)
    soft = np.clip((soft - soft.mean()) * 6 + 128, 0, 255).astype(np.uint8)
    return np.stack([soft[:, 3 * i : 3 * i + width] for i in range(frames)])


def seconds(work: Callable[[], object]) -> float:
    """One run, wall clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def random_weights(folder: Path) -> dict[str, Path]:
    """Weights of both networks; AMT's only with the wheel."""
    torch.manual_seed(0)
    states = {"raft-things": raft_large(weights=None).state_dict()}
    if importlib.util.find_spec("vbench") is not None:
        from benchmark.metrics.extractors.amt import network_class

        states["amt-s"] = network_class()().state_dict()
        torch.save({"state_dict": states["amt-s"]}, folder / "amt-s.pth")
    for name, state in states.items():
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in states}


def public(folder: Path) -> dict[str, Callable[[str], object]]:
    """VBench's own three functions of a path, by the extractor or metric that they answer to."""
    if importlib.util.find_spec("vbench") is None:
        return {}
    if importlib.util.find_spec("decord") is None:
        stand_in: Any = ModuleType("decord")
        stand_in.VideoReader = stand_in.cpu = None
        sys.modules["decord"] = stand_in
    flicker, smooth, dynamic = (
        importlib.import_module(f"vbench.{name}") for name in ("temporal_flickering", "motion_smoothness", "dynamic_degree")
    )
    args = importlib.import_module("easydict").EasyDict(
        model=str(folder / "raft.pth"), small=False, mixed_precision=False, alternate_corr=False
    )
    torch.save(dynamic.RAFT(args).state_dict(), args.model)
    config = Path(smooth.__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
    return {
        "flicker": flicker.cal_score,
        "amt-s": smooth.MotionSmoothness(str(config), str(folder / "amt-s.pth"), "cpu").motion_score,
        "raft-things": dynamic.DynamicDegree(args, "cpu").infer,
    }


def main() -> None:
    """Every extractor at both sizes, on as many threads as torch takes; the canvas extractors see exo and ego view."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = random_weights(folder)
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            theirs = public(folder)
        for frames, side, exo_width, fps in SIZES:
            ego, exo = footage(frames, side, side), footage(frames, side, exo_width)
            paths = {"": folder / "ego.mp4", "-canvas": folder / "canvas.mp4"}
            write_h264(paths[""], ego, fps=fps)
            write_h264(paths["-canvas"], np.concatenate([exo, ego], axis=2), fps=fps)
            ours: dict[str, Callable[[], object]] = {"flicker": lambda ego=ego: flickering(ego)}
            for spec in EXTRACTORS:
                if set(spec.weights) <= set(weights):
                    extract, read = spec.load()(weights, "cpu"), {"fps": fps, "exo": exo}
                    reads = {str(need): read[str(need)] for need in spec.reads}
                    ours[spec.id] = lambda extract=extract, ego=ego, reads=reads: extract(ego, **reads)
            for label, work in ours.items():
                base, path = label.removesuffix("-canvas"), paths["-canvas" if label.endswith("-canvas") else ""]
                line = f"{frames}x{side}x{side}  {label:20s}{seconds(work):8.2f} s"
                if base in theirs:
                    line += f"   vbench{seconds(lambda base=base, path=path: theirs[base](str(path))):8.2f} s"
                print(line, flush=True)


if __name__ == "__main__":
    main()
