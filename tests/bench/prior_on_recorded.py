"""Our ego prior against the one that the EgoX release ships, both against the ego video, on recorded clips.

python tests/bench/prior_on_recorded.py RELEASE_FOLDER [--every 1]

RELEASE_FOLDER holds meta.json, videos/ and depth_maps/ (shipped depth, unpacked). Per clip, over frames 0..48: pooled PSNR over
RGB, NCC of the mean of RGB over pooled pixels, and the share of the picture that is covered; inside the circle of 224 px about
the picture's middle. A shipped prior is valid where max(R, G, B) > 16; ours says so itself. "both": where both are valid.
No setting differs between clips. The rows below `default` change one thing each.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.canvas import FULL
from benchmark.clip import Clip
from benchmark.datasets.opening import open_dataset
from egox.depth import DepthEstimate
from egox.prior import PYTORCH3D_PARITY, EgoPrior, PriorSettings, RenderSettings, ego_prior

CIRCLE_PX = 224
SHIPPED_VALID = 16
DEFAULT = PriorSettings()
VARIANTS: dict[str, tuple[PriorSettings, bool]] = {
    "default": (DEFAULT, True),
    "no fusion": (replace(DEFAULT, fuse=False), True),
    "no second gauge": (DEFAULT, False),
    "no scale": (replace(DEFAULT, scale="none"), True),
    "radius 0.8, step 1": (replace(DEFAULT, render=RenderSettings(radius_px=0.8, step_px=1.0)), True),
    "radius 2": (replace(DEFAULT, render=RenderSettings(radius_px=2.0)), True),
    "points, radius 1.5": (replace(DEFAULT, render=RenderSettings(surface=False, radius_px=1.5)), True),
    "points, radius 5": (replace(DEFAULT, render=PYTORCH3D_PARITY), True),
    "without what moves": (replace(DEFAULT, dynamic=False), True),
}
"""Settings, and whether gravity is known: without it the head is the only gauge."""


def circle(side: int) -> NDArray[np.bool_]:
    """The pixels that count."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    return np.hypot(rows, columns) <= CIRCLE_PX


def agreement(pictures: NDArray, valid: NDArray, truth: NDArray) -> tuple[float, float]:
    """Pooled PSNR (dB) and NCC of [frames, h, w, 3] over the valid pixels [frames, h, w]."""
    ours, true = pictures[valid].astype(np.float64), truth[valid].astype(np.float64)
    psnr = 10 * np.log10(255**2 / np.mean((ours - true) ** 2))
    return float(psnr), float(np.corrcoef(ours.mean(-1), true.mean(-1))[0, 1])


def prior_of(clip: Clip, settings: PriorSettings, *, gravity: bool) -> EgoPrior:
    view = clip.exo[0]
    assert view.camera
    assert view.depth
    assert clip.ego_camera
    estimate = DepthEstimate(metric_m=view.depth.read())
    return ego_prior(
        view.video.read(), estimate, view.camera, clip.ego_camera, up=clip.up if gravity else None, settings=settings
    )


def rows_of(clip: Clip, every: int) -> None:
    assert clip.truth
    assert clip.ego_prior
    chosen = np.arange(0, FULL.frames, every)
    truth, shipped = clip.truth.video.read()[chosen], clip.ego_prior.read()[chosen]
    inside = circle(FULL.ego_side)
    shipped_valid = (shipped.max(-1) > SHIPPED_VALID) & inside
    psnr, ncc = agreement(shipped, shipped_valid, truth)
    print(f"\n{clip.id}\n{'':20s}  own: PSNR    NCC  cover   both: ours           shipped")
    print(f"{'shipped':20s}      {psnr:6.2f}  {ncc:5.3f}  {shipped_valid.mean():5.3f}")
    for name, (settings, gravity) in VARIANTS.items():
        prior = prior_of(clip, settings, gravity=gravity)
        rendered = [frame for number, frame in enumerate(prior.rendered()) if number % every == 0]
        pictures, valid = np.stack([frame.picture for frame in rendered]), np.stack([frame.valid for frame in rendered]) & inside
        psnr, ncc = agreement(pictures, valid, truth)
        both = valid & shipped_valid
        (ours_psnr, ours_ncc), (their_psnr, their_ncc) = agreement(pictures, both, truth), agreement(shipped, both, truth)
        print(
            f"{name:20s}      {psnr:6.2f}  {ncc:5.3f}  {valid.mean():5.3f}   {ours_psnr:6.2f}  {ours_ncc:5.3f}"
            f"       {their_psnr:6.2f}  {their_ncc:5.3f}",
            flush=True,
        )
        if name == "default":
            print(*(f"{'':20s}  {line}" for line in prior.report()), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="score every n-th frame only")
    args = parser.parse_args()
    data = open_dataset(args.folder)
    for row in data.manifest("all").rows:
        rows_of(data.clip(row, FULL), args.every)


if __name__ == "__main__":
    main()
