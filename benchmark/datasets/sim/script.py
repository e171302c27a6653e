"""A take as data: keys for hands, gaze and feet, things in use and who holds them when, and the words for it.

Work frame: x right, y over the surface, z up, origin at the middle of the surface's edge. Keys may also be given in the
body's frame (origin under the pelvis at the surface's height, y ahead). Metres, seconds. `motion` reads scripts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.random import Generator

from .actor import LEFT, RIGHT, Look
from .props import HELD, grip_frame
from .shapes import Array, frame, pose

Vector = tuple[float, float, float]
Frame = Literal["work", "body"]

GRIPS: dict[str, tuple[Vector, Vector, float, float]] = {
    "rest": ((-0.35, 0.93, -0.12), (-0.9, -0.3, 0.35), 0.35, 0.02),
    "upright": ((-0.45, 0.89, 0.0), (0.0, 0.0, 1.0), 0.85, 0.036),
    "flat": ((-0.25, 0.95, -0.15), (-0.95, -0.25, 0.1), 0.3, 0.012),
    "stick": ((-0.75, 0.55, -0.35), (-0.15, -0.35, 0.92), 1.35, 0.012),
    "knife": ((-0.55, 0.45, -0.7), (0.1, -0.83, 0.55), 1.35, 0.014),
    "hammer": ((-0.5, 0.55, -0.67), (-0.25, 0.75, 0.6), 1.4, 0.014),
    "saw": ((-0.2, 0.75, -0.62), (-0.1, 0.62, 0.78), 1.4, 0.015),
    "pen": ((-0.65, 0.6, -0.5), (0.25, -0.45, 0.86), 1.1, 0.008),
    "side": ((-0.1, 0.97, -0.1), (-0.1, 0.1, 1.0), 0.3, 0.01),
    "hang": ((0.0, 0.25, -0.97), (0.0, 0.97, 0.25), 0.45, 0.02),
    "front": ((-0.55, 0.3, 0.78), (-0.2, -0.9, 0.3), 0.4, 0.01),
}
"""Fingers, thumb (right hand; x is mirrored for the left), curl, radius of the held thing in metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandKey:
    """Where one hand is at a time: grip point, finger and thumb directions, curl, held radius."""

    t: float
    at: Vector
    fingers: Vector
    thumb: Vector
    curl: float
    radius: float
    frame: Frame = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class GazeKey:
    """What the head looks at; hands: how much of the hands' middle is mixed in, 0..1."""

    t: float
    at: Vector
    hands: float
    frame: Frame = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkKey:
    """Pelvis over the floor and where the body faces (radians; 0 is over the surface)."""

    t: float
    x: float
    y: float
    yaw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Rhythm laid over a hand's keys: kind "circle", "strike", "scribble" or "tap"; size along x, y, z in metres."""

    side: float
    t0: float
    t1: float
    kind: str
    size: Vector
    hz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """text with {0}, {1}.. for props and {surface}, true in [t0, t1]."""

    t0: float
    t1: float
    text: str
    things: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class Prop:
    """A thing in use: kind and seed of its model, first pose (4x4), and grasps (from, to, side) in seconds."""

    kind: str
    seed: int
    start: Array
    grasps: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Script:
    """One take. surface_m: height of the work surface above the floor; spots: free floor to walk to, (x, y) work frame."""

    seed: int
    kind: str
    look: Look
    seated: bool
    surface_m: float
    spots: tuple[tuple[float, float], ...] = ()
    hands: dict[float, list[HandKey]] = field(default_factory=lambda: {RIGHT: [], LEFT: []})
    props: list[Prop] = field(default_factory=list)
    gaze: list[GazeKey] = field(default_factory=list)
    walk: list[WalkKey] = field(default_factory=list)
    waves: list[Wave] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    def hold(self, side: float, t: float) -> None:
        """The hand stays until t where its last key left it."""
        if self.hands[side] and self.hands[side][-1].t < t:
            self.hands[side].append(replace(self.hands[side][-1], t=t))

    def step(self, t: float, x: float, y: float, yaw: float = 0.0, *, speed: float = 0.85) -> float:
        """Walk to (x, y) and face yaw, starting at t; returns the time of arrival."""
        last = self.walk[-1]
        effort = np.hypot(x - last.x, y - last.y) / speed + abs(yaw - last.yaw) / 2.6
        if effort < 0.05:
            return t
        arrival = t + 0.35 + float(effort)
        if last.t < t:
            self.walk.append(replace(last, t=t))
        self.walk.append(WalkKey(t=arrival, x=x, y=y, yaw=yaw))
        return arrival

    def look_at(self, t: float, at: Vector, *, hands: float = 0.3, frame: Frame = "work", turn_s: float = 0.5) -> None:
        """Turn the head to a point from t on; it stays there until the next look."""
        if self.gaze and self.gaze[-1].t < t:
            self.gaze.append(replace(self.gaze[-1], t=t))
        self.gaze.append(GazeKey(t=t + turn_s, at=at, hands=hands, frame=frame))

    def say(self, t0: float, t1: float, text: str, *things: int) -> None:
        """What is true from t0 to t1."""
        self.words.append(Words(t0=t0, t1=t1, text=text, things=things))

    def hang_arms(self, t: float, *sides: float) -> None:
        """Arms hang beside the body at t."""
        for side in sides or (RIGHT, LEFT):
            at = (0.27 * side, 0.04, 0.82 * self.look.scale - self.surface_m)
            self.hands[side].append(hand_key(side, t, at, "hang", frame="body"))


def hand_key(
    side: float,
    t: float,
    at: Vector,
    grip: str = "upright",
    *,
    tilt: Vector | None = None,
    curl: float | None = None,
    radius: float | None = None,
    frame: Frame = "work",
) -> HandKey:
    """A key from a named grip; tilt replaces the thumb's direction (mirrored for the left hand like the rest)."""
    fingers, thumb, usual_curl, usual_radius = GRIPS[grip]
    thumb = thumb if tilt is None else tilt
    return HandKey(
        t=t,
        at=at,
        fingers=(fingers[0] * side, fingers[1], fingers[2]),
        thumb=(thumb[0] * side, thumb[1], thumb[2]),
        curl=usual_curl if curl is None else curl,
        radius=usual_radius if radius is None else radius,
        frame=frame,
    )


@dataclass(slots=True)
class Spot:
    """A script seen from one part of the work surface: everything is shifted by x. Activities write through it."""

    script: Script
    x: float
    rng: Generator

    def prop(self, kind: str, x: float, y: float, *, z: float = 0.0, yaw: float = 0.0) -> int:
        """Put a new thing there; returns its index."""
        start = pose(self.x + x, y, z, yaw=yaw)
        self.script.props.append(Prop(kind=kind, seed=int(self.rng.integers(1 << 30)), start=start))
        return len(self.script.props) - 1

    def tool(self, kind: str, x: float, y: float, *, turn: float = 0.35) -> int:
        """Lay a new tool down so that the right hand can take it from above with fingers `turn` radians left of ahead."""
        ahead, thumb = (-np.sin(turn), np.cos(turn), 0.0), (-np.cos(turn), -np.sin(turn), 0.0)
        hand = frame((self.x + x, y, 0.03), (0, 0, 1), ahead, thumb)
        start = hand @ np.linalg.inv(grip_frame(kind))
        self.script.props.append(Prop(kind=kind, seed=int(self.rng.integers(1 << 30)), start=start))
        return len(self.script.props) - 1

    def begin(self, t: float, *rest: float) -> float:
        """Face this part of the surface; hands named in `rest` come to rest on it. Returns when work can begin."""
        arrival = self.script.step(t, self.x * 0.85, -0.24) if not self.script.seated else t
        for side in (RIGHT, LEFT):
            self.script.hold(side, t)
        for side in rest:
            self.rest(side, t + 0.7)
        return max(t, arrival - 0.55)

    def key(
        self,
        side: float,
        t: float,
        at: Vector,
        grip: str = "upright",
        *,
        tilt: Vector | None = None,
        curl: float | None = None,
        radius: float | None = None,
        frame: Frame = "work",
    ) -> None:
        """One hand key, as in `hand_key`; points of the body's frame are not shifted."""
        at = (at[0] + self.x, at[1], at[2]) if frame == "work" else at
        self.script.hands[side].append(hand_key(side, t, at, grip, tilt=tilt, curl=curl, radius=radius, frame=frame))

    def rest(self, side: float, t: float) -> None:
        """The hand lies on the surface at t."""
        self.key(side, t, (0.24 * side, 0.08, 0.045), "rest")

    def look(self, t: float, at: Vector, *, hands: float = 0.3) -> None:
        """Look at a point of this part of the surface from t on."""
        self.script.look_at(t, (at[0] + self.x, at[1], at[2]), hands=hands)

    def wave(self, side: float, t0: float, t1: float, kind: str, size: Vector, hz: float) -> None:
        """Lay a rhythm over the hand from t0 to t1."""
        self.script.waves.append(Wave(side=side, t0=t0, t1=t1, kind=kind, size=size, hz=hz))

    def grasp(self, index: int, t0: float, t1: float, side: float) -> None:
        """The thing follows the hand from t0 to t1."""
        self.script.props[index].grasps.append((t0, t1, side))

    def take_tool(self, index: int, t: float) -> float:
        """Right hand takes a lying tool; returns the time from which it is held."""
        self._tool_key(index, t + 0.5, up=0.07, curl=0.3)
        self._tool_key(index, t + 0.7, up=0.0, curl=None)
        return t + 0.72

    def lay_tool(self, index: int, t: float, held_from: float) -> float:
        """Right hand lays the tool back where it was; returns when the hand is free."""
        self._tool_key(index, t + 0.6, up=0.0, curl=None)
        self.grasp(index, held_from, t + 0.6, RIGHT)
        self._tool_key(index, t + 0.8, up=0.07, curl=0.3)
        return t + 0.85

    def _tool_key(self, index: int, t: float, *, up: float, curl: float | None) -> None:
        prop = self.script.props[index]
        hand = prop.start @ grip_frame(prop.kind)
        x, y, z = (float(v) for v in hand[:3, 3])
        closed, radius = (0.3, 0.012) if prop.kind == "cloth" else (1.35, 0.012)
        self.script.hands[RIGHT].append(
            HandKey(
                t=t,
                at=(x, y, z + up),
                fingers=_vector(hand[:3, 1]),
                thumb=_vector(hand[:3, 2]),
                curl=closed if curl is None else curl,
                radius=radius,
            )
        )


def _vector(values: Array) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])


def is_tool(kind: str) -> bool:
    """Whether a thing is gripped by a handle."""
    return kind in HELD
