"""The ego prior on the simulated world: what estimated depth costs, what alignment and scale win back, and how exact it can be.

python tests/bench/prior_on_sim.py [--clips 24] [--workers 2]

Per clip of `val` at mini size, with the simulated estimator's depth:
  cover, psnr    share of the ego picture that the prior covers; PSNR (dB, RGB) against the ego video on those pixels
  unaligned      median of |true inverse depth / the metric maps' - 1|;  aligned: of the depth that the prior uses
  scale          factor found, relative to the best one for the aligned depth (1 is right);  head: of the head alone
and with exact depth:
  cover, psnr    as above;  head: factor that the head gauge reads (1 is right)
  static points that both views show, vignettes divided out, PSNR in dB: prior / exact lookup in the exo picture, over all; where
  the prior shows the same surface (its share); of those, where the exo picture is sharp enough; prior against lookup.
Then, by frame, unaligned and aligned errors, medians over clips.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.canvas import MINI
from benchmark.clip import Clip
from benchmark.datasets.sim.catalogue import take_of
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.datasets.sim.layout import WindowFiles
from benchmark.inputs import Input
from benchmark.progress import progress
from egox.depth import DepthEstimate
from egox.depth.scale import head_gauge
from egox.prior import EgoPrior, PriorSettings, ego_prior
from tests.methods.prior_on_sim import agreement, moving_ids


def prior_of(clip: Clip, estimate: DepthEstimate, **settings: str) -> EgoPrior:
    view = clip.exo[0]
    assert view.camera
    assert clip.ego_camera
    return ego_prior(view.video.read(), estimate, view.camera, clip.ego_camera, up=clip.up, settings=PriorSettings(**settings))  # type: ignore[arg-type]


def cover_and_psnr(prior: EgoPrior, truth: NDArray) -> tuple[float, float]:
    rendered = list(prior.rendered())
    pictures, valid = np.stack([frame.picture for frame in rendered]), np.stack([frame.valid for frame in rendered])
    off = pictures[valid].astype(float) - truth[valid]
    return float(valid.mean()), float(10 * np.log10(255**2 / np.mean(off**2)))


def by_frame(depth_m: NDArray, truth_m: NDArray) -> NDArray:
    """Median of |true inverse depth relative to ours - 1| of each frame."""
    known = (depth_m > 0) & (truth_m > 0)
    return np.array([np.median(np.abs(d[k] / t[k] - 1)) for d, t, k in zip(depth_m, truth_m, known)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    estimated, exact = SimDataset(), SimDataset(depth="true")
    rows = exact.manifest("val").rows[: args.clips]
    with progress("render") as task:
        needs = frozenset({Input.EXO_VIDEO, Input.DEPTH, Input.TRUTH})
        exact.prepare(rows, MINI, needs=needs, workers=args.workers, progress=task)
    table, curves = [], []
    names = (
        "cover psnr unaligned aligned scale head | cover psnr head | prior lookup same prior lookup sharp: prior lookup between"
    )
    print(f"{'':32s} {names}")
    for row in rows:
        clip, true = estimated.clip(row, MINI), exact.clip(row, MINI)
        view, ego = clip.exo[0], clip.ego_camera
        assert view.depth
        assert view.disparity
        assert true.exo[0].depth
        assert clip.truth
        assert ego
        truth_m, truth = true.exo[0].depth.read(), clip.truth.video.read()
        estimate = DepthEstimate(metric_m=view.depth.read(), disparity=view.disparity.read())
        prior = prior_of(clip, estimate)
        known = (prior.depth_m > 0) & (truth_m > 0)
        best = np.exp(np.median(np.log(truth_m[known] / prior.depth_m[known]))) * prior.scale.factor
        head = next(gauge.scale for gauge in prior.scale.gauges if gauge.name == "head") or np.nan
        raw, ours = by_frame(estimate.metric_m, truth_m), by_frame(prior.depth_m, truth_m)
        curves.append((raw, ours))
        with_truth = prior_of(true, DepthEstimate(metric_m=truth_m), scale="none")
        names_file = WindowFiles.of(exact.root, take_of(row).name, row.first_frame, MINI).names
        found = agreement(true, moving_ids(Path(names_file).read_bytes()))
        values = [
            *cover_and_psnr(prior, truth), np.median(raw), np.median(ours), prior.scale.factor / best, head / best,
            *cover_and_psnr(with_truth, truth), head_gauge(truth_m, true.exo[0].camera, ego).scale or np.nan,
            found.prior, found.lookup, found.same, found.same_prior, found.same_lookup,
            found.sharp_prior, found.sharp_lookup, found.between,
        ]  # fmt: skip
        table.append(values)
        print(f"{row.clip_id:32s} {_numbers(values)}", flush=True)
    for name, reduce in (("median", np.nanmedian), ("least", np.nanmin), ("most", np.nanmax)):
        print(f"{name:32s} {_numbers(reduce(np.array(table), axis=0))}")
    for name, which in (("unaligned by frame, %", 0), ("aligned by frame, %", 1)):
        print(f"{name:32s} {' '.join(f'{100 * value:.1f}' for value in np.median([c[which] for c in curves], axis=0))}")


def _numbers(values: NDArray | list[float]) -> str:
    return " ".join(f"{value:.2f}" if abs(value) >= 5 else f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
