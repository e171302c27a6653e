"""Prints what aligning the depth of a full-size clip and finding its motion cost: 49 frames of 448x784.

python tests/bench/alignment_speed.py
"""

from __future__ import annotations

import resource
import time

import numpy as np

from egox.depth import DepthEstimate, align
from egox.motion import motion_masks

SHAPE = (49, 448, 784)


def clip() -> DepthEstimate:
    """A tilted floor with bumps, 1 to 8 m; metric maps that flicker by half a percent."""
    rng = np.random.default_rng(0)
    depth = np.linspace(8, 1.5, SHAPE[1])[:, None] + rng.uniform(-0.5, 0.5, SHAPE[1:])
    flicker = 1 + 0.005 * rng.standard_normal((SHAPE[0], 1, 1))
    metric = (depth * flicker).astype(np.float32)
    disparity = np.repeat((3 / depth - 0.1).astype(np.float32)[None], SHAPE[0], 0)
    return DepthEstimate(metric_m=metric, disparity=disparity)


def main() -> None:
    estimate = clip()
    static = np.ones(SHAPE, np.bool_)
    static[:, 100:300, 200:400] = False
    for name, mask in (("no mask", None), ("a mask", static)):
        began = time.perf_counter()
        aligned = align(estimate, mask)
        took = time.perf_counter() - began
        print(f"{SHAPE[0]} maps of {SHAPE[2]}x{SHAPE[1]}, {name}: {took:.2f} s, residual {np.median(aligned.residual):.2%}")
    frames = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    for name, colours in (("depth", None), ("depth and colour", frames)):
        began = time.perf_counter()
        motion_masks(estimate.metric_m, colours)
        print(f"motion by {name}: {time.perf_counter() - began:.2f} s")
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
