"""The cosine that matches between different scenes hardly ever reach: the default tau of the mini object metrics.

python tests/bench/object_threshold.py EFFICIENTNET_LITE0.safetensors [--clips 24]

Objects of every simulated val clip against those of every clip of another place, matched one to one: for each tau the
share of objects that find a partner, which cannot be right; beside it the share that does against the clip's own video
moved by 4 px and blurred by 1 px, where nearly all should.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.calibration.perturbations import blurred as blurred_by
from benchmark.calibration.perturbations import shifted
from benchmark.canvas import MINI
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.metrics.extractors.objects_mini import MiniObjects
from benchmark.metrics.object_matching import NOBODY, one_to_one

FALSE_ACCEPTANCE = 0.05
TAUS = np.arange(0.40, 0.901, 0.01)


def accepted(cosines: list[NDArray]) -> NDArray[np.float64]:
    """Share of all objects with a partner, for each of TAUS."""
    counts = [[np.count_nonzero(one_to_one(cosine, tau) != NOBODY) for tau in TAUS] for cosine in cosines]
    return np.sum(counts, axis=0) / sum(len(cosine) for cosine in cosines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--clips", type=int, default=24)
    args = parser.parse_args()
    extractor, dataset = MiniObjects({"efficientnet-lite0": args.weights}, "cpu"), SimDataset()
    features, moved, blurred, places = [], [], [], []
    for row in dataset.manifest("val").rows[: args.clips]:
        truth = dataset.clip(row, MINI).truth
        assert truth
        frame = truth.video.read()[:1]
        found = extractor(frame)
        objects = found["feature"][: int(found["objects"][0])]
        features.append((objects, found["feature"]))
        moved.append(objects @ extractor(shifted(frame, 4))["feature"].T)
        blurred.append(objects @ extractor(blurred_by(frame, 1.0))["feature"].T)
        places.append(row.clip_id.rsplit("_", 3)[0])
    others = [a @ b.T for ((a, _), p), ((_, b), q) in product(list(zip(features, places)), repeat=2) if p != q]
    false, by_move, by_blur = accepted(others), accepted(moved), accepted(blurred)
    print(f"{len(features)} clips of {len(set(places))} places, {len(others)} pairs of clips, {sum(map(len, moved))} objects")
    for i in range(0, len(TAUS), 5):
        shares = f"another place {100 * false[i]:5.1f} %   moved {100 * by_move[i]:5.1f} %   blurred {100 * by_blur[i]:5.1f} %"
        print(f"tau {TAUS[i]:.2f}   {shares}")
    first = int(np.flatnonzero(false <= FALSE_ACCEPTANCE)[0])
    shares = f"{100 * false[first]:.1f} %; moved {100 * by_move[first]:.1f} %"
    print(f"at most {100 * FALSE_ACCEPTANCE:g} %: tau {TAUS[first]:.2f} ({shares})")


if __name__ == "__main__":
    main()
