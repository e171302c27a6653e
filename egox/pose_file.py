"""Pose files: where the head was, and optionally where the camera stood, for one video of one's own. See docs/poses.md.

One JSON file. Ego poses are those of the UPRIGHT ego picture, `world_from_camera`, OpenCV axes, metres: one matrix a frame,
or keyframes between which positions go straight and rotations turn evenly. Nothing is extrapolated and no gap is filled: a
frame without a pose is an error that names it. Nothing here looks at a video; who does compares sizes and lengths.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .cameras import Array, Camera
from .pose_file_format import FORMAT, VERSION, direction, ego_track, exo_track, ranges, typed
from .pose_tracks import CameraTrack, FieldOfView, PoseFileError, fitted

__all__ = ["CameraTrack", "FieldOfView", "PoseFile", "PoseFileError", "load_pose_file", "save_pose_file"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseFile:
    """A pose file, checked. frames: how many it describes; up: unit vector in the world, where it says so."""

    path: str
    frames: int
    fps: float | None
    up: Array | None
    exo: CameraTrack | None
    """None where the file has no guess of the exo camera."""
    ego: CameraTrack

    def ego_camera(self, side: int, frames: int | Sequence[int]) -> Camera:
        """The upright ego camera of a side x side picture, at the first `frames` frames or at these frame numbers.

        Raises PoseFileError where the file has no pose for one of them.
        """
        return self._camera(self.ego, side, side, frames, "ego")

    def exo_camera(self, width: int, height: int, frames: int | Sequence[int]) -> Camera:
        """The exo camera of a width x height picture; the guess is scaled where it is for another size of the same shape.

        Raises PoseFileError where the file has no exo camera, is of another shape, or has no pose for one of the frames.
        """
        if self.exo is None:
            raise PoseFileError(
                f'{self.path}: has no exo camera; add a guess such as "exo": {{"lens": {{"hfov_deg": 60}}}}, see docs/poses.md'
            )
        return self._camera(self.exo, width, height, frames, "exo")

    def _camera(self, track: CameraTrack, width: int, height: int, frames: int | Sequence[int], side: str) -> Camera:
        numbers = list(frames) if isinstance(frames, Iterable) else range(operator.index(frames))
        beyond = [number for number in numbers if not 0 <= number < self.frames]
        if beyond or not numbers:
            asked = f"frames {ranges(beyond)} are asked for" if beyond else "no frame is asked for"
            raise PoseFileError(
                f"{self.path}: has poses for frames 0..{self.frames - 1}, {asked}; extend the poses or cut the video"
            )
        return fitted(track, width, height, track.poses(numbers), f"{self.path}: {side}")


def load_pose_file(path: str | Path) -> PoseFile:
    """Read and check a pose file. Raises PoseFileError with file, field or frame, and what to do."""
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise PoseFileError(f"{path}: cannot be read ({error.strerror}); name a JSON file as in docs/poses.md") from None
    if not text.strip():
        raise PoseFileError(f"{path}: the file is empty; the format is in docs/poses.md")
    try:
        data = json.loads(text)  # not msgspec: Python writes NaN, and the error should say where it is
    except UnicodeDecodeError:
        raise PoseFileError(f"{path}: not JSON (no text in UTF-8); the format is in docs/poses.md") from None
    except (ValueError, RecursionError) as error:
        raise PoseFileError(f"{path}: not JSON ({error}); the format is in docs/poses.md") from None
    return _checked(data, str(path))


def save_pose_file(path: str | Path, *, exo: Camera, ego: Camera, up: ArrayLike | None = None, fps: float | None = None) -> None:
    """Write both cameras with one ego matrix a frame; `load_pose_file` gives them back.

    An exo camera that stands still is written once. Raises PoseFileError where `load_pose_file` would refuse the file.
    """
    path = Path(path)
    exo_json, ego_json = exo.to_json(), ego.to_json()
    if (exo.world_from_camera == exo.world_from_camera[0]).all():
        exo_json["world_from_camera"] = exo_json["world_from_camera"][0]
    elif len(exo) != len(ego):
        raise PoseFileError(f"{path}: exo has {len(exo)} frames, ego {len(ego)}; give both the same frames")
    data: dict[str, Any] = {"format": FORMAT, "version": VERSION, "frames": len(ego)}
    if fps is not None:
        data["fps"] = float(fps)
    if up is not None:
        data["up"] = np.asarray(up, np.float64).tolist()
    data |= {"exo": exo_json, "ego": ego_json}
    text = _text(data)
    _checked(json.loads(text), str(path))
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_text(text)
        aside.replace(path)
    except OSError as error:
        raise PoseFileError(f"{path}: cannot be written ({error.strerror}); choose another folder or free the disk") from None
    finally:
        aside.unlink(missing_ok=True)


def _checked(data: Any, path: str) -> PoseFile:
    file = typed(data, path)
    up = None if file.up is None else direction(file.up, f"{path}: up")
    return PoseFile(
        path=path,
        frames=file.frames,
        fps=file.fps,
        up=up,
        exo=None if file.exo is None else exo_track(file.exo, file.frames, path),
        ego=ego_track(file.ego, file.frames, up, path),
    )


def _text(data: dict[str, Any]) -> str:
    """JSON with a field a line, and a matrix a line where there are many."""

    def written(value: Any, indent: str) -> str:
        further = f"{indent}  "
        if isinstance(value, dict):
            lines = [f"{further}{json.dumps(key)}: {written(item, further)}" for key, item in value.items()]
        elif isinstance(value, list) and np.ndim(value) == 3:
            lines = [f"{further}{json.dumps(item)}" for item in value]
        else:
            return json.dumps(value, default=float)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        return opening + "\n" + ",\n".join(lines) + f"\n{indent}{closing}"

    return written(data, "") + "\n"
