"""Takes: 24 seconds of one actor in one place, several activities in a row, drawn from a seed."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .activities import AT_SURFACE, Perform
from .activities.roaming import arrive, look_around, roam
from .actor import LEFT, RIGHT, Look
from .floor import free_spots
from .places import PlaceSpec
from .script import Script, Spot, WalkKey, hand_key

TAKE_S, FPS = 24.0, 30
SLOTS_M = (-0.42, 0.0, 0.42)
"""Where on the surface activities have their things, metres right of the middle."""
SEATED_KINDS = ("office", "living room")
SEATED_SHARE, ARRIVE_SHARE = 0.7, 0.3
ROAM_SHARE, LOOK_SHARE = 0.22, 0.12


def plan_take(seed: int, place: PlaceSpec, actor_seed: int) -> Script:
    """Draw a take: who acts (by actor_seed), where the things are, what happens when."""
    rng = np.random.default_rng([17, seed])
    spots = free_spots(place)
    seated = place.kind in SEATED_KINDS and rng.random() < SEATED_SHARE
    script = Script(
        seed=seed,
        kind=place.kind,
        look=Look.draw(np.random.default_rng([31, actor_seed])),
        seated=seated,
        surface_m=place.work[2],
        spots=() if seated else spots,
    )
    slots = [SLOTS_M[i] for i in rng.permutation(len(SLOTS_M))]
    t = _opening(script, slots, rng)
    performs = _set_up(script, slots, rng)
    last = -1
    while t < TAKE_S + 1.0:
        t, last = _next(script, performs, last, t, rng)
        t += float(rng.uniform(0.0, 0.35))
    return script


def _opening(script: Script, slots: list[float], rng: Generator) -> float:
    """The first seconds; uses up a slot where a box is brought."""
    if script.spots and rng.random() < ARRIVE_SHARE:
        return arrive(script, slots.pop(), rng)
    script.walk.append(WalkKey(t=-3.0, x=0.0, y=-0.3 if script.seated else -0.24, yaw=0.0))
    script.look_at(-3.0, (0.0, 0.4, 0.1))
    for side in (RIGHT, LEFT):
        script.hands[side].append(hand_key(side, -3.0, (0.24 * side, 0.08, 0.045), "rest"))
    return float(rng.uniform(-1.6, -0.4))


def _set_up(script: Script, slots: list[float], rng: Generator) -> list[Perform]:
    """One activity a slot, all different."""
    pool = AT_SURFACE[script.kind]
    chosen = rng.choice(len(pool), size=len(slots), replace=False)
    return [pool[int(i)](Spot(script, x, rng)) for i, x in zip(chosen, slots, strict=True)]


def _next(script: Script, performs: list[Perform], last: int, t: float, rng: Generator) -> tuple[float, int]:
    chance = rng.random()
    if script.spots and last >= 0 and chance < ROAM_SHARE:
        return roam(script, t, rng), -1
    if last >= 0 and chance > 1 - LOOK_SHARE:
        return look_around(script, t, rng), last
    others = [i for i in range(len(performs)) if i != last] or [0]
    index = others[int(rng.integers(len(others)))]
    return performs[index](t), index
