"""The ladder: what a trained EgoX must beat, measured beside it on the same `val` examples.

    OUT/<recipe>/ladder.json  ladder.csv  ladder.png

Every rung is a way to predict the ego video of an example. All are scored against the true video, not against what the codec
makes of it, so that the first rung, the truth through the codec, is the ceiling.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.progress import progress
from benchmark.video import Frames
from egox.conditioning import condition_channels
from egox.encoding import EncodedClip, decode_video
from egox.geometry import TokenGeometry
from egox.pipeline import EgoXPipeline
from egox.pretrained import WeightsError
from egox.recipe import Recipe, load_recipe
from egox.sampling import SamplingError
from egox.threads import one_thread
from egox.training.anchors import WithMirrorImages, fit_ridge, mean_picture, nearest
from egox.training.batch import GEOMETRY, canvas_of
from egox.training.encoding_clips import ExampleKind
from egox.training.examples import ExampleStore
from egox.training.order import generator_of
from egox.training.report import REPORT, read_report
from egox.training.validation import evenly

from .bases import base_of, is_trained
from .clips import Asked, TrainingClips
from .curriculum import place_of
from .ladder_scores import Ladder, Scorer, known_pixels, written
from .processes import say
from .stages import Stage

REGRESSIONS = {"single": "mini/regression-frames", "all": "mini/regression"}
"""The regression that may stand beside a recipe, by the frames that both are trained on."""

Example = Mapping[str, Tensor]
Predict = Callable[[int, Example], Tensor]
"""From an example and its number among those that are shown to ego latents [channels, f, h, w]."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rung:
    """One way to predict. title: short, for a column of the sheet. about: what it is, or why it is not there.

    predict: None where it is not there.
    """

    title: str
    about: str
    predict: Predict | None


def climb(stage: Stage, count: int) -> Ladder:
    """Score all rungs for a finished training of task "egox" on `count` examples of its `val` split, evenly chosen; write them.

    Raises UserError where weights of the model cannot be loaded, StorageError where the folder cannot be written.
    """
    recipe, setup = stage.recipe, stage.setup
    store = stage.val_examples
    numbers = _spread(len(store), count)
    names, examples = [store.names[number] for number in numbers], [store[number] for number in numbers]
    truths = true_videos(setup.val, ExampleKind.of(stage.training), names, workers=setup.workers)
    try:
        pipeline = trained_pipeline(recipe, setup.out, device=setup.device)
        rungs = _rungs(stage, pipeline, examples)
        codec, frames = pipeline.vae, len(truths[0])
        side = codec.config.scale_factor_spatial
        known = [known_pixels(example["valid"], frames=frames, side=side) for example in examples]
        scorer = Scorer(names=names, truths=truths, known=known, device=setup.device)
        with progress(f"ladder of {recipe.name}") as task, torch.no_grad(), one_thread():
            for done, rung in enumerate(rungs, start=1):
                _score(scorer, rung, examples, codec)
                task(done, len(rungs), rung.title)
    except (WeightsError, SamplingError) as error:
        raise UserError(f"no ladder of {recipe.name}: {error}") from error
    # where files lay on this machine is nobody's business
    split = Path(setup.val.split).name if setup.val.split.endswith(".jsonl") else setup.val.split
    return written(scorer, folder=stage.folder, recipe=place_of(recipe.name), split=split)


def _spread(examples: int, count: int) -> list[int]:
    """Evenly chosen numbers of examples. A clip's frames stand side by side, first to last: each interval gives its next place,
    since steps of whole clips would show first frames alone."""
    firsts = evenly(examples, count)
    within = examples // len(firsts)
    return [first + k % within for k, first in enumerate(firsts)]


def trained_pipeline(recipe: Recipe, out: Path, *, device: str) -> EgoXPipeline:
    """What `OUT/<recipe>/model` samples with. Raises WeightsError, UserError."""
    model, base = out / place_of(recipe.name) / "model", base_of(recipe, out)
    adapted = recipe.model.lora is not None
    pipeline = EgoXPipeline.from_pretrained(
        base.folder if adapted and base is not None else model,
        recipe=recipe,
        lora=model if adapted else None,
        with_text=recipe.sampling.guidance_scale > 1,  # of prompts examples hold the embeddings, of the negative one none do
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def true_videos(asked: Asked, kind: ExampleKind, names: Sequence[str], *, workers: int) -> list[Frames]:
    """The true ego video of each example, rendered or decoded anew: [frames, height, width, 3] uint8."""
    clips = TrainingClips.open(asked)
    frames = clips.canvas.frames
    origin = {
        name: (clip, instant)
        for clip in clips.names
        for name, instant in zip(kind.examples_of(clip, frames), kind.instants(frames), strict=True)
    }
    needed = list(dict.fromkeys(origin[name][0] for name in names))
    with progress("ladder: true videos") as task:
        clips.prepare(needed, workers=workers, progress=task)
    whole = {clip: clips.views(clip).ego for clip in needed}
    return [whole[clip] if at is None else whole[clip][at : at + 1] for clip, at in (origin[name] for name in names)]


def _score(scorer: Scorer, rung: Rung, examples: Sequence[Example], codec: Any) -> None:
    if rung.predict is None:
        scorer.add_absent(rung.title, rung.about)
        return
    videos, began = [], time.perf_counter()
    for number, example in enumerate(examples):
        latents = rung.predict(number, example)[None]
        videos.append(decode_video(codec, latents.cpu(), device=codec.device))
    scorer.add(rung.title, rung.about, videos, seconds=(time.perf_counter() - began) / len(examples))


def _rungs(stage: Stage, pipeline: EgoXPipeline, examples: Sequence[Example]) -> list[Rung]:
    recipe, name = stage.recipe, place_of(stage.recipe.name)
    steps, warmth = recipe.sampling.steps, recipe.sampling.temperature
    holes, alone = recipe.conditioning.prior_holes, ", known cells by the model too" if recipe.sampling.known == "prior" else ""
    return [
        Rung(title="codec", about="the truth through the codec: the ceiling", predict=lambda _, example: example["ego"]),
        Rung(title="prior", about=f"the ego prior through the codec, holes {holes}", predict=lambda _, example: example["prior"]),
        _guess(pipeline),
        *_anchors(stage, pipeline, examples),
        _regression(stage),
        *(
            Rung(
                title=f"model, {count} step{'' if count == 1 else 's'}",
                about=f"{name}{alone}: {count} step{'' if count == 1 else 's'} from noise of {warmth:g}",
                predict=_sampling(pipeline, steps=count),
            )
            for count in dict.fromkeys((1, steps))
        ),
    ]


def _guess(pipeline: EgoXPipeline) -> Rung:
    preconditioner, rules, title = pipeline.preconditioner, pipeline.recipe.conditioning, "guess"
    if preconditioner is None:
        return Rung(title=title, about="the recipe has no preconditioner", predict=None)

    def predict(_: int, example: Example) -> Tensor:
        grid, mask = canvas_of(example), len(example["valid"])
        exo, prior, valid = (example[name][None] for name in ("exo", "prior", "valid"))
        given = grid.split(condition_channels(grid, rules, exo=exo, prior=prior, valid=valid))[1].to(preconditioner.device)
        return preconditioner.guess(given[:, mask:], given[:, :mask].float().mean(1))[0]

    return Rung(title=title, about="what the preconditioner guesses of prior and mask", predict=predict)


def _anchors(stage: Stage, pipeline: EgoXPipeline, examples: Sequence[Example]) -> Iterator[Rung]:
    """Fitted on all that the training saw: where it mirrors, the mirror images too."""
    learned: Sequence[Example] = stage.examples
    places, what = _places(stage, stage.examples), f"{len(learned)} training examples"
    if stage.training.mirror:
        learned, places = WithMirrorImages(examples=learned, signs=pipeline.vae.mirror_signs.cpu()), 2 * places
        what += " and their mirror images"
    say(f"{stage.recipe.name}: fitting mean picture, ridge and nearest example on {what}")
    mean = mean_picture(learned)
    yield Rung(title="mean picture", about=f"the mean of {what}", predict=lambda *_: mean)
    ridge = fit_ridge(learned, places)
    some = f"{ridge.examples} of " if ridge.examples < len(learned) else ""
    if ridge.penalty is None:
        about = "ridge regression on one training example, which is all that it can predict"
    else:
        about = f"ridge regression on {some}{what}, penalty {ridge.penalty:g} chosen on held-out places of them"
    yield Rung(title="ridge", about=about, predict=lambda _, example: ridge.predict(example))
    found = nearest(learned, examples)
    about = f"of {what} that of the nearest exo and prior, {len(set(found))} different ones for {len(found)} examples"
    yield Rung(title="nearest", about=about, predict=lambda number, _: learned[found[number]]["ego"])


def _places(stage: Stage, learned: ExampleStore) -> list[str]:
    """The place of each training example; of data that knows no places, its take."""
    clips, kind = TrainingClips.open(stage.setup.train), ExampleKind.of(stage.training)
    place_of_example = {
        name: row.place or row.cluster for clip, row in clips.rows.items() for name in kind.examples_of(clip, clips.canvas.frames)
    }
    return [place_of_example[name] for name in learned.names]


def _regression(stage: Stage) -> Rung:
    """Only of the same network under the same conditioning: another one would not tell what sampling is worth."""
    name, out, title = REGRESSIONS[stage.training.frames], stage.setup.out, "regression"
    recipe, beside = load_recipe(name), stage.recipe
    if (recipe.model, recipe.training_conditioning) != (beside.model, beside.training_conditioning):
        return Rung(title=title, about="no regression of this network and conditioning ships", predict=None)
    if not is_trained(out, name):
        return Rung(title=title, about=f"not trained: egox-bench train {name}, with the same --out", predict=None)
    report = read_report(out / place_of(name) / "model" / REPORT)
    if report is None or report.train.digest != stage.examples.digest:
        return Rung(title=title, about=f"{name} in this --out was trained on other examples, or is not finished", predict=None)
    predict = _sampling(trained_pipeline(recipe, out, device=stage.setup.device), steps=recipe.sampling.steps)
    return Rung(title=title, about=f"{recipe.summary}, {report.steps} steps of training", predict=predict)


def _sampling(pipeline: EgoXPipeline, *, steps: int) -> Predict:
    sampled, trained = pipeline.recipe.conditioning, pipeline.recipe.training_conditioning
    same_picture = sampled.image_context == trained.image_context  # else examples hold the embeddings of another one

    def predict(number: int, example: Example) -> Tensor:
        geometry = TokenGeometry(**{name: example[name] for name in GEOMETRY})
        exo = decode_video(pipeline.vae, example["exo"][None], device=pipeline.vae.device)
        return pipeline.sample(
            EncodedClip(**{name: example[name][None] for name in ("exo", "prior", "valid")}),
            geometry=geometry,
            generator=generator_of("ladder", number),
            prompt_embeds=example["prompt_embeds"],
            image_embeds=example.get("image_embeds") if same_picture else None,
            context_frame=exo[0],
            num_inference_steps=steps,
        )[0]

    return predict
