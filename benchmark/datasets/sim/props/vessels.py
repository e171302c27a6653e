"""Cups, bowls, bottles, pots: what holds food and liquids."""

from __future__ import annotations

from numpy.random import Generator

from ..build import Model
from ..materials import Material, pick
from ..shapes import Shape, cylinder, lathe, pose, tube


def vessel(radius: float, height: float, *, wall: float = 0.004, foot: float = 0.85, belly: float = 1.0) -> Shape:
    """Open thin-walled profile: outside up, inside down."""
    r = radius
    return lathe(
        [
            (0, 0),
            (r * foot, 0),
            (r * foot, 0),
            (r * belly, height * 0.5),
            (r, height),
            (r, height),
            (r - wall, height),
            (r - wall, height),
            ((r - wall) * belly, height * 0.5),
            (r * foot - wall, wall * 2),
            (0, wall * 2),
        ],
        segments=20,
    )


def contents(radius: float, z: float, colour: str) -> tuple[Shape, Material]:
    """A flat filling of a vessel."""
    return (cylinder(radius, 0.004, segments=16).moved(pose(z=z)), Material(colour=colour, gloss=0.25))


def cup(rng: Generator) -> Model:
    c = pick(rng, "ceramic", gloss=0.35)
    handle = tube([(0.038, 0, 0.075), (0.062, 0, 0.07), (0.066, 0, 0.045), (0.038, 0, 0.025)], [0.005] * 4, (0, 1, 0), segments=6)
    return [(vessel(0.041, 0.095, foot=0.9), c), (handle, c), contents(0.036, 0.07, "#4a3020")]


def bowl(rng: Generator) -> Model:
    return [
        (vessel(0.085, 0.07, foot=0.5, belly=0.9), pick(rng, "ceramic", gloss=0.35)),
        contents(0.068, 0.04, str(rng.choice(["#d8c08a", "#9a4a30", "#c9c0a8", "#6f7f3f"]))),
    ]


def plate(rng: Generator) -> Model:
    return [
        (
            lathe([(0, 0), (0.07, 0), (0.12, 0.016), (0.12, 0.019), (0.07, 0.006), (0, 0.006)], segments=24),
            pick(rng, "ceramic", gloss=0.3),
        )
    ]


def bottle(rng: Generator) -> Model:
    glass, cap = pick(rng, "glass", gloss=0.6), pick(rng, "plastic", gloss=0.2)
    body = lathe([(0, 0), (0.034, 0), (0.036, 0.01), (0.036, 0.15), (0.03, 0.18), (0.014, 0.21), (0.013, 0.25), (0, 0.25)])
    label = lathe([(0.0366, 0.05), (0.0366, 0.12)], segments=16)
    return [
        (body, glass),
        (label, pick(rng, "paper", texture="page:3", repeat_m=0.1)),
        (cylinder(0.015, 0.02).moved(pose(z=0.245)), cap),
    ]


def jar(rng: Generator) -> Model:
    return [
        (cylinder(0.04, 0.1), pick(rng, "glass", gloss=0.5)),
        (cylinder(0.042, 0.018).moved(pose(z=0.1)), pick(rng, "plastic", gloss=0.2)),
        (lathe([(0.0405, 0.025), (0.0405, 0.075)]), pick(rng, "paper")),
    ]


def pan(rng: Generator) -> Model:
    iron = Material(colour="#2b2b2d", gloss=0.25)
    handle = tube([(0.13, 0, 0.045), (0.2, 0, 0.055), (0.32, 0, 0.06)], [0.011] * 3, (0, 0, 1), segments=8)
    return [
        (vessel(0.14, 0.05, foot=0.82), iron),
        (handle, Material(colour="#1e1c1a", gloss=0.1)),
        contents(0.118, 0.02, str(rng.choice(["#a8662c", "#7f8f3a", "#b8432b"]))),
    ]


def pot(rng: Generator) -> Model:
    steel = pick(rng, "steel", texture="brushed", gloss=0.5, metal=True)
    ears = [
        tube([(s * 0.1, -0.03, 0.1), (s * 0.13, 0, 0.1), (s * 0.1, 0.03, 0.1)], [0.006] * 3, (0, 0, 1), segments=6)
        for s in (-1, 1)
    ]
    return [
        (vessel(0.105, 0.13, foot=1.0), steel),
        *[(e, Material(colour="#2a2a2a")) for e in ears],
        contents(0.1, 0.09, "#b07a3c"),
    ]


def kettle(rng: Generator) -> Model:
    body = pick(rng, "ceramic", gloss=0.4)
    spout = tube([(0.06, 0, 0.05), (0.1, 0, 0.1), (0.125, 0, 0.145)], [0.018, 0.013, 0.009], (0, 1, 0), segments=8)
    handle = tube([(-0.06, 0, 0.15), (-0.11, 0, 0.14), (-0.115, 0, 0.08), (-0.07, 0, 0.04)], [0.01] * 4, (0, 1, 0), segments=8)
    return [
        (lathe([(0, 0), (0.075, 0), (0.08, 0.03), (0.06, 0.14), (0.03, 0.16), (0.01, 0.175), (0, 0.175)]), body),
        (spout, body),
        (handle, Material(colour="#26241f")),
    ]


def flask(rng: Generator) -> Model:
    liquid = Material(colour=str(rng.choice(["#b7633a", "#5f8f9a", "#9a8f3a", "#7a4f7f"])), gloss=0.5)
    return [
        (lathe([(0, 0), (0.045, 0), (0.048, 0.01), (0.03, 0.06), (0.03, 0.06)]), liquid),
        (
            lathe([(0.0305, 0.06), (0.015, 0.1), (0.014, 0.14), (0.018, 0.145), (0.012, 0.145), (0, 0.09)]),
            Material(colour="#c9d6d6", gloss=0.7),
        ),
    ]
