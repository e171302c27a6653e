"""The actor's body as shapes for one instant: limbs, jointed hands, head with recording glasses."""

from __future__ import annotations

from functools import cache

import numpy as np

from .actor import LEFT, PALM_M, RIGHT, Hand, Look, Skeleton
from .build import Model
from .materials import Material
from .shapes import Array, Shape, box, cushion, frame, join, pose, tube, unit


def _bent(a: Array, joint: Array, b: Array) -> Array:
    """Nine points along a limb with a rounded joint."""

    def lerp(p: Array, q: Array, t: float) -> Array:
        return p + (q - p) * t

    return np.array(
        [
            a,
            lerp(a, joint, 0.4),
            lerp(a, joint, 0.75),
            lerp(a, joint, 0.9),
            lerp(joint, (a + b) / 2, 0.04),
            lerp(joint, b, 0.1),
            lerp(joint, b, 0.3),
            lerp(joint, b, 0.65),
            b,
        ]
    )


def _hand(hand: Hand, side: float, wrist: Array, k: float) -> Shape:
    f, s, p = hand.axes(side)

    def at(x: float, y: float, z: float = 0.0) -> Array:
        return wrist + (x * s + y * f + z * p) * k

    shapes = [
        tube(
            [at(0, -0.02), at(0.002, 0.015), at(0.004, 0.05), at(0.002, PALM_M), at(0, PALM_M + 0.008)],
            np.array([(0.026, 0.02), (0.031, 0.019), (0.041, 0.017), (0.041, 0.013), (0.036, 0.01)]) * k,
            s,
            segments=12,
        )
    ]
    for x, y, length, radius, spread in (
        (0.031, 0.086, 0.073, 0.0088, 0.07),
        (0.0105, 0.09, 0.081, 0.009, 0.02),
        (-0.01, 0.087, 0.075, 0.0086, -0.03),
        (-0.029, 0.08, 0.06, 0.0076, -0.09),
    ):
        point, angle, points = at(x, y - 0.012), 0.0, [at(x, y - 0.03)]
        points.append(point)
        for bend, share in ((0.85, 0.5), (1.15, 0.3), (0.75, 0.24)):
            angle += bend * hand.curl
            for _ in range(2):
                point = (
                    point
                    + unit(np.cos(angle) * f + np.sin(angle) * p + spread * s * max(0.2, 1 - hand.curl)) * length * share / 2 * k
                )
                points.append(point)
        shapes.append(tube(points, np.linspace(radius * 1.1, radius * 0.8, len(points)) * k, s, segments=8))
    close = np.clip(hand.curl, 0.2, 1.1)
    a = at(0.026, 0.02, 0.004)
    b = a + unit(0.75 * s + 0.55 * f + 0.35 * close * p) * 0.042 * k
    c = b + unit((0.55 - 0.35 * close) * s + 0.8 * f + 0.75 * close * p) * 0.034 * k
    d = c + unit((0.3 - 0.5 * close) * s + 0.8 * f + 0.8 * close * p) * 0.028 * k
    shapes.append(tube([a, (a + b) / 2, b, c, d], np.array([0.017, 0.0145, 0.0115, 0.0105, 0.008]) * k, p, segments=8))
    return join(shapes)


@cache
def _head(look: Look) -> Model:
    """Rigid head model in its own frame: skull, jaw, nose, ears, eyes, hair, recording glasses."""
    skin = Material(colour=look.skin, texture="skin", repeat_m=0.2, gloss=0.12)
    hair = Material(colour=look.hair, texture="hair", repeat_m=0.12, gloss=0.0)
    dark, white = Material(colour="#191a1c", gloss=0.4), Material(colour="#d8d4cc", gloss=0.3)
    face = [
        cushion((0.152, 0.195, 0.225), power=0.9),
        cushion((0.112, 0.13, 0.13), power=0.8).moved(pose(0, 0.028, -0.072)),
        cushion((0.03, 0.045, 0.05), power=0.9).moved(pose(0, 0.1, -0.025)),
    ]
    face += [cushion((0.018, 0.045, 0.065)).moved(pose(x, -0.01, -0.01)) for x in (-0.08, 0.08)]
    locks = [
        cushion((0.17, 0.19, 0.15), power=0.85, rings=10).moved(pose(0, -0.02, 0.055)),
        cushion((0.168, 0.13, 0.21), power=0.8).moved(pose(0, -0.048, 0.0)),
        cushion((0.1, 0.09, 0.06), power=0.9).moved(pose(0.03, 0.055, 0.1)),
        cushion((0.09, 0.1, 0.05), power=0.9).moved(pose(-0.035, 0.045, 0.105)),
    ]
    model = [
        (join(face), skin),
        (join(locks), hair),
        (cushion((0.05, 0.01, 0.014)).moved(pose(0, 0.092, -0.068)), Material(colour="#8f5248")),
    ]
    if look.hair_style == "long":
        model.append((cushion((0.185, 0.1, 0.36), power=0.7).moved(pose(0, -0.07, -0.09)), hair))
    for x in (-0.034, 0.034):
        model += [
            (cushion((0.034, 0.012, 0.016)).moved(pose(x, 0.09, 0.015)), white),
            (cushion((0.04, 0.012, 0.01)).moved(pose(x, 0.095, 0.04)), hair),
            (
                join(
                    [box((x - 0.03, 0.103, z), (x + 0.03, 0.111, z + 0.009)) for z in (-0.008, 0.03)]
                    + [box((x + e, 0.103, -0.008), (x + e + 0.008, 0.111, 0.039)) for e in (-0.03, 0.022)]
                ),
                dark,
            ),
            (box((np.sign(x) * 0.078 - 0.005, -0.02, 0.018), (np.sign(x) * 0.078 + 0.005, 0.108, 0.032)), dark),
        ]
    return model


def body_models(look: Look, skeleton: Skeleton, hands: dict[float, Hand]) -> list[tuple[str, Model]]:
    """[(part name, [(Shape, Material)])] for the whole body; part names separate head, body and hands."""
    k, j, up, right = look.scale, skeleton.joints, skeleton.up, skeleton.right
    shirt = Material(colour=look.shirt, texture=look.shirt_texture, repeat_m=0.2, gloss=0.0)
    trousers = Material(colour=look.trousers, texture="weave", repeat_m=0.3, gloss=0.0)
    skin = Material(colour=look.skin, texture="skin", repeat_m=0.2, gloss=0.1)
    shoe = Material(colour="#35322f", gloss=0.2)
    rise = np.array([-0.09, -0.02, 0.06, 0.16, 0.28, 0.38, 0.44, 0.485, 0.515, 0.53]) * k
    width = np.array([0.155, 0.165, 0.158, 0.147, 0.158, 0.172, 0.172, 0.145, 0.085, 0.06]) * k
    depth = np.array([0.115, 0.12, 0.11, 0.102, 0.112, 0.118, 0.108, 0.09, 0.07, 0.055]) * k
    bulge = np.array([0, 0, 0.005, 0.005, 0.012, 0.015, 0.005, -0.01, -0.005, 0.005]) * k
    spine = j["pelvis"] + rise[:, None] * up + bulge[:, None] * skeleton.forward
    torso = [(tube(spine, np.stack([width, depth], 1), right, segments=20), shirt)]
    head_centre = skeleton.world_from_head[:3, 3]
    neck = tube(
        [j["neck"] - 0.05 * k * up, j["neck"], head_centre - 0.03 * skeleton.world_from_head[:3, 2]],
        np.array([0.06, 0.054, 0.052]) * k,
        right,
        segments=12,
    )
    body = [*torso, (neck, skin)]
    arms = []
    for s in (RIGHT, LEFT):
        arm = _bent(j["shoulder", s] - 0.03 * k * right * s, j["elbow", s], j["wrist", s])
        girth = np.array([0.062, 0.056, 0.049, 0.046, 0.045, 0.045, 0.044, 0.036, 0.027]) * k
        pole = unit(np.cross(arm[0] - arm[4], arm[-1] - arm[4]) + 1e-6)
        if look.sleeve < 1:
            arms.append((tube(arm, girth * np.array([0.9] * 4 + [1] * 5), pole, segments=12), skin))
            body.append((tube(arm[:3], girth[:3] * 1.16, pole, segments=12), shirt))
        else:
            cuff = np.vstack([arm[:-1], arm[-2] + (arm[-1] - arm[-2]) * 0.85])
            body.append((tube(cuff, np.append(girth[:-1], 0.034 * k) * 1.14, pole, segments=12), shirt))
            arms.append((tube(arm[-2:], girth[-2:], pole, segments=12), skin))
        arms.append((_hand(hands[s], s, j["wrist", s], k), skin))
        leg = _bent(j["hip", s], j["knee", s], j["ankle", s])
        body.append(
            (tube(leg, np.array([0.095, 0.09, 0.078, 0.068, 0.064, 0.062, 0.06, 0.055, 0.05]) * k, right, segments=14), trousers)
        )
        foot = frame(j["ankle", s] + skeleton.forward * 0.06 - (0, 0, 0.045), right, skeleton.forward, (0, 0, 1))
        body.append((cushion((0.1 * k, 0.27 * k, 0.095), power=0.6).moved(foot), shoe))
    return [
        ("person", body),
        ("arms and hands", arms),
        ("head", [(shape.moved(skeleton.world_from_head @ pose(scale=0.95 * k)), m) for shape, m in _head(look)]),
    ]
