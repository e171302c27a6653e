"""Rooms as data: a small plan drawn from a seed, without a single triangle; `rooms` builds it.

Furniture stands along the walls (local frame: x along the wall, y into the room, z up); the work surface is either a
run along one wall or a free table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from .furniture import ABOVE, ALONG_WALLS, HIGH, LOOSE, ONE_ONLY
from .shapes import Array, pose

ROOM_TYPES = ("kitchen", "workshop", "office", "living room", "lab")
SURFACE_NAMES = {
    "kitchen": "kitchen counter",
    "workshop": "workbench",
    "office": "desk",
    "living room": "table",
    "lab": "lab bench",
}
LOW_SURFACES = ("office", "living room")
"""Room types whose work surface is a table to sit at."""
WORK_RUN_M = 2.4
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
    """Draw a room: type, size, work surface, furniture along the walls, things on the floor."""
    rng = np.random.default_rng([7, seed])
    kind = ROOM_TYPES[seed % len(ROOM_TYPES)]
    w, d, h = (float(v) for v in rng.uniform((5.0, 4.6, 2.5), (7.0, 6.2, 2.95)).round(2))
    plan = _Plan(kind, (w, d, h), rng)
    island = kind in LOW_SURFACES or bool(rng.random() < 0.55)
    work_wall, work = plan.island() if island else plan.work_wall()
    window_wall = int(rng.integers(4))
    door_wall = (window_wall + int(rng.integers(1, 4))) % 4
    for wall in range(4):
        plan.furnish(wall, has_work=wall == work_wall, has_window=wall == window_wall, has_door=wall == door_wall)
    plan.litter(work)
    return PlaceSpec(
        id=f"{kind.replace(' ', '_')}_{seed:03d}",
        kind=kind,
        seed=seed,
        size=plan.size,
        items=tuple(plan.items),
        work=work,
        island=island,
        window_wall=window_wall,
    )


class _Plan:
    """A room being drawn."""

    def __init__(self, kind: str, size: tuple[float, float, float], rng: Generator) -> None:
        self.kind, self.size, self.rng = kind, size, rng
        self.items: list[Item] = []
        self._used: set[str] = set()
        self._height = 0.74 if kind in LOW_SURFACES else 0.91

    def _add(self, name: str, matrix: Array, yaw: float, size: tuple[float, float, float]) -> None:
        x, y, z = (float(v) for v in matrix[:3, 3])
        self.items.append(Item(kind=name, at=(x, y, z), yaw=yaw, size=size, seed=int(self.rng.integers(1 << 30))))

    def _put(self, name: str, wall: int, along: float, z: float, size: tuple[float, float, float]) -> None:
        matrix, _ = wall_pose(wall, self.size)
        self._add(name, matrix @ pose(along, 0.0, z), wall * np.pi / 2, size)

    def island(self) -> tuple[int, tuple[float, float, float, float]]:
        """A free table about the middle; returns no wall (-1) and the work edge."""
        rng = self.rng
        w, d = float(rng.uniform(1.55, 1.95)), float(rng.uniform(0.75, 0.9))
        yaw = int(rng.integers(4)) * np.pi / 2 + float(rng.normal(0, 0.06))
        x, y = (side / 2 + float(rng.normal(0, 0.2)) for side in self.size[:2])
        matrix = pose(x, y, yaw=yaw) @ pose(-w / 2, -d / 2)
        base = {"kitchen": "counter", "workshop": "bench", "lab": "bench"}.get(self.kind, "table")
        self._add(base, matrix, yaw, (w, d, self._height))
        edge = matrix @ (w / 2, d, 0, 1)
        return -1, (float(edge[0]), float(edge[1]), self._height, float(yaw + np.pi))

    def work_wall(self) -> tuple[int, tuple[float, float, float, float]]:
        """A run along one wall; returns the wall and the work edge. `furnish` puts the run there."""
        wall = int(self.rng.integers(4))
        matrix, length = wall_pose(wall, self.size)
        edge = matrix @ (length / 2, self._run_depth, 0, 1)
        return wall, (float(edge[0]), float(edge[1]), self._height, wall * np.pi / 2 + np.pi)

    @property
    def _run_depth(self) -> float:
        return 0.7 if self.kind == "lab" else 0.62

    def furnish(self, wall: int, *, has_work: bool, has_window: bool, has_door: bool) -> None:
        """Fill one wall from its left to its right end."""
        _, length = wall_pose(wall, self.size)
        begin = 0.15 if wall % 2 == 0 else 0.85
        end = length - begin
        door = has_door and not has_work
        if door:
            self._put("door", wall, end - 1.0, 0, (0.9, 0.05, 2.05))
            end -= 1.2
        window = (length / 2 - 0.75, length / 2 + 0.75) if has_window else (99.0, 99.0)
        if has_window:
            self._put("window", wall, window[0], 1.1, (1.5, 0.1, 1.15))
        spans = self._spans(length, begin, end, window, has_work=has_work)
        for name, along, width, depth, h in spans:
            self._put(name, wall, along, 0, (width, depth, h))
            clear = along + width < window[0] or along > window[1]
            if h < 1.0 and clear and name != "boxes" and not (door and along + width > length - 2.2):
                self._hang(wall, along, width)

    def _spans(
        self, length: float, cursor: float, end: float, window: tuple[float, float], *, has_work: bool
    ) -> list[tuple[str, float, float, float, float]]:
        """(kind, along, width, depth, height) of what stands along a wall."""
        rng, spans = self.rng, []
        run = (length / 2 - WORK_RUN_M / 2, length / 2 + WORK_RUN_M / 2)
        if has_work:
            run_kind = "counter" if self.kind != "workshop" else "bench"
            spans.append((run_kind, run[0], WORK_RUN_M, self._run_depth, self._height))
        while cursor < end - 0.45:
            near_window = window[0] - 0.9 < cursor < window[1]
            low = near_window or has_work or rng.random() < 0.55
            pool = [piece for piece in ALONG_WALLS[self.kind][0 if low else 1] if piece[0] not in ONE_ONLY & self._used]
            name, (narrow, broad), depth, h = pool[int(rng.integers(len(pool)))]
            width = min(float(rng.uniform(narrow, broad)), end - cursor)
            if has_work and cursor < run[1] and cursor + width > run[0]:
                cursor = run[1] if cursor > run[0] - 0.1 else cursor + 0.1
                continue
            self._used.add(name)
            if width >= narrow:
                spans.append((name, cursor, width, depth, h))
            cursor += width + float(rng.choice([0.0, 0.02, 0.3]))
        return spans

    def _hang(self, wall: int, along: float, width: float) -> None:
        """Something on the wall above a low piece, and something higher up still."""
        rng = self.rng
        name = str(rng.choice(ABOVE[self.kind]))
        small = min(width * 0.9, 0.7)
        wide = {"upper": (width, 0.34, 0.7), "pegboard": (width, 0.1, 0.75), "whiteboard": (width * 0.9, 0.03, 0.8)}
        size = wide.get(name, (small, 0.03, small * 0.75))
        self._put(name, wall, along + (width - size[0]) / 2, 1.45 if name in ("upper", "picture") else 1.25, size)
        if name != "upper" and rng.random() < 0.75:
            high = str(rng.choice(HIGH[self.kind]))
            size = {"clock": (0.3, 0.04, 0.3), "duct": (width, 0.08, 0.08)}.get(high, (min(width, 0.9), 0.24, 0.03))
            z = 1.25 + size[2] + 0.85 if high == "wall_shelf" else 2.12
            self._put(high, wall, along + (width - size[0]) * float(rng.uniform(0.2, 0.8)), min(z, self.size[2] - 0.36), size)

    def litter(self, work: tuple[float, float, float, float]) -> None:
        """Bags, bins, stools, papers and cables on the floor, off the ways between the work and the room's middle."""
        rng = self.rng
        w, d, _ = self.size
        stand = (pose(*work[:2], yaw=work[3]) @ (0.0, -0.5, 0.0, 1.0))[:2]
        for _ in range(int(rng.integers(3, 8))):
            name, size = LOOSE[int(rng.integers(len(LOOSE)))]
            at = rng.uniform((0.5, 0.5), (w - 0.5, d - 0.5))
            yaw = float(rng.uniform(0, 2 * np.pi))
            middle = at + (pose(yaw=yaw) @ (size[0] / 2, size[1] / 2, 0, 1))[:2]
            off_way = float(np.hypot(*(middle - stand))) > 1.35
            if off_way and not any(near_item(item, middle[None], 0.5 * max(size[:2]) + 0.03) for item in self.items):
                self._add(name, pose(float(at[0]), float(at[1])), yaw, size)


def near_item(item: Item, points: Array, gap_m: float) -> bool:
    """Whether any floor point [n, 2] comes as near to a piece that stands on the floor."""
    if item.at[2] > 0.3:
        return False
    local = (points - np.array(item.at[:2])) @ pose(yaw=item.yaw)[:2, :2]
    outside = np.maximum(np.maximum(-local, local - (item.size[0], item.size[1])), 0)
    return bool((np.hypot(outside[:, 0], outside[:, 1]) < gap_m).any())
