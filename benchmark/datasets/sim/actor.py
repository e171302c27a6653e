"""The actor: looks, a pose for one instant, and the joints that follow from it.

Body frame: x right, y forward, z up; metres, radians. Arms and legs are two-bone IK; hands are a palm and five jointed
digits driven by `curl` (0 flat .. 1.6 fist). No time and no triangles here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from .palettes import PALETTES
from .shapes import Array, frame, unit

RIGHT, LEFT = 1.0, -1.0
UPPER_ARM_M, FOREARM_M, THIGH_M, SHIN_M = 0.29, 0.26, 0.44, 0.43
PALM_M = 0.085
_TWIST_LIMIT_RAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Colours and proportions; sleeve is the covered share of the arm, hair "short" or "long"."""

    scale: float
    skin: str
    hair: str
    shirt: str
    shirt_texture: str
    trousers: str
    sleeve: float
    hair_style: str

    @classmethod
    def draw(cls, rng: Generator) -> Look:
        """A look from the palettes."""

        def pick(key: str) -> str:
            return str(rng.choice(PALETTES[key]))

        return cls(
            scale=round(float(rng.uniform(0.93, 1.05)), 3),
            skin=pick("skin"),
            hair=pick("hair"),
            shirt=pick("shirt"),
            shirt_texture=str(rng.choice(["weave", "weave", "stripes", "printed"])),
            trousers=pick("trousers"),
            sleeve=float(rng.choice([0.4, 0.45, 1.0, 1.0])),
            hair_style=str(rng.choice(["short", "short", "long"])),
        )


@dataclass(frozen=True, slots=True)
class Hand:
    """grip: centre of the held cylinder; fingers, thumb: unit axes; curl; radius of what is held (metres)."""

    grip: Array
    fingers: Array
    thumb: Array
    curl: float
    radius: float

    def axes(self, side: float) -> tuple[Array, Array, Array]:
        """Orthonormal fingers, thumb and palm axes."""
        f = unit(self.fingers)
        s = unit(self.thumb - (self.thumb @ f) * f)
        return f, s, np.cross(s, f) * side

    def matrix(self, side: float) -> Array:
        """4x4 hand frame at the grip centre."""
        f, s, _ = self.axes(side)
        return frame(self.grip, np.cross(f, s), f, s)

    def wrist(self, side: float) -> Array:
        """Wrist joint, metres."""
        f, _, p = self.axes(side)
        return self.grip - PALM_M * 0.85 * f - (self.radius + 0.014) * p


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """One instant: pelvis, yaw, feet (ankles), head axes (forward, up), both hands {side: Hand}."""

    pelvis: Array
    yaw: float
    ankles: dict[float, Array]
    gaze: Array
    hands: dict[float, Hand]


@dataclass(frozen=True, slots=True)
class Skeleton:
    joints: dict[Any, Array]
    world_from_head: Array
    up: Array
    right: Array
    forward: Array


def two_bone(root: Array, target: Array, first: float, second: float, pole: Array) -> tuple[Array, Array]:
    """Middle joint and reached end of a two-bone chain; the target is pulled in when out of reach."""
    to = target - root
    length = np.clip(np.linalg.norm(to), abs(first - second) + 1e-3, first + second - 1e-3)
    along = unit(to)
    a = (first**2 - second**2 + length**2) / (2 * length)
    side = unit(pole - (pole @ along) * along)
    return root + a * along + np.sqrt(max(first**2 - a**2, 0)) * side, root + length * along


def solve(look: Look, body: Pose) -> Skeleton:
    """Joint positions; the torso turns towards the hands and leans just enough for both wrists to be in reach."""
    k = look.scale
    hips, ahead, z = _facing(body.yaw)
    middle = (body.hands[RIGHT].grip + body.hands[LEFT].grip) / 2 - body.pelvis
    twist = float(np.clip(-0.8 * (middle @ hips), -_TWIST_LIMIT_RAD, _TWIST_LIMIT_RAD))
    right, facing, _ = _facing(body.yaw + twist)
    reach, lean = (UPPER_ARM_M + FOREARM_M) * k * 0.94, 0.08
    for _ in range(8):
        up, shoulders = _torso(body.pelvis, lean, right, facing, k)
        excess = max(np.linalg.norm(body.hands[s].wrist(s) - shoulders[s]) - reach for s in (RIGHT, LEFT))
        lean = float(np.clip(lean + np.clip(excess, -0.05, 0.2) / 0.55, 0.06, 0.75))
    up, shoulders = _torso(body.pelvis, lean, right, facing, k)
    joints: dict[Any, Array] = {"pelvis": body.pelvis, "neck": body.pelvis + 0.53 * k * up}
    for s in (RIGHT, LEFT):
        out = right * s
        pole = -z * 0.8 + out * 0.55 - facing * 0.5
        elbow, wrist = two_bone(shoulders[s], body.hands[s].wrist(s), UPPER_ARM_M * k, FOREARM_M * k, pole)
        hip = body.pelvis + 0.095 * k * s * hips - 0.04 * k * up
        knee, ankle = two_bone(hip, body.ankles[s], THIGH_M * k, SHIN_M * k, ahead + 0.15 * s * hips)
        for name, at in zip(
            ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"), (shoulders[s], elbow, wrist, hip, knee, ankle)
        ):
            joints[name, s] = at
    forward = unit(body.gaze)
    head_right = unit(np.cross(forward, z))
    head_up = np.cross(head_right, forward)
    head = joints["neck"] + 0.05 * k * up + 0.10 * k * (0.4 * z + 0.6 * head_up) + 0.035 * k * facing
    return Skeleton(joints, frame(head, head_right, forward, head_up), up, right, facing)


def _facing(yaw: float) -> tuple[Array, Array, Array]:
    """Right, ahead and up of a body that faces yaw."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([c, s, 0]), np.array([-s, c, 0]), np.array([0, 0, 1.0])


def _torso(pelvis: Array, lean: float, right: Array, facing: Array, k: float) -> tuple[Array, dict[float, Array]]:
    """The spine's direction and both shoulders at a lean (radians)."""
    up = np.cos(lean) * np.array([0, 0, 1.0]) + np.sin(lean) * facing
    return up, {s: pelvis + 0.46 * k * up + 0.175 * k * s * right for s in (RIGHT, LEFT)}


def eye(skeleton: Skeleton, look: Look) -> Array:
    """Camera centre on the glasses, in front of the face, so that the head never enters the ego view."""
    return (skeleton.world_from_head @ np.array([-0.03, 0.115 * look.scale, 0.03, 1]))[:3]
