"""The still: three views of the scene over the exo picture, the ego picture and the numbers. And the frames of the turntable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from egox.cameras import Camera

from ..video import Frames
from . import drawing as d
from .figures import Figures, as_lines
from .pictures import ego_picture, exo_picture
from .scene import Scene
from .space import render
from .viewpoint import ORBIT_ELEVATION_DEG, OVERVIEW_DEG, SIDE_DEG, Stand, above, around, stand_of

WIDTH, EDGE, GAP, STRIP = 1920, 16, 10, 28
HEADER = 84
SPACE_HEIGHT, PLAN_WIDTH = 600, 500
PICTURE_HEIGHT, EXO_WIDTH = 520, 910

TURN_SIZE = (1280, 720)
TURN_S, TURN_FPS = 6.0, 15.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What a sheet is made of. Pictures are None where there are none, with the reason in `figures.missing`.

    ego_title: what the ego picture is.
    """

    scene: Scene
    figures: Figures
    exo: Frames | None
    exo_name: str
    exo_camera: Camera | None
    ego: Frames | None
    ego_title: str
    ego_camera: Camera | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Where a part of the sheet lies."""

    left: int
    top: int
    width: int
    height: int


def panels() -> dict[str, Panel]:
    """The parts of the sheet by name; each has its title in a strip above it."""
    first, second = EDGE + HEADER + STRIP, EDGE + HEADER + STRIP + SPACE_HEIGHT + GAP + STRIP
    overview = WIDTH - 2 * EDGE - 2 * (PLAN_WIDTH + GAP)
    text = WIDTH - 2 * EDGE - EXO_WIDTH - PICTURE_HEIGHT - 2 * GAP
    return {
        "overview": Panel(left=EDGE, top=first, width=overview, height=SPACE_HEIGHT),
        "top": Panel(left=EDGE + overview + GAP, top=first, width=PLAN_WIDTH, height=SPACE_HEIGHT),
        "side": Panel(left=EDGE + overview + PLAN_WIDTH + 2 * GAP, top=first, width=PLAN_WIDTH, height=SPACE_HEIGHT),
        "exo": Panel(left=EDGE, top=second, width=EXO_WIDTH, height=PICTURE_HEIGHT),
        "ego": Panel(left=EDGE + EXO_WIDTH + GAP, top=second, width=PICTURE_HEIGHT, height=PICTURE_HEIGHT),
        "text": Panel(left=EDGE + EXO_WIDTH + PICTURE_HEIGHT + 2 * GAP, top=second, width=text, height=PICTURE_HEIGHT),
    }


def sheet(material: Material) -> Frames:
    """The whole still, [height, WIDTH, 3]."""
    places = panels()
    page = np.full((places["text"].top + PICTURE_HEIGHT + EDGE, WIDTH, 3), (18, 19, 22), np.uint8)
    _write_header(page, material)
    scene, figures = material.scene, material.figures
    note = cloud_note(material)
    titles = {
        "overview": f"overview; {note}",
        "top": "from above, exo camera at the lower edge",
        "side": "from the side; grid 1 m" if scene.floor_m is not None else "from the side",
        "exo": f"{material.exo_name}: the head track must lie on the wearer's head",
        "ego": material.ego_title,
        "text": "numbers",
    }
    for name, panel in places.items():
        d.write(page, titles[name], (panel.left, panel.top - STRIP + 5), colour=d.QUIET, size=16)
        if name == "text":
            _write_numbers(page, panel, figures)
        else:
            part = _panel(name, panel, material)
            page[panel.top : panel.top + panel.height, panel.left : panel.left + panel.width] = part
    _draw_clock(page, figures.frames)
    return page


def cloud_note(material: Material) -> str:
    """What the cloud is, or why there is none."""
    if material.scene.cloud is None:
        return "no depth, so no point cloud"
    return f"cloud of frame {material.scene.frame}: depth as shipped, not rescaled"


def _panel(name: str, panel: Panel, material: Material) -> Frames:
    scene, missing = material.scene, material.figures.missing
    size = (panel.width, panel.height)
    if name == "exo":
        if material.exo is None:
            return _empty(*size, missing.get("exo_video", "no exo video"))
        return exo_picture(material.exo, material.exo_camera, scene, width=panel.width, height=panel.height)
    if name == "ego":
        if material.ego is None:
            return _empty(*size, missing.get("truth", "no ego video"))
        return ego_picture(material.ego, material.ego_camera, scene, side=panel.width)
    if scene.empty:
        return _empty(*size, "no camera is known")
    stand = stand_of(scene)
    if name == "top":
        return render(scene, stand, above(stand, width=panel.width, height=panel.height))
    azimuth, elevation = OVERVIEW_DEG if name == "overview" else SIDE_DEG
    camera = around(stand, azimuth_deg=azimuth, elevation_deg=elevation, width=panel.width, height=panel.height)
    return render(scene, stand, camera)


def turntable(material: Material) -> Iterator[Frames]:
    """Frames of one turn around the scene, from the exo camera's side and back."""
    width, height = TURN_SIZE
    count = round(TURN_S * TURN_FPS)
    stand: Stand = stand_of(material.scene)
    for index in range(count):
        azimuth = OVERVIEW_DEG[0] + 360 * index / count
        camera = around(stand, azimuth_deg=azimuth, elevation_deg=ORBIT_ELEVATION_DEG, width=width, height=height)
        picture = render(material.scene, stand, camera)
        d.write(picture, material.figures.clip, (14, 10), size=22, on_picture=True)
        d.write(picture, cloud_note(material), (14, 42), colour=d.QUIET, size=15, on_picture=True)
        yield picture


def _empty(width: int, height: int, why: str) -> Frames:
    picture = np.full((height, width, 3), d.BACKGROUND, np.uint8)
    for number, line in enumerate(d.wrapped(why, width - 40, 17)):
        d.write(picture, line, (20, 20 + 24 * number), colour=d.QUIET, size=17)
    return picture


def _write_header(page: Frames, material: Material) -> None:
    figures = material.figures
    d.write(page, figures.clip, (EDGE, EDGE - 2), size=30)
    facts = [f"frame {figures.frame} of 0-{figures.frames - 1}"]
    main = next((exo for exo in figures.exo if exo.name == material.exo_name), None)
    if main is not None:
        name = "" if main.name == "exo" else f" {main.name}"
        facts.append(f"exo camera{name} to head {main.distance_m:.2f} m")
        facts.append(f"gaze {main.gaze_angle_deg:.0f}° off the direction to it")
    if figures.head is not None and figures.head.height_m is not None:
        facts.append(f"head {figures.head.height_m:.2f} m over the {figures.head.floor_source}")
    elif figures.head is not None and figures.head.over_lowest_exo_m is not None:
        over = figures.head.over_lowest_exo_m
        facts.append(f"head {abs(over):.2f} m {'over' if over >= 0 else 'below'} the lowest exo camera")
    d.write(page, " · ".join(facts), (EDGE, EDGE + 42), colour=d.QUIET, size=20)


def _draw_clock(page: Frames, frames: int) -> None:
    """What the colours of the track mean, in the upper right corner."""
    width, height, top = 260, 12, EDGE + 10
    left = WIDTH - EDGE - width
    for column in range(width):
        page[top : top + height, left + column] = d.time_colour(column, width)
    last = f"frame {frames - 1}"
    d.write(page, "frame 0", (left, top + height + 5), colour=d.QUIET, size=15)
    d.write(page, last, (left + width - d.text_width(last, 15), top + height + 5), colour=d.QUIET, size=15)


def _write_numbers(page: Frames, panel: Panel, figures: Figures) -> None:
    """As many lines as fit: hints first, then numbers, then what is missing."""
    texts: list[tuple[str, d.Colour]] = [(hint, d.WARN) for hint in figures.hints]
    texts += [(line, d.TEXT) for line in as_lines(figures)]
    texts += [(f"no {name.replace('_', ' ')}: {why}", d.QUIET) for name, why in figures.missing.items()]
    y, size = 8, 16
    area = page[panel.top : panel.top + panel.height, panel.left : panel.left + panel.width]
    area[:] = d.BACKGROUND
    for text, colour in texts:
        for number, line in enumerate(_hanging(text, panel.width - 24, size)):
            if y > panel.height - 2 * (size + 4):
                d.write(area, "...", (12, y), colour=d.QUIET, size=size)
                return
            d.write(area, line, (12 if number == 0 else 26, y), colour=colour, size=size)
            y += size + 4
        y += 5


def _hanging(text: str, width: float, size: int) -> Sequence[str]:
    return d.wrapped(text, width - 14, size)
