"""Depth networks of transformers as estimators: Depth Anything, DepthPro, ZoeDepth, GLPN, DPT and what else has their interface.

Frames are estimated one by one: no network here sees time. The release's own pair, MoGe-2 and Video Depth Anything, is not part
of transformers; their maps come in through `GivenDepth`.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..pretrained import load_pretrained
from .estimate import DepthEstimate

METRIC_TYPES = frozenset({"depth_pro", "glpn", "zoedepth"})
"""`model_type`s whose output is metres whatever the weights; the others say so in `depth_estimation_type`."""


class TransformersDepth:
    """A metric network, and a relative one for the disparity if wanted, as a DepthEstimator.

    The relative network's disparity is not smooth over time, as a single image decides it: `align` fits each frame by itself.
    """

    def __init__(
        self,
        metric_model: str | Path,
        relative_model: str | Path | None = None,
        *,
        device: str = "cpu",
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        batch: int = 4,
    ) -> None:
        """metric_model: a local folder or hub name whose output is metres: its configuration has `depth_estimation_type`
        "metric", or its type is one of METRIC_TYPES. relative_model: the same, for a network whose output is inverse depth of
        unknown scale and shift. batch: frames at once; memory grows with it, results do not change.

        Raises WeightsError where weights are missing, ValueError where a model is of the other kind.
        """
        if batch < 1:
            raise ValueError(f"batch is {batch}, expected 1 or more")
        self._batch = batch
        self._metric = _Network(metric_model, device=device, dtype=dtype)
        if not self._metric.is_metric:
            raise ValueError(
                f"{metric_model} ({self._metric.model_type}) is not known to give metres: name a metric model, or write "
                f'"depth_estimation_type": "metric" into its config.json if its output is metres'
            )
        self._relative = None if relative_model is None else _Network(relative_model, device=device, dtype=dtype)
        if self._relative is not None and self._relative.is_metric:
            raise ValueError(f"{relative_model} ({self._relative.model_type}) gives metres, not disparity: name a relative model")

    def estimate(self, frames: NDArray[np.uint8]) -> DepthEstimate:
        """frames: [frames, height, width, 3] RGB. Maps have the frames' size; metres as the network defines them, mostly z."""
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise ValueError(f"frames are {frames.dtype} of shape {frames.shape}, expected uint8 [frames, height, width, 3]")
        return DepthEstimate(
            metric_m=self._metric.maps(frames, self._batch),
            disparity=None if self._relative is None else self._relative.maps(frames, self._batch),
            smooth=False,
        )


class _Network:
    """One depth model with its image processor."""

    def __init__(self, name: str | Path, *, device: str, dtype: str) -> None:
        import torch
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        self._processor, model = load_pretrained(name, AutoImageProcessor, AutoModelForDepthEstimation)
        self._model: Any = model.to(device=device, dtype=getattr(torch, dtype)).eval()
        self.model_type: str = model.config.model_type
        kind = getattr(model.config, "depth_estimation_type", None)
        self.is_metric = kind == "metric" or (kind is None and self.model_type in METRIC_TYPES)

    def maps(self, frames: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
        """The network's output at the frames' size, [frames, height, width]."""
        maps = np.empty(frames.shape[:3], np.float32)
        for start in range(0, len(frames), batch):
            maps[start : start + batch] = self._some(frames[start : start + batch])
        return maps

    def _some(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        import torch

        inputs = self._processor(images=list(frames), input_data_format="channels_last", return_tensors="pt")
        sizes = [tuple(frames.shape[1:3])] * len(frames)
        resize = self._processor.post_process_depth_estimation
        # ZoeDepth's processor pads, and needs the size before that to take it off again
        before = {"source_sizes": sizes} if "source_sizes" in inspect.signature(resize).parameters else {}
        with torch.inference_mode():
            outputs = self._model(pixel_values=inputs["pixel_values"].to(self._model.device, self._model.dtype))
            for name in {"predicted_depth", "field_of_view"} & set(outputs):  # DepthPro scales by the latter: never in half
                outputs[name] = outputs[name].float()
            found = resize(outputs, target_sizes=sizes, **before)
            return torch.stack([one["predicted_depth"] for one in found]).float().cpu().numpy()
