"""SAM 2's video model: masks of a first frame, followed through the video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...video import Frames
from ..mask_tracks import Masks
from .pretrained import pretrained


class Tracker:
    """SAM 2's video model, in float32 throughout: in bfloat16 masks change near their threshold."""

    def __init__(self, folder: Path, device: str) -> None:
        """folder: a SAM 2 video model in transformers' format."""
        from transformers import Sam2ImageProcessor, Sam2VideoModel, Sam2VideoProcessor, Sam2VideoVideoProcessor

        self._model = pretrained(Sam2VideoModel, folder, device)
        size = {"height": int(self._model.image_size), "width": int(self._model.image_size)}
        self._processor = Sam2VideoProcessor(Sam2ImageProcessor(size=size), Sam2VideoVideoProcessor(size=size))
        self._device = device

    def __call__(self, frames: Frames, masks: Masks) -> Iterator[Masks]:
        """[objects, height, width] bool of every frame of [frames, height, width, 3] uint8 RGB, the first included.

        masks: [objects >= 1, height, width] of the first frame. What the model makes of them in the first frame differs:
        it resizes them, and thin ones vanish.
        """
        session = self._processor.init_video_session(
            video=list(frames),
            inference_device=self._device,
            video_storage_device="cpu",
            processing_device="cpu",
            dtype=torch.float32,
        )
        # all in one call: each call replaces the list of objects that still have to be set up
        objects = list(range(len(masks)))
        self._processor.add_inputs_to_inference_session(session, frame_idx=0, obj_ids=objects, input_masks=list(masks))
        for frame in range(len(frames)):
            with torch.inference_mode():
                output = self._model(session, frame_idx=frame)
                tracked = self._masks(output.pred_masks, frames.shape[1:3])
            self._forget(session, frame)
            yield tracked

    def _masks(self, logits: torch.Tensor, size: tuple[int, int]) -> NDArray[np.bool_]:
        full = self._processor.post_process_masks([logits.float()], original_sizes=[list(size)], binarize=False)[0]
        return (full[:, 0] > 0).cpu().numpy()

    def _forget(self, session: Any, frame: int) -> None:
        """Drop what no later frame reads: a session keeps 5 MB per object and frame, 8 GB for 32 objects in 49 frames."""
        stale = frame - self._model.num_maskmem
        for outputs in session.output_dict_per_obj.values():
            for kept in (outputs["cond_frame_outputs"], outputs["non_cond_frame_outputs"]):
                if frame in kept:
                    kept[frame].pop("high_res_masks", None)
            for name in ("maskmem_features", "maskmem_pos_enc", "pred_masks"):
                outputs["non_cond_frame_outputs"].get(stale, {}).pop(name, None)
