"""Makes the mean vector that `eff-i` subtracts: EfficientNet-lite0 features of true ego frames of the simulated training split.

python tests/bench/efficientnet_mean.py [--every 12] [--workers 2]

Every twelfth clip of `train` at mini size (40 clips of as many takes, 680 frames). Writes
benchmark/metrics/efficientnet_lite0_mean.safetensors; another mean is another `eff-i`, so raise its version with it. Prints the
cosine of frames of different clips before and after subtraction.
"""

from __future__ import annotations

import argparse

import numpy as np
from safetensors.numpy import save_file

from benchmark import weights
from benchmark.canvas import MINI
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.inputs import Input
from benchmark.metrics.eff_i import MEAN_FILE
from benchmark.metrics.extractors.efficientnet_lite0 import EfficientNetFeatures
from benchmark.progress import progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    dataset = SimDataset()
    rows = dataset.manifest("train").rows[:: args.every]
    with progress("render") as task:
        dataset.prepare(rows, MINI, needs=frozenset({Input.TRUTH}), workers=args.workers, progress=task)
    extract = EfficientNetFeatures({"efficientnet-lite0": weights.fetch("efficientnet-lite0")}, "cpu")
    found = []
    for row in rows:
        truth = dataset.clip(row, MINI).truth
        assert truth
        found.append(extract(truth.video.read())["embedding"])
    mean = np.concatenate(found).mean(axis=0, dtype=np.float64)
    save_file({"mean": mean.astype(np.float32)}, MEAN_FILE)
    takes = len({row.take_name for row in rows})
    print(f"{MEAN_FILE.name}: {len(rows)} clips of {takes} takes, {sum(map(len, found))} frames")
    for name, shift in (("as they are", np.zeros_like(mean)), ("mean subtracted", mean)):
        first = np.stack([clip[0] for clip in found]) - shift
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        cosines = (first @ first.T)[np.triu_indices(len(first), 1)]
        print(
            f"cosine of first frames of different clips, {name}: median {np.median(cosines):.3f}, 5..95 %"
            f" {np.quantile(cosines, 0.05):.3f}..{np.quantile(cosines, 0.95):.3f}"
        )


if __name__ == "__main__":
    main()
