"""Turns published weights into one safetensors file. Runs no code that a file may carry; the same bytes on every machine."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): "numpy._core.multiarray",
    ("numpy._core.multiarray", "_reconstruct"): "numpy._core.multiarray",
    ("numpy", "ndarray"): "numpy",
    ("numpy", "dtype"): "numpy",
}
"""The only globals that a pickle of arrays needs, and where NumPy 2 keeps them."""


class ForbiddenGlobal(pickle.UnpicklingError):
    """A pickle asks for something that arrays do not need."""


class ArraysOnly(pickle.Unpickler):
    """Reads dicts of NumPy arrays; any other global is refused before it is imported."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """The global where it is one of `ALLOWED`. Raises ForbiddenGlobal for all others."""
        home = ALLOWED.get((module_name, global_name))
        if home is None:
            raise ForbiddenGlobal(f"it asks for {module_name}.{global_name}, which arrays do not need")
        return super().find_class(home, global_name)


def convert(path: Path, into: Path, *, form: Literal["numpy-pickle", "torch"], name: str) -> None:
    """Write the arrays of a published file as safetensors: floats as float32, integers as they are, keys flat.

    numpy-pickle: nested dicts of arrays; keys are joined by "/", array layouts left as they are. torch: a state dict, or a
    checkpoint that holds one under "state_dict" or "model". name: what errors call the file. Raises UserError for one
    that is not of this form or that asks for more than arrays.
    """
    from safetensors.numpy import save

    arrays = _numpy_pickle(path, name) if form == "numpy-pickle" else _state_dict(path, name)
    if not arrays:
        raise UserError(f"{name}: holds no arrays")
    plain = {key: _plain(array, f"{name}: {key}") for key, array in arrays.items()}
    # With "format" as PyTorch writes it, transformers accepts the file too; one entry only, since several have no fixed order.
    into.write_bytes(save(plain, {"format": "pt"}))


def _plain(array: NDArray, label: str) -> NDArray:
    import numpy as np

    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float32).reshape(array.shape)
    if array.dtype.kind in "iub":
        return np.ascontiguousarray(array).reshape(array.shape)
    raise UserError(f"{label} is of type {array.dtype}, which weights never are; it was not taken")


def _numpy_pickle(path: Path, name: str) -> Mapping[str, NDArray]:
    try:
        with path.open("rb") as file:
            tree = ArraysOnly(file).load()
        pairs = list(_leaves(tree, ""))
    except ForbiddenGlobal as error:
        raise UserError(f"{name}: refused: {error}") from error
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UserError(f"{name}: not a pickle of arrays ({error})") from error
    arrays = dict(pairs)
    if len(arrays) != len(pairs):
        raise UserError(f"{name}: two arrays have one name once their keys are joined by '/'")
    return arrays


def _leaves(tree: object, prefix: str) -> Iterator[tuple[str, NDArray]]:
    import numpy as np

    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{prefix}/{key}" if prefix else str(key))
    elif isinstance(tree, np.ndarray):
        yield prefix, tree
    else:
        raise TypeError(f"{prefix or 'it'} is a {type(tree).__name__}")


def _state_dict(path: Path, name: str) -> Mapping[str, NDArray]:
    import torch

    try:
        # Without map_location a file that was saved on a GPU cannot be read where there is none.
        loaded = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        reason = next(
            (line for line in str(error).splitlines() if "Unsupported" in line or "GLOBAL" in line), "it cannot be parsed"
        )
        raise UserError(f"{name}: refused: {reason.strip()}") from error
    for holder in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(holder), Mapping):
            loaded = loaded[holder]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise UserError(f"{name}: not a state dict: a mapping of names to tensors was expected")
    return {
        str(key): (value.float() if value.is_floating_point() else value).detach().contiguous().numpy()
        for key, value in loaded.items()
    }
