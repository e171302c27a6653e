"""Clips of the conformance suite: a truth that keeps book of who reads it, and digests that tell whether inputs were touched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .clip import Clip
from .video import ArraySource, Frames, Video


class _Watched(ArraySource):
    """Truth that keeps book of who reads it."""

    def __init__(self, frames: Frames, seen: list[int]) -> None:
        super().__init__(frames, label="truth of the check")
        self._seen = seen

    def stream(self, indices: Sequence[int]) -> Iterator[Frames]:
        for index in indices:
            self._seen.append(index)
            yield from super().stream([index])


def with_truth(clip: Clip, frames: Frames, seen: list[int]) -> Clip:
    assert clip.truth is not None
    video = Video(source=_Watched(frames, seen), indices=tuple(range(len(frames))), fps=clip.fps)
    return replace(clip, truth=replace(clip.truth, video=video))


def watched(clip: Clip, seen: list[int]) -> Clip:
    assert clip.truth is not None
    return with_truth(clip, clip.truth.video.read(), seen)


def other_truth(clip: Clip, *, keep: int) -> Clip:
    """The clip with other true pictures from frame `keep` on."""
    assert clip.truth is not None
    frames = clip.truth.video.read()
    frames[keep:] = 255 - frames[keep:]
    return with_truth(clip, frames, [])


def fingerprint(clip: Clip) -> dict[str, str]:
    """Digest of every array that a method can get hold of."""
    arrays: dict[str, Any] = {}
    for view in clip.exo:
        arrays[f"{view.name} video"] = view.video.read()
        arrays[f"{view.name} depth"] = view.depth.read() if view.depth else np.empty(0)
        arrays[f"{view.name} disparity"] = view.disparity.read() if view.disparity else np.empty(0)
        arrays[f"{view.name} masks"] = view.masks.read() if view.masks else np.empty(0)
        arrays[f"{view.name} camera"] = view.camera.world_from_camera if view.camera else np.empty(0)
    arrays["ego camera"] = clip.ego_camera.world_from_camera if clip.ego_camera else np.empty(0)
    arrays["up"] = clip.up if clip.up is not None else np.empty(0)
    arrays["ego prior"] = clip.ego_prior.read() if clip.ego_prior else np.empty(0)
    arrays["points"] = clip.points.read() if clip.points else np.empty(0)
    arrays |= {f"joint {name}": xyz for name, xyz in (clip.body_pose or {}).items()}
    return {name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for name, array in arrays.items()}
