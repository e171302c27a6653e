"""The picture that the paper's video metrics see: the exo view on the left, the ego view on the right."""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..video import Frames


def side_by_side(exo: Frames, ego: Frames) -> Frames:
    """[frames, height, exo width + ego width, 3] uint8 RGB of two videos of one length and height.

    Raises UserError where they differ: nothing is resized here, the protocol's canvas has the exo view at its size.
    """
    if exo.shape[:2] != ego.shape[:2]:
        raise UserError(
            f"the exo view has {exo.shape[0]} frames of height {exo.shape[1]}, the ego view {ego.shape[0]} of {ego.shape[1]};"
            " both must come from one canvas"
        )
    return np.concatenate([exo, ego], axis=2)
