"""Averages training pictures once and shows the average for every clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.clip import Clip, ClipInputs
from benchmark.errors import UserError
from benchmark.registry import NoOptions
from benchmark.video import Frames


class MeanFrame:
    """`fit` first; sums are whole numbers, so neither order nor machine changes a pixel."""

    def __init__(self, options: NoOptions) -> None:
        del options
        self.mean: Frames | None = None

    def fit(self, clips: Sequence[Clip]) -> None:
        """Average all ego frames of these clips. Raises UserError for a clip without truth or of another size."""
        total, count = None, 0
        for clip in clips:
            if clip.truth is None:
                raise UserError(f"clip {clip.id!r}: mean-frame learns from ego videos and this clip has none; leave it out")
            for frame in clip.truth.video.stream():
                if total is None:
                    total = np.zeros(frame.shape, np.int64)
                if frame.shape != total.shape:
                    raise UserError(f"clip {clip.id!r}: ego frames are {frame.shape}, those before {total.shape}; use one canvas")
                total += frame
                count += 1
        if total is None:
            raise UserError("mean-frame learns from training clips and got none")
        self.mean = ((2 * total + count) // (2 * count)).astype(np.uint8)

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        if self.mean is None:
            raise RuntimeError("mean-frame generates before it was fitted")
        if self.mean.shape[:2] != inputs.size:
            raise ValueError(f"mean-frame learnt pictures of {self.mean.shape[:2]}, asked for {inputs.size} (height, width)")
        return np.repeat(self.mean[None], inputs.n_frames, axis=0)
