"""Cameras along a video, from few key poses: a lens that may be a guess, and poses between the key frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from .cameras import Array, Camera, Lens, Pinhole, rigid
from .cameras.devices import default_aria_lens


class PoseFileError(ValueError):
    """A pose file that cannot be used: one sentence with file, field or frame, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOfView:
    """A guessed pinhole: the horizontal angle of view in degrees, for whatever size the picture has."""

    hfov_deg: float

    def at(self, width: int, height: int) -> Pinhole:
        """The pinhole with square pixels and its principal point in the middle."""
        focal = width / 2 / math.tan(math.radians(self.hfov_deg) / 2)
        return Pinhole(fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraTrack:
    """A lens and its poses. size: (width, height) that the lens is given for; None where it fits any size.

    key_frames [n] increase from 0 to the last frame, key_poses [n, 4, 4] are `world_from_camera` there.
    """

    lens: Lens | FieldOfView | None
    """None: the Aria-like lens."""
    size: tuple[int, int] | None
    key_frames: tuple[int, ...]
    key_poses: Array

    def poses(self, frames: Sequence[int]) -> Array:
        """world_from_camera [n, 4, 4] at these frames: straight between key positions, an even turn between key rotations."""
        wanted, keys = np.asarray(frames, np.int64), np.asarray(self.key_frames, np.int64)
        nearest = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        if (keys[nearest] == wanted).all():
            return self.key_poses[nearest]  # to the last bit
        turns = Slerp(keys, Rotation.from_matrix(self.key_poses[:, :3, :3]))(wanted)
        places = np.stack([np.interp(wanted, keys, self.key_poses[:, axis, 3]) for axis in range(3)], -1)
        return rigid(turns.as_matrix(), places)


def fitted(track: CameraTrack, width: int, height: int, poses: Array, where: str) -> Camera:
    """The camera at a picture size. Raises PoseFileError where the lens is for a picture of another shape."""
    lens, (own_width, own_height) = track.lens, track.size or (width, height)
    if min(width, height) < 1:
        raise PoseFileError(f"{where}: a picture of {width}x{height} pixels is asked for; give a width and a height above 0")
    if lens is None:
        return Camera(lens=default_aria_lens(width), width=width, height=height, world_from_camera=poses)
    if isinstance(lens, FieldOfView):
        lens = lens.at(own_width, own_height)
    camera = Camera(lens=lens, width=own_width, height=own_height, world_from_camera=poses)
    if (width, height) == (own_width, own_height):
        return camera
    if abs(own_height * width / own_width - height) > 1:
        raise PoseFileError(
            f"{where}: the lens is for a {own_width}x{own_height} picture, which does not scale to {width}x{height};"
            " give the lens of the picture as it is, or crop the picture"
        )
    try:
        return camera.resized(width, height)
    except ValueError as error:
        raise PoseFileError(f"{where}: {error}; give the lens at {width}x{height}") from None
