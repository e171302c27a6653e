"""What lies and stands about on floors, and what hangs high on walls: rooms in use are not tidy."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..materials import Material, pick
from ..shapes import box, cushion, cylinder, panel, pose, tube
from .finishes import Finishes, Piece


def bag(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A soft bag with two handles."""
    cloth = pick(rng, "fabric", texture="weave", repeat_m=0.2)
    handles = [
        tube(
            [(w * 0.25, y, h * 0.75), (w * 0.35, y, h * 1.2), (w * 0.65, y, h * 1.2), (w * 0.75, y, h * 0.75)],
            [0.012] * 4,
            (0, 1, 0),
            segments=6,
        )
        for y in (d * 0.35, d * 0.65)
    ]
    return [(cushion((w, d, h), power=0.55).moved(pose(w / 2, d / 2, h / 2)), cloth), *[(s, pal.dark) for s in handles]], []


def bin_(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A waste bin with paper in it."""
    shell = pick(rng, "plastic" if rng.random() < 0.5 else "steel", gloss=0.2)
    ball = cushion((w * 0.5, d * 0.5, 0.12), power=0.8).moved(pose(w / 2, d / 2, h * 0.9))
    return [(cylinder(w * 0.36, h * 0.9, top_radius=w * 0.48).moved(pose(w / 2, d / 2)), shell), (ball, pick(rng, "paper"))], []


def stool(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A round stool; something may stand on it."""
    legs = [
        tube(
            [(w / 2 + 0.34 * w * np.cos(a), d / 2 + 0.34 * d * np.sin(a), 0), (w / 2, d / 2, h)],
            [0.016] * 2,
            (0, 0, 1),
            segments=6,
        )
        for a in np.arange(4) * np.pi / 2 + 0.5
    ]
    seat = cylinder(w * 0.46, 0.04).moved(pose(w / 2, d / 2, h - 0.04))
    return [(seat, pal.wood), *[(leg, pal.leg) for leg in legs]], [(w * 0.4, d * 0.4, w * 0.6, d * 0.6, h)]


def crate(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """An open crate of slats."""
    side = pick(rng, "wood" if rng.random() < 0.6 else "plastic", texture="wood", repeat_m=0.5)
    parts = [(box((0, 0, 0), (w, d, 0.02)), side)]
    for z in np.arange(0.03, h - 0.05, 0.11):
        parts += [(box((0, y, z), (w, y + 0.015, z + 0.085)), side) for y in (0, d - 0.015)]
        parts += [(box((x, 0.015, z), (x + 0.015, d - 0.015, z + 0.085)), side) for x in (0, w - 0.015)]
    return parts, [(w * 0.25, d * 0.25, w * 0.75, d * 0.75, 0.02)]


def papers(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """Sheets on the floor."""
    sheets = []
    for i in range(int(rng.integers(2, 5))):
        x, y, yaw = rng.uniform(0, w), rng.uniform(0, d), rng.uniform(0, 6.28)
        sheet = panel((-0.105, -0.15, 0.003 + 0.001 * i), (0.21, 0, 0), (0, 0.297, 0), fit=True).moved(pose(x, y, yaw=yaw))
        sheets.append((sheet, Material(colour="#f0ede4", texture=f"page:{rng.integers(9)}")))
    return sheets, []


def shoes(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A pair of shoes."""
    leather = pick(rng, "dark" if rng.random() < 0.6 else "shirt", gloss=0.2)
    pair = [(0.06, 0.14, rng.normal(0.1, 0.2)), (0.2, 0.15, rng.normal(0, 0.3))]
    return [(cushion((0.1, 0.28, 0.1), power=0.6).moved(pose(x, y, 0.05, yaw=yaw)), leather) for x, y, yaw in pair], []


def cable(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A cable in loops."""
    t = np.linspace(0, 1, 40)
    x = w * t + 0.1 * np.sin(9 * t + rng.uniform(0, 6))
    y = d / 2 + d * 0.5 * np.sin(6 * t + rng.uniform(0, 6))
    points = np.stack([x, y, np.full(40, 0.008)], -1)
    return [
        (
            tube(points, np.full(40, 0.006), (0, 0, 1), segments=5),
            Material(colour=str(rng.choice(["#1c1c1e", "#b8642f", "#d9d6cf"]))),
        )
    ], []


def wall_shelf(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A board on brackets, full of things."""
    brackets = [box((x, 0, -0.12), (x + 0.02, d * 0.8, 0)) for x in (w * 0.15, w * 0.85)]
    return [(box((0, 0, 0), (w, d, h)), pal.wood), *[(b, pal.dark) for b in brackets]], [(0.06, 0.06, w - 0.06, d - 0.04, h)]


def clock(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A round clock."""
    lie = np.array([[1.0, 0, 0, w / 2], [0, 0, 1, 0], [0, -1, 0, h / 2], [0, 0, 0, 1]])
    face, black = Material(colour="#ece9e2", gloss=0.2), Material(colour="#222325", gloss=0.2)
    hands = [box((-0.006, 0.041, 0), (0.006, 0.044, length)) for length in (0.08, 0.11)]
    turned = [hand.moved(_about_y(float(rng.uniform(0, 6.28))) @ np.eye(4)).moved(pose(w / 2, 0, h / 2)) for hand in hands]
    rim, dial = cylinder(w / 2, 0.03).moved(lie), cylinder(w / 2 - 0.015, 0.04).moved(lie)
    return [(rim, black), (dial, face), *[(hand, black) for hand in turned]], []


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1.0]])


def duct(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    """A pipe or cable duct along the wall."""
    metal = pick(rng, "steel", gloss=0.3)
    if rng.random() < 0.5:
        return [
            (tube([(0, 0.05, 0), (w / 2, 0.05, 0), (w, 0.05, 0)], [0.03] * 3, (0, 0, 1), segments=8, closed=False), metal)
        ], []
    return [(box((0, 0, 0), (w, d, h)), Material(colour="#d9d7d0"))], []
