"""The contact sheet of the shipped mini weights: exo, prior, generated, truth of clips that no training has seen.

python tests/bench/mini_sheet.py [--split val] [--clips 6] [--recipe mini/egox] [--seed 0] [--out docs/images/mini.png]

Clips are evenly chosen over the split, all of it where it has fewer; of each the first, middle and last frame. Prints the
benchmark's PSNR of prior and generated video.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.metrics import METRICS
from benchmark.metrics.psnr import psnr
from benchmark.progress import progress
from egox.pipeline import EgoXPipeline
from egox.prior.filling import filled
from egox.training.sheets import sheet_of
from egox.training.validation import evenly
from methods.ego_prior import Options
from methods.ego_prior.making import Maker
from methods.train_verb.clips import Asked, TrainingClips

CAP_DB = float(METRICS["psnr"].defaults["cap_db"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="val")
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--recipe", default="mini/egox")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/images/mini.png"))
    arguments = parser.parse_args()
    prior = Options()
    clips = TrainingClips.open(Asked(data="sim", split=arguments.split, protocol=None, limit=None, prior=prior))
    names = [clips.names[k] for k in evenly(len(clips.names), arguments.clips)]
    with progress("render") as task:
        clips.prepare(names, workers=2, progress=task)
    pipeline = EgoXPipeline.from_pretrained("mini", recipe=arguments.recipe)
    pipeline.set_progress_bar_config(disable=True)
    maker, rows = Maker(prior), []
    for name in names:
        clip, truth = clips.with_prior(name, maker)
        made = pipeline(clip, seed=arguments.seed).frames
        shown = filled(clip.prior, clip.prior_valid, clip.circle)
        filled_db, made_db = (psnr(video, truth, cap_db=CAP_DB).value for video in (shown, made))
        print(f"{name}: prior with filled holes {filled_db:.2f} dB, generated {made_db:.2f} dB", flush=True)
        known = np.where(clip.prior_valid[..., None], clip.prior, 0).astype(np.uint8)
        rows.append({"exo": clip.exo, "prior": known, "generated": made, "truth": truth})
    sheet = sheet_of(rows, names, title=f"{arguments.recipe}, {arguments.split}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(arguments.out, optimize=True)
    print(arguments.out)


if __name__ == "__main__":
    main()
