"""Prints what a training step of the mini transformer costs: single frames and clips, with and without guidance.

OMP_NUM_THREADS=1 python tests/bench/training_speed.py [RECIPE]        a recipe with a transformer of its own; mini/egox if none

Guidance needs two views and is left out for single frames of one. Steps are whole ones: batch made ahead, forward, backward,
clipping, AdamW, average. On CUDA where there is one. On a busy machine read the seconds of processor, of all threads.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import torch

from egox.conditioning import Conditioning
from egox.mini import new_transformer
from egox.mini.codec import CHANNELS
from egox.recipe import Recipe, load_recipe
from egox.training.loop import train
from tests.egox.training.tiny_training import examples

WARM, STEPS = 3, 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    frames: int
    batch: int
    task: str
    guided: bool


CASES = (
    Case(name="1 frame, one view", frames=1, batch=8, task="inpaint", guided=False),
    Case(name="1 frame, canvas", frames=1, batch=8, task="egox", guided=False),
    Case(name="1 frame, canvas, guided", frames=1, batch=8, task="egox", guided=True),
    Case(name="17 frames, one view", frames=5, batch=2, task="inpaint", guided=False),
    Case(name="17 frames, canvas", frames=5, batch=2, task="egox", guided=False),
    Case(name="17 frames, canvas, guided", frames=5, batch=2, task="egox", guided=True),
)


def of_case(recipe: Recipe, case: Case) -> Recipe:
    guidance = msgspec.structs.replace(recipe.conditioning.guidance, on=case.guided)
    rules: Conditioning = msgspec.structs.replace(recipe.conditioning, guidance=guidance)
    training = msgspec.structs.replace(
        recipe.training, task=case.task, batch_size=case.batch, steps=WARM + STEPS, ema=0.999, mirror=0.0,
        checkpoint_every=10**9,
    )  # fmt: skip
    model = msgspec.structs.replace(recipe.model, lora=None)
    return msgspec.structs.replace(recipe, model=model, training_conditioning=rules, training=training)


def main() -> None:
    recipe = load_recipe(sys.argv[1] if len(sys.argv) > 1 else "mini/egox")
    assert recipe.model.transformer is not None
    width = int(recipe.model.transformer["text_dim"])
    weights = sum(value.numel() for value in new_transformer(recipe.model).parameters())
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} thread(s)"
    print(f"{recipe.name}, trained whole: {weights:,} parameters, latents {CHANNELS} x f x 16 x (28 | 16), {where}")
    for case in CASES:
        clips = examples(2 * case.batch, channels=CHANNELS, frames=case.frames, height=16, exo=28, ego=16)
        for clip in clips:
            clip["prompt_embeds"] = torch.randn(40, width)
        times: list[tuple[float, float]] = []
        with tempfile.TemporaryDirectory() as folder:
            train(
                of_case(recipe, case), new_transformer(recipe.model), clips, [], Path(folder),
                progress=lambda *_, times=times: times.append((time.perf_counter(), time.process_time())),
            )  # fmt: skip
        # The last step writes a checkpoint before it is reported.
        seconds, busy = ((last - first) / (STEPS - 1) for last, first in zip(times[-2], times[WARM - 1]))
        print(
            f"{case.name:26} batch {case.batch}: {seconds:6.3f} s a step ({busy:.3f} of processor),"
            f" {case.batch / seconds:6.2f} samples/s ({case.batch / busy:.2f} a processor second)",
            flush=True,
        )


if __name__ == "__main__":
    main()
