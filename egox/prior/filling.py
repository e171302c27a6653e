"""Something soft where the prior knows nothing, so that an encoder sees no black holes: push-pull over an averaging pyramid.

On the way down each level holds means of the valid pixels below; on the way up what is missing is taken from the level above.
Small holes get the colours of their rim, large ones a wash of what is around. What was filled stays marked as unknown elsewhere:
the mask of the conditioning still tells.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

GREY = 128
"""Of a picture of which nothing is valid."""


def filled(pictures: NDArray[np.uint8], valid: NDArray[np.bool_], circle: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pictures [..., h, w, 3] whose pixels that are not `valid` [..., h, w] are filled; black outside of `circle` [h, w].

    Valid pixels inside the circle stay as they are, those outside count for nothing. A picture without any valid pixel becomes
    grey inside the circle. Each picture is filled on its own. Raises ValueError for shapes that do not belong together.
    """
    size = pictures.shape[-3:-1]
    if pictures.shape[-1:] != (3,) or valid.shape != pictures.shape[:-1] or circle.shape != size:
        raise ValueError(
            f"pictures, valid and circle are {pictures.shape}, {valid.shape} and {circle.shape}, "
            "expected [..., h, w, 3], [..., h, w] and [h, w]"
        )
    if not pictures.size:
        return pictures.copy()
    colours = torch.from_numpy(np.ascontiguousarray(pictures)).reshape(-1, *size, 3).permute(0, 3, 1, 2).float()
    weights = torch.from_numpy(np.ascontiguousarray(valid & circle)).reshape(-1, 1, *size).float()
    complete = _completed(colours, weights).round().clamp(0, 255).byte().permute(0, 2, 3, 1).reshape(pictures.shape).numpy()
    known = (valid & circle)[..., None]
    return np.where(known, pictures, np.where(circle[..., None], complete, 0)).astype(np.uint8)


def _completed(colours: Tensor, weights: Tensor) -> Tensor:
    """colours [n, 3, h, w], weights [n, 1, h, w] in 0..1 -> [n, 3, h, w] without holes."""
    if max(colours.shape[-2:]) == 1:
        return torch.where(weights > 0, colours, GREY)
    total = F.avg_pool2d(weights, 2, ceil_mode=True)
    means = F.avg_pool2d(colours * weights, 2, ceil_mode=True) / total.clamp_min(1e-9)
    # A cell counts fully as soon as one pixel of its four does: coarse levels should not look past what is near.
    above = _completed(means, (4 * total).clamp_max(1))
    smooth = F.interpolate(above, scale_factor=2, mode="bilinear", align_corners=False)
    return weights * colours + (1 - weights) * smooth[..., : colours.shape[-2], : colours.shape[-1]]
