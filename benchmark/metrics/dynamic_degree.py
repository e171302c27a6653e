"""VBench's dynamic degree: does the picture move enough? And how much it moves, which the yes or no cannot say.

An extractor's flow gives, for every two frames that follow each other at about 8 frames a second, how far the fastest
twentieth of the pixels goes. The frame rate is an input: the same frames at another rate are judged on other pairs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..video import Frames
from .metric import Arrays, ClipValue

FPS = 8
"""Frames a second that flow is looked at, about."""

FASTEST = 0.05
"""Share of the pixels whose motion counts."""

FEWEST = 5
"""Kept frames below which we say nothing: VBench calls 2 frames dynamic without looking, and 1 static."""


def dynamic_degree(prediction: Arrays, *, px_at_256: float) -> ClipValue:
    """1 where enough pairs of frames move by more than px_at_256 pixels of a 256 pixel side, else 0.

    The threshold grows with the shorter side: 6 px at 256 are 10.5 at 448. prediction: what `motion_arrays` holds.
    Undefined for fewer than FEWEST kept frames.
    """
    short = min(int(prediction["height"]), int(prediction["width"]))
    return _degree(prediction["top"], threshold_px=px_at_256 * (short / 256.0))


def dynamic_degree_fixed(prediction: Arrays, *, threshold_px: float) -> ClipValue:
    """As `dynamic_degree`, with one threshold for every size."""
    return _degree(prediction["top"], threshold_px=threshold_px)


def motion(prediction: Arrays) -> ClipValue:
    """Median over pairs of frames of how far the fastest twentieth moves, as a share of the shorter side. A pair each beside it.

    Undefined as `dynamic_degree` is.
    """
    reason = _too_few(prediction["top"])
    if reason is not None:
        return ClipValue.not_there(reason)
    shares = prediction["top"] / min(int(prediction["height"]), int(prediction["width"]))
    return ClipValue(value=float(np.median(shares)), frames=tuple(shares.tolist()))


def _degree(top: NDArray, *, threshold_px: float) -> ClipValue:
    reason = _too_few(top)
    if reason is not None:
        return ClipValue.not_there(reason)
    return ClipValue(value=float(is_dynamic(top, threshold_px)))


def _too_few(top: NDArray) -> str | None:
    kept = len(top) + 1
    if kept >= FEWEST:
        return None
    return f"{kept} frame{'s' if kept > 1 else ''} at about {FPS} a second, motion needs {FEWEST}"


def is_dynamic(top: NDArray, threshold_px: float) -> bool:
    """VBench's verdict on the motion of each pair of kept frames, for any number of them.

    Enough pairs are over the threshold: a quarter of the kept frames (not of the pairs), rounded half to even. VBench asks
    after each pair, so that without any pair the answer is no, even where zero would be enough.
    """
    kept = len(top) + 1
    # float64: a float32 array would round the threshold to float32 before it compares
    over = np.count_nonzero(np.asarray(top, dtype=np.float64) > threshold_px)
    return len(top) > 0 and bool(over >= round(4 * (kept / 16.0)))


def interval(fps: float | None) -> int:
    """Every how manieth frame is kept: fps / 8 rounded half to even (20 fps: every second), at least 1.

    Raises UserError for a frame rate that is missing, not above zero or not finite.
    """
    if fps is None or not math.isfinite(fps) or fps <= 0:
        raise UserError(f"dynamic degree needs the frame rate of the canvas, got {fps}; give frames a second above 0")
    return max(1, round(fps / FPS))


def kept_frames(frames: Frames, fps: float | None) -> Frames:
    """The frames between which motion is measured, a view."""
    return frames[:: interval(fps)]


def top_motion(flow: NDArray) -> float:
    """Mean length of the longest 5 % of the vectors of a flow [height, width, 2], px; int(0.05 height width) of them.

    In the input's precision and from the longest down, as VBench sums them.
    """
    lengths = np.sqrt(np.square(flow[..., 0]) + np.square(flow[..., 1]))
    height, width = lengths.shape
    longest_first = -np.sort(-lengths, axis=None)
    return float(np.mean(longest_first[: int(height * width * FASTEST)]))


def motion_arrays(frames: Frames, top: list[float]) -> Arrays:
    """What a flow extractor keeps: "top" [pairs] in px, with the "height" and "width" of the frames before any padding."""
    _, height, width, _ = frames.shape
    return {"top": np.array(top, dtype=np.float64), "height": np.array(height), "width": np.array(width)}
