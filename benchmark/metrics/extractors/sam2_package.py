"""SAM 2 by its authors' package, `sam2` 1.1.0, with which the public calibration of the paper's protocol was measured.

It is the network of `sam2_masks` and `sam2_tracks`, which run it in transformers, and still gives other masks, since these
differ (tests/benchmark/metrics/extractors/test_sam2_package.py shows that nothing else does):
- how pictures come to the network's 1024 px: for the automatic masks bilinear in both, there in 8 bit (up to a level apart),
  here in float32; for the tracker, in 8 bit, bicubic here and bilinear there;
- the first frame's object pointer: here of the token for a single mask, there of the surest of three;
- the first frame's memory: here of the mask brought to 256x256 and back, there of the mask itself;
- holes of up to 8 px on the grid of 256x256 are filled here in every tracked mask.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from PIL import Image

from ...errors import UserError
from ...video import Frames
from ..mask_tracks import Masks
from .dinov3 import Dinov3
from .followed_objects import FollowedObjects
from .network import filled, finite, tensors_of
from .sam2_masks import (
    MAX_BOX_IOU,
    MIN_PREDICTED_IOU,
    MIN_REGION,
    MIN_STABILITY,
    POINTS_PER_BATCH,
    POINTS_PER_SIDE,
    STABILITY_OFFSET,
)

Item = TypeVar("Item")

CONFIG = "configs/sam2/sam2_hiera_l.yaml"
"""SAM 2's, not 2.1's: the package's name of the network that `sam2-hiera-large-package` fills."""


class Sam2PackageObjects(FollowedObjects):
    """`FollowedObjects` of the package's mask generator and video predictor, which share one network."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """weights: "sam2-hiera-large-package", "dinov3-vitl16"."""
        network = hiera_large(weights["sam2-hiera-large-package"], device)
        super().__init__(PackageMasks(network), PackageTracks(network), Dinov3(weights["dinov3-vitl16"], device))


def hiera_large(path: Path, device: str) -> Any:
    """The package's video predictor, a network and both its uses in one, as its builder makes it, with these weights.

    path: safetensors under the names of the released checkpoint. Raises UserError where they do not fit, or where the
    package lacks what it needs.
    """
    try:
        from sam2.build_sam import build_sam2_video_predictor
    except ImportError as error:
        raise UserError(f"package 'sam2' cannot be imported ({error}); install what the extra 'sam2' names") from error
    network = build_sam2_video_predictor(CONFIG, ckpt_path=None, device="cpu", mode="eval", apply_postprocessing=True)
    return filled(network, tensors_of(path), source=path, device=device)


class PackageMasks:
    """The package's automatic masks of a picture, the values those of `sam2_masks`."""

    def __init__(self, network: Any, *, points_per_side: int = POINTS_PER_SIDE) -> None:
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

        self._generator = SAM2AutomaticMaskGenerator(
            network,
            points_per_side=points_per_side,
            points_per_batch=POINTS_PER_BATCH,
            pred_iou_thresh=MIN_PREDICTED_IOU,
            stability_score_thresh=MIN_STABILITY,
            stability_score_offset=STABILITY_OFFSET,
            mask_threshold=0.0,
            box_nms_thresh=MAX_BOX_IOU,
            crop_n_layers=0,
            crop_nms_thresh=0.7,
            crop_overlap_ratio=512 / 1500,
            crop_n_points_downscale_factor=1,
            point_grids=None,
            min_mask_region_area=MIN_REGION,
            output_mode="binary_mask",
            use_m2m=False,
            multimask_output=True,
        )

    def __call__(self, picture: Frames) -> Masks:
        """[masks, height, width] bool of [height, width, 3] uint8 RGB; the surest first, nested ones among them."""
        with _complete_and_quiet():
            # a copy: torch takes no array that is read-only or has negative strides
            found = self._generator.generate(np.array(picture, order="C"))
        return np.array([mask["segmentation"] for mask in found], np.bool_).reshape(-1, *picture.shape[:2])


class PackageTracks:
    """The package's video predictor, in float32 but for the memories, which it rounds to bfloat16 itself."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, frames: Frames, masks: Masks) -> Iterator[Masks]:
        """[objects, height, width] bool of every frame of [frames, height, width, 3] uint8 RGB, the first included.

        masks: [objects >= 1, height, width] of the first frame. Holds 0.8 MB per object and frame on the device: 1.2 GB for
        32 objects in 49 frames; and 12 MB a frame beside it.
        """
        with _complete_and_quiet(), TemporaryDirectory(prefix="egox-bench-") as folder:
            # the package takes frames from files alone, and knows them by the ending .jpg; what opens them goes by content,
            # so that PNG under that name arrives without loss
            for i, frame in enumerate(frames):
                Image.fromarray(frame).save(Path(folder) / f"{i}.jpg", format="PNG", compress_level=1)
            state = self._network.init_state(folder, offload_video_to_cpu=True)
            for i, mask in enumerate(masks):
                self._network.add_new_mask(state, frame_idx=0, obj_id=i, mask=mask)
        tracked = self._network.propagate_in_video(state, start_frame_idx=0)
        for _ in frames:
            with _complete_and_quiet():
                _, _, logits = next(tracked)
            yield finite(logits[:, 0], network="sam2-hiera-large-package") > 0


def connected_components(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of [masks, 1, height, width], in 8-neighbourhood: a number and the area of each pixel's component, 0 outside."""
    numbers, areas = (np.zeros(masks.shape, np.int32) for _ in range(2))
    for mask, number, area in zip(masks[:, 0].cpu().numpy(), numbers[:, 0], areas[:, 0]):
        cv2.connectedComponents(mask.astype(np.uint8), number, connectivity=8, ltype=cv2.CV_32S)
        sizes = np.bincount(number.ravel())
        sizes[0] = 0
        area[:] = sizes[number]
    return torch.from_numpy(numbers).to(masks.device), torch.from_numpy(areas).to(masks.device)


@contextmanager
def _complete_and_quiet() -> Iterator[None]:
    """For as long as the package works: small regions are handled everywhere, nothing is printed, logging is left alone.

    The package leaves holes and islands as they are, with a warning, where its CUDA extension is not built or there is no
    card, so that a score would depend on the machine.
    """
    from sam2 import sam2_video_predictor
    from sam2.utils import misc

    places = (
        (misc, "get_connected_components", connected_components),
        (misc, "tqdm", _plainly),
        (sam2_video_predictor, "tqdm", _plainly),
    )
    before = [getattr(module, name) for module, name, _ in places]
    for module, name, ours in places:
        setattr(module, name, ours)
    # it logs by functions of the module, which set the program's logging up where no handler is
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=r"(?s).*Skipping the post-processing step")
            yield
    finally:
        logging.getLogger().removeHandler(handler)
        for (module, name, _), theirs in zip(places, before):
            setattr(module, name, theirs)


def _plainly(items: Iterable[Item], **_: object) -> Iterable[Item]:
    return items
