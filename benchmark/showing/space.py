"""The scene seen by a virtual camera: z-buffered points, and over them floor grid, frusta, head track, gaze and names.

Lines are not hidden by the cloud: the head is inside of what the exo camera sees of it, and must be found at once. Surfaces
that are looked at from behind are left out, so walls do not hide the room; near the head nothing is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egox.cameras import Array, Camera, Fisheye624

from ..video import Frames
from . import drawing as d
from .scene import Cloud, Scene
from .viewpoint import Stand

AXIS_COLOURS: tuple[d.Colour, ...] = ((255, 92, 92), (104, 220, 110), (96, 150, 255))
BONES = (
    ("head", "neck"), ("neck", "pelvis"),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"),
    )),
    *((middle, f"{side}_{end}") for side in ("left", "right") for middle, end in (("neck", "shoulder"), ("pelvis", "hip"))),
)  # fmt: skip
"""Joints that are joined by a line, where a clip has both."""

_GRID: d.Colour = (66, 71, 80)
_JOINT: d.Colour = (255, 240, 150)
_DROP: d.Colour = (150, 156, 166)

_NEAR_M = 0.05
_MOST_SPLAT_PX = 12
_KEPT_AROUND_HEAD_M = 0.6
_CLOUD_REACH = 2.2
_DIMMED = 0.9
_HEAD_M = 0.11
_INSCRIBED = 0.33
"""Corners of the ego frustum, as a share of the picture from its middle: inside of the lens circle."""


def render(scene: Scene, stand: Stand, camera: Camera) -> Frames:
    """The scene [height, width, 3] as `camera` (a pinhole with one pose) sees it."""
    picture = np.full((camera.height, camera.width, 3), d.BACKGROUND, np.uint8)
    _draw_grid(picture, scene, stand, camera)
    if scene.cloud is not None:
        _draw_cloud(picture, _worth_seeing(scene.cloud, scene, stand, camera), camera)
    _draw_drops(picture, scene, camera)
    labels, taken = _draw_exo(picture, scene, stand, camera)
    _draw_joints(picture, scene, camera)
    head, busy = _draw_head(picture, scene, stand, camera)
    axes, gizmo = _draw_axes(picture, scene, camera)
    taken += [*busy, *gizmo]
    seen = [label for label in (*axes, *head, *labels) if 0 <= label.at[0] < camera.width and 0 <= label.at[1] < camera.height]
    d.write_labels(picture, seen, taken=taken)
    return picture


def projected(camera: Camera, points: ArrayLike) -> Array:
    """Pixels [..., 2] of world points, NaN behind the near plane."""
    points = np.asarray(points, np.float64)
    near = camera.to_camera(points, 0)[..., 2] < _NEAR_M
    pixels = camera.project(points, 0)
    return np.where(near[..., None], np.nan, pixels)


def splat(picture: Frames, pixels: Array, depth: Array, colours: NDArray[np.uint8], sizes: NDArray[np.integer]) -> None:
    """Squares of sizes [n] pixels at pixels [n, 2]; the nearest wins. Points that are not finite are left out."""
    height, width = picture.shape[:2]
    rim = int(sizes.max(initial=1))
    near_picture = (pixels > -rim).all(1) & (pixels < np.array([width, height]) + rim - 1).all(1)  # False where NaN
    order = np.flatnonzero(near_picture)[np.argsort(-depth[near_picture], kind="stable")]
    wide = width + 4 * rim
    corner = np.rint(pixels[order]).astype(np.int32) - (sizes[order, None] - 1).astype(np.int32) // 2 + 2 * rim
    place, size, z, colour = corner[:, 1] * wide + corner[:, 0], sizes[order], depth[order].astype(np.float32), colours[order]
    nearest = np.full((height + 4 * rim) * wide, np.inf, np.float32)
    padded = np.zeros((height + 4 * rim, wide, 3), np.uint8)
    inner = np.s_[2 * rim : 2 * rim + height, 2 * rim : 2 * rim + width]
    padded[inner] = picture
    flat = padded.reshape(-1, 3)
    for reach in range(rim):
        large = size > reach
        place, size, z, colour = place[large], size[large], z[large], colour[large]
        for dx, dy in {*((reach, other) for other in range(reach + 1)), *((other, reach) for other in range(reach + 1))}:
            at = place + (dy * wide + dx)
            wins = z < nearest[at]
            at = at[wins]
            nearest[at], flat[at] = z[wins], colour[wins]  # far to near: of those that share a pixel the last one stays
    picture[:] = padded[inner]


def _worth_seeing(cloud: Cloud, scene: Scene, stand: Stand, camera: Camera) -> Cloud:
    facing = ((cloud.points - camera.centres[0]) * cloud.normals).sum(1) <= 0
    if scene.ego is not None:
        facing |= np.linalg.norm(cloud.points - scene.ego.centres[scene.frame], axis=1) < _KEPT_AROUND_HEAD_M
    return cloud.only(facing & (np.linalg.norm(cloud.points - stand.middle, axis=1) < _CLOUD_REACH * stand.radius_m))


def _draw_cloud(picture: Frames, cloud: Cloud, camera: Camera) -> None:
    if not len(cloud.points):
        return
    depth = camera.to_camera(cloud.points, 0)[:, 2]
    focal = float(camera.lens.fx)  # pyright: ignore[reportAttributeAccessIssue]  a pinhole
    sizes = np.clip(np.ceil(1.2 * focal * cloud.spacing_m / np.maximum(depth, _NEAR_M)), 1, _MOST_SPLAT_PX).astype(int)
    splat(picture, projected(camera, cloud.points), depth, (cloud.colours * _DIMMED).astype(np.uint8), sizes)


def _draw_grid(picture: Frames, scene: Scene, stand: Stand, camera: Camera) -> None:
    """A grid of 1 m on the floor, where there is one."""
    if scene.floor_m is None:
        return
    reach = np.ceil(1.5 * stand.radius_m)
    foot = stand.middle + stand.up * (scene.floor_m - float(stand.middle @ stand.up))
    steps = np.arange(-reach, reach + 0.5)
    paths = []
    for along, across in ((stand.toward, stand.right), (stand.right, stand.toward)):
        ends = foot + steps[:, None] * along
        paths += [_line(camera, end - reach * across, end + reach * across, pieces=8) for end in ends]
    d.lines(picture, paths, [_GRID] * len(paths), width=1, rim=False)


def _line(camera: Camera, a: Array, b: Array, *, pieces: int = 1) -> Array:
    return projected(camera, a + np.linspace(0, 1, pieces + 1)[:, None] * (b - a))


def _draw_drops(picture: Frames, scene: Scene, camera: Camera) -> None:
    """Dashed plumb lines from head and exo camera to the floor."""
    if scene.floor_m is None:
        return
    tops = [] if scene.ego is None else [scene.ego.centres[scene.frame]]
    tops += [exo.camera.centres[scene.frame] for exo in scene.exo if exo.main]
    for top in tops:
        foot = top + scene.up * (scene.floor_m - float(top @ scene.up))
        dashes = projected(camera, top + np.linspace(0, 1, 30)[:, None] * (foot - top)).reshape(15, 2, 2)
        d.lines(picture, list(dashes), [_DROP] * 15, width=1, rim=False)
        d.dot(picture, projected(camera, foot), _DROP, radius=3)


def frustum(camera: Camera, frame: int, size_m: float) -> tuple[Array, Array]:
    """Apex [3] and the four corners [4, 3] (clockwise from the upper left) of a camera's pyramid, edges of length size_m."""
    if isinstance(camera.lens, Fisheye624):
        half = np.array([camera.width, camera.height]) * _INSCRIBED
        middle = np.array([camera.lens.cx, camera.lens.cy])
        pixels = middle + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    else:
        right, bottom = camera.width - 0.5, camera.height - 0.5
        pixels = np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])
    return camera.centres[frame], camera.to_world(camera.lens.unproject(pixels) * size_m, frame)


def _frustum_paths(camera: Camera, frame: int, size_m: float, seen_by: Camera) -> list[Array]:
    apex, corners = frustum(camera, frame, size_m)
    left, right = corners[0], corners[1]
    tip = (left + right) / 2 + 0.35 * (corners[0] - corners[3])  # a roof over the picture's upper edge
    edges = [[*corners, corners[0]], [left, tip, right], *([apex, corner] for corner in corners)]
    return [projected(seen_by, np.array(edge)) for edge in edges]


def _draw_exo(picture: Frames, scene: Scene, stand: Stand, camera: Camera) -> tuple[list[d.Label], list[d.Box]]:
    """Frusta with their names. Returns the labels, and the boxes that labels should keep out of."""
    labels, taken = [], []
    size_m = float(np.clip(0.2 * stand.radius_m, 0.15, 1.0))
    for exo in sorted(scene.exo, key=lambda one: one.main):
        colour = d.EXO if exo.main else d.OTHER_EXO
        paths = _frustum_paths(exo.camera, scene.frame, size_m, camera)
        d.lines(picture, paths, [colour] * len(paths), width=2 if exo.main else 1)
        taken += _boxes_along(paths)
        at = projected(camera, exo.camera.centres[scene.frame])
        d.dot(picture, at, colour, radius=4 if exo.main else 3)
        if np.isfinite(at).all():
            labels.append(d.Label(text=exo.name, at=(float(at[0]), float(at[1])), colour=colour))
    return labels, taken


def _boxes_along(paths: Sequence[Array]) -> list[d.Box]:
    """Small boxes along polylines."""
    found = []
    for path in paths:
        for a, b in itertools.pairwise(path):
            if np.isfinite([a, b]).all() and np.abs([a, b]).max() < 1e4:
                pieces = max(1, int(np.linalg.norm(b - a) // 12))
                found += [a + share * (b - a) for share in np.linspace(0, 1, pieces + 1)]
    return [(float(u - 5), float(v - 5), float(u + 5), float(v + 5)) for u, v in found]


def _draw_joints(picture: Frames, scene: Scene, camera: Camera) -> None:
    at = {name: projected(camera, track[scene.frame]) for name, track in scene.joints.items()}
    bones = [np.stack([at[a], at[b]]) for a, b in BONES if a in at and b in at]
    d.lines(picture, bones, [_JOINT] * len(bones), width=1)
    for pixel in at.values():
        d.dot(picture, pixel, _JOINT, radius=2.5)


def _draw_head(picture: Frames, scene: Scene, stand: Stand, camera: Camera) -> tuple[list[d.Label], list[d.Box]]:
    """Frustum and gaze at the frame, thin gaze at the first and last one, the track over all, and the head as a ring.

    Returns the labels, and the boxes that labels should keep out of.
    """
    ego, count, frame = scene.ego, scene.frames, scene.frame
    if ego is None:
        return [], []
    reach_m = stand.gaze_m
    edges = _frustum_paths(ego, frame, 0.5 * reach_m, camera)
    d.lines(picture, edges, [d.TEXT] * len(edges), width=1)
    gazes = {i: projected(camera, [ego.centres[i], ego.to_world([0, 0, reach_m], i)]) for i in (0, count - 1, frame)}
    for i, (start, end) in gazes.items():
        width = 3 if i == frame else 1
        arrow = d.arrow_paths(start, end, head_px=6.0 + 4 * width)
        d.lines(picture, arrow, [d.time_colour(i, count)] * len(arrow), width=width)
    track = projected(camera, ego.centres)
    steps = [track[i : i + 2] for i in range(count - 1)]
    d.lines(picture, steps, [d.time_colour(i, count) for i in range(count - 1)], width=2)
    at, tip = gazes[frame]
    if not np.isfinite([at, tip]).all():
        return [], []
    focal = float(camera.lens.fx)  # pyright: ignore[reportAttributeAccessIssue]  a pinhole
    radius = max(7.0, focal * _HEAD_M / float(camera.to_camera(ego.centres[frame], 0)[2]))
    d.ring(picture, at, d.TEXT, radius=radius)
    d.dot(picture, at, d.time_colour(frame, count), radius=3.5)
    labels = [
        d.Label(text="head", at=(float(at[0]), float(at[1])), clear_px=radius),
        d.Label(text="gaze", at=(float(tip[0]), float(tip[1])), colour=d.time_colour(frame, count)),
    ]
    ring = (float(at[0] - radius), float(at[1] - radius), float(at[0] + radius), float(at[1] + radius))
    return labels, [ring, *_boxes_along([*gazes.values(), *edges, track])]


def _draw_axes(picture: Frames, scene: Scene, camera: Camera) -> tuple[list[d.Label], list[d.Box]]:
    """The world's axes in the lower left corner, as they lie in this view, and up where it is none of them.

    Returns their names, and the boxes that labels should keep out of.
    """
    middle, length = np.array([58.0, picture.shape[0] - 58.0]), 34.0
    named = list(zip("xyz", np.eye(3), AXIS_COLOURS))
    if np.abs(scene.up).max() < 1 - 1e-6:
        named.append(("up", scene.up, d.TEXT))
    in_view = {name: camera.world_from_camera[0, :3, :3].T @ axis for name, axis, _ in named}
    labels, paths = [], []
    for name, axis, colour in sorted(named, key=lambda one: -in_view[one[0]][2]):
        tip = middle + length * in_view[name][:2]
        arrow = d.arrow_paths(middle, tip, head_px=8)
        d.lines(picture, arrow, [colour] * len(arrow), width=2)
        if np.linalg.norm(tip - middle) < 8:
            d.dot(picture, middle, colour, radius=4)
        is_up = name != "up" and float(axis @ scene.up) > 1 - 1e-6
        labels.append(d.Label(text=f"{name} up" if is_up else name, at=(float(tip[0]), float(tip[1])), colour=colour, size=14))
        paths.append(np.stack([middle, tip]))
    return labels, _boxes_along(paths)
