"""The picture that the paper's video metrics see: the exo view on the left, the ego view on the right."""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..video import Frames, Resize


def side_by_side(exo: Frames, ego: Frames) -> Frames:
    """[frames, height, width of both, 3] uint8 RGB of two videos of one length; an exo view of more lines is scaled down to the
    height of the ego view, as a canvas may have it.

    Raises UserError where lengths differ, or the exo view has fewer lines.
    """
    if len(exo) != len(ego) or exo.shape[1] < ego.shape[1]:
        raise UserError(
            f"the exo view has {exo.shape[0]} frames of height {exo.shape[1]}, the ego view {ego.shape[0]} of {ego.shape[1]};"
            " both must come from one canvas"
        )
    height = ego.shape[1]
    if exo.shape[1] > height:
        scaled = Resize(round(exo.shape[2] * height / exo.shape[1]), height)
        exo = np.stack([scaled(frame) for frame in exo])
    return np.concatenate([exo, ego], axis=2)
