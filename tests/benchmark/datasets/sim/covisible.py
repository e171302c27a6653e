"""Where exo pixels land in the ego view, by cameras that may be right or wrong.

Pairs are found once with the right cameras: a static ego pixel, and the place of the exo picture that shows the same point
(same instance, same depth). Then cameras under test send the exo place, at the exo depth, into the ego view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.clip import Clip, View
from egox.cameras import Camera

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Per frame: places in the exo picture [n, 2] and z-depth there [n], and the ego pixels [n, 2] that show the same."""

    frames: tuple[int, ...]
    exo: tuple[Array, ...]
    depth: tuple[Array, ...]
    ego: tuple[Array, ...]


def find_pairs(clip: Clip, moving: Sequence[int], frames: Sequence[int], *, exact: bool) -> Pairs:
    """Static co-visible pairs.

    exact: depth read between the four exo pixels around the place (all of one instance); else place and depth of the
    nearest exo pixel, as a splat does.
    """
    found: list[tuple[Array, Array, Array]] = []
    for frame in frames:
        found.append(_pairs_of_frame(clip.exo[0], _truth(clip), moving, frame, exact=exact))
    exo, depth, ego = zip(*found, strict=True)
    return Pairs(frames=tuple(frames), exo=exo, depth=depth, ego=ego)


def _truth(clip: Clip) -> View:
    assert clip.truth is not None
    return clip.truth


def _pairs_of_frame(exo: View, ego: View, moving: Sequence[int], frame: int, *, exact: bool) -> tuple[Array, Array, Array]:
    assert exo.camera
    assert exo.depth
    assert exo.masks
    assert ego.camera
    assert ego.depth
    assert ego.masks
    z, ids, own_ids = exo.depth.frame(frame).astype(float), exo.masks.frame(frame), ego.masks.frame(frame)
    still = (own_ids > 0) & ~np.isin(own_ids, moving)
    pixels = ego.camera.pixel_grid()[still]
    world = ego.camera.lift(pixels, ego.depth.frame(frame)[still], frame)
    place, own, far = exo.camera.project(world, frame), own_ids[still], exo.camera.to_camera(world, frame)[:, 2]
    height, width = z.shape
    inside = (far > 0.05) & (place >= 0).all(1) & (place[:, 0] < width - 1) & (place[:, 1] < height - 1)
    place, own, far, pixels = place[inside], own[inside], far[inside], pixels[inside]
    if not exact:
        u, v = np.rint(place).astype(int).T
        same = (ids[v, u] == own) & (np.abs(z[v, u] / far - 1) < 0.02)
        return np.stack([u, v], -1)[same].astype(float), z[v, u][same], pixels[same]
    (u, v), (a, b) = np.floor(place).astype(int).T, (place % 1).T
    corners = ((v, u, (1 - a) * (1 - b)), (v, u + 1, a * (1 - b)), (v + 1, u, (1 - a) * b), (v + 1, u + 1, a * b))
    same = np.all([(ids[j, i] == own) & (np.abs(z[j, i] / far - 1) < 0.05) for j, i, _ in corners], axis=0)
    inverses = [1 / np.maximum(z[j, i], 1e-6) for j, i, _ in corners]
    inverse = np.sum([weight * one for (_, _, weight), one in zip(corners, inverses, strict=True)], axis=0)
    return place[same], 1 / inverse[same], pixels[same]


def landing_errors(pairs: Pairs, exo: Camera, ego: Camera) -> Array:
    """Distances in ego pixels between where exo places land and where they belong; inf where they land behind the camera."""
    errors = []
    for frame, place, depth, pixel in zip(pairs.frames, pairs.exo, pairs.depth, pairs.ego, strict=True):
        landed = ego.project(exo.lift(place, depth, frame), frame)
        errors.append(np.linalg.norm(landed - pixel, axis=1))
    return np.nan_to_num(np.concatenate(errors), nan=np.inf)
