"""The motion of the camera that a video shows, a frame pair after the other, through the true lens."""

from __future__ import annotations

import cv2
import numpy as np

from egox.cameras import Camera

from ...errors import Undefined, UserError
from ...tracking import Tracker, Tracks
from ...video import Frames
from ..metric import Arrays
from ..two_views import Motion, recover

SPAN_S = 0.2
"""Seconds between the two frames of a pair: heads turn by some degrees in it and most of the picture stays in sight."""

STRIDE_S = 1 / 15
"""Seconds from a pair to the next, never less than a frame."""

ACCURACY_PX = 0.1
"""Accuracy of a track on a still thing, for the scale of the loss; twice as much and half as much were no better."""

TRACKER = Tracker(corners=1000, quality=0.005, apart_px=3, window_px=11, radius=0.5)
"""Inside the inscribed circle only. The rim is worth having: the wider the field, the better turning and moving part."""


class EgoMotion:
    """Tracks of corners, and the relative pose that most of them agree on."""

    def __init__(self, weights: object, device: str) -> None:
        del weights, device

    def __call__(self, frames: Frames, *, fps: float, ego_camera: Camera) -> Arrays:
        """Arrays a frame pair, of [frames, height, width, 3] uint8 RGB and the lens of `ego_camera`; its poses are not read.

        first, second: frame numbers; tracks: how many. rotation [pairs, 3, 3], direction [pairs, 3] and parallax_px (the
        parallax of `two_views.Motion` in pixels on the axis), NaN where too few points could be followed.
        Raises Undefined where the video is no longer than a pair; UserError where the camera is of another size.
        """
        if frames.shape[1:3] != (ego_camera.height, ego_camera.width):
            raise UserError(
                f"ego camera is for {ego_camera.width}x{ego_camera.height}, the frames are {frames.shape[2]}x{frames.shape[1]};"
                " resize the camera as the picture was resized"
            )
        span, stride = max(1, round(SPAN_S * fps)), max(1, round(STRIDE_S * fps))
        if len(frames) <= span:
            raise Undefined(f"{len(frames)} frames: the camera's motion is looked for over {span + 1}")
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        pairs = [TRACKER.follow(grey[first : first + span + 1], first) for first in range(0, len(grey) - span, stride)]  # pyright: ignore[reportArgumentType]
        per_radian = ego_camera.lens.pixels_per_radian
        motions = [_motion(pair, ego_camera, ACCURACY_PX / per_radian) for pair in pairs]
        return {
            "first": np.array([pair.first for pair in pairs]),
            "second": np.array([pair.second for pair in pairs]),
            "tracks": np.array([len(pair.before) for pair in pairs]),
            "rotation": np.stack([motion.rotation for motion in motions]),
            "direction": np.stack([motion.direction for motion in motions]),
            "parallax_px": np.array([motion.parallax_rad * per_radian for motion in motions]),
        }


_UNKNOWN = Motion(rotation=np.full((3, 3), np.nan), direction=np.full(3, np.nan), parallax_rad=float("nan"))


def _motion(pair: Tracks, camera: Camera, accuracy_rad: float) -> Motion:
    before, after = camera.lens.unproject(pair.before), camera.lens.unproject(pair.after)
    seen = np.isfinite(before).all(1) & np.isfinite(after).all(1)
    return recover(before[seen], after[seen], scale_rad=accuracy_rad) or _UNKNOWN
