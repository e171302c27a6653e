"""Optical flow by RAFT for VBench's dynamic degree: torchvision's network with the weights of its authors ("things")."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch.nn.functional import pad
from torchvision.models.optical_flow import raft_large

from ...errors import Undefined
from ...video import Frames
from ..dynamic_degree import kept_frames, motion_arrays, top_motion
from ..metric import Arrays
from ..side_by_side import side_by_side
from .network import filled, finite, pictures, tensors_of
from .padding import sides_to

UPDATES = 20
"""VBench's; torchvision's default is 12."""

SMALLEST = 128
"""px: below it the coarsest level of the correlation has one cell, and sampling it divides by zero."""


class RaftMotion:
    """How far the fastest twentieth of the pixels goes, a pair of frames at about 8 a second; "top" in px, of the padded map.

    weights: "raft-things", of torchvision's naming (its C_T_V1 file). Frames whose padded sides are under SMALLEST are Undefined.
    """

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        path = weights["raft-things"]
        self._device = device
        self._network = filled(raft_large(weights=None, progress=False), tensors_of(path), source=path, device=device)

    def __call__(self, frames: Frames, *, fps: float | None) -> Arrays:
        _, height, width, _ = frames.shape
        padding = sides_to(8, height, width)
        if min(height + sum(padding[2:]), width + sum(padding[:2])) < SMALLEST:
            raise Undefined(f"frames of {width}x{height} are smaller than the {SMALLEST} px that RAFT needs")
        kept = kept_frames(frames, fps)
        return motion_arrays(frames, [self._top(a, b, padding) for a, b in pairwise(kept)])

    @torch.inference_mode()
    def _top(self, a: Frames, b: Frames, padding: tuple[int, int, int, int]) -> float:
        # a pair at a time: a batch would only cost memory (300 MB of correlations a pair at 448x1232)
        flow = self._network(self._input(a, padding), self._input(b, padding), num_flow_updates=UPDATES)[-1]
        return top_motion(finite(flow[0].permute(1, 2, 0), network="RAFT"))

    def _input(self, frame: Frames, padding: tuple[int, int, int, int]) -> torch.Tensor:
        # contiguous as VBench's: convolutions round differently where channels lie beside each other
        padded = pad(pictures(frame[None], self._device), padding, mode="replicate").contiguous()
        return 2 * (padded / 255.0) - 1.0


class RaftMotionOnCanvas:
    """As `RaftMotion`, of the exo view and the video side by side."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        self._motion = RaftMotion(weights, device)

    def __call__(self, frames: Frames, *, exo: Frames, fps: float | None) -> Arrays:
        return self._motion(side_by_side(exo, frames), fps=fps)
