"""What a clip is: a digest of its inputs and truth, known before anything is decoded."""

from __future__ import annotations

import hashlib

import numpy as np

from ..canvas import Canvas
from ..clip import Clip, View


def clip_digest(clip: Clip, canvas: Canvas) -> str:
    """Identity of content (videos, cameras, maps, caption, body pose, canvas, frames), 16 hex digits; names do not count."""
    parts: list[str] = [repr(canvas), repr(clip.frame_indices)]
    for view in clip.exo:
        parts += ["exo", *_view(view)]
    parts.append(f"ego {clip.ego_camera.digest() if clip.ego_camera else None}")
    parts.append(f"caption {clip.caption!r}")
    parts.append(f"prior {clip.ego_prior.key if clip.ego_prior else None}")
    for joint, positions in sorted((clip.body_pose or {}).items()):
        data = np.ascontiguousarray(positions, np.float64).tobytes()
        parts.append(f"joint {joint} {hashlib.sha256(data).hexdigest()}")
    if clip.truth is not None:
        parts += ["truth", *_view(clip.truth)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _view(view: View) -> list[str]:
    return [
        view.video.key,
        view.camera.digest() if view.camera else "no camera",
        view.depth.key if view.depth else "no depth",
        view.masks.key if view.masks else "no masks",
    ]
