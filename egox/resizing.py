"""The one way in which pictures and maps are brought to another size here; `Camera.resized` is its twin for cameras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resized(picture: NDArray, *, width: int, height: int) -> NDArray:
    """A picture [h, w, 3] uint8 with pixel areas averaged; a map [h, w] of depth or ids with its nearest pixels, because between
    two surfaces there is nothing. What has that size already is returned itself.

    At exactly half the size the nearest pixel is the lower right one of four: half a pixel of the finer map off.
    """
    if picture.shape[:2] == (height, width):
        return picture
    import cv2

    how = cv2.INTER_AREA if picture.dtype == np.uint8 and picture.ndim == 3 else cv2.INTER_NEAREST_EXACT
    return cv2.resize(picture, (width, height), interpolation=how)
