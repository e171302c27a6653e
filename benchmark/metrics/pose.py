"""Pose faithfulness: does the video move as the poses that were asked for? From the camera motion recovered from its pixels.

Frame pairs whose motion could not be recovered count as worse than all others, so a video gains nothing by blurring them.
"""

from __future__ import annotations

import numpy as np

from egox.cameras import Array, Camera, inverse

from ..errors import Undefined
from .metric import Arrays, ClipValue

MIN_BASELINE_M = 0.02
"""A pair's requested direction counts from here on: below, parallax is about the tracks' own error."""

MIN_PAIRS = 3

STILL_PX = 0.2
"""A pair that shows less parallax has no direction. Truth shows more than twice as much in 95 % of the pairs whose baseline is
long enough; a still video under noise of 6 levels half as much."""

NO_DIRECTION_DEG = 90.0
"""What a random direction is off on average: the error of a picture that does not move though it should."""


def pose_rotation(found: Arrays, *, ego_camera: Camera) -> ClipValue:
    """Median over frame pairs of the angle between recovered and requested relative rotation, 0..180 degrees.

    found: arrays of the extractor "ego-motion". A still video has the whole requested rotation as its error.
    Raises Undefined where half of the pairs or more have too few tracks.
    """
    requested = _requested(found, ego_camera)[:, :3, :3]
    cosine = (np.einsum("nij,nij->n", found["rotation"], requested) - 1) / 2
    # near 0 the arc cosine loses half of its digits; the chord does not
    chord = np.linalg.norm(found["rotation"] - requested, axis=(1, 2)) / np.sqrt(8)
    errors = np.where(cosine > 0, 2 * np.arcsin(np.clip(chord, 0, 1)), np.arccos(np.clip(cosine, -1, 1)))
    return _median(np.degrees(errors))


def pose_translation(found: Arrays, *, ego_camera: Camera) -> ClipValue:
    """Median angle between recovered and requested direction of translation in the first camera's axes, 0..180 degrees.

    Over the pairs whose requested baseline is at least MIN_BASELINE_M. One that shows no parallax counts NO_DIRECTION_DEG.
    Raises Undefined where fewer than MIN_PAIRS pairs have such a baseline, or half of them or more have too few tracks.
    """
    baseline = inverse(_requested(found, ego_camera))[:, :3, 3]
    length = np.linalg.norm(baseline, axis=1)
    long = length >= MIN_BASELINE_M
    if np.count_nonzero(long) < MIN_PAIRS:
        raise Undefined(
            f"the requested camera moves by {MIN_BASELINE_M:g} m or more in {np.count_nonzero(long)} of {len(long)} frame pairs,"
            f" fewer than {MIN_PAIRS}"
        )
    cosine = (found["direction"][long] * baseline[long]).sum(1) / length[long]
    errors = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    still = found["parallax_px"][long] < STILL_PX
    value = _median(np.where(still, NO_DIRECTION_DEG, errors))
    if not still.any():
        return value
    note = f"{np.count_nonzero(still)} of {len(still)} frame pairs show no translation, {NO_DIRECTION_DEG:g} degrees each"
    return ClipValue(value=value.value, notes=(*value.notes, note))


def _requested(found: Arrays, camera: Camera) -> Array:
    """Second from first camera axes, [pairs, 4, 4]."""
    poses = camera.world_from_camera
    return inverse(poses[found["second"]]) @ poses[found["first"]]


def _median(errors: Array) -> ClipValue:
    lost = np.isnan(errors)
    count = int(np.count_nonzero(lost))
    if 2 * count >= len(errors):
        raise Undefined(f"too few points can be followed in {count} of {len(errors)} frame pairs to tell the camera's motion")
    notes = (f"{count} of {len(errors)} frame pairs have too few tracks and count as worst",) if count else ()
    return ClipValue(value=float(np.median(np.where(lost, np.inf, errors))), notes=notes)
