"""The public VBench package as the other implementation, where it is installed; and clips that both can read."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from benchmark.video import Frames, write_h264

from .pictures import textured


def vbench_module(name: str) -> Any:
    """`vbench.<name>`; skips the test where the wheel or what it imports is not there.

    It asks for decord although these dimensions read with OpenCV: an empty stand-in will do.
    """
    if "decord" not in sys.modules and importlib.util.find_spec("decord") is None:
        sys.modules["decord"] = cast(ModuleType, SimpleNamespace(VideoReader=None, cpu=None))
    return pytest.importorskip(f"vbench.{name}")


def written(path: Path, frames: Frames, *, fps: float) -> Frames:
    """Write frames as an mp4 and read them back with OpenCV, RGB: the pixels that VBench sees in the file."""
    write_h264(path, frames, fps=fps)
    video, found = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        found.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    assert len(found) == len(frames)
    return np.stack(found).astype(np.uint8)


def sliding(*, frames: int, height: int, width: int, step: tuple[float, float], seed: int = 0) -> Frames:
    """[frames, height, width, 3]: a window that slides (down, across) by `step` px a frame over one texture."""
    down, across = (int(np.ceil(abs(s) * frames)) for s in step)
    wide = textured(frames=1, height=height + down, width=width + across, seed=seed)[0]
    coarse = cv2.GaussianBlur(wide, (0, 0), 2.0)
    clip = []
    for i in range(frames):
        shift = np.array([[1, 0, -i * step[1]], [0, 1, -i * step[0]]], np.float32)
        clip.append(cv2.warpAffine(coarse, shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
    return np.stack(clip).astype(np.uint8)
