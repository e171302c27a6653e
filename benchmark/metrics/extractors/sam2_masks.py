"""SAM 2's automatic masks of a picture: a grid of points is asked, and what is sure, stable and no duplicate is kept.

The values are those of the sam2 package's generator with min_mask_region_area 2000. The `mask-generation` pipeline of
transformers is not used: it does not remove small regions, keeps a stability of exactly the threshold out, and places its
points by the longer side, which is wrong in pictures that are not square.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.ops import batched_nms, masks_to_boxes

from ...video import Frames
from ..mask_tracks import Masks
from .pretrained import pretrained

POINTS_PER_SIDE = 32
POINTS_PER_BATCH = 64
MIN_PREDICTED_IOU = 0.8
MIN_STABILITY = 0.95
STABILITY_OFFSET = 1.0
MAX_BOX_IOU = 0.7
MIN_REGION = 2000
"""Holes and islands of so many pixels or fewer are removed, counted on the model's own grid (256x256 for the released sizes)."""


class AutomaticMasks:
    """SAM 2's image model, ready to segment everything."""

    def __init__(self, folder: Path, device: str) -> None:
        """folder: a SAM 2 or SAM 2 video model in transformers' format."""
        from transformers import Sam2ImageProcessor, Sam2Model

        self._model = pretrained(Sam2Model, folder, device)
        self._side = int(self._model.config.prompt_encoder_config.image_size)
        # made from the model's own size: a folder without the processor's files gives the same masks
        self._processor = Sam2ImageProcessor(size={"height": self._side, "width": self._side})
        self._device = device

    def __call__(self, picture: Frames, *, points_per_side: int = POINTS_PER_SIDE, min_region: int = MIN_REGION) -> Masks:
        """[masks, height, width] bool of [height, width, 3] uint8 RGB; the surest first, nested ones among them."""
        height, width = picture.shape[:2]
        grid = (torch.arange(points_per_side) + 0.5) / points_per_side * self._side
        points = torch.cartesian_prod(grid, grid).flip(1).to(self._device)
        masks, scores = [torch.zeros((0, height, width), dtype=torch.bool)], [torch.zeros(0)]
        with torch.inference_mode():
            pixels = self._processor(images=picture, return_tensors="pt")["pixel_values"].to(self._device)
            embeddings = self._model.get_image_embeddings(pixels)
            for asked in points.split(POINTS_PER_BATCH):
                output = self._model(input_points=asked[None, :, None], image_embeddings=embeddings, multimask_output=True)
                sure = output.iou_scores[0].flatten() > MIN_PREDICTED_IOU
                logits = without_small_regions(output.pred_masks[0].flatten(0, 1)[sure].float(), min_region)
                logits = interpolate(logits[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]
                kept = stability(logits) >= MIN_STABILITY
                masks.append((logits[kept] > 0).cpu())
                scores.append(output.iou_scores[0].flatten()[sure][kept].float().cpu())
        return _without_duplicates(torch.cat(masks), torch.cat(scores)).numpy()


def stability(logits: Tensor) -> Tensor:
    """[masks] of [masks, height, width]: IoU of the mask cut at +1 with the mask cut at -1; 0 for an empty one."""
    inner = (logits > STABILITY_OFFSET).flatten(1).sum(1)
    outer = (logits > -STABILITY_OFFSET).flatten(1).sum(1)
    return inner / outer.clamp(min=1)


def without_small_regions(logits: Tensor, area: int) -> Tensor:
    """Holes of at most `area` pixels set to 10 and islands to -10, both by the mask as it came, in 8-neighbourhood.

    logits: [masks, height, width], a mask where above 0.
    """
    cleaned = logits.clone()
    for mask, out in zip((logits > 0).cpu().numpy(), cleaned):
        hole, island = _small(~mask, area), _small(mask, area)
        out[torch.from_numpy(hole).to(out.device)] = 10.0
        out[torch.from_numpy(island).to(out.device)] = -10.0
    return cleaned


def _small(mask: NDArray[np.bool_], area: int) -> NDArray[np.bool_]:
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    numbers = labels.astype(np.int32, copy=False)
    small = np.bincount(numbers.ravel()) <= area
    return small[numbers] & mask


def _without_duplicates(masks: Tensor, scores: Tensor) -> Tensor:
    filled = masks.flatten(1).any(1)
    masks, scores = masks[filled], scores[filled]
    if not len(masks):
        return masks
    boxes = masks_to_boxes(masks)
    return masks[batched_nms(boxes, scores, torch.zeros(len(boxes)), MAX_BOX_IOU)]
