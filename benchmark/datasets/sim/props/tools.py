"""What is worked with, gripped by its handle, and what is worked on."""

from __future__ import annotations

from numpy.random import Generator

from ..build import Model
from ..materials import Material, pick
from ..shapes import Shape, box, cushion, cylinder, pose, tube


def stick(length: float, radius: float, material: Material) -> tuple[Shape, Material]:
    """A handle from the origin up."""
    return (tube([(0, 0, 0), (0, 0, length / 2), (0, 0, length)], [radius] * 3, (1, 0, 0), segments=8), material)


def spoon(rng: Generator) -> Model:
    wood = pick(rng, "wood", texture="wood", repeat_m=0.3)
    return [stick(0.24, 0.006, wood), (cushion((0.045, 0.012, 0.065), power=0.9).moved(pose(z=-0.02)), wood)]


def knife(rng: Generator) -> Model:
    return [
        stick(0.11, 0.011, Material(colour="#1f1d1c", gloss=0.15)),
        (box((-0.002, -0.02, -0.18), (0.002, 0.018, 0.0)), Material(colour="#b9bcbf", gloss=0.5, metal=True)),
    ]


def hammer(rng: Generator) -> Model:
    head = tube([(-0.055, 0, 0.27), (0, 0, 0.27), (0.06, 0, 0.27)], [(0.016, 0.016)] * 3, (0, 1, 0), segments=8)
    return [
        stick(0.28, 0.013, pick(rng, "wood", texture="wood", repeat_m=0.3)),
        (head, Material(colour="#55585c", gloss=0.4, metal=True)),
    ]


def screwdriver(rng: Generator) -> Model:
    return [
        stick(0.1, 0.015, pick(rng, "plastic", gloss=0.3)),
        (cylinder(0.004, 0.12, segments=6).moved(pose(z=-0.12)), Material(colour="#9a9da0", metal=True, gloss=0.5)),
    ]


def pen(rng: Generator) -> Model:
    return [stick(0.14, 0.0045, pick(rng, "plastic", gloss=0.3))]


def cloth(rng: Generator) -> Model:
    fabric = pick(rng, "ceramic", texture="stripes", repeat_m=0.12, gloss=0)
    return [
        (cushion((0.3, 0.22, 0.02), power=0.5).moved(pose(z=0.01)), fabric),
        (cushion((0.2, 0.15, 0.045), power=0.6).moved(pose(0.03, 0.04, 0.012)), fabric),
    ]


def board(rng: Generator) -> Model:
    return [(box((-0.19, -0.13, 0), (0.19, 0.13, 0.02)), pick(rng, "wood", texture="wood", repeat_m=0.5))]


def vegetable(rng: Generator) -> Model:
    skin = Material(colour=str(rng.choice(["#c9742f", "#6f8f3c", "#8f3d33"])), texture="worn", repeat_m=0.1, gloss=0.12)
    body = tube([(-0.09, 0, 0.022), (0, 0, 0.024), (0.08, 0, 0.022)], [0.022, 0.022, 0.014], (0, 1, 0), segments=10)
    slices = [(cylinder(0.022, 0.006).moved(pose(0.11 + 0.016 * i, 0.01 * (i % 2), 0.0)), skin) for i in range(3)]
    return [(body, skin), *slices]


def plank(rng: Generator) -> Model:
    nail = (cylinder(0.003, 0.05, segments=6).moved(pose(0, 0, 0.03)), Material(colour="#8a8d90", metal=True, gloss=0.4))
    return [(box((-0.22, -0.05, 0), (0.22, 0.05, 0.035)), pick(rng, "wood", texture="wood", repeat_m=0.4)), nail]


def gadget(rng: Generator) -> Model:
    """A small opened device with screws: something to repair."""
    return [
        (box((-0.1, -0.07, 0), (0.1, 0.07, 0.045)), pick(rng, "dark", gloss=0.2)),
        (box((-0.085, -0.055, 0.045), (0.085, 0.055, 0.047)), Material(colour="#3f5f48", texture="worn", repeat_m=0.05)),
        *[
            (cylinder(r, h).moved(pose(x, y, 0.045)), pick(rng, "steel", gloss=0.4))
            for x, y, r, h in ((-0.05, 0.02, 0.012, 0.02), (0.04, -0.02, 0.018, 0.01), (0.06, 0.03, 0.008, 0.016))
        ],
    ]


def saw(rng: Generator) -> Model:
    """A hand saw: the blade runs on below the handle."""
    handle = pick(rng, "wood", texture="wood", repeat_m=0.2)
    blade = box((-0.001, -0.045, -0.36), (0.001, 0.02, 0.0))
    return [
        stick(0.1, 0.014, handle),
        (box((-0.009, -0.03, -0.015), (0.009, 0.025, 0.015)), handle),
        (blade, Material(colour="#b3b6b9", gloss=0.5, metal=True)),
    ]


def brush(rng: Generator) -> Model:
    """A flat paint brush, bristles down."""
    bristles = Material(colour=str(rng.choice(["#8f3d33", "#3f6a84", "#d8cfae"])), texture="hair", repeat_m=0.05)
    return [
        stick(0.2, 0.008, pick(rng, "wood", gloss=0.2)),
        (box((-0.006, -0.022, -0.03), (0.006, 0.022, 0.01)), Material(colour="#9a9da0", metal=True, gloss=0.4)),
        (box((-0.005, -0.02, -0.07), (0.005, 0.02, -0.03)), bristles),
    ]


def block(rng: Generator) -> Model:
    """A sanding block."""
    body = pick(rng, "plastic", gloss=0.1, texture="worn", repeat_m=0.2)
    return [
        (box((-0.05, -0.03, 0), (0.05, 0.03, 0.03)), body),
        (box((-0.052, -0.032, -0.002), (0.052, 0.032, 0.004)), pick(rng, "dark")),
    ]


def pipette(rng: Generator) -> Model:
    """A laboratory pipette, tip down."""
    white = Material(colour="#e3e6e6", gloss=0.3)
    return [
        (
            tube([(0, 0, -0.06), (0, 0, 0.02), (0, 0, 0.12), (0, 0, 0.2)], [0.003, 0.006, 0.012, 0.014], (1, 0, 0), segments=8),
            white,
        ),
        (cylinder(0.016, 0.02).moved(pose(z=0.2)), pick(rng, "plastic", gloss=0.3)),
    ]
