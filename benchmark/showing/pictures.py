"""The recorded pictures with the cameras drawn into them: does the head track lie on the wearer's head?"""

from __future__ import annotations

import cv2
import numpy as np

from egox.cameras import Array, Camera, Fisheye624

from ..video import Frames
from . import drawing as d
from .figures import head_pixels
from .scene import Scene

_GAZE_M = 0.5


def exo_picture(picture: Frames, camera: Camera | None, scene: Scene, *, width: int, height: int) -> Frames:
    """The exo picture fitted into width x height, with the ego camera's centre of every frame and the gaze of this one."""
    shown, scale, corner = fitted(picture, width, height)
    if camera is None or scene.ego is None:
        return shown
    at = to_shown(head_pixels(camera, scene.ego), scale, corner)
    count, frame = scene.frames, scene.frame
    gaze = scene.ego.to_world([0, 0, _GAZE_M], frame)
    labels = []
    if np.isfinite(at[frame]).all():
        if camera.to_camera(gaze, frame)[2] > 0.05:
            arrow = d.arrow_paths(at[frame], to_shown(camera.project(gaze, frame), scale, corner), head_px=14)
            d.lines(shown, arrow, [d.TEXT] * len(arrow), width=2)
        labels.append(d.Label(text=f"head, frame {frame}", at=(float(at[frame, 0]), float(at[frame, 1])), clear_px=12))
    d.lines(shown, [at[i : i + 2] for i in range(count - 1)], [d.time_colour(i, count) for i in range(count - 1)], width=2)
    for index in range(count):
        d.dot(shown, at[index], d.time_colour(index, count), radius=2, rim=False)
    d.ring(shown, at[frame], d.TEXT, radius=11)
    d.dot(shown, at[frame], d.time_colour(frame, count), radius=4)
    if labels:
        u, v = labels[0].at
        d.write_labels(shown, labels, taken=[(u - 20, v - 20, u + 20, v + 20)])
    else:
        _note(shown, f"the head is outside of this picture at frame {frame}")
    return shown


def ego_picture(picture: Frames, camera: Camera | None, scene: Scene, *, side: int) -> Frames:
    """The ego picture at side x side, with the lens circle, and the exo cameras where the wearer has them in view."""
    shown, scale, corner = fitted(picture, side, side)
    if camera is None:
        return shown
    if isinstance(camera.lens, Fisheye624):
        fine = camera.resized(side, side)
        outlines, _ = cv2.findContours(fine.visible().astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        d.lines(shown, [outline[:, 0] for outline in outlines], [(255, 236, 120)] * len(outlines), width=1)
    labels = []
    for exo in scene.exo:
        there = camera.to_camera(exo.camera.centres[scene.frame], scene.frame)
        pixel = camera.lens.project(there)
        if there[2] <= 0 or not _inside(pixel, camera):
            continue
        at = to_shown(pixel, scale, corner)
        colour = d.EXO if exo.main else d.OTHER_EXO
        d.ring(shown, at, colour, radius=7)
        labels.append(d.Label(text=exo.name, at=(float(at[0]), float(at[1])), colour=colour, clear_px=8))
    d.write_labels(shown, labels)
    return shown


def _inside(pixel: Array, camera: Camera) -> bool:
    if not np.isfinite(pixel).all():
        return False
    u, v = (round(float(value)) for value in pixel)
    return 0 <= u < camera.width and 0 <= v < camera.height and bool(camera.visible()[v, u])


def fitted(picture: Frames, width: int, height: int) -> tuple[Frames, float, tuple[float, float]]:
    """The picture scaled into width x height on a plain ground; with its scale and its upper left corner there."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    shown = np.full((height, width, 3), d.BACKGROUND, np.uint8)
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    shown[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=how)
    return shown, scale, (float(left), float(top))


def to_shown(pixels: Array, scale: float, corner: tuple[float, float]) -> Array:
    """Pixels [..., 2] of the recorded picture in the shown one (pixel centres at integers in both)."""
    return (np.asarray(pixels) + 0.5) * scale - 0.5 + np.asarray(corner)


def _note(picture: Frames, text: str) -> None:
    d.write_labels(picture, [d.Label(text=text, at=(picture.shape[1] / 2, picture.shape[0] - 20.0), colour=d.WARN)])
