"""Prints how fast metrics score frames at both sizes, and what a dozen mini clips cost, reading included.

python tests/bench/metric_speed.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmark.protocols import load_protocol
from benchmark.stats import cluster_interval, sign_flip_p
from benchmark.video import FileSource, Frames, Video, count_frames, write_lossless


def footage(frames: int, side: int, seed: int) -> Frames:
    """Noise: the arithmetic of these metrics takes the same time for any picture."""
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The best of a few runs, wall clock."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def metrics(side: int, frames: int) -> None:
    """Frames a second of each metric, one process."""
    protocol = load_protocol("mini")
    truth, prediction = footage(frames, side, 0), footage(frames, side, 1)
    protocol.score(prediction[:1], truth[:1])
    for spec, _ in protocol.metrics:
        took = seconds(partial(protocol.score, prediction, truth, only=[spec.id]))
        print(f"{side}x{side}  {spec.id:8s}{frames / took:8.1f} frames/s")
    took = seconds(partial(protocol.score, prediction, truth))
    print(f"{side}x{side}  all four{frames / took:8.1f} frames/s")


def a_dozen_clips() -> None:
    """Decoding and scoring 12 mini clips from lossless files, all four metrics."""
    protocol = load_protocol("mini")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.mkv" for i in range(13)]
        for i, path in enumerate(paths):
            write_lossless(path, footage(17, 128, i), fps=10)
        assert count_frames(paths[0]) == 17

        def video(path: Path) -> Frames:
            return Video(source=FileSource(path), indices=tuple(range(17)), fps=10).read()

        took = seconds(lambda: [protocol.score(video(a), video(b)) for a, b in pairwise(paths)], repeat=1)
    print(f"12 clips of 17 frames at 128x128, decoded and scored on all four: {took:.2f} s")


def statistics() -> None:
    """What a table's intervals and tests cost."""
    values = np.random.default_rng(0).normal(20, 3, 24)
    few = seconds(lambda: cluster_interval(values.tolist(), [i // 2 for i in range(24)], seed=0))
    many = np.random.default_rng(0).normal(20, 3, 100_000)
    lots = seconds(lambda: cluster_interval(many.tolist(), [i // 5 for i in range(100_000)], seed=0), repeat=1)
    print(f"interval over 12 takes: {few * 1000:.1f} ms; over 20,000 takes of 100,000 clips: {lots:.1f} s")
    print(f"sign-flip test, exact over 16 takes: {seconds(lambda: sign_flip_p(values[:16], seed=0)) * 1000:.1f} ms")


if __name__ == "__main__":
    metrics(128, 17)
    metrics(448, 5)
    a_dozen_clips()
    statistics()
