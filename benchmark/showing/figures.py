"""The numbers that give a wrong pose away, as data and as lines of text."""

from __future__ import annotations

import msgspec
import numpy as np

from egox.cameras import Array, Camera

from .scene import Scene

FAR_M = 30.0
"""A head further than this from the exo camera is worth a word: is the unit metres?"""

LYING_DEG = 60.0
HALF_HEAD_M = 0.08
DEPTH_RATIO_WITHIN = (0.75, 1.15)
"""Depth at the head's pixel over the head's own: the face is up to 0.15 m before it. Outside of this something is off."""


class ExoFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One exo camera and the head. gaze_angle_deg: between where the head looks and where this camera is.

    in_picture: frames in which the head is inside this camera's picture.
    """

    name: str
    distance_m: float
    nearest_m: float
    farthest_m: float
    gaze_angle_deg: float
    in_picture: int


class HeadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The head over the clip. pitch_deg: gaze above (+) or below (-) the horizon, roll_deg: to the wearer's right (+).

    height_m: over the floor; over_lowest_exo_m: over the lowest exo camera. depth_ratio: exo depth at the head's pixel over
    the head's own depth there, at the frame that is shown.
    """

    height_m: float | None
    floor_source: str | None
    over_lowest_exo_m: float | None
    path_m: float
    pitch_deg: float
    roll_deg: float
    depth_ratio: float | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is printed. hints: what is odd and may be a wrong pose. missing: what is not drawn, and why."""

    clip: str
    canvas: str
    frames: int
    frame: int
    fps: float
    up: tuple[float, ...]
    up_source: str
    head: HeadFigures | None
    exo: tuple[ExoFigures, ...]
    hints: tuple[str, ...]
    missing: dict[str, str]


def head_figures(scene: Scene, *, depth_ratio: float | None) -> HeadFigures | None:
    """None where there is no ego camera."""
    if scene.ego is None:
        return None
    centres, heights = scene.ego.centres, scene.heights(scene.ego.centres)
    exo_heights = [float(scene.heights(exo.camera.centres).min()) for exo in scene.exo]
    axes = scene.ego.world_from_camera[:, :3, :3]
    pitch = np.degrees(np.arcsin(np.clip(axes[:, :, 2] @ scene.up, -1, 1)))
    roll = np.degrees(np.arctan2(-(axes[:, :, 0] @ scene.up), -(axes[:, :, 1] @ scene.up)))
    return HeadFigures(
        height_m=None if scene.floor_m is None else _short(heights.mean() - scene.floor_m),
        floor_source=scene.floor_source,
        over_lowest_exo_m=_short(heights.mean() - min(exo_heights)) if exo_heights else None,
        path_m=_short(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum()),
        pitch_deg=_short(pitch.mean(), 1),
        roll_deg=_short(np.degrees(np.angle(np.exp(1j * np.radians(roll)).mean())), 1),
        depth_ratio=None if depth_ratio is None else _short(depth_ratio),
    )


def exo_figures(scene: Scene) -> tuple[ExoFigures, ...]:
    """One for each exo camera with a pose; empty where there is no head."""
    if scene.ego is None:
        return ()
    found = []
    for exo in scene.exo:
        toward = exo.camera.centres - scene.ego.centres
        distance = np.linalg.norm(toward, axis=1)
        gaze = scene.ego.world_from_camera[:, :3, 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = np.nan_to_num((toward * gaze).sum(1) / distance)
        found.append(
            ExoFigures(
                name=exo.name,
                distance_m=_short(distance.mean()),
                nearest_m=_short(distance.min()),
                farthest_m=_short(distance.max()),
                gaze_angle_deg=_short(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean(), 1),
                in_picture=int(np.isfinite(head_pixels(exo.camera, scene.ego)).all(1).sum()),
            )
        )
    return tuple(found)


def head_pixels(camera: Camera, ego: Camera) -> Array:
    """Pixels [frames, 2] of the ego camera's centre in a camera's picture, NaN where it is outside or behind."""
    pixels = np.full((len(ego), 2), np.nan)
    for frame, centre in enumerate(ego.centres):
        if camera.to_camera(centre, frame)[2] > 0:
            u, v = camera.project(centre, frame)
            if -0.5 <= u <= camera.width - 0.5 and -0.5 <= v <= camera.height - 0.5:
                pixels[frame] = u, v
    return pixels


def depth_ratio(depth_m: Array, camera: Camera, ego: Camera, frame: int) -> float | None:
    """Depth of what is nearest around the head's pixel over the head's z in the exo camera; None where either is unknown.

    The camera is at the rim of the head, so a window of half a head is looked into, and its nearest fifth is taken.
    """
    u, v = head_pixels(camera, ego)[frame]
    if not np.isfinite([u, v]).all():
        return None
    beside = camera.to_camera(ego.centres[frame], frame) + [HALF_HEAD_M, 0, 0]
    reach = max(1, round(float(np.hypot(*(camera.lens.project(beside) - [u, v])))))
    row, column = round(v), round(u)
    around = depth_m[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
    around = around[np.isfinite(around) & (around > 0)]
    return float(np.percentile(around, 20) / camera.to_camera(ego.centres[frame], frame)[2]) if around.size else None


def hints_of(scene: Scene, head: HeadFigures | None, exo: tuple[ExoFigures, ...]) -> tuple[str, ...]:
    """What is odd about these numbers, in words."""
    if head is None:
        return ()
    found = []
    main = next((figures for figures, one in zip(exo, scene.exo) if one.main), None)
    if main is not None and main.in_picture < scene.frames:
        outside = f"{scene.frames - main.in_picture} of {scene.frames} frames"
        found.append(f"the head is outside of the picture of {main.name} in {outside}")
    if main is not None and main.distance_m > FAR_M:
        found.append(f"the head is {main.distance_m:.0f} m from {main.name}: are all poses in metres and of one world?")
    if abs(head.roll_deg) > LYING_DEG:
        found.append(f"the head is rolled by {head.roll_deg:.0f}°: poses of a raw sensor, not of the upright picture?")
    if head.height_m is not None and head.height_m < 0:
        found.append("the head is below the floor or table: wrong up, wrong depth or wrong poses")
    low, high = DEPTH_RATIO_WITHIN
    if head.depth_ratio is not None and not low <= head.depth_ratio <= high:
        found.append(
            f"exo depth at the head's pixel is {head.depth_ratio:.2f} of the head's own: depth off by a factor, something before"
            " the head, or a wrong pose"
        )
    return tuple(found)


def as_lines(figures: Figures) -> list[str]:
    """For a person: one fact a line."""
    lines = []
    if figures.head is not None:
        lines += [f"{exo.name}: {_exo_text(exo, figures.frames)}" for exo in figures.exo]
        head = figures.head
        if head.height_m is not None:
            lines.append(f"head: {head.height_m:.2f} m over the {head.floor_source}")
        if head.over_lowest_exo_m is not None:
            lines.append(f"head: {_signed(head.over_lowest_exo_m)} the lowest exo camera")
        lines.append(f"head: moves {head.path_m:.2f} m, pitch {head.pitch_deg:.0f}°, roll {head.roll_deg:.0f}°")
        if head.depth_ratio is not None:
            lines.append(f"exo depth at the head's pixel: {head.depth_ratio:.2f} of the head's own, frame {figures.frame}")
    up = " ".join(f"{value + 0.0:.3g}" for value in figures.up)  # + 0.0: no minus before a zero
    lines.append(f"up: {up} ({figures.up_source})")
    return lines


def _exo_text(exo: ExoFigures, frames: int) -> str:
    metres = f"{exo.distance_m:.2f} m to the head ({exo.nearest_m:.2f}-{exo.farthest_m:.2f})"
    return f"{metres}, gaze off by {exo.gaze_angle_deg:.0f}°, in picture {exo.in_picture} of {frames}"


def _signed(metres: float) -> str:
    return f"{abs(metres):.2f} m {'over' if metres >= 0 else 'below'}"


def _short(value: float | np.floating, digits: int = 4) -> float:
    return round(float(value), digits)
