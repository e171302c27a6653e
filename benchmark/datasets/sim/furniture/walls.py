"""What hangs on walls: pictures, boards, windows, doors, tools."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from .. import props
from ..materials import Material, pick
from ..shapes import box, cushion, panel, pose, tube
from .finishes import Finishes, Piece


def pegboard(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    parts = [(box((0, 0, 0), (w, 0.02, h)), Material(colour="#b79b73", texture="mat", repeat_m=0.25))]
    for x in np.arange(0.12, w - 0.08, 0.15):
        for z in (h * 0.35, h * 0.8):
            if rng.random() < 0.85:
                kind = str(rng.choice(["hammer", "screwdriver", "spoon", "knife"]))
                turn = np.diag([1.0, 1, -1, 1]) @ pose() if rng.random() < 0.5 else pose(z=-0.25)
                turn = turn.copy()
                turn[:3, 3] += (x, 0.045, z)
                parts += [(s.moved(turn), m) for s, m in props.model(kind, int(rng.integers(1 << 30)))]
    return parts, []


def wheel(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    angle = np.linspace(0, 2 * np.pi, 33)
    circle = np.stack([w / 2 + 0.31 * np.cos(angle), np.full(33, 0.06), h / 2 + 0.31 * np.sin(angle)], -1)
    spokes = [(tube([(w / 2, 0.06, h / 2), circle[i]], [0.003] * 2, (0, 1, 0), segments=4), pal.steel) for i in range(0, 32, 2)]
    return [(tube(circle, [0.022] * 33, (0, 1, 0), segments=8, closed=False), Material(colour="#232325")), *spokes], []


def framed(texture: str, glow: float = 0.0) -> Callable[[float, float, float, Generator, Finishes], Piece]:
    """A framed picture of a texture kind."""

    def build(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
        rim = 0.03
        face = Material(colour="#ffffff", texture=f"{texture}:{rng.integers(40)}", gloss=0.1, glow=glow)
        return [
            (box((0, 0, 0), (w, 0.02, h)), pal.leg),
            (panel((w - rim, 0.022, rim), (2 * rim - w, 0, 0), (0, 0, h - 2 * rim), fit=True), face),
        ], []

    return build


def whiteboard(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    return [
        (box((0, 0, 0), (w, 0.02, h)), Material(colour="#9a9da0")),
        (box((0.02, 0.02, 0.02), (w - 0.02, 0.024, h - 0.02)), Material(colour="#e9ebea", gloss=0.3)),
    ], []


def window(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    frame_colour = Material(colour=str(rng.choice(["#e6e4de", "#5a4636", "#3c3f42"])))
    view = (
        panel((w, 0.01, 0), (-w, 0, 0), (0, 0, h), fit=True),
        Material(colour="#ffffff", texture=f"outside:{rng.integers(40)}", glow=1.6),
    )
    bars = [box((x - 0.03, 0, 0), (x + 0.03, 0.05, h)) for x in (0, w / 2, w)] + [
        box((0, 0, z - 0.03), (w, 0.05, z + 0.03)) for z in (0, h)
    ]
    sill = box((-0.08, 0, -0.06), (w + 0.08, 0.14, -0.03))
    parts = [view, *[(b, frame_colour) for b in bars], (sill, frame_colour)]
    if pal.kind in ("living room",):

        def y(x: float) -> float:
            return 0.1 + 0.025 * np.sin(x * 40)

        for side in (-0.3, w - 0.05):
            parts += [
                (tube([(x, y(x), -0.9), (x, y(x), h + 0.15)], [(0.035, 0.02)] * 2, (1, 0, 0), segments=6), pal.curtain)
                for x in np.arange(side, side + 0.36, 0.05)
            ]
    elif rng.random() < 0.5:
        parts += [
            (box((0, 0.05, h - 0.04 * i - 0.03), (w, 0.075, h - 0.04 * i - 0.025)), Material(colour="#dcd8cc"))
            for i in range(int(h * 10))
        ]
    return parts, []


def door(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    leaf = pick(rng, "wood" if rng.random() < 0.6 else "wall", texture="wood", repeat_m=1.0, gloss=0.12)
    return [
        (box((-0.07, 0, 0), (w + 0.07, 0.03, h + 0.07)), pal.trim),
        (box((0, 0.03, 0), (w, 0.045, h)), leaf),
        (cushion((0.12, 0.04, 0.025)).moved(pose(w - 0.12, 0.08, 1.02)), pal.steel),
    ], []
