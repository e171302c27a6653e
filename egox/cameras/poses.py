"""Rigid transforms as 4x4 matrices: build, invert, mend, and the turn of the camera axes that uprights a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array

UPRIGHT_FROM_RAW = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Camera axes of the picture turned 90 degrees clockwise, from those before: x' = -y, y' = x."""


def rigid(rotation: ArrayLike, translation: ArrayLike) -> Array:
    """4x4 matrices [..., 4, 4] from rotations [..., 3, 3] and translations [..., 3]."""
    rotation, translation = np.asarray(rotation, np.float64), np.asarray(translation, np.float64)
    matrix = np.zeros((*rotation.shape[:-2], 4, 4))
    matrix[..., :3, :3], matrix[..., :3, 3], matrix[..., 3, 3] = rotation, translation, 1.0
    return matrix


def inverse(matrix: ArrayLike) -> Array:
    """Inverse of rigid transforms given as [..., 3, 4] or [..., 4, 4]; exact for orthonormal rotations."""
    matrix = np.asarray(matrix, np.float64)
    back = np.swapaxes(matrix[..., :3, :3], -1, -2)
    return rigid(back, -(back @ matrix[..., :3, 3:])[..., 0])


def nearest_rotation(matrix: ArrayLike) -> Array:
    """The closest rotation (Frobenius) to each [..., 3, 3]; for poses printed with few decimals."""
    u, _, vt = np.linalg.svd(np.asarray(matrix, np.float64))
    sign = np.linalg.det(u @ vt)
    u = u.copy()
    u[..., :, 2] *= sign[..., None]
    return u @ vt
