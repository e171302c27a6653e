"""Counters, shelves, cabinets and machines: what stands along walls and holds things."""

from __future__ import annotations

from numpy.random import Generator

from ..build import Model
from ..materials import Material, pick
from ..props import goods
from ..shapes import box, cylinder, panel, pose, tube
from .finishes import Finishes, Piece


def counter(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    parts = [
        (box((0, 0.02, 0.1), (w, d - 0.03, h - 0.04)), pal.front),
        (box((0, 0.02, 0), (w, d - 0.08, 0.1)), pal.dark),
        (box((-0.01, 0, h - 0.04), (w + 0.01, d, h), cell=0.15), pal.top),
    ]
    n = max(1, round(w / 0.5))
    for i in range(n):
        x0, x1 = i * w / n + 0.008, (i + 1) * w / n - 0.008
        split = h - 0.24 if rng.random() < 0.5 else h - 0.06
        parts.append((box((x0, d - 0.03, 0.11), (x1, d - 0.01, split - 0.006)), pal.front))
        if split < h - 0.1:
            parts.append((box((x0, d - 0.03, split), (x1, d - 0.01, h - 0.055)), pal.front))
        parts.append(
            (box(((x0 + x1) / 2 - 0.07, d - 0.01, split - 0.06), ((x0 + x1) / 2 + 0.07, d + 0.01, split - 0.045)), pal.steel)
        )
    return parts, [(0.1, 0.08, w - 0.1, d - 0.1, h)]


def shelf(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    parts = [(box((x, 0, 0), (x + 0.025, d, h)), pal.wood) for x in (0, w - 0.025)]
    parts.append((panel((w, 0.012, 0), (-w, 0, 0), (0, 0, h)), pal.wood))
    tops, n = [], max(2, round(h / 0.36))
    for i in range(n + 1):
        z = 0.05 + i * (h - 0.075) / n
        parts.append((box((0.02, 0, z), (w - 0.02, d, z + 0.022)), pal.wood))
        if i < n:
            if pal.kind in ("office", "living room") and rng.random() < 0.65:
                parts += _book_row(rng, 0.04, w - rng.uniform(0.05, 0.45) * w, d, z + 0.022)
            else:
                tops.append((0.08, 0.08, w - 0.08, d - 0.05, z + 0.022))
    return parts, tops


def _book_row(rng: Generator, x: float, end: float, d: float, z: float) -> Model:
    row = []
    while x < end:
        t, height = rng.uniform(0.022, 0.05), rng.uniform(0.2, 0.29)
        row.append(
            (
                box((x, 0.05, z), (x + t - 0.002, min(d - 0.03, 0.05 + rng.uniform(0.15, 0.2)), z + height)),
                pick(rng, "book", texture="worn", repeat_m=0.3),
            )
        )
        x += t
    return row


def upper(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    n = max(1, round(w / 0.45))
    parts = [(box((0, 0, 0), (w, d - 0.02, h)), pal.front)]
    parts += [(box((i * w / n + 0.006, d - 0.02, 0.006), ((i + 1) * w / n - 0.006, d, h - 0.006)), pal.front) for i in range(n)]
    return parts + [
        (box(((i + 0.86) * w / n - 0.006, d, 0.05), ((i + 0.86) * w / n + 0.006, d + 0.02, 0.17)), pal.steel) for i in range(n)
    ], []


def fridge(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    body = Material(colour=str(rng.choice(["#d9dad8", "#a9acae", "#3c3f43"])), gloss=0.35)
    return [
        (box((0, 0, 0), (w, d - 0.04, h)), body),
        (box((0, d - 0.035, 0.05), (w, d, h * 0.62)), body),
        (box((0, d - 0.035, h * 0.63), (w, d, h)), body),
        *[(box((0.04, d, z), (0.06, d + 0.03, z + 0.35)), pal.steel) for z in (h * 0.62 - 0.4, h * 0.66)],
    ], []


def stove(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    black, steel = Material(colour="#1d1d1f", gloss=0.4), pal.steel
    rings = [
        (cylinder(0.09, 0.012).moved(pose(x * w, y * d, h)), Material(colour="#2e2e30"))
        for x in (0.28, 0.72)
        for y in (0.3, 0.68)
    ]
    knobs = [(box((x * w - 0.02, d, h - 0.1), (x * w + 0.02, d + 0.025, h - 0.06)), black) for x in (0.15, 0.3, 0.7, 0.85)]
    return [
        (box((0, 0, 0), (w, d, h)), steel),
        (box((0.05, d, 0.2), (w - 0.05, d + 0.012, h - 0.2)), black),
        *rings,
        *knobs,
        (tube([(0.08, d + 0.04, h - 0.16), (w - 0.08, d + 0.04, h - 0.16)], [0.01] * 2, (0, 0, 1), segments=6), steel),
    ], [(0.1, 0.1, w - 0.1, d - 0.2, h + 0.012)]


def chest(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    body = Material(colour=str(rng.choice(["#9c3a30", "#3d5876", "#55585c"])), gloss=0.25)
    n = 6
    drawers = [
        (box((0.03, d, 0.12 + i * (h - 0.16) / n), (w - 0.03, d + 0.015, 0.11 + (i + 1) * (h - 0.16) / n)), body)
        for i in range(n)
    ]
    pulls = [
        (
            box((0.06, d + 0.015, 0.09 + (i + 1) * (h - 0.16) / n), (w - 0.06, d + 0.028, 0.1 + (i + 1) * (h - 0.16) / n)),
            pal.steel,
        )
        for i in range(n)
    ]
    return [(box((0, 0, 0.08), (w, d, h)), body), *drawers, *pulls], [(0.08, 0.08, w - 0.08, d - 0.08, h)]


def media(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    parts, _ = counter(w, d, 0.5, rng, pal)
    black = Material(colour="#17181a", gloss=0.2)
    return [
        *parts,
        (box((w / 2 - 0.55, 0.12, 0.56), (w / 2 + 0.55, 0.16, 1.2)), black),
        (box((w / 2 - 0.15, 0.1, 0.5), (w / 2 + 0.15, 0.2, 0.56)), black),
    ], []


def boxes(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    parts, z = [], 0.0
    for _ in range(3):
        bw, bd, bh = rng.uniform((0.3, 0.25, 0.2), (w, d, 0.34))
        parts.append(
            (
                box((-bw / 2, -bd / 2, 0), (bw / 2, bd / 2, bh)).moved(pose(w / 2, d / 2, z, yaw=rng.normal(0, 0.15))),
                pick(rng, "paper", texture="worn", repeat_m=0.6),
            )
        )
        z += bh
    return parts, []


def plant(w: float, d: float, h: float, rng: Generator, pal: Finishes) -> Piece:
    return [(s.moved(pose(w / 2, d / 2, 0, scale=2.0)), m) for s, m in goods.plant(rng)], []
