"""Rooms as data: a small plan drawn from a seed, without a single triangle; `rooms` builds it.

Furniture stands along the walls (local frame: x along the wall, y into the room, z up); the work surface is either a
run along one wall or a free table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .furniture import ABOVE, ALONG_WALLS, ONE_ONLY
from .shapes import Array, pose

ROOM_TYPES = ("kitchen", "workshop", "office", "living room", "lab")
SURFACE_NAMES = {
    "kitchen": "kitchen counter",
    "workshop": "workbench",
    "office": "desk",
    "living room": "table",
    "lab": "lab bench",
}
WORK_REACH_M = 0.7
"""Half-width of the part of the work surface kept free for the take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One piece of furniture: kind, floor position and yaw (radians), size (w, d, h) in metres, seed for its details."""

    kind: str
    at: tuple[float, float, float]
    yaw: float
    size: tuple[float, float, float]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSpec:
    """work: (x, y, z, yaw) of the middle of the work edge, y axis pointing over the surface."""

    id: str
    kind: str
    seed: int
    size: tuple[float, float, float]
    items: tuple[Item, ...]
    work: tuple[float, float, float, float]
    island: bool
    window_wall: int


def wall_pose(wall: int, size: tuple[float, float, float]) -> tuple[Array, float]:
    """Frame of wall 0..3: x along it, y into the room; and its length."""
    w, d, _ = size
    corner = ((0, 0), (w, 0), (w, d), (0, d))[wall]
    return pose(*corner, yaw=wall * np.pi / 2), (w, d)[wall % 2]


def plan_place(seed: int) -> PlaceSpec:
    """Draw a room: type, size, work surface, furniture along the walls."""
    rng = np.random.default_rng([7, seed])
    kind = ROOM_TYPES[seed % len(ROOM_TYPES)]
    size = tuple(float(v) for v in rng.uniform((5.0, 4.6, 2.5), (6.6, 5.8, 2.9)).round(2))
    island = kind in ("office", "living room") or bool(rng.random() < 0.55)
    window_wall, items = int(rng.integers(4)), []

    def put(name, wall, along, z, dims, out=0.0):
        matrix, _ = wall_pose(wall, size)
        x, y, _ = matrix[:3, :3] @ (along, out, 0) + matrix[:3, 3]
        items.append(
            Item(
                kind=name,
                at=(float(x), float(y), float(z)),
                yaw=wall * np.pi / 2,
                size=tuple(float(v) for v in dims),
                seed=int(rng.integers(1 << 30)),
            )
        )

    door_wall = (window_wall + int(rng.integers(1, 4))) % 4
    height = 0.74 if kind in ("office", "living room") else 0.91
    if island:
        w, d = float(rng.uniform(1.5, 1.9)), float(rng.uniform(0.75, 0.9))
        turn = int(rng.integers(4))
        matrix = pose(
            size[0] / 2 + float(rng.normal(0, 0.15)), size[1] / 2 + float(rng.normal(0, 0.15)), yaw=turn * np.pi / 2
        ) @ pose(-w / 2, -d / 2)
        base = {"kitchen": "counter", "workshop": "bench", "lab": "bench"}.get(kind, "table")
        items.append(
            Item(
                kind=base,
                at=tuple(float(v) for v in matrix[:3, 3]),
                yaw=turn * np.pi / 2,
                size=(w, d, height),
                seed=int(rng.integers(1 << 30)),
            )
        )
        edge, yaw = matrix @ (w / 2, d, 0, 1), turn * np.pi / 2 + np.pi
        work_wall = -1
    else:
        work_wall, turn = int(rng.integers(4)), 0
        matrix, length = wall_pose(work_wall, size)
        depth = 0.7 if kind == "lab" else 0.62
        edge, yaw = matrix @ (length / 2, depth, 0, 1), work_wall * np.pi / 2 + np.pi
    used = set()
    for wall in range(4):
        _, length = wall_pose(wall, size)
        cursor = 0.15 if wall % 2 == 0 else 0.85
        end = length - cursor
        spans = []
        if wall == door_wall and wall != work_wall:
            put("door", wall, end - 1.0, 0, (0.9, 0.05, 2.05))
            end -= 1.2
        window = (length / 2 - 0.75, length / 2 + 0.75) if wall == window_wall else (9, 9)
        if wall == window_wall:
            put("window", wall, window[0], 1.1, (1.5, 0.1, 1.15))
        if wall == work_wall:
            spans.append(
                ("counter" if kind != "workshop" else "bench", length / 2 - 1.2, 2.4, 0.7 if kind == "lab" else 0.62, height)
            )
        while cursor < end - 0.45:
            low, tall = ALONG_WALLS[kind]
            near_window = window[0] - 0.9 < cursor < window[1]
            low, tall = (tuple(f for f in group if f[0] not in ONE_ONLY or f[0] not in used) for group in (low, tall))
            pool = low if near_window or wall == work_wall or rng.random() < 0.55 else tall
            name, width_range, depth, h = pool[int(rng.integers(len(pool)))]
            width = min(float(rng.uniform(*width_range)), end - cursor)
            if wall == work_wall and abs(cursor + width / 2 - length / 2) < 1.2 + width / 2:
                cursor = max(cursor + 0.1, length / 2 + 1.2 if cursor > length / 2 - 1.3 else cursor + 0.1)
                continue
            used.add(name)
            if width >= width_range[0]:
                spans.append((name, cursor, width, depth, h))
            cursor += width + float(rng.choice([0.0, 0.02, 0.3]))
        for name, along, width, depth, h in spans:
            put(name, wall, along, 0, (width, depth, h))
            clear = along + width < window[0] or along > window[1]
            if h < 1.0 and clear and name != "boxes" and not (wall == door_wall and along + width > length - 2.2):
                top = str(rng.choice(ABOVE[kind]))
                up_w = min(width * 0.9, 0.7) if top in ("picture", "notice", "wheel") else width
                dims = {"upper": (width, 0.34, 0.7), "pegboard": (width, 0.1, 0.75), "whiteboard": (width * 0.9, 0.03, 0.8)}.get(
                    top, (up_w, 0.03, up_w * 0.75)
                )
                put(top, wall, along + (width - dims[0]) / 2, 1.45 if top in ("upper", "picture") else 1.25, dims)
    return PlaceSpec(
        id=f"{kind.replace(' ', '_')}_{seed:03d}",
        kind=kind,
        seed=seed,
        size=size,
        items=tuple(items),
        work=(float(edge[0]), float(edge[1]), height, float(yaw)),
        island=island,
        window_wall=window_wall,
    )
