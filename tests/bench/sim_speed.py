"""How fast the simulated world is rendered, everything included: start of workers, places, pictures, truth, files.

python tests/bench/sim_speed.py [--clips 8] [--workers 2] [--full]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from benchmark.canvas import FULL, MINI
from benchmark.clip import Input
from benchmark.datasets.sim.dataset import SimDataset


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--full", action="store_true", help="448 lines, 49 frames, instead of 256 exo and 128 ego lines, 17 frames"
    )
    args = parser.parse_args()
    canvas = FULL if args.full else MINI
    with tempfile.TemporaryDirectory() as folder:
        dataset = SimDataset(Path(folder))
        rows = dataset.manifest("unseen").rows[: args.clips]
        began, cpu = time.perf_counter(), cpu_seconds()
        dataset.prepare(rows, canvas, needs=frozenset(Input), workers=args.workers, progress=lambda done, total, what: None)
        wall, cpu = time.perf_counter() - began, cpu_seconds() - cpu
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    pictures = 2 * canvas.frames * len(rows)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(f"{len(rows)} clips at {canvas.name} size in {len({row.take_name for row in rows})} places, {args.workers} workers")
    print(f"wall {wall:.1f} s = {pictures / wall:.1f} pictures/s; CPU {cpu:.1f} s = {cpu / len(rows):.2f} s a clip,")
    print(f"{pictures / cpu:.1f} pictures per CPU second; {size / len(rows) / 1e6:.2f} MB a clip; peak {peak:.0f} MB a process")


if __name__ == "__main__":
    main()
