"""Taking things in the hand: moving, looking at, pouring, drinking, shaking, stacking."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np

from ..actor import LEFT, RIGHT
from ..script import Frame, Spot, Vector
from .toolwork import PAN_YAW, steady

Perform = Callable[[float], float]


class Closing(TypedDict):
    """How a hand closes: curl of the fingers, radius of what is held (metres)."""

    curl: float
    radius: float


MOVABLE = {
    "kitchen": ("cup", "jar", "fruit", "bottle", "bowl"),
    "workshop": ("jar", "carton", "bottle"),
    "office": ("cup", "carton", "book"),
    "living room": ("cup", "fruit", "jar", "book"),
    "lab": ("flask", "jar", "bottle"),
}
HOLDS: dict[str, tuple[float, float, float, tuple[float, float]]] = {
    "carton": (0.07, 0.012, 0.25, (0.07, 0.0)),
    "book": (0.03, 0.012, 0.4, (0.06, -0.02)),
    "bowl": (0.05, 0.006, 0.5, (0.085, 0.0)),
    "plate": (0.025, 0.006, 0.5, (0.115, 0.0)),
    "fruit": (0.055, 0.036, 0.9, (0.0, 0.0)),
    "flask": (0.11, 0.018, 1.1, (0.0, 0.0)),
    "kettle": (0.1, 0.012, 1.3, (0.112, 0.0)),
    "bottle": (0.1, 0.034, 0.85, (0.0, 0.0)),
}
"""How a thing is held: height of the grip, radius, curl, where the hand is beside its middle (mirrored for the left)."""
_USUAL_HOLD = (0.055, 0.037, 0.85, (0.0, 0.0))


def reach(spot: Spot, side: float, index: int, t: float) -> tuple[Vector, Closing]:
    """Go to a thing and close the hand at t + 0.75; returns the grip point and the hand's closing."""
    prop = spot.script.props[index]
    height, radius, curl, gap = HOLDS.get(prop.kind, _USUAL_HOLD)
    x, y, z = float(prop.start[0, 3]) - spot.x, float(prop.start[1, 3]), float(prop.start[2, 3])
    at = (x + gap[0] * side, y + gap[1], z + height)
    spot.key(side, t + 0.5, (at[0] + 0.06 * side, at[1] - 0.06, at[2] + 0.04), curl=0.3, radius=0.05)
    spot.key(side, t + 0.75, at, curl=curl, radius=radius)
    return at, Closing(curl=curl, radius=radius)


def leave(spot: Spot, side: float, t: float, at: Vector) -> None:
    """Open the hand and draw it back after a thing was put down at t."""
    spot.key(side, t + 0.3, (at[0] + 0.09 * side, at[1] - 0.09, at[2] + 0.04), curl=0.3, radius=0.05)


def move(spot: Spot) -> Perform:
    """Carry a thing across, looking at it on the way; the next time it goes back."""
    what = str(spot.rng.choice(MOVABLE[spot.script.kind]))
    side = RIGHT if spot.rng.random() < 0.6 else LEFT
    home = (float(spot.rng.uniform(0.14, 0.2)) * side, float(spot.rng.uniform(0.22, 0.3)))
    away = (float(spot.rng.uniform(-0.14, -0.08)) * side, float(spot.rng.uniform(0.32, 0.4)))
    index = spot.prop(what, *home)
    trips = [0]

    def perform(t: float) -> float:
        begin = spot.begin(t, -side)
        (x0, y0), (x1, y1) = (home, away) if trips[0] % 2 == 0 else (away, home)
        trips[0] += 1
        height, radius, curl, gap = HOLDS.get(what, _USUAL_HOLD)
        closed = Closing(curl=curl, radius=radius)
        z, gx, gy = height, gap[0] * side, gap[1]
        spot.key(side, begin + 0.5, (x0 + gx + 0.06 * side, y0 + gy - 0.06, z + 0.04), curl=0.3, radius=0.05)
        spot.key(side, begin + 0.75, (x0 + gx, y0 + gy, z), **closed)
        inspect = spot.rng.random() < 0.7
        up, near = (0.3, 0.14) if inspect else (0.17, 0.2)
        spot.key(side, begin + 1.35, (0.06 * side + gx, near, up), **closed)
        if inspect:
            spot.key(side, begin + 1.9, (0.0 * side + gx, near, up + 0.03), tilt=(0.55, 0.25, 1), **closed)
            spot.key(side, begin + 2.5, (0.04 * side + gx, near + 0.02, up), tilt=(-0.35, -0.2, 1), **closed)
            touch = (-0.04 * side + (gx if what in ("carton", "book") else 0.0), near, up)
            spot.key(-side, begin + 1.3, (-0.1 * side, near + 0.03, up - 0.08), "side")
            spot.key(-side, begin + 1.7, touch, "side", radius=0.02)
            spot.key(-side, begin + 2.5, touch, "side", radius=0.02)
            spot.rest(-side, begin + 3.1)
        put = begin + (3.3 if inspect else 2.2)
        spot.key(side, put, (x1 + gx, y1 + gy, z), **closed)
        spot.grasp(index, begin + 0.75, put, side)
        leave(spot, side, put, (x1 + gx, y1 + gy, z))
        spot.look(begin, (x0, y0, 0.05))
        spot.look(begin + 0.9, (0.03 * side, near, up), hands=0.5)
        spot.look(put - 0.7, (x1, y1, 0.05))
        say = spot.script.say
        say(begin, begin + 0.8, "reaches for {0}", index)
        say(begin + 0.8, put - 0.7, "picks up and looks at {0}" if inspect else "picks up {0}", index)
        say(put - 0.7, put + 0.3, "puts {0} down on {surface}", index)
        spot.rest(side, put + 0.8)
        return put + 0.8

    return perform


def pour(spot: Spot) -> Perform:
    kind = spot.script.kind
    source = "kettle" if kind == "kitchen" and spot.rng.random() < 0.3 else "flask" if kind == "lab" else "bottle"
    target = {"lab": "jar", "kitchen": str(spot.rng.choice(["bowl", "cup", "pan"]))}.get(kind, "cup")
    turn = np.pi if source == "kettle" else 0.0
    a = spot.prop(source, 0.18, 0.28, yaw=turn)
    b = spot.prop(target, -0.1, 0.28, yaw=PAN_YAW)
    left = steady(target, -0.1, 0.28)

    def perform(t: float) -> float:
        begin = spot.begin(t)
        (x, y, z), closed = reach(spot, RIGHT, a, begin)
        spot.key(LEFT, begin + 0.9, left[0], left[1], curl=left[2], radius=left[3])
        spot.key(LEFT, begin + 3.4, left[0], left[1], curl=left[2], radius=left[3])
        spot.key(RIGHT, begin + 1.3, (0.14, y, 0.26), **closed)
        for when, lean in ((1.8, -1.5), (2.7, -1.9), (3.1, -0.2)):
            tilt = (float(np.sin(lean)), 0.0, float(np.cos(lean)))
            spot.key(RIGHT, begin + when, (0.1 + 0.03 * lean, y - 0.02, 0.29), tilt=tilt, **closed)
        spot.key(RIGHT, begin + 3.7, (x, y, z), **closed)
        spot.grasp(a, begin + 0.75, begin + 3.7, RIGHT)
        leave(spot, RIGHT, begin + 3.7, (x, y, z))
        spot.look(begin, (0.18, 0.28, 0.08))
        spot.look(begin + 1.0, (-0.08, 0.26, 0.12), hands=0.4)
        spot.look(begin + 3.0, (0.18, 0.28, 0.08))
        say = spot.script.say
        say(begin, begin + 0.8, "reaches for {0}", a)
        say(begin + 0.8, begin + 3.2, "pours from {0} into {1}", a, b)
        say(begin + 3.2, begin + 3.9, "puts down {0}", a)
        for side in (RIGHT, LEFT):
            spot.rest(side, begin + 4.4)
        return begin + 4.4

    return perform


Path = list[tuple[float, Vector, Vector | None, Frame]]
"""Where a hand goes: (seconds, grip point, tilt, frame of both)."""


def _lifted(spot: Spot, index: int, t: float, path: Path, side: float) -> float:
    """Take a thing, carry it along a path, and put it back where it was; returns the end."""
    at, closed = reach(spot, side, index, t)
    for when, point, tilt, frame in path:
        spot.key(side, t + when, point, tilt=tilt, frame=frame, **closed)
    put = t + path[-1][0] + 0.8
    spot.key(side, put, at, **closed)
    spot.grasp(index, t + 0.75, put, side)
    leave(spot, side, put, at)
    spot.rest(side, put + 0.8)
    return put


def drink(spot: Spot) -> Perform:
    side = RIGHT if spot.rng.random() < 0.7 else LEFT
    x, y = 0.19 * side, 0.27
    cup = spot.prop("cup", x, y, yaw=-0.6 if side > 0 else np.pi + 0.6)

    def perform(t: float) -> float:
        begin = spot.begin(t, -side)
        script, k = spot.script, spot.script.look.scale
        mouth = (0.56 if script.seated else 0.93 * k) + 0.55 * k - script.surface_m
        sip = (0.04 * side, 0.23, mouth)
        path: Path = [
            (1.3, (0.12 * side, 0.14, 0.3), None, "work"),
            (1.9, sip, (-0.1, -0.35, 1.0), "body"),
            (2.8, (sip[0], sip[1], sip[2] + 0.02), (-0.1, -0.8, 1.0), "body"),
            (3.3, (0.1 * side, 0.1, 0.35), None, "work"),
        ]
        put = _lifted(spot, cup, begin, path, side)
        spot.look(begin, (x, y, 0.05))
        spot.look(
            begin + 1.2,
            (0.1, 1.6, 0.55),
            hands=0.0,
        )
        spot.look(put - 0.8, (x, y, 0.05))
        spot.script.say(begin, begin + 0.8, "reaches for {0}", cup)
        spot.script.say(begin + 0.8, put - 0.6, "drinks from {0}", cup)
        spot.script.say(put - 0.6, put + 0.3, "puts down {0}", cup)
        return put + 0.8

    return perform


def shake(spot: Spot) -> Perform:
    """Shake a closed vessel in front of the chest and hold it against the light."""
    what = "flask" if spot.script.kind == "lab" else "jar"
    index = spot.prop(what, 0.18, 0.28)

    def perform(t: float) -> float:
        begin = spot.begin(t, LEFT)
        path: Path = [
            (1.4, (0.08, 0.14, 0.3), None, "work"),
            (3.0, (0.08, 0.14, 0.3), None, "work"),
            (3.6, (0.06, 0.2, 0.46), (0.2, 0.1, 1.0), "work"),
            (4.3, (0.04, 0.2, 0.47), (-0.3, 0.1, 1.0), "work"),
        ]
        put = _lifted(spot, index, begin, path, RIGHT)
        spot.wave(RIGHT, begin + 1.3, begin + 3.1, "circle", (0.05, 0.02, 0.05), 2.1)
        spot.look(begin, (0.18, 0.28, 0.06))
        spot.look(begin + 0.9, (0.08, 0.2, 0.28), hands=0.2)
        spot.look(begin + 3.2, (0.05, 0.5, 0.62), hands=0.1)
        spot.look(put - 0.8, (0.18, 0.28, 0.06))
        spot.script.say(begin, begin + 0.9, "reaches for {0}", index)
        spot.script.say(begin + 0.9, begin + 3.2, "shakes {0}", index)
        spot.script.say(begin + 3.2, put - 0.6, "holds up and looks at {0}", index)
        spot.script.say(put - 0.6, put + 0.3, "puts down {0}", index)
        return put + 0.8

    return perform


def stack(spot: Spot) -> Perform:
    """Build a pile of two things and take it down again."""
    kind = {"kitchen": "plate", "office": "book", "living room": "book"}.get(spot.script.kind, "carton")
    height = {"plate": 0.02, "book": 0.031}.get(kind, 0.0)
    low = spot.prop(kind, -0.14, 0.32)
    if kind == "carton":
        from .. import props

        height = float(max(shape.vertices[:, 2].max() for shape, _ in props.model(kind, spot.script.props[low].seed)))
    index = spot.prop(kind, 0.17, 0.3, yaw=0.15)
    piled = [False]

    def perform(t: float) -> float:
        begin = spot.begin(t, LEFT)
        z, radius, curl, (gx, gy) = HOLDS[kind]
        closed = Closing(curl=curl, radius=radius)
        ends = [(0.17 + gx, 0.3 + gy, z), (-0.14 + gx, 0.32 + gy, z + height)]
        a, b = reversed(ends) if piled[0] else ends
        piled[0] = not piled[0]
        spot.key(RIGHT, begin + 0.5, (a[0] + 0.06, a[1] - 0.05, a[2] + 0.05), curl=0.3, radius=0.05)
        spot.key(RIGHT, begin + 0.75, a, **closed)
        spot.key(RIGHT, begin + 1.5, (gx, 0.26, height + z + 0.2), **closed)
        spot.key(RIGHT, begin + 2.1, (b[0], b[1], b[2] + 0.06), **closed)
        spot.key(RIGHT, begin + 2.5, b, **closed)
        spot.grasp(index, begin + 0.75, begin + 2.5, RIGHT)
        leave(spot, RIGHT, begin + 2.5, b)
        spot.look(begin, (a[0], a[1], a[2]))
        spot.look(begin + 1.0, (b[0], b[1], b[2]))
        spot.script.say(begin, begin + 0.8, "reaches for {0}", index)
        spot.script.say(begin + 0.8, begin + 2.7, "puts {0} on top of {1}" if piled[0] else "takes {0} from the pile", index, low)
        spot.rest(RIGHT, begin + 3.2)
        return begin + 3.2

    return perform
