"""Prints how long the distances of whole sets take, with interval and floor, by number of clips (each of a take of its own).

python tests/bench/set_metric_speed.py
"""

from __future__ import annotations

import time

import numpy as np

from benchmark.metrics.fvd import fvd
from benchmark.metrics.kvd import kvd

DIMENSIONS = 400


def main() -> None:
    """One process; give it one BLAS thread (OPENBLAS_NUM_THREADS=1) to compare machines."""
    generator = np.random.default_rng(0)
    for clips in (24, 100, 400):
        truth = generator.normal(0, 1, (clips, DIMENSIONS)) * np.linspace(6, 0.1, DIMENSIONS)
        prediction = 0.9 * truth + generator.normal(0, 1, truth.shape)
        takes = [f"take {i}" for i in range(clips)]
        for distance in (fvd, kvd):
            began = time.perf_counter()
            distance(prediction, truth, takes)
            took = time.perf_counter() - began
            print(f"{distance.name}  {clips:3d} clips of {clips} takes, {DIMENSIONS} dimensions: {took:.2f} s")


if __name__ == "__main__":
    main()
