"""DINOv3 features of objects: of the crop of a box, and of a mask within the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize, pad

from ...video import Frames
from ..mask_tracks import Masks
from .network import finite
from .padding import sides_to
from .pretrained import pretrained

_BATCH = 32


class Dinov3:
    """A DINOv3 ViT and its image processor's default settings: resize (bilinear, antialias) to the model's size, ImageNet."""

    def __init__(self, folder: Path, device: str) -> None:
        """folder: a DINOv3 ViT in transformers' format."""
        from transformers import DINOv3ViTImageProcessor, DINOv3ViTModel

        self._model = pretrained(DINOv3ViTModel, folder, device)
        config = self._model.config
        self._processor = DINOv3ViTImageProcessor(size={"height": config.image_size, "width": config.image_size})
        self._patch = int(config.patch_size)
        self._first_patch = 1 + int(config.num_register_tokens)
        self.width = int(config.hidden_size)
        self._device = device

    def of_crops(self, crops: Sequence[Frames]) -> NDArray[np.float32]:
        """[crops, D] unit vectors of pictures [height, width, 3] uint8 RGB of any sizes: mean of the last layer's patches.

        Taken before the final normalisation, as the calibration of the paper's protocol does.
        """
        found = [np.zeros((0, self.width), np.float32)]
        for start in range(0, len(crops), _BATCH):
            batch = list(crops[start : start + _BATCH])
            with torch.inference_mode():
                pixels = self._processor(images=batch, return_tensors="pt")["pixel_values"].to(self._device)
                tokens = self._model(pixels, output_hidden_states=True).hidden_states[-1][:, self._first_patch :]
                found.append(finite(normalize(tokens.double().mean(dim=1), dim=1), network="dinov3-vitl16"))
        return np.concatenate(found)

    def of_masks(self, picture: Frames, masks: Masks) -> NDArray[np.float32]:
        """[masks, D] unit vectors, zero for an empty mask: patches of the whole picture, weighted by how much the mask covers.

        picture: [height, width, 3] uint8 RGB, not resized, edges repeated up to whole patches. A mask that covers less than
        half a patch in all takes the patch that it covers most.
        """
        sides = sides_to(self._patch, *picture.shape[:2])
        left, right, top, bottom = sides
        padded = np.pad(picture, ((top, bottom), (left, right), (0, 0)), mode="edge")
        with torch.inference_mode():
            pixels = self._processor(images=padded, do_resize=False, return_tensors="pt")["pixel_values"].to(self._device)
            tokens = self._model(pixels).last_hidden_state[0, self._first_patch :].double().cpu()
            weights = self._coverage(torch.from_numpy(masks), sides)
            return finite(normalize(weights @ tokens, dim=1), network="dinov3-vitl16")

    def _coverage(self, masks: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
        covered = avg_pool2d(pad(masks.double(), sides)[:, None], self._patch).flatten(1)
        most = torch.zeros_like(covered).scatter(1, covered.argmax(1, keepdim=True), covered.amax(1, keepdim=True))
        return torch.where(covered.sum(1, keepdim=True) < 0.5, most, covered)
