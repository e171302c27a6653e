"""How a camera turned and moved between two pictures, from the rays of points that both show. Needs no depth.

A second ray lies in the plane that its first ray, turned, and the baseline span: five unknowns, found with a loss that lets
things that move by themselves go. It works on unit vectors, so any lens serves, and a wide field tells turning from moving.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from egox.cameras import Array, nearest_rotation

LEAST_POINTS = 20
"""Fewer tell nothing: five of them fit any motion."""

_HYPOTHESES = 256
_TURN_STEPS = 10
_LOOSE_RAD = float(np.deg2rad(1.0))
"""How far parallax may move a point off a pure turn, for the start."""

_STARTS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, -1, 1], [-1, 1, 1], [-1, -1, 1]], np.float64)
_STARTS /= np.linalg.norm(_STARTS, axis=1, keepdims=True)
"""Baselines to begin from, all over the half-sphere: the plane does not tell a baseline from its opposite."""

_TOLERANCES = (2.0, 10.0)
"""Of the samples of five points, times the accuracy of a ray: tight for clean tracks, loose for blurred ones."""

_LEAST_AHEAD = 0.2
"""Rays nearer to the side than this cosine are left out there: it works on flat coordinates."""

_FIRST_STEPS, _LAST_STEPS, _FINALISTS = 8, 20, 2
"""Every start takes the first steps, at twice the scale of the loss; the finalists go on. A looser beginning was tried: what
moves by itself then draws the motion to itself, and the last steps do not leave it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Motion:
    """rotation: [3, 3], from first to second camera axes. direction: [3] unit vector in first camera axes, where the second
    camera's centre lies. parallax_rad: median angle that the turn leaves; near 0 the direction means nothing."""

    rotation: Array
    direction: Array
    parallax_rad: float


def recover(before: Array, after: Array, *, scale_rad: float) -> Motion | None:
    """The motion between two cameras that see the same points along unit rays [points, 3] each, in their own axes.

    scale_rad: accuracy of a ray; points much further off lose their weight (Cauchy's loss). None where fewer than
    LEAST_POINTS are given. Random starts come from a fixed seed: same rays, same motion.
    """
    if len(before) < LEAST_POINTS:
        return None
    turn = _pure_turn(before, after)
    starts = [(turn, baseline) for baseline in _STARTS]
    starts += [_essential(turn, before, after, tolerance_rad=factor * scale_rad) for factor in _TOLERANCES]
    turns, baselines = (np.stack(part) for part in zip(*starts))
    for scale, steps, kept in ((2 * scale_rad, _FIRST_STEPS, _FINALISTS), (scale_rad, _LAST_STEPS, 1)):
        turns, baselines = _refined(turns, baselines, before, after, scale=scale, steps=steps)
        best = np.argsort(_losses(_offsets(turns, baselines, before, after)[0], scale_rad), kind="stable")[:kept]
        turns, baselines = turns[best], baselines[best]
    return _motion(turns[0], baselines[0], before, after, scale_rad)


def _motion(turn: Array, baseline: Array, before: Array, after: Array, scale: float) -> Motion:
    """With the sign of the baseline under which most points lie in front of both cameras."""
    turned = before @ turn.T
    left = after - turned
    along = ((baseline - turned * (turned @ baseline)[:, None]) * left).sum(1)
    offsets = _offsets(turn[None], baseline[None], before, after)[0][0]
    votes = along / (np.abs(along) + scale) / (1 + np.square(offsets / scale))
    sign = 1.0 if votes.sum() >= 0 else -1.0
    parallax = 2 * np.arcsin(np.minimum(np.linalg.norm(left, axis=1) / 2, 1))
    return Motion(rotation=turn, direction=-sign * (turn.T @ baseline), parallax_rad=float(np.median(parallax)))


def _pure_turn(before: Array, after: Array) -> Array:
    """The best of many turns, each through two points, by how near it brings all others; then fitted to those it does."""
    picks = np.random.default_rng(0).integers(0, len(before), (_HYPOTHESES, 2))
    frames, valid = zip(*(_frames_of(rays[picks[:, 0]], rays[picks[:, 1]]) for rays in (before, after)))
    turns = (frames[1] @ np.swapaxes(frames[0], 1, 2))[valid[0] & valid[1]]
    turns = np.concatenate([np.eye(3)[None], turns])
    distances = np.linalg.norm(np.einsum("kij,nj->kni", turns, before) - after, axis=2)
    turn = turns[int(np.argmin(_losses(distances, _LOOSE_RAD)))]
    for _ in range(_TURN_STEPS):
        weights = 1 / np.square(1 + np.square(np.linalg.norm(before @ turn.T - after, axis=1) / _LOOSE_RAD))
        turn = nearest_rotation(np.einsum("n,ni,nj->ij", weights, after, before))
    return turn


def _essential(turn: Array, before: Array, after: Array, *, tolerance_rad: float) -> tuple[Array, Array]:
    """Turn and baseline by OpenCV's five-point samples; of the two turns that it leaves open the one nearer to `turn`."""
    ahead = (before[:, 2] > _LEAST_AHEAD) & (after[:, 2] > _LEAST_AHEAD)
    if np.count_nonzero(ahead) < LEAST_POINTS:
        return turn, _STARTS[2]
    one, two = (rays[ahead, :2] / rays[ahead, 2:] for rays in (before, after))
    found, _ = cv2.findEssentialMat(one, two, np.eye(3), cv2.RANSAC, 0.999, tolerance_rad, 1000)
    if found is None:
        return turn, _STARTS[2]
    first, second, baseline = cv2.decomposeEssentialMat(found[:3])
    nearer = max((first, second), key=lambda candidate: float(np.einsum("ij,ij->", candidate, turn)))
    return nearest_rotation(nearer), np.asarray(baseline, np.float64)[:, 0]


def _frames_of(one: Array, two: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Right-handed axes [k, 3, 3] in columns that two rays [k, 3] each fix, and where they are apart enough to do so."""
    normal: Array = np.cross(one, two)
    middle: Array = one + two
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    apart = length[:, 0] > 0.05
    normal = normal / np.where(apart[:, None], length, 1)
    middle = middle / np.linalg.norm(middle, axis=1, keepdims=True).clip(1e-9)
    return np.stack([middle, normal, np.cross(middle, normal)], axis=2), apart


def _offsets(turns: Array, baselines: Array, before: Array, after: Array) -> tuple[Array, Array]:
    """Angles off the common plane [k, points] (Sampson's first-order distance on the sphere), and what they change by with
    the turn and the baseline: [k, points, 6]."""
    turned = np.einsum("kij,nj->kni", turns, before)
    normal = np.cross(baselines[:, None], turned)
    other = np.cross(after[None], baselines[:, None])
    plane = (normal * after).sum(2)
    slope = np.square(normal).sum(2) - plane**2 + np.square(other).sum(2) - np.square((other * turned).sum(2))
    slope = np.sqrt(np.maximum(slope, 1e-12))
    changes = np.concatenate([np.cross(turned, other), np.cross(turned, after[None])], axis=2)
    return plane / slope, changes / slope[..., None]


def _losses(distances: Array, scale: float) -> Array:
    return np.log1p(np.square(distances / scale)).sum(1)


def _refined(turns: Array, baselines: Array, before: Array, after: Array, *, scale: float, steps: int) -> tuple[Array, Array]:
    """Damped Gauss-Newton steps of every start at one scale of the loss; a step that makes it worse is not taken."""
    damping = np.full(len(turns), 1e-3)
    offsets, changes = _offsets(turns, baselines, before, after)
    losses = _losses(offsets, scale)
    for _ in range(steps):
        tangents = _tangents(baselines)
        slopes = np.concatenate([changes[..., :3], np.einsum("kni,kij->knj", changes[..., 3:], tangents)], axis=2)
        weighted = slopes / (1 + np.square(offsets / scale))[..., None]
        matrix, gradient = np.einsum("kni,knj->kij", weighted, slopes), np.einsum("kni,kn->ki", weighted, offsets)
        diagonal = np.einsum("kii->ki", matrix) * damping[:, None] + 1e-9
        step = -np.linalg.solve(matrix + diagonal[:, None] * np.eye(5), gradient[..., None])[..., 0]
        new_turns = _turns_by(step[:, :3]) @ turns
        new_baselines = baselines + np.einsum("kij,kj->ki", tangents, step[:, 3:])
        new_baselines /= np.linalg.norm(new_baselines, axis=1, keepdims=True)
        new_offsets, new_changes = _offsets(new_turns, new_baselines, before, after)
        new_losses = _losses(new_offsets, scale)
        better = new_losses < losses
        damping = np.where(better, damping / 3, damping * 10)
        turns = np.where(better[:, None, None], new_turns, turns)
        baselines = np.where(better[:, None], new_baselines, baselines)
        offsets, losses = np.where(better[:, None], new_offsets, offsets), np.where(better, new_losses, losses)
        changes = np.where(better[:, None, None], new_changes, changes)
    return turns, baselines


def _tangents(directions: Array) -> Array:
    """Two unit vectors across each direction, [k, 3, 2]."""
    least = np.eye(3)[np.abs(directions).argmin(1)]
    one: Array = np.cross(directions, least)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    return np.stack([one, np.cross(directions, one)], axis=2)


def _turns_by(vectors: Array) -> Array:
    """Rotation matrices [k, 3, 3] of rotation vectors [k, 3] in radians."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vectors).as_matrix()
