"""The encoders of a checkpoint: what examples are made with, and what identifies them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.datasets.file_digests import FileDigests
from benchmark.errors import UserError
from egox.checkpoints import INDEX, load_component
from egox.conditioning import Conditioning
from egox.encoding import encode_picture, encode_text
from egox.recipe import Recipe
from egox.training.encoding_clips import ClipEncoder

CODEC, TEXT, IMAGE = ("vae",), ("tokenizer", "text_encoder"), ("image_processor", "image_encoder")


def check_components(folder: Path) -> None:
    """All that training takes of a checkpoint must be there, so that nothing is found missing hours later. Raises UserError."""
    needed = ["transformer", "scheduler", *CODEC, *TEXT, *(IMAGE if takes_pictures(folder) else ())]
    missing = [name for name in needed if not (folder / name).is_dir()]
    if missing:
        raise UserError(f"{folder}: not a whole checkpoint, {', '.join(missing)} missing (its {INDEX} is there); fetch it again")


def takes_pictures(folder: Path) -> bool:
    """Whether the transformer of a checkpoint takes embeddings of a picture."""
    try:
        config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / 'transformer' / 'config.json'}: cannot be read ({error}); fetch the checkpoint again"
        ) from None
    return config.get("image_dim") is not None


def encoder_digest(folder: Path, *, pictures: bool) -> str:
    """Identity of codec, text encoder and (where pictures are taken) image encoder, by their files."""
    names = [*CODEC, *TEXT, *(IMAGE if pictures else ())]
    return FileDigests().of_many([path for name in names for path in sorted((folder / name).rglob("*")) if path.is_file()])


def encoder_of(recipe: Recipe, folder: Path, *, device: str) -> ClipEncoder:
    """What makes the examples of a recipe from the components of a checkpoint."""
    codec = load_component(folder, "vae", dtype=torch.float32).to(device)
    return ClipEncoder(
        codec=codec,
        rules=recipe.training_conditioning,
        text=text_of(recipe, folder, rules=recipe.training_conditioning, device=device),
        picture=_picture_of(recipe, folder, device=device) if takes_pictures(folder) else None,
        device=device,
    )


def _picture_of(recipe: Recipe, folder: Path, *, device: str) -> Callable[[Any], Tensor]:
    processor = load_component(folder, "image_processor")
    encoder = load_component(folder, "image_encoder", dtype=torch.float32).to(device)
    return lambda shown: encode_picture(processor, encoder, shown, recipe.training_conditioning, device=device)[0]


def text_of(recipe: Recipe, folder: Path, *, rules: Conditioning, device: str) -> Callable[[str], Tensor]:
    """A prompt's embeddings [length, width], trimmed; the encoder is loaded when the first prompt comes."""

    @cache
    def loaded() -> tuple[Any, Any]:
        dtype = torch.bfloat16 if recipe.model.precision == "bf16" else torch.float32
        return load_component(folder, "tokenizer"), load_component(folder, "text_encoder", dtype=dtype).to(device)

    @lru_cache(maxsize=8)  # the views and frames of a clip have one prompt; of every other clip it is another one
    def embeds(prompt: str) -> Tensor:
        tokenizer, encoder = loaded()
        return encode_text(tokenizer, encoder, prompt, rules=rules, tokens=recipe.model.text_tokens, device=device).cpu()

    return embeds
