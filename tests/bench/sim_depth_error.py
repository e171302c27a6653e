"""How wrong the depth is that the simulated world hands out, against its own truth.

python tests/bench/sim_depth_error.py [--clips 4] [--full]

Per clip of `val`, over all known pixels of the exo view:
  raw      median of |depth / truth - 1|
  scaled   the same after the best single factor for the clip
  flicker  sd over frames of the log of a frame's factor
and for disparity, after the best scale and shift for the clip, in inverse depth:
  affine   median of |estimate / truth - 1|
  flicker  sd over frames of the log of a frame's factor
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.canvas import FULL, MINI
from benchmark.clip import Input
from benchmark.datasets.sim.dataset import SimDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Relative errors of one clip."""

    raw: float
    scaled: float
    flicker: float
    affine: float
    twin_flicker: float


def measure(truth_m: NDArray, depth_m: NDArray, disparity: NDArray) -> Measured:
    """All maps [frames, h, w]: true and estimated z-depth in metres, 0 where unknown; disparity, NaN there."""
    known = truth_m > 0
    ratio = np.where(known, depth_m, np.nan) / np.where(known, truth_m, np.nan)
    factors = np.nanmedian(ratio, axis=(1, 2))
    inverse = 1 / truth_m[known].astype(np.float64)
    slope, shift = np.polyfit(inverse, disparity[known], 1)
    twin = (disparity - shift) / slope * np.where(known, truth_m, np.nan)
    return Measured(
        raw=float(np.nanmedian(np.abs(ratio - 1))),
        scaled=float(np.nanmedian(np.abs(ratio / np.nanmedian(ratio) - 1))),
        flicker=float(np.log(factors).std()),
        affine=float(np.nanmedian(np.abs(twin - 1))),
        twin_flicker=float(np.log(np.nanmedian(twin, axis=(1, 2))).std()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument(
        "--full", action="store_true", help="448 lines, 49 frames, instead of 256 exo and 128 ego lines, 17 frames"
    )
    parser.add_argument("--cache", type=Path, help="folder to render into; a temporary one by default")
    args = parser.parse_args()
    canvas = FULL if args.full else MINI
    with tempfile.TemporaryDirectory() as folder:
        cache = args.cache or Path(folder)
        estimated, true = SimDataset(cache), SimDataset(cache, depth="true")
        every = true.manifest("val").rows
        count = min(args.clips, len(every))
        rows = [every[i * len(every) // count] for i in range(count)]
        workers = os.cpu_count() or 1
        true.prepare(rows, canvas, needs=frozenset({Input.DEPTH}), workers=workers, progress=lambda done, total, what: None)
        print(f"{'depth of':40s} {'raw':>7s} {'scaled':>7s} {'flicker':>8s}   disparity: {'affine':>7s} {'flicker':>8s}")
        found = []
        for row in rows:
            exo, wrong = true.clip(row, canvas).exo[0], estimated.clip(row, canvas).exo[0]
            if exo.depth is None or wrong.depth is None or wrong.disparity is None:
                raise ValueError(f"{row.clip_id}: has no depth")
            found.append(measure(exo.depth.read(), wrong.depth.read(), wrong.disparity.read()))
            print(line(row.clip_id, found[-1]))
        fields = Measured.__dataclass_fields__
        print(line("median of clips", Measured(**{name: float(np.median([getattr(m, name) for m in found])) for name in fields})))


def line(name: str, m: Measured) -> str:
    """One row of the table, in percent."""
    return f"{name:40s} {m.raw:7.2%} {m.scaled:7.2%} {m.flicker:8.2%}   {'':10s} {m.affine:7.2%} {m.twin_flicker:8.2%}"


if __name__ == "__main__":
    main()
