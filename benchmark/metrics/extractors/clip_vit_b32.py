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
from .pretrained import pretrained

_BATCH = 16


class ClipEmbedding:
    """ "embedding" [T, 512] float32 of unit length: the projected picture features of every frame."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        from transformers import CLIPVisionModelWithProjection

        folder = weights["clip-vit-b32"]
        self._prepare = _processor(folder)
        self._model = pretrained(CLIPVisionModelWithProjection, folder, device)
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


def _processor(folder: Path) -> Any:
    """The model's own preprocessing. Raises UserError where the folder does not hold it."""
    # The processor that resizes with Pillow: its sibling on torchvision, the default of new releases, gives other pixels than
    # those that published numbers were made with.
    from transformers import CLIPImageProcessorPil

    try:
        return CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: no preprocessing of CLIP that can be loaded ({error}); {FETCH_AGAIN}") from error
