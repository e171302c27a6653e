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
    """Joint positions; the torso leans just enough for both wrists to be in reach."""
    k = look.scale
    right, ahead, z = (
        np.array([np.cos(body.yaw), np.sin(body.yaw), 0]),
        np.array([-np.sin(body.yaw), np.cos(body.yaw), 0]),
        np.array([0, 0, 1.0]),
    )
    reach, lean = (UPPER_ARM_M + FOREARM_M) * k * 0.94, 0.08
    for _ in range(8):
        up = np.cos(lean) * z + np.sin(lean) * ahead
        shoulders = {s: body.pelvis + 0.46 * k * up + 0.175 * k * s * right for s in (RIGHT, LEFT)}
        excess = max(np.linalg.norm(body.hands[s].wrist(s) - shoulders[s]) - reach for s in (RIGHT, LEFT))
        lean = float(np.clip(lean + np.clip(excess, -0.05, 0.2) / 0.55, 0.06, 0.75))
    joints = {"pelvis": body.pelvis, "neck": body.pelvis + 0.53 * k * up}
    for s in (RIGHT, LEFT):
        wrist = body.hands[s].wrist(s)
        joints["shoulder", s] = shoulders[s]
        joints["elbow", s], joints["wrist", s] = two_bone(
            shoulders[s], wrist, UPPER_ARM_M * k, FOREARM_M * k, -z * 0.8 + right * s * 0.55 - ahead * 0.5
        )
        hip = body.pelvis + 0.095 * k * s * right - 0.04 * k * up
        joints["hip", s] = hip
        joints["knee", s], joints["ankle", s] = two_bone(hip, body.ankles[s], THIGH_M * k, SHIN_M * k, ahead + 0.15 * s * right)
    forward = unit(body.gaze)
    head_right = unit(np.cross(forward, z))
    head_up = np.cross(head_right, forward)
    head = joints["neck"] + 0.05 * k * up + 0.10 * k * (0.4 * z + 0.6 * head_up) + 0.035 * k * ahead
    return Skeleton(joints, frame(head, head_right, forward, head_up), up, right, ahead)


def eye(skeleton: Skeleton, look: Look) -> Array:
    """Camera centre on the glasses, in front of the face, so that the head never enters the ego view."""
    return (skeleton.world_from_head @ np.array([-0.03, 0.115 * look.scale, 0.03, 1]))[:3]
