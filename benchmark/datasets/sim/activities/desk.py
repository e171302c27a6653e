"""Quiet work with papers and devices."""

from __future__ import annotations

from collections.abc import Callable

from ..actor import LEFT, RIGHT
from ..script import Spot
from .toolwork import use_tool

Perform = Callable[[float], float]


def write(spot: Spot) -> Perform:
    notebook = spot.prop("notebook", 0.0, 0.27, yaw=float(spot.rng.normal(0, 0.1)))
    pen = spot.tool("pen", 0.25, 0.2, turn=0.1)
    return use_tool(
        spot, pen, grip="pen", contact=(0.1, 0.22, 0.08), wave=("scribble", (0.1, 0.012, 0.0), 0.4),
        words="writes in {1}", things=(notebook,), left=((-0.14, 0.18, 0.03), "flat", 0.3, 0.012),
    )  # fmt: skip


def type_text(spot: Spot) -> Perform:
    laptop = spot.prop("laptop", 0.0, 0.3)

    def perform(t: float) -> float:
        begin = spot.begin(t)
        end = begin + float(spot.rng.uniform(3.0, 4.2))
        for side in (RIGHT, LEFT):
            spot.key(side, begin + 0.6, (0.075 * side, 0.235, 0.035), "flat", curl=0.5)
            spot.key(side, end, (0.075 * side, 0.235, 0.035), "flat", curl=0.55)
            spot.wave(side, begin + 0.5, end, "tap", (0.035, 0.02, 0.008), 1.0)
            spot.rest(side, end + 0.6)
        spot.look(begin, (0, 0.4, 0.12), hands=0.1)
        spot.look(begin + 1.5, (0, 0.28, 0.03))
        spot.look(begin + 2.4, (0, 0.42, 0.14), hands=0.0)
        spot.script.say(begin + 0.3, end, "types on {0}", laptop)
        return end + 0.6

    return perform


def read(spot: Spot) -> Perform:
    """Hold a book up with both hands and leaf through it."""
    book = spot.prop("book", 0.05, 0.27)

    def perform(t: float) -> float:
        begin = spot.begin(t)
        beside = 0.09
        for side in (RIGHT, LEFT):
            grip = (0.05 + beside * side, 0.25, 0.03)
            spot.key(side, begin + 0.5, (grip[0] + 0.07 * side, 0.2, 0.07), "side", radius=0.03)
            spot.key(side, begin + 0.8, grip, "side", radius=0.006)
            spot.key(side, begin + 1.5, (0.02 + beside * side, 0.2, 0.26), "side", tilt=(-0.1, -0.75, 0.7), radius=0.006)
            spot.key(side, begin + 4.2, (0.02 + beside * side, 0.2, 0.27), "side", tilt=(-0.1, -0.75, 0.7), radius=0.006)
            spot.key(side, begin + 5.0, grip, "side", radius=0.006)
            spot.rest(side, begin + 5.7)
        spot.grasp(book, begin + 0.8, begin + 5.0, RIGHT)
        spot.wave(LEFT, begin + 2.2, begin + 3.6, "circle", (0.1, 0.03, 0.07), 0.75)
        spot.look(begin, (0.05, 0.27, 0.03))
        spot.look(begin + 1.0, (0.02, 0.24, 0.26), hands=0.3)
        spot.look(begin + 4.2, (0.05, 0.27, 0.03))
        spot.script.say(begin, begin + 1.0, "reaches for {0}", book)
        spot.script.say(begin + 1.0, begin + 4.4, "reads {0}", book)
        spot.script.say(begin + 4.4, begin + 5.2, "puts {0} down on {surface}", book)
        return begin + 5.7

    return perform


def phone(spot: Spot) -> Perform:
    """Take a phone, tap on it, lay it back."""
    index = spot.prop("phone", 0.17, 0.26, yaw=float(spot.rng.normal(0, 0.2)))

    def perform(t: float) -> float:
        begin = spot.begin(t, RIGHT)
        spot.key(LEFT, begin + 0.6, (0.11, 0.2, 0.06), "flat", curl=0.3)
        spot.key(LEFT, begin + 0.9, (0.13, 0.24, 0.03), "flat", curl=0.6, radius=0.008)
        up = (-0.02, 0.16, 0.26)
        for when in (1.6, 4.0):
            spot.key(LEFT, begin + when, up, "front", curl=0.7, radius=0.008)
            spot.key(RIGHT, begin + when + 0.2, (0.05, 0.12, 0.3), "pen", curl=0.8)
        spot.wave(RIGHT, begin + 1.7, begin + 4.2, "circle", (0.03, 0.02, 0.045), 1.0)
        spot.key(LEFT, begin + 4.8, (0.13, 0.24, 0.03), "flat", curl=0.6, radius=0.008)
        spot.grasp(index, begin + 0.9, begin + 4.8, LEFT)
        for side in (RIGHT, LEFT):
            spot.rest(side, begin + 5.5)
        spot.look(begin, (0.15, 0.26, 0.03))
        spot.look(begin + 1.1, (0.0, 0.2, 0.27), hands=0.3)
        spot.look(begin + 4.2, (0.15, 0.26, 0.03))
        spot.script.say(begin, begin + 0.9, "reaches for {0}", index)
        spot.script.say(begin + 0.9, begin + 4.4, "taps on {0}", index)
        spot.script.say(begin + 4.4, begin + 5.1, "puts down {0}", index)
        return begin + 5.5

    return perform
