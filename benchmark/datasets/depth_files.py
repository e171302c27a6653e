"""Depth from files: one .npy a frame, or one .npz with all of them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .file_digests import FileDigests


class DepthFiles:
    """A MapSource over z-depth in metres, one .npy [height, width] a frame; 0 where a file has NaN or less than 0."""

    def __init__(self, paths: Sequence[Path], digests: FileDigests) -> None:
        self._paths, self._digests = list(paths), digests

    @property
    def key(self) -> str:
        return f"depth:{self._digests.of_many(self._paths)}"

    def frame(self, index: int) -> NDArray:
        return _clean(_loaded(self._paths[index]), str(self._paths[index]))


class DepthArchive:
    """A MapSource over one .npz whose array `depth` is [frames, height, width] z-depth in metres."""

    def __init__(self, path: Path, digests: FileDigests) -> None:
        self._path, self._digests = path, digests

    @property
    def key(self) -> str:
        return f"depth:{self._digests.of(self._path)}"

    @cached_property
    def _frames(self) -> NDArray:
        archive = _loaded(self._path)
        if "depth" not in getattr(archive, "files", ()):
            raise UserError(f"{self._path}: no array named 'depth' in it; save with np.savez(path, depth=array)")
        return archive["depth"]

    def frame(self, index: int) -> NDArray:
        if self._frames.ndim != 3 or not 0 <= index < len(self._frames):
            raise UserError(
                f"{self._path}: depth has shape {self._frames.shape}, frame {index} of [frames, height, width] is wanted"
            )
        return _clean(self._frames[index], f"{self._path}, frame {index}")


def check_depth_files(paths: Sequence[Path]) -> tuple[int, int]:
    """Height and width that all these .npy files share, by their headers and sizes; nothing is read.

    Raises UserError naming the first file that is cut short, not numbers [height, width], or of another size.
    """
    size = _sound_size(paths[0])
    for path in paths[1:]:
        other = _sound_size(path)
        if other != size:
            raise UserError(f"{path}: shape {other}, but {paths[0].name} has {size}")
    return size


def _sound_size(path: Path) -> tuple[int, int]:
    shape, dtype, offset = _header(path)
    if len(shape) != 2 or dtype.kind not in "fiu":
        raise UserError(f"{path}: {dtype} of shape {shape}, expected numbers [height, width] in metres")
    height, width = shape
    wanted, found = offset + height * width * dtype.itemsize, path.stat().st_size
    if found < wanted:
        raise UserError(f"{path}: truncated ({found} bytes, its header wants {wanted}); write it again with np.save")
    return height, width


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type, and where the data begins. Raises UserError where it is not a .npy file."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            return shape, dtype, file.tell()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable .npy file ({error}); write it again with np.save") from None


def _loaded(path: Path):
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable array ({error}); write it again with np.save or np.savez") from None


def _clean(depth: NDArray, where: str) -> NDArray:
    if depth.ndim != 2 or depth.dtype.kind not in "fiu":
        raise UserError(f"{where}: depth is {depth.dtype} of shape {depth.shape}, expected numbers [height, width] in metres")
    depth = np.asarray(depth, np.float32)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
