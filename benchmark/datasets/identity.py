"""What a clip is: digests of its inputs and of its truth, known before anything is decoded."""

from __future__ import annotations

import hashlib

import numpy as np

from ..canvas import Canvas
from ..clip import Clip, View
from .dataset import ClipDigests


def clip_digests(clip: Clip, canvas: Canvas) -> ClipDigests:
    """Identity of content (videos, cameras, up, maps, caption, body pose, points, canvas, frames); names do not count."""
    return ClipDigests(inputs=_short(_inputs(clip, canvas)), truth=_short(_view(clip.truth)) if clip.truth else "")


def _short(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _inputs(clip: Clip, canvas: Canvas) -> list[str]:
    parts: list[str] = [repr(canvas), repr(clip.frame_indices)]
    for view in clip.exo:
        parts += ["exo", *_view(view)]
    parts.append(f"ego {clip.ego_camera.digest() if clip.ego_camera else None}")
    if clip.up is not None:
        parts.append(f"up {[float(v) for v in clip.up]}")
    parts.append(f"caption {clip.caption!r}")
    parts.append(f"prior {clip.ego_prior.key if clip.ego_prior else None}")
    if clip.points is not None:
        parts.append(f"points {clip.points.key}")
    for joint, positions in sorted((clip.body_pose or {}).items()):
        data = np.ascontiguousarray(positions, np.float64).tobytes()
        parts.append(f"joint {joint} {hashlib.sha256(data).hexdigest()}")
    return parts


def _view(view: View) -> list[str]:
    parts = [
        view.video.key,
        view.camera.digest() if view.camera else "no camera",
        view.depth.key if view.depth else "no depth",
        view.masks.key if view.masks else "no masks",
    ]
    return [*parts, f"disparity {view.disparity.key}"] if view.disparity else parts
