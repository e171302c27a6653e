"""Contact sheets: what a model in training makes of a few validation examples, as one picture to look at.

Everything is drawn from examples, so no clip is read: exo, prior and truth are what the codec makes of their latents. Of EgoX the
sheet shows a whole sampling; of inpainting the mean that one step from almost pure noise gives, which is learned first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from ..canvas import Grid
from ..encoding import EncodedClip, decode_video, padded
from ..geometry import TokenGeometry
from ..mini import Preconditioner
from ..recipe import Recipe
from .batch import GEOMETRY, canvas_of
from .files import replace_file
from .noise import GRAINS
from .order import generator_of
from .tasks import known_cells

INSTANTS = 3
"""Frames of a clip that are shown, from the first to the last."""

ALMOST_NOISE = 0.98
"""Noise level of the one step."""

LEAST_ERROR = 1e-3
"""Of squared levels: PSNR ends at 78 dB, where pictures are equal."""

UNKNOWN = np.uint8(128)

GAP, LINE, MOST_HEIGHT = 4, 12, 160
"""Pixels: between pictures, of a line of words, of a picture."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sheets:
    """Draws <folder>/step-00000250.png. examples: those that are shown, `names` their names.

    pipeline: makes an EgoXPipeline around a transformer; asked for where the recipe's task is EgoX. codec: of the latents.
    preconditioner: what is attached to the transformer in training. negative_prompt_embeds: [length, width], for recipes that
    guide by text; the pipeline needs no text encoder then.
    """

    folder: Path
    recipe: Recipe
    examples: Sequence[Mapping[str, Tensor]]
    names: Sequence[str]
    codec: Any
    pipeline: Callable[[nn.Module], Any]
    preconditioner: Preconditioner | None = None
    negative_prompt_embeds: Tensor | None = None

    def draw(self, step: int, transformer: nn.Module) -> dict[str, float]:
        """Write the sheet of a step; the transformer is left as it was. Raises OSError where the folder cannot be written.

        Returns PSNR (dB, of the pooled squared error of an example against the truth through the codec, 78 at most, as the mean
        over the examples): "psnr_prior" and "psnr_generated", or of inpainting "psnr_mean".
        """
        training = self.recipe.training
        assert training is not None
        show = self._inpainted if training.task == "inpaint" else self._sampled
        device = next(transformer.parameters()).device
        half = self.recipe.model.precision == "bf16"
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half):
            rows = [show(number, example, transformer) for number, example in enumerate(self.examples)]
        measured = {
            f"psnr_{what}": float(np.mean([_psnr(row[what], row["truth"]) for row in rows]))
            for what in ("prior", "generated", "mean")
            if what in rows[0]
        }
        words = "".join(f", {name[5:]} {value:.2f} dB" for name, value in measured.items())
        sheet = sheet_of(rows, self.names, title=f"{self.recipe.name}, step {step}{words}")
        path = self.folder / f"step-{step:08d}.png"
        encoded = BytesIO()
        Image.fromarray(sheet).save(encoded, format="PNG")
        replace_file(path, encoded.getvalue())
        return measured

    def _sampled(self, number: int, example: Mapping[str, Tensor], transformer: Any) -> dict[str, NDArray[np.uint8]]:
        """A whole sampling. Guidance and preconditioner of the training give way to the pipeline's, and come back."""
        grid = canvas_of(example)
        exo = self._video(example["exo"])
        encoded = EncodedClip(**{name: example[name][None] for name in ("exo", "prior", "valid")})
        geometry = TokenGeometry(**{name: example[name] for name in GEOMETRY})
        processors = [block.attn1.processor for block in transformer.blocks]
        if self.preconditioner is not None:
            self.preconditioner.detach()
        try:
            made = self.pipeline(transformer).sample(
                encoded,
                geometry=geometry,
                generator=generator_of("sheet", number),
                prompt_embeds=example["prompt_embeds"],
                negative_prompt_embeds=self.negative_prompt_embeds,
                image_embeds=example.get("image_embeds") if self._same_picture else None,
                context_frame=exo[0],
            )
        finally:
            for block, processor in zip(transformer.blocks, processors, strict=True):
                block.attn1.set_processor(processor)
            if self.preconditioner is not None:
                self.preconditioner.attach(transformer, grid)
        return {
            "exo": exo,
            "prior": self._video(example["prior"]),
            "generated": decode_video(self.codec, made.cpu(), device=self.codec.device),
            "truth": self._video(example["ego"]),
        }

    @property
    def _same_picture(self) -> bool:
        """Whether examples hold the embeddings of the very picture that sampling shows the transformer."""
        sampled, trained = self.recipe.conditioning, self.recipe.training_conditioning
        return sampled.image_context == trained.image_context

    def _inpainted(self, number: int, example: Mapping[str, Tensor], transformer: Any) -> dict[str, NDArray[np.uint8]]:
        grid: Grid = canvas_of(example)
        generator = generator_of("sheet", number)
        known, noise = known_cells(grid, generator)[None], torch.randn(example["ego"].shape, generator=generator)
        state = (1 - ALMOST_NOISE) * example["ego"] + ALMOST_NOISE * noise
        mask = known.expand(transformer.config.in_channels - 2 * len(state), -1, -1, -1)
        device = next(transformer.parameters()).device
        image = example.get("image_embeds")
        velocity = transformer(
            hidden_states=torch.cat([state, mask, known * example["ego"]])[None].to(device),
            timestep=torch.full((1,), GRAINS * ALMOST_NOISE, device=device),
            encoder_hidden_states=padded(example["prompt_embeds"], self.recipe.model.text_tokens).to(device),
            encoder_hidden_states_image=None if image is None else image[None].to(device),
            return_dict=False,
        )[0][0]
        shown = self._video(example["ego"])
        of_frame = [-(-at // self.codec.config.scale_factor_temporal) for at in range(len(shown))]
        side = self.codec.config.scale_factor_spatial
        pixels = known[0, of_frame].repeat_interleave(side, 1).repeat_interleave(side, 2).numpy() > 0
        return {
            "known": np.where(pixels[..., None], shown, UNKNOWN),
            "mean": self._video(state - ALMOST_NOISE * velocity.float().cpu()),
            "truth": shown,
        }

    def _video(self, latents: Tensor) -> NDArray[np.uint8]:
        return decode_video(self.codec, latents[None].cpu(), device=self.codec.device)


def _psnr(video: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Of the squared error pooled over all frames, dB, 78 at most (`LEAST_ERROR`); the benchmark's psnr is a mean over frames."""
    return float(10 * np.log10(255**2 / max(np.mean((video.astype(np.float64) - truth) ** 2), LEAST_ERROR)))


def sheet_of(rows: Sequence[Mapping[str, NDArray[np.uint8]]], names: Sequence[str], *, title: str) -> NDArray[np.uint8]:
    """One picture [h, w, 3]. rows: videos [t, h, w, 3] by name; of each the first, middle and last frame in a column."""
    blocks = [_block(row, name) for row, name in zip(rows, names, strict=True)]
    width = max(block.shape[1] for block in blocks)
    parts = [_words(title, width), *(_wide(block, width) for block in blocks)]
    return np.concatenate(parts)


def _block(row: Mapping[str, NDArray[np.uint8]], name: str) -> NDArray[np.uint8]:
    columns = []
    for what, video in row.items():
        chosen = dict.fromkeys(round(k * (len(video) - 1) / (INSTANTS - 1)) for k in range(INSTANTS))
        pictures = [_scaled(video[at]) for at in chosen]
        column = np.concatenate([_wide(picture, picture.shape[1] + GAP, below=GAP) for picture in pictures])
        columns.append(np.concatenate([_words(what, column.shape[1]), column]))
    block = np.concatenate(columns, axis=1)
    return np.concatenate([_words(name, block.shape[1]), block])


def _scaled(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if height <= MOST_HEIGHT:
        return picture
    size = (round(width * MOST_HEIGHT / height), MOST_HEIGHT)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _words(text: str, width: int) -> NDArray[np.uint8]:
    line = Image.new("RGB", (width, LINE), "white")
    ImageDraw.Draw(line).text((1, 0), text, fill="black")
    return np.asarray(line)


def _wide(picture: NDArray[np.uint8], width: int, *, below: int = 0) -> NDArray[np.uint8]:
    return np.pad(picture, ((0, below), (0, width - picture.shape[1]), (0, 0)), constant_values=255)
