"""Objects by SAM 2 in transformers, told apart by DINOv3, as the public calibration of the paper's protocol finds them.

Source: suhwan-cho/exoego-wip, reproducing_egox.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .dinov3 import Dinov3
from .followed_objects import FollowedObjects
from .sam2_masks import AutomaticMasks
from .sam2_tracks import Tracker


class Sam2Objects(FollowedObjects):
    """`FollowedObjects` of SAM 2's automatic masks and video model."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """weights: "sam2-hiera-large", "dinov3-vitl16"."""
        sam2 = weights["sam2-hiera-large"]
        super().__init__(AutomaticMasks(sam2, device), Tracker(sam2, device), Dinov3(weights["dinov3-vitl16"], device))
