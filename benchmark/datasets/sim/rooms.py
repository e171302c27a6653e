"""From a room's plan to its mesh and its lamps: walls, furniture, the clutter on it and on the floor."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from . import props
from .build import Builder
from .furniture import FURNITURE
from .furniture.finishes import Top, draw_finishes
from .lamps import Lamp
from .materials import Material, pick
from .places import WORK_REACH_M, PlaceSpec, wall_pose
from .shapes import Array, box, panel, pose


def build_place(spec: PlaceSpec, builder: Builder) -> list[list[Lamp]]:
    """Add the room to builder. Returns two lamp groups: daylight and ceiling lamps."""
    pal, (w, d, h) = draw_finishes(spec.kind, spec.seed), spec.size
    rng = np.random.default_rng([13, spec.seed])
    builder.add([(panel((0, 0, 0), (w, 0, 0), (0, d, 0), cell=0.15), pal.floor)], "floor")
    builder.add([(panel((0, 0, h), (0, d, 0), (w, 0, 0), cell=0.3), pal.ceiling)], "ceiling")
    for wall in range(4):
        matrix, length = wall_pose(wall, spec.size)
        model = [
            (panel((length, 0, 0), (-length, 0, 0), (0, 0, h), cell=0.2), pal.wall),
            (box((0, 0, 0), (length, 0.015, 0.09)), pal.trim),
        ]
        if spec.kind == "kitchen":
            model.append(
                (
                    panel((length, 0.006, 0.9), (-length, 0, 0), (0, 0, 0.62), cell=0.2),
                    Material(colour=pal.trim.colour, texture="tiles", repeat_m=0.5, gloss=0.3),
                )
            )
        builder.add(model, "wall", matrix)
    if spec.kind == "living room" or (spec.kind == "office" and rng.random() < 0.3):
        builder.add(
            [(box((-1.3, -0.9, 0), (1.3, 0.9, 0.012)), pick(rng, "fabric", texture="carpet", repeat_m=0.5))],
            "rug",
            pose(w / 2, d / 2, yaw=spec.work[3]),
        )
    to_work = np.linalg.inv(pose(*spec.work[:3], yaw=spec.work[3]))
    for item in spec.items:
        item_rng = np.random.default_rng(item.seed)
        matrix = pose(*item.at, yaw=item.yaw)
        model, tops = FURNITURE[item.kind](*item.size, item_rng, pal)
        builder.add(model, item.kind.replace("_", " "), matrix)
        for top in tops:
            _scatter(builder, matrix, top, spec.kind, item_rng, to_work)
    return _lamps(spec, builder, rng)


def _scatter(builder: Builder, matrix: Array, top: Top, kind: str, rng: Generator, to_work: Array) -> None:
    """Put clutter on a free top, denser on shelves than on tables, never on the take's part of the work surface."""
    x0, y0, x1, y1, z = top
    placed = []
    for _ in range(max(2, int((x1 - x0) * (y1 - y0) * rng.uniform(16, 34)))):
        x, y = rng.uniform((x0, y0), (x1, y1)) if x1 > x0 and y1 > y0 else (x0, y0)
        name, prop_seed, yaw = str(rng.choice(props.CLUTTER[kind])), int(rng.integers(1 << 30)), rng.uniform(0, 6.28)
        model = props.model(name, prop_seed)
        radius = 0.9 * max(np.abs(shape.vertices[:, :2]).max() for shape, _ in model)
        wx, wy, wz, _ = to_work @ (matrix @ (x, y, z, 1))
        in_work = abs(wx) < WORK_REACH_M + radius / 2 and -0.3 < wy < 0.5 + radius and abs(wz) < 0.1
        if in_work or any((x - a) ** 2 + (y - b) ** 2 < (radius + r) ** 2 for a, b, r in placed):
            continue
        placed.append((x, y, radius))
        builder.add(model, name.partition("_")[0], matrix @ pose(x, y, z, yaw=yaw))


def _lamps(spec: PlaceSpec, builder: Builder, rng: Generator) -> list[list[Lamp]]:
    w, d, h = spec.size
    warm = {"living room": (1.0, 0.84, 0.64), "kitchen": (1.0, 0.92, 0.8)}.get(spec.kind, (0.95, 0.98, 1.0))
    long, ceiling = spec.kind in ("workshop", "office", "lab"), []
    spots = (
        [(w * 0.3, d * 0.35), (w * 0.7, d * 0.65), (w * 0.3, d * 0.65), (w * 0.7, d * 0.35)]
        if long
        else [(w * 0.33, d * 0.5), (w * 0.67, d * 0.5)]
    )
    half = (0.6, 0.12) if long else (0.22, 0.22)
    power = (4.2 if long else 14.0) * rng.uniform(0.8, 1.2)
    for x, y in spots:
        builder.add(
            [
                (
                    box((x - half[0], y - half[1], h - 0.05), (x + half[0], y + half[1], h - 0.02)),
                    Material(colour="#ffffff", glow=6.0),
                )
            ],
            "lamp",
        )
        ceiling.append(
            Lamp(
                centre=np.array([x, y, h - 0.06]),
                u=np.array([0, half[1], 0.0]),
                v=np.array([half[0], 0, 0.0]),
                radiance=power * np.array(warm),
            )
        )
    matrix, length = wall_pose(spec.window_wall, spec.size)
    centre = (matrix @ (length / 2, 0.09, 1.1 + 0.575, 1))[:3]
    day = rng.uniform(3.0, 7.0) * np.array([0.93, 0.98, 1.08])
    window = Lamp(centre=centre, u=matrix[:3, :3] @ (-0.75, 0, 0), v=np.array([0, 0, 0.575]), radiance=day)
    return [[window], ceiling]
