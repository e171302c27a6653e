"""CLIP's picture embedding (Radford et al. 2021) by transformers, with the model's own preprocessing, from a local folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import UserError
from ...video import Frames
from ..metric import Arrays
from .network import FETCH_AGAIN, finite

_BATCH = 16


class ClipEmbedding:
    """ "embedding" [T, 512] float32 of unit length: the projected picture features of every frame."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        self._prepare, model = _loaded(weights["clip-vit-b32"])
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device

    def __call__(self, frames: Frames) -> Arrays:
        """frames: [T, height, width, 3] uint8 RGB of any size; the model's processor resizes and crops."""
        found: list[torch.Tensor] = []
        for start in range(0, len(frames), _BATCH):
            pixels = self._prepare(list(frames[start : start + _BATCH]), return_tensors="pt", input_data_format="channels_last")
            with torch.inference_mode():
                embedding = self._model(pixels["pixel_values"].to(self._device)).image_embeds
                found.append(embedding / torch.linalg.vector_norm(embedding, dim=1, keepdim=True))
        return {"embedding": finite(torch.cat(found), network="clip-vit-b32")}


def _loaded(folder: Path) -> tuple[Any, Any]:
    """Preprocessing and model. Raises UserError where the folder does not hold all of them."""
    # The processor that resizes with Pillow: its sibling on torchvision, the default of new releases, gives other pixels than
    # those that published numbers were made with.
    from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection
    from transformers.utils import logging

    told, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    try:
        # the half that reads text is left out on purpose; no need for a page of warnings
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        prepare = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
        loaded: Any = CLIPVisionModelWithProjection.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"CLIP in {folder} cannot be loaded ({error}); {FETCH_AGAIN}") from error
    finally:
        logging.set_verbosity(told)
        if bars:
            logging.enable_progress_bar()
    model, info = loaded
    # transformers fills what a file lacks with random numbers
    if info["missing_keys"]:
        raise UserError(f"CLIP in {folder} lacks {min(info['missing_keys'])!r}; {FETCH_AGAIN}")
    return prepare, model
