"""Recovered camera motion against the poses: the truth itself, shifted in time, held still, and the ego prior.

python tests/bench/pose_on_recorded.py DATA [--split all] [--canvas full] [--prior] [--clips N]

DATA is a release folder or "sim". A row a clip: median rotation error and median error of the direction of translation, in
degrees; "-" where it is undefined. "shifted by n": frame i of the video stands for frame i - n, over the frames that then have
a pose. The last row has the means. With --prior also the cover of the ego prior and the seconds that it takes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmark.canvas import canvas_named
from benchmark.clip import Clip, Input, inputs_for
from benchmark.cover import cover_source
from benchmark.datasets.opening import open_dataset
from benchmark.errors import Undefined
from benchmark.metrics.extractors.ego_motion import EgoMotion
from benchmark.metrics.pose import MIN_BASELINE_M, pose_rotation, pose_translation
from benchmark.video import Frames
from methods.ego_prior import SPEC, Options
from methods.ego_prior.adapter import EgoPriorMethod

SHIFTS = (1, 3)


def errors(clip: Clip, frames: Frames, *, shift: int = 0) -> tuple[float, float]:
    """Both metrics, NaN where undefined; frame i of the video is compared with pose i - shift."""
    assert clip.ego_camera
    count = len(clip.ego_camera) - shift
    camera = clip.ego_camera.select(range(count))
    found = EgoMotion({}, "cpu")(frames[shift:], fps=clip.fps, ego_camera=camera)
    values = []
    for measure in (pose_rotation, pose_translation):
        try:
            values.append(float(measure(found, ego_camera=camera).value or 0.0))
        except Undefined:
            values.append(float("nan"))
    return values[0], values[1]


def parallax(clip: Clip, frames: Frames) -> float:
    """Smallest parallax in pixels of the truth where the baseline is long enough to count."""
    assert clip.ego_camera
    found = EgoMotion({}, "cpu")(frames, fps=clip.fps, ego_camera=clip.ego_camera)
    centres = clip.ego_camera.centres
    long = np.linalg.norm(centres[found["second"]] - centres[found["first"]], axis=1) >= MIN_BASELINE_M
    return float(np.nanquantile(found["parallax_px"][long], 0.05)) if long.any() else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--split", default="all")
    parser.add_argument("--canvas", default="full")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--prior", action="store_true")
    args = parser.parse_args()
    data, canvas = open_dataset(args.data), canvas_named(args.canvas)
    rows = list(data.manifest(args.split).rows)[: args.clips]
    needs = frozenset({Input.TRUTH, Input.EXO_VIDEO, Input.DEPTH})
    data.prepare(rows, canvas, needs=needs, workers=1, progress=lambda *_: None)
    columns = ["truth", *(f"shifted by {n}" for n in SHIFTS), "still", *(["ego prior"] if args.prior else [])]
    print(f"{'clip':34s}" + "".join(f"{name:>16s}" for name in columns) + "   parallax px, s a video" + "  cover  s" * args.prior)
    table = []
    for row in rows:
        clip = data.clip(row, canvas)
        assert clip.truth
        frames = clip.truth.video.read()
        began = time.perf_counter()
        found = [errors(clip, frames)]
        took = time.perf_counter() - began
        found += [errors(clip, frames, shift=n) for n in SHIFTS]
        found.append(errors(clip, np.repeat(frames[:1], len(frames), axis=0)))
        tail = f"   {parallax(clip, frames):10.2f} {took:11.2f}"
        if args.prior:
            inputs = inputs_for(clip, needs=SPEC.needs, optional=SPEC.optional)
            found.append(errors(clip, EgoPriorMethod(Options()).generate(inputs, seed=0)))
            source = cover_source()
            assert source
            began = time.perf_counter()
            tail += f"  {source.cover(clip).mean():5.3f} {time.perf_counter() - began:5.1f}"
        table.append(found)
        print(f"{clip.id:34s}" + "".join(f"{_shown(value):>16s}" for value in found) + tail, flush=True)
    means = [(float(np.nanmean(column[:, 0])), float(np.nanmean(column[:, 1]))) for column in np.array(table).transpose(1, 0, 2)]
    print(f"{'mean':34s}" + "".join(f"{_shown(value):>16s}" for value in means))


def _shown(value: tuple[float, float]) -> str:
    return " ".join("     -" if np.isnan(part) else f"{part:6.{digits}f}" for part, digits in zip(value, (3, 1)))


if __name__ == "__main__":
    main()
