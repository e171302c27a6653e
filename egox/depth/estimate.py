"""What a depth estimator gives, what counts as one, and the estimator that is no network: maps that somebody ships.

Nothing here aligns or rescales: `alignment` joins the two kinds of map, `scale` finds the metric factor.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

RELEASE_SIZE, RELEASE_VIDEO = (448, 796), (448, 784)
"""(height, width) of the depth maps in EgoX release folders and of the videos beside them: six columns a side are cut off."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DepthEstimate:
    """Depth of a clip, as a network or a file has it. Arrays are not to be written to.

    metric_m: [frames, height, width] float32, z-depth in metres, 0 where unknown. NaN, infinite and negative values given
    become 0; frames in which nothing is known are allowed.
    disparity: same shape, float32 or None: the temporally smooth, affine-invariant twin, larger = nearer, of unknown scale
    and shift (paper: 1/D^v, Video Depth Anything). Any finite value is known, also 0 and less; NaN where unknown, and
    infinite values given become NaN. smooth: False where each frame's disparity has a scale and shift of its own, as networks
    for single pictures give it.
    Raises ValueError where an array is not floating point [frames, height, width] or the two differ in shape.
    """

    metric_m: NDArray[np.float32]
    disparity: NDArray[np.float32] | None = None
    smooth: bool = True

    def __post_init__(self) -> None:
        metric = _floating(self.metric_m, "metric_m")
        object.__setattr__(self, "metric_m", np.where(np.isfinite(metric) & (metric > 0), metric, np.float32(0)))
        if self.disparity is None:
            return
        disparity = _floating(self.disparity, "disparity")
        if disparity.shape != metric.shape:
            raise ValueError(f"disparity {disparity.shape} and metric_m {metric.shape} are not of one shape")
        object.__setattr__(self, "disparity", np.where(np.isfinite(disparity), disparity, np.float32(np.nan)))


def _floating(values: NDArray, name: str) -> NDArray[np.float32]:
    if values.ndim != 3 or values.dtype.kind != "f":
        raise ValueError(
            f"{name} is {values.dtype} of shape {values.shape}, expected floating point [frames, height, width]"
            + ("; divide maps in millimetres by 1000" if values.dtype.kind in "iu" else "")
        )
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


class DepthEstimator(Protocol):
    """Whatever turns frames into depth: a network, or maps that are there already."""

    def estimate(self, frames: NDArray[np.uint8]) -> DepthEstimate:
        """frames: [frames, height, width, 3] RGB of one clip, in order. The estimate has their count and size."""
        ...


class GivenDepth:
    """Depth that a dataset or a user ships, as an estimator. `read` opens files; the constructor takes arrays."""

    def __init__(self, metric_m: NDArray, disparity: NDArray | None = None, *, name: str = "given depth") -> None:
        """metric_m, disparity: as in `DepthEstimate`. name: what messages call them, the file for instance."""
        try:
            self._given = DepthEstimate(metric_m=metric_m, disparity=disparity)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self._name = name

    @classmethod
    def read(cls, path: Path | str) -> GivenDepth:
        """From a folder 00000.npy, 00001.npy ... of [height, width] metres (the EgoX release), or from one .npz.

        The .npz has `depth` [frames, height, width] in metres and may have `disparity`, same shape.
        Raises FileNotFoundError, or ValueError naming the file, what is expected of it and what to do.
        """
        path = Path(path)
        if path.is_dir():
            return cls(_of_folder(path), name=str(path))
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; expected a folder of 00000.npy ... or one .npz with 'depth'")
        archive = _loaded(path)
        names = getattr(archive, "files", ())
        if "depth" not in names:
            raise ValueError(f"{path}: no array named 'depth' in it; save with np.savez(path, depth=array)")
        disparity = _member(archive, "disparity", path) if "disparity" in names else None
        return cls(_member(archive, "depth", path), disparity, name=str(path))

    def estimate(self, frames: NDArray[np.uint8]) -> DepthEstimate:
        """The given maps, for frames of their count and size.

        Maps of 796x448 for frames of 784x448 are cut by six columns a side, as the release does; no other size is changed.
        Raises ValueError where count or size differ from the frames'.
        """
        given, size = self._given, frames.shape[1:3]
        if given.metric_m.shape[1:] == RELEASE_SIZE and size == RELEASE_VIDEO:
            left = (RELEASE_SIZE[1] - RELEASE_VIDEO[1]) // 2
            cut = np.s_[:, :, left : left + RELEASE_VIDEO[1]]
            given = DepthEstimate(
                metric_m=given.metric_m[cut], disparity=None if given.disparity is None else given.disparity[cut]
            )
        if given.metric_m.shape != frames.shape[:3]:
            (count, height, width), (frame_count, frame_height, frame_width) = given.metric_m.shape, frames.shape[:3]
            raise ValueError(
                f"{self._name}: {count} maps of {width}x{height}, but the clip has {frame_count} frames of "
                f"{frame_width}x{frame_height}; give one map for each frame, of the frames' size"
            )
        return given


def _of_folder(folder: Path) -> NDArray[np.float32]:
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        raise FileNotFoundError(f"{folder}: no 00000.npy in it; expected one .npy [height, width] for each frame")
    missing = next((i for i, path in enumerate(paths) if path.name != f"{i:05d}.npy"), None)
    if missing is not None:
        raise ValueError(
            f"{folder}: {len(paths)} .npy files without {missing:05d}.npy among them; number one a frame from 00000.npy on"
        )
    first = _map(paths[0])
    maps = np.empty((len(paths), *first.shape), np.float32)
    for index, path in enumerate(paths):
        values = _map(path)
        if values.shape != first.shape:
            raise ValueError(f"{path}: shape {values.shape}, but {paths[0].name} has {first.shape}; write maps of one size")
        maps[index] = values
    return maps


def _map(path: Path) -> NDArray:
    values = _loaded(path)
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind != "f":
        found = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else "an archive"
        raise ValueError(f"{path}: {found}, expected floating point [height, width] in metres; write it again with np.save")
    return values


def _loaded(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable array ({error}); write it again with np.save or np.savez") from None


def _member(archive: Any, name: str, path: Path) -> NDArray:
    try:
        return archive[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: its array {name!r} cannot be read ({error}); write it again with np.savez") from None


def z_from_range(range_m: NDArray, rays: NDArray) -> NDArray[np.float32]:
    """z-depth from depth that is the distance along the viewing ray.

    range_m: [..., height, width] metres, 0 where unknown. rays: [height, width, 3] unit viewing directions in camera axes,
    z forward, NaN where the lens has none. Returns float32 of range_m's shape; 0 where the ray does not point forward.
    Raises ValueError where sizes differ or a ray is not of unit length within 1e-3.
    """
    if rays.shape != (*range_m.shape[-2:], 3):
        raise ValueError(f"rays {rays.shape} do not fit depth {range_m.shape}; expected {(*range_m.shape[-2:], 3)}")
    if np.nanmax(np.abs(np.linalg.norm(rays, axis=-1) - 1), initial=0) > 1e-3:
        raise ValueError("rays are not of unit length; z_from_range takes viewing directions, not points")
    return (range_m * np.nan_to_num(np.maximum(rays[..., 2], 0))).astype(np.float32)
