"""What the guidance of the attention does to the videos of the shipped mini weights.

python tests/bench/guidance_effect.py [--split val] [--clips 8] [--seed 0]

Videos are the model's alone, in known cells too. Rows: as trained, 1; guidance of other strengths, and none, in the same
weights; the wearer turned by 180 degrees about the world's vertical axis, so that guidance favours what lies behind the head, as
high and as low as before; and the adapter that was trained without guidance.
Columns: PSNR and ST-LPIPS, of seen and imagined pixels too, against the true video, as the mean over the clips that have a value
(a line below tells where those are not all); and how far the video moved from that of the first row, root mean square in levels
of 0 to 255. A model that uses what guidance tells loses by lies.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.errors import UserError
from benchmark.progress import progress
from egox.checkpoints import folder_of
from egox.encoding import EncodedClip, decode_video
from egox.geometry import TokenGeometry
from egox.pipeline import EgoXPipeline
from egox.recipe import Recipe, load_recipe
from egox.training.batch import GEOMETRY
from egox.training.encoding_clips import ExampleKind
from egox.training.validation import evenly
from methods.ego_prior import Options
from methods.ego_prior.making import Maker
from methods.train_verb.clips import Asked, TrainingClips
from methods.train_verb.encoders import encoder_of
from methods.train_verb.ladder_scores import RungScores, Scorer, known_pixels

STRENGTHS = (0.25, 0.5, 2.0, 4.0, 8.0)
COLUMNS = ("psnr", "psnr-seen", "psnr-imagined", "st-lpips", "st-lpips-seen", "st-lpips-imagined")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """title, the recipe to sample with, and whether the rays of ego tokens are turned round the vertical axis."""

    title: str
    recipe: Recipe
    turned: bool = False


def guided(recipe: Recipe, **values: float | bool) -> Recipe:
    """The recipe with other guidance in sampling, and the same name: its weights are found by it."""
    guidance = msgspec.structs.replace(recipe.conditioning.guidance, **values)
    return msgspec.structs.replace(recipe, conditioning=msgspec.structs.replace(recipe.conditioning, guidance=guidance))


def cases() -> list[Case]:
    model = load_recipe("mini/egox")
    return [
        Case(title="guidance, 1", recipe=model),
        *(Case(title=f"guidance, {strength:g}", recipe=guided(model, strength=strength)) for strength in STRENGTHS),
        Case(title="none", recipe=guided(model, on=False)),
        Case(title="turned about vertical", recipe=model, turned=True),
        Case(title="trained without", recipe=load_recipe("mini/no-gga")),
    ]


def turned_round(rays: Tensor, up: NDArray[np.float64]) -> Tensor:
    """Rays [..., 3] turned by 180 degrees about a unit vector [3]: what is along it stays, all else changes its sign."""
    axis = torch.from_numpy(np.array(up)).to(rays)
    return 2 * (rays @ axis)[..., None] * axis - rays


def means_of(rung: RungScores) -> dict[str, float]:
    """By column. Raises UserError where one is missing."""
    found = {}
    for column in COLUMNS:
        score = rung.scores[column]
        if score.mean is None:
            raise UserError(f"{rung.title} has no {column}: {'; '.join(score.undefined)}")
        found[column] = score.mean
    return found


def sampled(case: Case, examples: list[dict[str, Tensor]], ups: list[NDArray[np.float64]], seed: int) -> list[NDArray[np.uint8]]:
    """The video of each example. ups: against gravity, of its world."""
    pipeline = EgoXPipeline.from_pretrained("mini", recipe=case.recipe, with_text=False)
    pipeline.set_progress_bar_config(disable=True)
    videos = []
    for number, example in enumerate(examples):
        geometry = {name: example[name] for name in GEOMETRY}
        if case.turned:
            geometry["rays"] = turned_round(geometry["rays"], ups[number])
        latents = pipeline.sample(
            EncodedClip(**{name: example[name][None] for name in ("exo", "prior", "valid")}),
            geometry=TokenGeometry(**geometry),
            generator=torch.Generator().manual_seed(seed * 1000 + number),
            prompt_embeds=example["prompt_embeds"],
        )
        videos.append(decode_video(pipeline.vae, latents))
    return videos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="val")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prior = Options()
    clips = TrainingClips.open(Asked(data="sim", split=arguments.split, protocol=None, limit=None, prior=prior))
    names = [clips.names[k] for k in evenly(len(clips.names), arguments.clips)]
    with progress("render") as task:
        clips.prepare(names, workers=1, progress=task)
    encoder, maker = encoder_of(load_recipe("mini/egox"), folder_of("mini"), device="cpu"), Maker(prior)
    examples, truths, ups = [], [], []
    with progress("examples") as task:
        for done, name in enumerate(names, start=1):
            clip, truth = clips.with_prior(name, maker)
            examples += encoder.examples(ExampleKind(one_view=False, single=False), clip, truth, seed=0)
            truths.append(truth)
            up = clips.dataset.clip(clips.rows[name], clips.canvas).up
            assert up is not None  # every simulated world is level
            ups.append(up)
            task(done, len(names), name)
    side = encoder.codec.config.scale_factor_spatial
    known = [
        known_pixels(example["valid"], frames=len(truth), side=side) for example, truth in zip(examples, truths, strict=True)
    ]
    scorer = Scorer(names=names, truths=truths, known=known, device="cpu")
    print(f"{'':22s} {'  '.join(f'{column:>17s}' for column in COLUMNS)}   moved, levels")
    first: list[NDArray[np.uint8]] | None = None
    for case in cases():
        videos = sampled(case, examples, ups, arguments.seed)
        first = first or videos
        moved = np.mean([np.sqrt(np.mean((a.astype(float) - b) ** 2)) for a, b in zip(videos, first, strict=True)])
        scorer.add(case.title, "", videos, seconds=0.0)
        means = means_of(scorer.rungs[-1])
        print(f"{case.title:22s} {'  '.join(f'{mean:17.3f}' for mean in means.values())}   {moved:.2f}", flush=True)
    for column in COLUMNS:  # a clip has a value in all rows or in none: regions are those of its prior
        scored = len(scorer.rungs[0].scores[column].values)
        if scored < len(names):
            print(f"{column}: mean over {scored} of {len(names)} clips")


if __name__ == "__main__":
    main()
