"""Tables and seats."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..build import Model
from ..materials import Material, pick
from ..shapes import box, cushion, cylinder, panel, pose, tube
from .finishes import Finishes, Piece


def table(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    leg = 0.03
    parts = [(box((0, 0, h - 0.035), (w, d, h), cell=0.15), pal.table)]
    parts += [
        (box((x - leg, y - leg, 0), (x + leg, y + leg, h - 0.035)), pal.leg) for x in (0.07, w - 0.07) for y in (0.07, d - 0.07)
    ]
    parts += [(box((0.07, y - 0.012, h - 0.12), (w - 0.07, y + 0.012, h - 0.035)), pal.leg) for y in (0.08, d - 0.08)]
    return parts, [(0.1, 0.1, w - 0.1, d - 0.1, h)]


def bench(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    parts, tops = table(w, d, h, rng, pal)
    parts.append((box((0.06, 0.06, 0.2), (w - 0.06, d - 0.1, 0.225)), pal.wood))
    return parts, [*tops, (0.15, 0.15, w - 0.15, d - 0.2, 0.225)]


def desk(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    parts, _ = table(w, d, h, rng, pal)
    for x in (w / 2,) if w < 1.5 else (w * 0.3, w * 0.7):
        parts += [(s.moved(pose(x, 0.2, h)), m) for s, m in _monitor(rng)]
    return parts, [(0.1, 0.35, w - 0.1, d - 0.08, h)]


def _monitor(rng: Generator) -> Model:
    black = Material(colour="#1c1d20", gloss=0.25)
    return [
        (cylinder(0.1, 0.015), black),
        (box((-0.02, -0.02, 0), (0.02, 0.02, 0.2)), black),
        (box((-0.28, 0, 0.13), (0.28, 0.03, 0.47)), black),
        (
            panel((0.27, 0.031, 0.14), (-0.54, 0, 0), (0, 0, 0.32), fit=True),
            Material(colour="#ffffff", texture=f"screen:{rng.integers(20)}", glow=0.7),
        ),
    ]


def chair(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    seat = 0.45
    legs = [
        (tube([(x, y, 0), (x, y, seat)], [0.018] * 2, (1, 0, 0), segments=6), pal.leg)
        for x in (0.05, w - 0.05)
        for y in (0.05, d - 0.05)
    ]
    posts = [(tube([(x, 0.04, seat), (x, 0.0, h)], [0.017] * 2, (1, 0, 0), segments=6), pal.leg) for x in (0.05, w - 0.05)]
    return [
        *legs,
        *posts,
        (cushion((w, d, 0.06), power=0.35).moved(pose(w / 2, d / 2, seat)), pal.fabric),
        (cushion((w, 0.05, 0.3), power=0.35).moved(pose(w / 2, 0.02, h - 0.18)), pal.fabric),
    ], []


def office_chair(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    feet = [
        (
            tube(
                [(w / 2, d / 2, 0.09), (w / 2 + 0.28 * np.cos(a), d / 2 + 0.28 * np.sin(a), 0.04)],
                [0.022, 0.015],
                (0, 0, 1),
                segments=6,
            ),
            pal.dark,
        )
        for a in np.arange(5) * 2 * np.pi / 5
    ]
    return [
        *feet,
        (cylinder(0.03, 0.4).moved(pose(w / 2, d / 2, 0.06)), pal.dark),
        (cushion((w, d, 0.1), power=0.4).moved(pose(w / 2, d / 2, 0.46)), pal.fabric),
        (cushion((w * 0.9, 0.08, 0.48), power=0.4).moved(pose(w / 2, 0.04, 0.8)), pal.fabric),
    ], []


def sofa(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    f = pal.fabric
    parts = [
        (box((0.1, 0.05, 0.08), (w - 0.1, d, 0.28)), f),
        (cushion((w - 0.1, 0.3, 0.75), power=0.3).moved(pose(w / 2, 0.17, 0.45)), f),
    ]
    parts += [(cushion((0.22, d, 0.55), power=0.3).moved(pose(x, d / 2, 0.32)), f) for x in (0.11, w - 0.11)]
    parts += [
        (
            cushion(((w - 0.42) / 2, d - 0.25, 0.2), power=0.35).moved(
                pose(0.21 + (i + 0.5) * (w - 0.42) / 2, d / 2 + 0.14, 0.37)
            ),
            f,
        )
        for i in range(2)
    ]
    return parts + [
        (
            cushion((0.4, 0.16, 0.38), power=0.6).moved(pose(x * w, 0.42, 0.6)),
            pick(rng, "ceramic", texture="stripes", repeat_m=0.3),
        )
        for x in (0.25, 0.74)
    ], []
