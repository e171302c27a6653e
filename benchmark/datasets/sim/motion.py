"""A script in motion: where hands, things, body and gaze are at any time. Everything is smooth in t."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .actor import LEFT, RIGHT, Hand, Pose
from .script import GazeKey, HandKey, Script, WalkKey, Wave, is_tool
from .shapes import Array, pose, unit

STRIDE_M = 1.2
"""Length of a full walking cycle."""
_TURN_AS_M = 0.3
"""A turn of one radian moves the feet as much as this many metres."""
_ARC = 0.12
"""How high a hand rises between two keys, as a share of their distance."""
_HEAD_LIMIT_RAD = 1.25
_GAZE_TAPS = ((-0.1, 0.2), (0.0, 0.3), (0.1, 0.3), (0.2, 0.2))


def smooth(x: float) -> float:
    """Minimum-jerk step from 0 to 1."""
    x = min(max(x, 0.0), 1.0)
    return x * x * x * (x * (6 * x - 15) + 10)


class Motion:
    """Evaluates one script. Values of the last few times are kept, since pose, props and gaze ask for the same ones."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._hand_times = {side: np.array([key.t for key in keys]) for side, keys in script.hands.items()}
        self._gaze_times = np.array([key.t for key in script.gaze])
        self._walk_times = np.array([key.t for key in script.walk])
        lengths = [_effort(a, b) for a, b in zip(script.walk, script.walk[1:])]
        self._walked = np.concatenate([[0.0], np.cumsum(lengths)])
        self.hand = lru_cache(256)(self._hand)
        self.body_frame = lru_cache(256)(self._body_frame)
        self._chains: dict[int, list[tuple[float, float, float, Array, Array]]] = {}

    # -- feet ----------------------------------------------------------------------------------------------------------

    def _segment(self, times: Array, t: float) -> tuple[int, float]:
        """Index of the key before t and the smooth share of the way to the next."""
        if len(times) < 2 or t <= times[0]:
            return 0, 0.0
        i = min(int(np.searchsorted(times, t)) - 1, len(times) - 2)
        return i, smooth((t - times[i]) / max(times[i + 1] - times[i], 1e-3))

    def place(self, t: float) -> tuple[float, float, float, float]:
        """Pelvis x, y over the floor, yaw, and the way walked so far (metres, turns included)."""
        keys = self.script.walk
        i, u = self._segment(self._walk_times, t)
        if len(keys) == 1 or (u == 0.0 and i == 0):
            return keys[0].x, keys[0].y, keys[0].yaw, 0.0
        a, b = keys[i], keys[i + 1]
        way = self._walked[i] + (self._walked[i + 1] - self._walked[i]) * u
        return a.x + (b.x - a.x) * u, a.y + (b.y - a.y) * u, a.yaw + (b.yaw - a.yaw) * u, float(way)

    def _body_frame(self, t: float) -> Array:
        x, y, yaw, _ = self.place(t)
        return pose(x, y, 0.0, yaw=yaw)

    # -- hands ---------------------------------------------------------------------------------------------------------

    def _hand(self, side: float, t: float) -> Hand:
        keys = self.script.hands[side]
        i, u = self._segment(self._hand_times[side], t)
        a = self._key_values(keys[i], t)
        b = self._key_values(keys[min(i + 1, len(keys) - 1)], t)
        values = a + (b - a) * u
        at = values[:3] + 0.004 * _drift(self.script.seed, 5 + int(side), t, 0.7, 3)
        at[2] += _ARC * 4 * u * (1 - u) * float(np.linalg.norm(b[:3] - a[:3]))
        if keys[i].frame == "body":
            at = at + self._swing(side, t)
        for wave in self.script.waves:
            if wave.side == side and wave.t0 < t < wave.t1:
                at = at + wave_offset(wave, t) * smooth((t - wave.t0) / 0.35) * smooth((wave.t1 - t) / 0.35)
        return Hand(at, unit(values[3:6]), values[6:9], float(values[9]), float(values[10]))

    def _key_values(self, key: HandKey, t: float) -> Array:
        values = np.array([*key.at, *key.fingers, *key.thumb, key.curl, key.radius])
        if key.frame == "body":
            body = self.body_frame(t)
            turn = body[:3, :3]
            values[:3], values[3:6], values[6:9] = turn @ values[:3] + body[:3, 3], turn @ values[3:6], turn @ values[6:9]
        return values

    def _swing(self, side: float, t: float) -> Array:
        """Arms swing against the legs while walking; carried things keep still because both hands are near the middle."""
        speed = (self.place(t + 0.05)[3] - self.place(t - 0.05)[3]) / 0.1
        _, _, yaw, way = self.place(t)
        grip = self.script.hands[side][self._segment(self._hand_times[side], t)[0]]
        if abs(grip.at[0]) < 0.2:
            return np.zeros(3)
        reach = 0.13 * min(speed / 0.7, 1.0) * np.cos(2 * np.pi * way / STRIDE_M) * side
        return np.array([-np.sin(yaw) * reach, np.cos(yaw) * reach, 0.25 * abs(reach)])

    # -- things --------------------------------------------------------------------------------------------------------

    def prop(self, index: int, t: float) -> Array:
        """Pose (4x4, work frame) of a thing: where it stood, or carried along by the hand that holds it."""
        matrix = self.script.props[index].start
        for begin, end, side, held, after in self._chain(index):
            if t < begin:
                return matrix
            if t < end:
                return self.hand(side, t).matrix(side) @ held
            matrix = after
        return matrix

    def _chain(self, index: int) -> list[tuple[float, float, float, Array, Array]]:
        """Per grasp: from, to, side, thing in the hand's frame, pose afterwards."""
        if index not in self._chains:
            prop = self.script.props[index]
            matrix, chain = prop.start, []
            for begin, end, side in prop.grasps:
                # held from the take's beginning: then its first pose says where it is put down
                known = end if begin < 0 else begin
                held = np.linalg.inv(self.hand(side, known).matrix(side)) @ matrix
                after = self.hand(side, end).matrix(side) @ held
                if is_tool(prop.kind):
                    after = prop.start  # laid back: the hand's key says so up to its tremor
                else:
                    after = pose(*after[:2, 3], _standing_height(after, prop.start), yaw=np.arctan2(after[1, 0], after[0, 0]))
                chain.append((begin, end, side, held, after))
                matrix = after
            self._chains[index] = chain
        return self._chains[index]

    # -- body ----------------------------------------------------------------------------------------------------------

    def pose(self, t: float) -> Pose:
        """The whole body in the work frame (z measured from the surface)."""
        script, k = self.script, self.script.look.scale
        x, y, yaw, way = self.place(t)
        sway = 0.008 * _drift(script.seed, 3, t, 0.35, 2)
        height = 0.56 if script.seated else 0.93 * k
        before, after = self.place(t - 0.05), self.place(t + 0.05)
        velocity = np.array([after[0] - before[0], after[1] - before[1]]) / 0.1
        speed = float(np.hypot(*velocity))
        effort = min((after[3] - before[3]) / 0.1 / 0.7, 1.0)
        stride = 0.3 * min(speed / 0.7, 1.0)
        heading = velocity / max(speed, 1e-6)
        right, ahead = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
        ankles = {}
        for side in (RIGHT, LEFT):
            cycle = (way / STRIDE_M + (0.5 if side > 0 else 0)) % 1
            swing = 1 - 4 * cycle if cycle < 0.5 else 4 * cycle - 3
            lift = 0.1 * np.sin(np.pi * (cycle - 0.5) / 0.5) * effort if cycle >= 0.5 else 0.0
            apart, forward = (0.17, 0.42) if script.seated else (0.12, 0.02 * side)
            foot = np.array([x, y]) + side * apart * right + forward * ahead + stride * swing * heading
            ankles[side] = np.array([*foot, 0.09 + lift - script.surface_m])
        bob = effort * (0.015 * np.cos(way / STRIDE_M * 4 * np.pi) - 0.02)
        pelvis = np.array([x + sway[0], y + sway[1], height + bob - script.surface_m])
        hands = {side: self.hand(side, t) for side in (RIGHT, LEFT)}
        return Pose(pelvis=pelvis, yaw=yaw, ankles=ankles, gaze=self._gaze(t, pelvis, yaw), hands=hands)

    def _gaze(self, t: float, pelvis: Array, yaw: float) -> Array:
        """Head direction: what is looked at mixed with the hands, low-passed, raised towards the horizon as heads are."""
        target = np.zeros(3)
        for lag, weight in _GAZE_TAPS:
            i, u = self._segment(self._gaze_times, t - lag)
            keys = self.script.gaze
            (a, share_a), (b, share_b) = self._gaze_values(keys[i], t), self._gaze_values(keys[min(i + 1, len(keys) - 1)], t)
            share = share_a + (share_b - share_a) * u
            middle = (self.hand(RIGHT, t - lag).grip + self.hand(LEFT, t - lag).grip) / 2
            target += weight * ((a + (b - a) * u) * (1 - share) + middle * share)
        ahead = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
        eyes = pelvis + 0.12 * ahead + np.array([0, 0, 0.68 * self.script.look.scale])
        to = unit(target - eyes)
        to = unit(to + 0.18 * ahead + np.array([0, 0, 0.1]))
        side = np.arctan2(ahead[0] * to[1] - ahead[1] * to[0], ahead[:2] @ to[:2])
        if abs(side) > _HEAD_LIMIT_RAD:
            turn = yaw + np.sign(side) * _HEAD_LIMIT_RAD
            flat = float(np.hypot(to[0], to[1]))
            to = np.array([-np.sin(turn) * flat, np.cos(turn) * flat, to[2]])
        wobble = np.deg2rad(2.2) * _drift(self.script.seed, 9, t, 0.5, 3) + np.deg2rad(0.3) * _drift(
            self.script.seed, 10, t, 3.0, 3
        )
        return unit(to + wobble)

    def _gaze_values(self, key: GazeKey, t: float) -> tuple[Array, float]:
        at = np.array(key.at)
        if key.frame == "body":
            body = self.body_frame(t)
            at = body[:3, :3] @ at + body[:3, 3]
        return at, key.hands


def wave_offset(wave: Wave, t: float) -> Array:
    """Metres that a rhythm moves the hand at t."""
    x, y, z = wave.size
    angle = 2 * np.pi * wave.hz * t
    if wave.kind == "circle":
        return np.array([x * np.cos(angle), y * np.sin(angle), z * np.sin(angle)])
    if wave.kind == "strike":
        return np.array(wave.size) * (0.5 - 0.5 * np.cos(angle)) ** 0.7
    if wave.kind == "stroke":
        return np.array(wave.size) * np.sin(angle)
    if wave.kind == "scribble":
        return np.array([x * ((t * wave.hz) % 1 - 0.5) + 0.008 * np.sin(19 * t), y * np.sin(23 * t), 0.0])
    if wave.kind == "tap":
        return np.array([x * np.sin(3.1 * t + wave.side), y * np.sin(4.3 * t + wave.side), z * np.sin(25 * t + 2 * wave.side)])
    raise ValueError(f"no wave is called {wave.kind!r}")


def _effort(a: WalkKey, b: WalkKey) -> float:
    return float(np.hypot(b.x - a.x, b.y - a.y) + _TURN_AS_M * abs(b.yaw - a.yaw))


def _standing_height(after: Array, start: Array) -> float:
    """A thing that is put down stands on what is below: the height it was meant for, rounded to where it began or on top."""
    rise = float(after[2, 3] - start[2, 3])
    return float(start[2, 3]) if abs(rise) < 0.03 else float(after[2, 3])


@lru_cache(256)
def _sines(seed: int, salt: int, n: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, salt])
    return rng.uniform(0, 2 * np.pi, (3, n)), rng.uniform(0.5, 1.6, (3, n))


def _drift(seed: int, salt: int, t: float, hz: float, n: int) -> Array:
    """Smooth drift [n] about zero, of about unit size: a few sines that never meet."""
    phase, rate = _sines(seed, salt, n)
    return np.sin(2 * np.pi * hz * rate * t + phase).sum(0) / 1.7
