"""Leaving the work for a moment: walk somewhere, look at it, come back; bring a box."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .. import props
from ..actor import LEFT, RIGHT
from ..script import Prop, Script, WalkKey, hand_key
from ..shapes import pose


def roam(script: Script, t: float, rng: Generator) -> float:
    """Turn, walk to a free spot of the room, look at what is there, touch it, and come back to the surface."""
    x, y = script.spots[int(rng.integers(len(script.spots)))]
    here = script.walk[-1]
    yaw = float(np.arctan2(-(x - here.x), y - here.y))
    script.hang_arms(t + 0.6)
    script.look_at(t, (x + (x - here.x), y + (y - here.y), 0.35), hands=0.0)
    arrival = script.step(t + 0.1, x, y, yaw)
    script.look_at(arrival - 0.6, (float(rng.uniform(-0.6, 0.6)), 0.9, float(rng.uniform(-0.1, 0.6))), hands=0.0, frame="body")
    side = RIGHT if rng.random() < 0.6 else LEFT
    for other in (RIGHT, LEFT):
        script.hold(other, arrival - 0.2)
    height = float(rng.uniform(0.95, 1.25)) - script.surface_m
    for when in (0.5, 1.1):
        at = (0.16 * side, 0.42, height)
        script.hands[side].append(hand_key(side, arrival + when, at, "flat", curl=0.3, frame="body"))
    script.look_at(arrival + 0.3, (0.16 * side, 0.6, height), hands=0.2, frame="body")
    script.hang_arms(arrival + 1.8, side)
    back_at = arrival + 1.6
    script.look_at(back_at, (0.0, 0.4, 0.2), hands=0.0)
    home = script.step(back_at, here.x, here.y, here.yaw)
    for other in (RIGHT, LEFT):
        script.hold(other, home - 0.5)
    script.say(t, arrival, "turns around and walks away from {surface}")
    script.say(arrival, back_at, "looks at things in the room")
    script.say(back_at, home, "walks back to {surface}")
    return home


def look_around(script: Script, t: float, rng: Generator) -> float:
    """Look up from the work, to one side and the other."""
    first = 1.0 if rng.random() < 0.5 else -1.0
    script.look_at(t, (1.3 * first, 0.5, 0.5), hands=0.0, frame="body")
    script.look_at(t + 1.0, (-1.1 * first, 0.8, 0.3), hands=0.0, frame="body")
    script.say(t, t + 2.0, "looks around")
    return t + 2.1


def arrive(script: Script, x: float, rng: Generator) -> float:
    """Walk up with a box in both hands and set it down at x: how a take may begin, so the script must still be empty."""
    seed = int(rng.integers(1 << 30))
    half_width = float(props.model("carton", seed)[0][0].vertices[:, 0].max()) + 0.005
    from_x, from_y = max(script.spots, key=lambda spot: float(np.hypot(spot[0] - x, spot[1] + 0.24)))
    y = 0.3
    script.walk.append(WalkKey(t=0.3, x=from_x, y=from_y, yaw=float(np.arctan2(from_x - x, -0.24 - from_y))))
    arrival = script.step(0.3, x, -0.24, 0.0, speed=0.75)
    put = arrival + 0.7
    for side in (RIGHT, LEFT):
        keys = script.hands[side]
        for when in (-0.3, arrival - 0.1):
            keys.append(hand_key(side, when, (side * half_width, 0.36, 0.2), "side", radius=0.008, frame="body"))
        keys.append(hand_key(side, put, (x + side * half_width, y, 0.08), "side", radius=0.008))
        keys.append(hand_key(side, put + 0.35, (x + side * (half_width + 0.11), y - 0.08, 0.12), "side", radius=0.03))
        keys.append(hand_key(side, put + 0.8, (x + 0.24 * side, 0.08, 0.045), "rest"))
    script.props.append(Prop(kind="carton", seed=seed, start=pose(x, y, 0.0), grasps=[(-1.0, put, RIGHT)]))
    script.look_at(-0.6, (0.0, 1.2, 0.3), hands=0.2, frame="body")
    script.look_at(arrival - 1.2, (x, y, 0.05))
    index = len(script.props) - 1
    script.say(0, arrival, "walks up to {surface} carrying {0}", index)
    script.say(arrival, put + 0.3, "puts {0} down on {surface}", index)
    return put + 0.8
