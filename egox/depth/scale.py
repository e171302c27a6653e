"""The metric scale of estimated depth, from inputs alone: the ego truth is never looked at.

Depth networks are off by a factor (up to 40 % and more). The ego poses are an input in metres, and so is what some takes have
besides; each `Gauge` reads the factor off one such thing, with its spread, and `combined` joins them.

- head: the wearer's head is in the exo picture, and where it is is known.
- floor: gravity gives the floor's height below the exo camera in units of the depth; the wearer's feet give it in metres.
- points: semi-dense world points of the recording device, where a take has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..cameras import Array, Camera
from ..motion import DILATION

HEAD_M = 0.15
"""Half of the window around the wearer's head in the exo picture."""

HEAD_QUANTILE = 0.1
"""Of the depths in that window: the head is its nearest part; a median would see the background of a thin person."""

HEAD_OFF_M = 0.06
"""The surface of the head that the exo view shows lies about this far from the camera's centre, before or behind it.

It enters the spread only. By the shape of a head exact depth reads 4 % too large (24 simulated clips), and a ball in its place
would cure that; but networks draw heads farther off than they are, and on all three recorded clips the ball made it worse.
"""

FLOOR_TILT_RAD = float(np.deg2rad(15.0))
"""Surfaces within this angle of level may be floor."""

FEWEST_POINTS = 50
POINTS_A_PATCH = 10
"""Points on neighbouring pixels share the error of the depth there: so many of them are one reading."""

EYE_HEIGHT_M = (0.6, 2.2)
"""Heights of the eyes over the floor that are believed: from kneeling to tall."""

FEET_OFF_M = 0.6
"""Feet are looked for on rays that pass this close to the vertical below the head."""

ON_FLOOR = 0.3
"""What lies behind a foot is floor where its height below the camera is within this fraction of the floor's."""

LEAST_FLOOR = 0.005
"""Share of the exo picture that a floor must fill."""

LEAST_DROP = 1e-3
"""Level surfaces no lower than this below the exo camera, in the depth's own unit, are no floor."""

FOOT_OFF_M = 0.08
"""Standard deviation of how far the lowest pixel of a person lies above or below the floor that it stands on."""

CHEST_M = 0.35
"""Below the eyes: a part of the wearer that moves when the feet do."""

FEWEST_FEET = 3
"""Frames in which feet must be seen."""

ONE_READING = 0.1
"""Spread of a single frame's reading (of ln): n frames are no surer of themselves than this over the root of n."""

BELIEVED = (0.1, 10.0)
"""Factors that a depth network may be off by; others are readings of something else."""

LEAST_SPREAD = 0.02
"""No gauge is trusted more closely than this (natural logarithm)."""

DISAGREEMENT = 3.0
"""Gauges further than this many joint spreads from the best one are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One reading of the factor that depth is to be multiplied with.

    scale: None where there is no reading; `why` is then the reason. spread: standard deviation of ln(scale).
    count: how many frames (or points) it rests on.
    """

    name: str
    scale: float | None
    spread: float = np.inf
    count: int = 0
    why: str = ""

    def __str__(self) -> str:
        if self.scale is None:
            return f"{self.name}: none ({self.why})"
        unit = "points" if self.name == "points" else "frames"
        return f"{self.name}: {self.scale:.3f} ± {100 * self.spread:.0f} % from {self.count} {unit}" + (
            f", left out ({self.why})" if self.why else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The factor that was chosen, its spread (of ln), and every gauge that was asked."""

    factor: float
    spread: float
    gauges: tuple[Gauge, ...]

    def __str__(self) -> str:
        read = "; ".join(map(str, self.gauges)) or "not asked for"
        return f"depth x {self.factor:.3f}" + (f" ± {100 * self.spread:.0f} %" if np.isfinite(self.spread) else "") + f" ({read})"


def _none(name: str, why: str) -> Gauge:
    return Gauge(name=name, scale=None, why=why)


def _read(name: str, log: float, spread: float, count: int, *, readings: float) -> Gauge:
    """A reading with the spread that so many independent readings leave; none where no network is off by such a factor."""
    scale = float(np.exp(log))
    if not BELIEVED[0] <= scale <= BELIEVED[1]:
        return _none(name, f"it reads {scale:.3g}, and no depth in metres is off by that much")
    spread = float(np.hypot(spread, ONE_READING / np.sqrt(readings)))
    return Gauge(name=name, scale=scale, spread=max(spread, LEAST_SPREAD), count=count)


def _robust(logs: Array) -> tuple[float, float]:
    """Median and its standard deviation from the median absolute deviation of samples that are not independent."""
    middle = float(np.median(logs))
    return middle, 1.4826 * float(np.median(np.abs(logs - middle)))


def head_gauge(depth_m: NDArray[np.float32], exo: Camera, ego: Camera) -> Gauge:
    """The factor that brings the estimated depth of the wearer's head to where the head is.

    depth_m: [frames, height, width] z-depth of the exo camera; ego: the head's poses.
    """
    logs, at_m = [], []
    for frame, depth in enumerate(depth_m):
        in_camera = exo.to_camera(ego.centres[frame], frame)
        if in_camera[2] <= HEAD_M:
            continue
        u, v = exo.lens.project(in_camera)
        if not (0 <= u <= exo.width - 1 and 0 <= v <= exo.height - 1):
            continue
        half = max(3.0, exo.lens.pixels_per_radian * HEAD_M / in_camera[2])
        rows = slice(max(0, round(v - half)), round(v + half) + 1)
        columns = slice(max(0, round(u - half)), round(u + half) + 1)
        window = depth[rows, columns]
        known = window[window > 0]
        if known.size >= 9:
            logs.append(np.log(in_camera[2] / np.quantile(known, HEAD_QUANTILE)))
            at_m.append(in_camera[2])
    if not logs:
        return _none("head", "the wearer's head is outside of the exo picture, or without depth there, in every frame")
    middle, spread = _robust(np.array(logs))
    return _read("head", middle, float(np.hypot(spread, HEAD_OFF_M / np.median(at_m))), len(logs), readings=len(logs))


def points_gauge(depth_m: NDArray[np.float32], exo: Camera, points: Array | None) -> Gauge:
    """The factor that brings estimated depth to measured world points. points: [n, 3] metres, or None."""
    if points is None or len(points) == 0:
        return _none("points", "the take has no semi-dense points")
    in_camera = exo.to_camera(points, 0)
    in_camera = in_camera[in_camera[:, 2] > 0.1]
    pixel = np.rint(exo.lens.project(in_camera))
    inside = ((pixel >= 0) & (pixel < [exo.width, exo.height])).all(-1)
    column, row = pixel[inside].astype(int).T
    place = row * exo.width + column
    seen = _median_of_known(depth_m.reshape(len(depth_m), -1), place)
    logs, place = np.log(in_camera[inside, 2][seen > 0] / seen[seen > 0]), place[seen > 0]
    if len(np.unique(place)) < FEWEST_POINTS:
        text = f"semi-dense points on {len(np.unique(place))} pixels of the exo picture, {FEWEST_POINTS} are needed"
        return _none("points", text)
    # Points behind what the exo view shows only ever read too far: the dense peak, not the mean, is the factor.
    peak = _half_sample_mode(logs)
    near = np.abs(logs - peak) < 0.1
    middle, spread = _robust(logs[near])
    patches = len(np.unique(place[near])) / POINTS_A_PATCH
    return _read("points", middle, spread / np.sqrt(patches), int(near.sum()), readings=patches)


def _median_of_known(depth_m: NDArray[np.float32], pixel: NDArray[np.int64]) -> NDArray[np.float32]:
    """Over the frames that know it, the depth of each of these pixels; 0 where none does. depth_m: [frames, pixels]."""
    asked, places = np.unique(pixel, return_inverse=True)
    ordered = np.sort(depth_m[:, asked], axis=0)  # unknown frames, 0, come first
    known = np.count_nonzero(ordered, axis=0)
    first, last = len(ordered) - known, len(ordered) - 1
    low, high = ((first + last) // 2, (first + last + 1) // 2)
    at = np.arange(len(asked))
    middle = (ordered[np.minimum(low, last), at] + ordered[np.minimum(high, last), at]) / 2
    return np.where(known > 0, middle, 0)[places]


def _half_sample_mode(values: Array) -> float:
    """Mode of a sample: again and again the half that lies closest together."""
    values = np.sort(values)
    while len(values) > 3:
        half = (len(values) + 1) // 2
        start = int(np.argmin(values[half - 1 :] - values[: len(values) - half + 1]))
        values = values[start : start + half]
    return float(np.mean(values))


def floor_gauge(
    background_m: NDArray[np.float32], moving: NDArray[np.bool_], exo: Camera, ego: Camera, up: Array | None
) -> Gauge:
    """The factor that brings the floor of the estimated depth to where the wearer's feet stand.

    background_m: [height, width] z-depth of the static scene; moving: [frames, height, width] masks, the wearer among what
    moves; ego: the head's poses; up: unit vector against gravity in the world, None where it is not known.
    """
    if up is None:
        return _none("floor", "the world has no known direction of gravity")
    heights, level = _heights(background_m, exo, up)
    drop = _floor_below_camera(heights, level)
    if drop is None:
        return _none("floor", "no level surface below the exo camera fills enough of its picture")
    logs, below_m = _at_feet(moving, np.where(np.abs(heights / -drop - 1) < ON_FLOOR, heights, np.nan), exo, ego.centres, up)
    if len(logs) < FEWEST_FEET:
        return _none("floor", "the wearer's feet are not seen on the floor, apart from the background")
    middle, spread = _robust(logs)
    return _read("floor", middle, float(np.hypot(spread, FOOT_OFF_M / np.median(below_m))), len(logs), readings=len(logs))


def _heights(depth_m: NDArray[np.float32], exo: Camera, up: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Of each pixel: height over the exo camera in the depth's own unit (NaN where unknown), and whether it may be floor."""
    rays = exo.lens.unproject(exo.pixel_grid())
    known = (depth_m > 0) & (rays[..., 2] > 0.1)
    points = rays / np.maximum(rays[..., 2:], 0.1) * np.where(known, depth_m, np.nan)[..., None]
    points = points @ exo.world_from_camera[0, :3, :3].T
    normal = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    heights = points @ up
    with np.errstate(invalid="ignore", divide="ignore"):
        level = np.abs(normal @ up) / np.linalg.norm(normal, axis=-1) > np.cos(FLOOR_TILT_RAD)
        return heights, level & (heights < 0)


def _floor_below_camera(heights: Array, level: NDArray[np.bool_]) -> float | None:
    """How far the floor lies below the exo camera, in the depth's own unit: the lowest large level surface."""
    if level.sum() < LEAST_FLOOR * level.size:
        return None
    drops = -heights[level]
    if drops.max() <= LEAST_DROP:
        return None
    count, edges = np.histogram(drops, np.geomspace(max(drops.min(), LEAST_DROP), drops.max() * 1.001, 80))
    smooth = np.convolve(count, [0.5, 1, 0.5], "same")
    large = np.flatnonzero(smooth >= max(0.25 * smooth.max(), LEAST_FLOOR * level.size))
    if len(large) == 0:
        return None
    lowest = large[-1]
    return float(np.median(drops[(drops >= edges[max(lowest - 1, 0)]) & (drops <= edges[min(lowest + 2, len(count))])]))


def _at_feet(moving: NDArray[np.bool_], floor: Array, exo: Camera, head: Array, up: Array) -> tuple[Array, Array]:
    """By frame where a foot of the wearer is seen: ln of the factor, and how far below the exo camera it stands in metres.

    floor: [height, width] height over the exo camera in the depth's unit, NaN where a pixel shows no floor.
    The wearer is the moving thing that the vertical below the head runs through; where its lowest pixel's ray passes that
    vertical is a foot, and the background of that pixel is the floor below it. Left out are frames where the person ends at the
    picture's rim, where no floor lies there (a table hides the legs), and where no standing person reaches that far.
    """
    import cv2

    logs, below_m = [], []
    grown = round(DILATION * moving.shape[1])  # masks of motion are dilated: the foot ends before them
    for frame, mask in enumerate(moving):
        in_camera = exo.to_camera(head[frame] - CHEST_M * up, frame)  # the head alone may be still
        if in_camera[2] <= 0:
            continue
        u, v = np.rint(exo.lens.project(in_camera))
        if not (0 <= u < exo.width and 0 <= v < exo.height):
            continue
        _, labels = cv2.connectedComponents(mask.astype(np.uint8))
        label = labels[int(v), int(u)]
        rows, columns = np.nonzero(labels == label)
        if label == 0 or rows.max() >= exo.height - 2:
            continue
        row, column = rows.max() - grown, round(float(np.median(columns[rows == rows.max()])))
        ray = exo.lens.unproject([float(column), float(row)]) @ exo.world_from_camera[frame, :3, :3].T
        foot, apart = _nearest_on_vertical(head[frame], up, exo.centres[frame], ray)
        below, eyes = float((exo.centres[frame] - foot) @ up), float((head[frame] - foot) @ up)
        stands = np.isfinite(floor[[row, rows.max() + 1], column]).all()  # floor behind the foot and before it
        if stands and apart < FEET_OFF_M and EYE_HEIGHT_M[0] <= eyes <= EYE_HEIGHT_M[1] and below > 0.1:
            logs.append(np.log(below / -floor[row, column]))
            below_m.append(below)
    return np.array(logs), np.array(below_m)


def _nearest_on_vertical(head: Array, up: Array, origin: Array, ray: Array) -> tuple[Array, float]:
    """The point of the line head + s up that is nearest to the line origin + t ray, and how far apart they are there."""
    between = head - origin
    slope = float(up @ ray)
    scale = max(1 - slope * slope, 1e-9)
    s = (slope * float(between @ ray) - float(between @ up)) / scale
    point = head + s * up
    off = point - origin
    return point, float(np.linalg.norm(off - (off @ ray) * ray))


def combined(gauges: Sequence[Gauge]) -> Scale:
    """One factor from all gauges: mean of the logarithms, weighted by 1/spread^2.

    The gauge with the smallest spread leads; one that is more than DISAGREEMENT joint spreads away from it is left out and
    says so. Without any reading the factor is 1, with an infinite spread.
    """
    read = sorted(
        ((gauge, float(np.log(gauge.scale))) for gauge in gauges if gauge.scale is not None), key=lambda pair: pair[0].spread
    )
    if not read:
        return Scale(factor=1.0, spread=np.inf, gauges=tuple(gauges))
    leader, leading = read[0]
    out: dict[str, str] = {}
    for gauge, log in read[1:]:
        apart = abs(log - leading) / float(np.hypot(gauge.spread, leader.spread))
        if apart > DISAGREEMENT:
            out[gauge.name] = f"{apart:.1f} spreads from {leader.name}"
    used = [(gauge.spread, log) for gauge, log in read if gauge.name not in out]
    weights = np.array([spread**-2 for spread, _ in used])
    log = float(weights @ np.array([log for _, log in used]) / weights.sum())
    marked = tuple(replace(gauge, why=out[gauge.name]) if gauge.name in out else gauge for gauge in gauges)
    return Scale(factor=float(np.exp(log)), spread=float(weights.sum() ** -0.5), gauges=marked)
