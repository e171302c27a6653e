"""Numbers from lists, numpy or torch, each in its own kind: what lets one formula serve all of them.

Torch is never imported here: a tensor brings its namespace with it (array-api-compat).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_torch_array
from numpy.typing import NDArray

Array = NDArray[np.float64]


def floats(values: Any, size: int) -> tuple[Any, Any]:
    """The namespace of `values` and `values` as floats [..., size].

    Tensors keep their dtype and device; everything else becomes a numpy array in float64.
    Raises TypeError for a tensor that is not of real floats, ValueError where the last dimension is not `size`.
    """
    if is_torch_array(values):
        array, xp = values, array_namespace(values)
        if not xp.isdtype(array.dtype, "real floating"):
            raise TypeError(f"expected a floating tensor, got {array.dtype}: convert it with .float() or .double()")
    else:
        array = np.asarray(values, np.float64)
        xp = array_namespace(array)
    if tuple(array.shape[-1:]) != (size,):
        raise ValueError(f"expected an array [..., {size}], got shape {tuple(array.shape)}")
    return xp, array


def like(values: Any, model: Any) -> Any:
    """`values` as an array of the kind, dtype and device of `model`, which `floats` made."""
    if is_torch_array(model):
        if not is_torch_array(values):
            values = np.array(values, np.float64)  # a copy: torch warns about memory that it must not write to
        return array_namespace(model).asarray(values, dtype=model.dtype, device=model.device)
    return np.asarray(values, np.float64)


def smallest_length(xp: Any, array: Any) -> float:
    """Lengths below this are taken as zero: 1e-12, or where the dtype ends before that, its smallest normal number."""
    return max(1e-12, float(xp.finfo(array.dtype).smallest_normal))


def turned(points: Any, matrix: Any) -> Any:
    """`points @ matrix`, [..., 3] by [3, 3]."""
    if isinstance(points, np.ndarray):
        return points @ matrix
    # Written out: on a GPU a product of matrices may be rounded to TF32, which leaves ten bits of a coordinate.
    return points[..., :1] * matrix[0] + points[..., 1:2] * matrix[1] + points[..., 2:] * matrix[2]
