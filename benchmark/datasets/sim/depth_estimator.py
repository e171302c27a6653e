"""What depth networks would say of a simulated view: its true z-depth, made wrong in the ways in which estimates are wrong.

Recorded clips come with estimated depth, so the simulated world hands out an estimate as well, to every method alike: exact
depth would flatter methods that build on it. No network runs; errors are drawn from seeds, and a frame is a pure function
of its true map, its number and the seed, so frames can be read in any order. Two estimates of one view:
- depth, as a monocular network for metric depth gives it: of wrong scale and shift, flickering from frame to frame;
- disparity, its twin from a network for videos: calm in time, but known up to one scale and one shift a clip.
Both round off what is thin, bleed the foreground over edges, and err smoothly over the picture.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from ...clip import MapSource
from .shapes import Array

VERSION = "1"
"""Version of how errors are made; their amplitudes belong to `estimator_digest` by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthErrors:
    """How wrong the estimates are. Lengths are parts of the picture's height; relative errors are of inverse depth.

    scale_most: a clip's depth is too large by a factor between 1 / scale_most and scale_most (log-uniform).
    shift_per_m: a clip's inverse depth is off by up to this (uniform, 1/m). flicker: sd of a frame's scale around the clip's;
    flicker_shift_per_m: sd of its shift. smooth: sd over the picture of the error that stays for the clip; its waves are
    smooth_waves long. edge: sd of the blur; edge_power: 1 is a plain mean, more lets the nearer surface grow. noise: sd of
    the grain of each frame, noise_grain wide. farthest_m: no estimate is beyond.

    twin_*: the same for disparity, which is scale * (inverse depth + shift): its scale (log-uniform) and shift (uniform,
    1/m), and instead of flicker a drift of its scale by up to twin_drift in periods of twin_period_s.
    """

    scale_most: float = 1.4
    shift_per_m: float = 0.02
    flicker: float = 0.02
    flicker_shift_per_m: float = 0.004
    smooth: float = 0.05
    smooth_waves: tuple[float, float] = (0.5, 1.6)
    edge: float = 0.007
    edge_power: float = 4.0
    noise: float = 0.003
    noise_grain: float = 0.008
    farthest_m: float = 40.0
    twin_scale: tuple[float, float] = (0.5, 8.0)
    twin_shift_per_m: tuple[float, float] = (-0.03, 0.4)
    twin_drift: float = 0.003
    twin_period_s: tuple[float, float] = (2.0, 6.0)
    twin_smooth: float = 0.04
    twin_edge: float = 0.005
    twin_noise: float = 0.002


ERRORS = DepthErrors()
"""What `sim` hands out."""


def estimator_digest(errors: DepthErrors = ERRORS) -> str:
    """Identity of the estimator: version and amplitudes, 16 hex digits."""
    return hashlib.sha256(f"{VERSION} {errors!r}".encode()).hexdigest()[:16]


def estimated_depth(depth_m: Array, frame: int, *, seed: str, errors: DepthErrors = ERRORS) -> Array:
    """Depth of one frame as a metric network gives it: [h, w] float32 metres, 0 where unknown.

    depth_m: [h, w] true z-depth in metres, 0 where unknown. seed: of clip and camera. Estimates are 1 / (a_c gain_t q + b_c +
    shift_t) of a blurred and smoothly wrong inverse depth q.
    """
    height = depth_m.shape[0]
    clip, now = _rng(seed, "depth"), _rng(seed, "depth", frame)
    a = math.exp(-clip.uniform(-1, 1) * math.log(errors.scale_most))
    b = clip.uniform(-1, 1) * errors.shift_per_m
    gain = math.exp(errors.flicker * now.standard_normal())
    shift = errors.flicker_shift_per_m * now.standard_normal()
    grain = errors.noise * _grain(depth_m.shape, now, errors.noise_grain * height)

    def wrong(inverse: Array) -> Array:
        soft = soft_edges(inverse, errors.edge * height, errors.edge_power)
        smooth = errors.smooth * smooth_waves(depth_m.shape, clip, errors.smooth_waves)
        return 1 / np.maximum(a * gain * soft * np.exp(smooth + grain) + b + shift, 1 / errors.farthest_m)

    return _where_known(depth_m, wrong, unknown=0.0)


def estimated_disparity(depth_m: Array, frame: int, *, seed: str, fps: float, errors: DepthErrors = ERRORS) -> Array:
    """The twin of one frame: [h, w] float32 relative inverse depth, larger = nearer, NaN where unknown.

    depth_m, seed: as for `estimated_depth`. fps: of the clip's frames; drift is in seconds.
    """
    height = depth_m.shape[0]
    clip, now = _rng(seed, "disparity"), _rng(seed, "disparity", frame)
    least, most = np.log(errors.twin_scale)
    scale = math.exp(clip.uniform(least, most))
    shift = clip.uniform(*errors.twin_shift_per_m)
    turns = frame / fps / clip.uniform(*errors.twin_period_s) + clip.uniform()
    drift = 1 + errors.twin_drift * math.sin(2 * math.pi * turns)
    grain = errors.twin_noise * _grain(depth_m.shape, now, errors.noise_grain * height)

    def wrong(inverse: Array) -> Array:
        soft = soft_edges(inverse, errors.twin_edge * height, errors.edge_power)
        smooth = errors.twin_smooth * smooth_waves(depth_m.shape, clip, errors.smooth_waves)
        return scale * (drift * soft * np.exp(smooth + grain) + shift)

    return _where_known(depth_m, wrong, unknown=math.nan)


def soft_edges(inverse: Array, sigma_px: float, power: float) -> Array:
    """[h, w] inverse depth as a power mean under a Gaussian: an edge becomes a ramp that lies mostly on the farther side.

    Planes stay planes: their inverse depth is nearly linear over a few pixels.
    """
    return ndimage.gaussian_filter(inverse**power, sigma_px, mode="nearest") ** (1 / power)


def smooth_waves(shape: tuple[int, ...], rng: np.random.Generator, lengths: tuple[float, float], *, waves: int = 12) -> Array:
    """[h, w] sum of plane waves in all directions, of mean 0 and sd 1 over the picture; lengths in picture heights."""
    height, width = shape
    shortest, longest = np.log(lengths)
    length = np.exp(rng.uniform(shortest, longest, waves))
    angle, phase = rng.uniform(0, 2 * np.pi, (2, waves))
    along = 2 * np.pi / (length * height)
    down = np.outer(np.arange(height), along * np.sin(angle)) + phase
    right = np.outer(np.arange(width), along * np.cos(angle))
    total = np.cos(down) @ np.cos(right).T - np.sin(down) @ np.sin(right).T
    return (total - total.mean()) / total.std()


def _grain(shape: tuple[int, ...], rng: np.random.Generator, sigma_px: float) -> Array:
    """[h, w] Gaussian noise of sd 1 that is about sigma_px wide."""
    grain = ndimage.gaussian_filter(rng.standard_normal(shape), sigma_px, mode="wrap")
    return grain / max(float(grain.std()), 1e-12)


def _where_known(depth_m: Array, wrong: Callable[[Array], Array], *, unknown: float) -> Array:
    """`wrong` of the inverse depth, `unknown` where depth is: filters see the nearest known pixel there."""
    known = depth_m > 0
    if not known.any():
        return np.full(depth_m.shape, unknown, np.float32)
    filled = depth_m.astype(np.float64)
    if not known.all():
        rows, columns = np.asarray(ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True))
        filled = filled[rows, columns]
    return np.where(known, wrong(1 / filled), unknown).astype(np.float32)


def _rng(*seed: str | int) -> np.random.Generator:
    digest = hashlib.sha256("/".join(map(str, seed)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EstimatedDepth:
    """A MapSource that estimates from true z-depth, frame by frame. seed: of clip and camera; fps: of the truth's frames."""

    truth: MapSource
    seed: str
    what: Literal["depth", "disparity"]
    fps: float
    errors: DepthErrors = ERRORS

    @property
    def key(self) -> str:
        return f"estimated-{self.what}:{estimator_digest(self.errors)}:{self.seed}:{self.truth.key}"

    def frame(self, index: int) -> Array:
        depth_m = self.truth.frame(index)
        if self.what == "depth":
            return estimated_depth(depth_m, index, seed=self.seed, errors=self.errors)
        return estimated_disparity(depth_m, index, seed=self.seed, fps=self.fps, errors=self.errors)
