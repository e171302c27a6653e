"""What stands and lies about: boxes, books, fruit, plants, devices."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..build import Model
from ..materials import Material, pick
from ..shapes import box, cushion, cylinder, panel, pose, tube


def carton(rng: Generator) -> Model:
    w, d, h = rng.uniform((0.08, 0.05, 0.1), (0.24, 0.16, 0.22))
    face = pick(rng, str(rng.choice(["paper", "paper", "book"])), texture="worn", repeat_m=0.5)
    tape = box((-w / 2 - 0.001, -0.02, 0.0), (w / 2 + 0.001, 0.02, h + 0.001))
    return [(box((-w / 2, -d / 2, 0), (w / 2, d / 2, h)), face), (tape, Material(colour="#c8b08a", gloss=0.2))]


def book(rng: Generator) -> Model:
    cover = pick(rng, "book", texture="worn", repeat_m=0.4)
    return [
        (box((-0.08, -0.115, 0), (0.08, 0.115, 0.006)), cover),
        (box((-0.077, -0.112, 0.006), (0.079, 0.112, 0.024)), Material(colour="#e2dccb")),
        (box((-0.08, -0.115, 0.024), (0.08, 0.115, 0.03)), cover),
    ]


def notebook(rng: Generator) -> Model:
    left, right = (panel((x, -0.14, 0.012), (0.2, 0, 0), (0, 0.28, 0), fit=True) for x in (-0.2, 0.0))
    page = Material(colour="#f2efe6", texture=f"page:{rng.integers(9)}")
    return [(box((-0.205, -0.145, 0), (0.205, 0.145, 0.011)), pick(rng, "book")), (left, page), (right, page)]


def fruit(rng: Generator) -> Model:
    colour = str(rng.choice(["#b23b2e", "#c9862f", "#7f9440", "#cfb03f"]))
    return [
        (
            cushion((0.078, 0.078, 0.072), power=0.95).moved(pose(z=0.036)),
            Material(colour=colour, texture="worn", repeat_m=0.1, gloss=0.2),
        ),
        (cylinder(0.003, 0.014, segments=6).moved(pose(z=0.068)), Material(colour="#4a3a22")),
    ]


def rack(rng: Generator) -> Model:
    tubes = [
        (cylinder(0.009, 0.09, segments=8).moved(pose(-0.08 + 0.032 * i, 0, 0.012)), pick(rng, "ceramic", gloss=0.5))
        for i in range(6)
    ]
    return [
        (box((-0.11, -0.03, 0.04), (0.11, 0.03, 0.05)), Material(colour="#dfe3e4")),
        (box((-0.11, -0.03, 0), (0.11, 0.03, 0.01)), Material(colour="#dfe3e4")),
        *tubes,
    ]


def laptop(rng: Generator) -> Model:
    grey, keys = Material(colour="#8d9094", gloss=0.3), Material(colour="#2a2c2f", texture="mat", repeat_m=0.15)
    screen = panel((-0.155, 0.118, 0.025), (0.31, 0, 0), (0, 0.06, 0.19), fit=True)
    return [
        (box((-0.165, -0.115, 0), (0.165, 0.115, 0.016)), grey),
        (box((-0.145, -0.03, 0.016), (0.145, 0.09, 0.0175)), keys),
        (box((-0.165, 0.113, 0.012), (0.165, 0.118, 0.02)), grey),
        (screen, Material(colour="#ffffff", texture=f"screen:{rng.integers(9)}", glow=0.5)),
        (panel((0.165, 0.122, 0.012), (-0.33, 0, 0), (0, 0.066, 0.215)), grey),
    ]


def toolbox(rng: Generator) -> Model:
    c = pick(rng, "plastic", gloss=0.2, texture="worn", repeat_m=0.4)
    return [
        (box((-0.2, -0.09, 0), (0.2, 0.09, 0.13)), c),
        (box((-0.21, -0.1, 0.12), (0.21, 0.1, 0.15)), Material(colour="#2c2d30")),
        (
            tube([(-0.08, 0, 0.15), (-0.08, 0, 0.19), (0.08, 0, 0.19), (0.08, 0, 0.15)], [0.01] * 4, (0, 1, 0), segments=6),
            Material(colour="#2c2d30"),
        ),
    ]


def plant(rng: Generator) -> Model:
    leaf = Material(colour=str(rng.choice(["#4f6b3c", "#5d7a4a", "#3f5a3a"])), texture="worn", repeat_m=0.1)
    parts = [(cylinder(0.07, 0.13, top_radius=0.09), pick(rng, "ceramic"))]
    for _ in range(14):
        yaw, rise, length = rng.uniform(0, 6.3), rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.3)
        tip = np.array([np.cos(yaw) * length * 0.7, np.sin(yaw) * length * 0.7, 0.13 + rise * 0.8])
        parts.append(
            (
                tube(
                    np.array([(0, 0, 0.1), tip * (0.5, 0.5, 0.8), tip]),
                    [(0.004, 0.004), (0.03, 0.004), (0.006, 0.003)],
                    (-np.sin(yaw), np.cos(yaw), 0.1),
                    segments=6,
                ),
                leaf,
            )
        )
    return parts


def phone(rng: Generator) -> Model:
    face = Material(colour="#ffffff", texture=f"screen:{rng.integers(9)}", glow=0.5)
    return [
        (box((-0.037, -0.075, 0), (0.037, 0.075, 0.008)), pick(rng, "dark", gloss=0.4)),
        (panel((-0.033, -0.07, 0.0085), (0.066, 0, 0), (0, 0.14, 0), fit=True), face),
    ]
