"""Pictures from the tracer: sub-pixel sampling, light, depth and ids of one camera.

A static exo camera keeps its static hits, textures and shadows (`View.still`), so each frame only traces what moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from egox.cameras import ARIA_CIRCLE_RAD, Lens

from .shapes import Array
from .tracer import CONTACT_M, FAR_M, Surface, Tracer, dot, hashed

SUBPIXELS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))


def pixel_grid(height_px: int, width_px: int, offset: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Pixel coordinates [height, width, 2], (u, v), shifted by offset in pixels."""
    v, u = np.mgrid[:height_px, :width_px].astype(float)
    return np.stack([u + offset[0], v + offset[1]], -1)


@dataclass(frozen=True, slots=True)
class Frame:
    """light [h, w, 3] linear; depth [h, w] z in metres (0: nothing); ids [h, w]."""

    light: Array
    depth: Array
    ids: Array


@dataclass(frozen=True, slots=True)
class _Still:
    """Rays (centres first, then four sub-pixel sets) and what of the still scene they meet."""

    origins: Array
    directions: Array
    hits: tuple[Array, Array, Array, Array]
    surface: Surface


class View:
    """One lens at one picture size. Rays of the centre and of the sub-pixels are solved once."""

    def __init__(self, lens: Lens, height_px: int, width_px: int, *, circle: bool) -> None:
        self.size, self.lens = (height_px, width_px), lens
        offsets = ((0.0, 0.0), *SUBPIXELS)
        rays = np.stack([lens.unproject(pixel_grid(height_px, width_px, o)) for o in offsets]).reshape(len(offsets), -1, 3)
        theta = np.arccos(np.clip(rays[0, :, 2], -1, 1))
        self.inside = np.flatnonzero(theta < ARIA_CIRCLE_RAD) if circle else np.arange(height_px * width_px)
        self._rays = rays[:, self.inside].astype(np.float32)
        u = np.clip((theta - 0.72 * ARIA_CIRCLE_RAD) / (0.28 * ARIA_CIRCLE_RAD), 0, 1)
        edge = (
            np.linalg.norm(pixel_grid(height_px, width_px) - ((width_px - 1) / 2, (height_px - 1) / 2), axis=-1).ravel()
            / width_px
        )
        self.falloff = ((1 - u**2.2) ** 1.3 if circle else 1 - 0.35 * edge**2).astype(np.float32).reshape(height_px, width_px, 1)
        self._pixel_rad = float(
            np.arccos(
                np.clip(
                    (
                        rays[0, height_px // 2 * width_px + width_px // 2]
                        * rays[0, height_px // 2 * width_px + width_px // 2 + 1]
                    ).sum(),
                    -1,
                    1,
                )
            )
        )
        n = len(self.inside)
        self._index, self._stratum = np.tile(self.inside, 4), np.repeat(np.arange(4), n)
        self._stratum = (self._stratum + (hashed(self._index, 99) * 4).astype(np.int64)) % 4
        self._still: _Still | None = None
        self._lamp_points: list[Array] | None = None
        angle, r = 2 * np.pi * hashed(self._index, 5), np.sqrt((self._stratum + hashed(self._index, 6)) / 4)
        self._sphere = np.stack([r * np.cos(angle), r * np.sin(angle), np.sqrt(1 - r * r)], -1).astype(np.float32)

    def forget(self) -> None:
        """Drop what was kept of a scene: the next picture may be of another one."""
        self._still = self._lamp_points = None

    def render(self, tracer: Tracer, world_from_camera: Array, *, static_camera: bool) -> Frame:
        """One picture; the pose is 4x4, OpenCV axes. A static camera must always be given the same pose."""
        n = len(self.inside)
        if self._lamp_points is None:
            self._lamp_points = [tracer.lamp_point(g, self._index, self._stratum) for g in range(len(tracer.lamps))]
        if self._still is None or not static_camera:
            self._still = self._look_at_still(tracer, world_from_camera, self._lamp_points)
        still, back = self._still, self._still.surface
        moving = _nearest_moving(tracer, still.origins, still.directions)
        in_front = moving[1] < still.hits[1]
        sub = np.flatnonzero(in_front[n:])
        seen = np.stack([*back.lit, np.ones(4 * n, np.float32)], -1)
        self._shadows(tracer, back, np.flatnonzero(~in_front[n:]), seen)
        gleam, side = np.stack(back.gleam, -1), back.side
        front: Surface | None = None
        if len(sub):
            front = tracer.surface(
                tracer.moving,
                tuple(h[n:][sub] for h in moving),
                still.origins[n:][sub],
                still.directions[n:][sub],
                [points[sub] for points in self._lamp_points],
                self._pixel_rad / 2,
            )
            own = np.stack([*front.lit, np.ones(len(sub), np.float32)], -1)
            self._shadows(tracer, front, np.arange(len(sub)), own, contact=False)
            side = side.copy()
            seen[sub], side[sub], gleam[sub] = own, front.side, np.stack(front.gleam, -1)
        shares = np.hstack([seen, gleam * seen[:, :-1]]).reshape(4, n, -1).mean(0)
        shares = np.tile(self._smooth(shares, side[:n]), (4, 1))
        light = _radiance(back, shares)
        if front is not None:
            light[sub] = _radiance(front, shares[sub])
        ahead = in_front[:n]
        ids = np.where(ahead, tracer.moving.mesh.instance[moving[0][:n]], tracer.static.mesh.instance[still.hits[0][:n]])
        distance = np.where(ahead, moving[1][:n], still.hits[1][:n])
        hit = distance < FAR_M
        return Frame(
            self._fill(np.minimum(light, 4.0).reshape(4, n, 3).mean(0)),
            self._fill(np.where(hit, distance * self._rays[0, :, 2], 0)),
            self._fill(np.where(hit, ids, 0).astype(np.int16)),
        )

    def _look_at_still(self, tracer: Tracer, world_from_camera: Array, lamp_points: list[Array]) -> _Still:
        """Rays of a pose and what they meet of the still scene, shaded."""
        n = len(self.inside)
        directions = self._rays.reshape(-1, 3) @ world_from_camera[:3, :3].astype(np.float32).T
        origins = np.repeat(world_from_camera[None, :3, 3].astype(np.float32), len(directions), 0)
        hits = tracer.static.nearest(origins, directions)
        first = tuple(np.maximum(h[n:], 0) for h in hits)
        surface = tracer.surface(tracer.static, first, origins[n:], directions[n:], lamp_points, self._pixel_rad / 2)
        return _Still(origins, directions, hits, surface)

    def _shadows(self, tracer: Tracer, surface: Surface, wanted: Array, seen: Array, *, contact: bool = True) -> None:
        """Multiply into seen [n, groups + 1] what moving things take from the lamps and (last column) from the ambient."""
        low, high = tracer.moving.vertices.min(0), tracer.moving.vertices.max(0)
        for g in range(len(surface.lit)):
            test = wanted[surface.lit[g][wanted] > 0]
            start, toward, reach = (
                surface.position[test] + 0.004 * surface.normal[test],
                surface.toward[g][test],
                surface.reach[g][test],
            )
            meets = _may_meet(start, toward, reach, low, high)
            blocked = tracer.moving.blocked(start[meets], toward[meets], reach[meets] - 0.02)
            seen[test[meets][blocked], g] = 0
        if contact:
            near = surface.position[wanted]
            test = wanted[((near > low - CONTACT_M) & (near < high + CONTACT_M)).all(1)]
            sphere = self._sphere[test]
            normal = surface.normal[test]
            direction = sphere - 2 * np.minimum(dot(sphere, normal), 0)[:, None] * normal + 0.6 * normal
            direction /= np.sqrt(dot(direction, direction))[:, None]
            blocked = tracer.moving.blocked(surface.position[test] + 0.004 * normal, direction, np.full(len(test), CONTACT_M))
            seen[test[blocked], -1] = 0.15

    def _smooth(self, values: Array, side: Array, radius: int = 2) -> Array:
        """Average noisy light shares [n, c] over neighbours with the same side: an edge-keeping box filter."""
        image, guide = self._fill(values), self._fill(side + 1)
        h, w = self.size
        pad = ((radius, radius), (radius, radius))
        wide, wide_guide = np.pad(image, (*pad, (0, 0))), np.pad(guide, pad)
        total, weight = np.zeros_like(image), np.zeros((h, w, 1), np.float32)
        for dy in range(2 * radius + 1):
            for dx in range(2 * radius + 1):
                same = (wide_guide[dy : dy + h, dx : dx + w] == guide)[..., None].astype(np.float32)
                total += same * wide[dy : dy + h, dx : dx + w]
                weight += same
        return (total / weight).reshape(h * w, -1)[self.inside]

    def _fill(self, values: Array) -> Array:
        out = np.zeros((self.size[0] * self.size[1], *values.shape[1:]), values.dtype)
        out[self.inside] = values
        return out.reshape(*self.size, *values.shape[1:])


def _nearest_moving(tracer: Tracer, origins: Array, directions: Array) -> tuple[Array, Array, Array, Array]:
    """First moving hit of each ray; rays that miss the moving things' box are not traced."""
    low, high = tracer.moving.vertices.min(0), tracer.moving.vertices.max(0)
    ask = np.flatnonzero(_may_meet(origins, directions, np.full(len(origins), FAR_M, np.float32), low, high))
    face, distance = np.full(len(origins), -1, np.int32), np.full(len(origins), FAR_M, np.float32)
    u, v = np.zeros((2, len(origins)), np.float32)
    face[ask], distance[ask], u[ask], v[ask] = tracer.moving.nearest(origins[ask], directions[ask])
    return face, distance, u, v


def _radiance(s: Surface, seen: Array) -> Array:
    """Outgoing light [n, 3]; columns of seen: lit per group, nearness, lit gleam per group."""
    groups = len(s.matte)
    light = s.glow + s.ambient * seen[:, groups, None]
    for g in range(groups):
        light += s.matte[g] * seen[:, g, None] + s.glossy[g] * seen[:, groups + 1 + g, None]
    return light


def _may_meet(start: Array, toward: Array, reach: Array, low: Array, high: Array) -> Array:
    """Slab test of shadow rays against the moving things' bounding box."""
    enter, leave = np.zeros_like(reach), reach.copy()
    for axis in range(3):
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (low[axis] - start[:, axis]) / toward[:, axis], (high[axis] - start[:, axis]) / toward[:, axis]
        enter, leave = np.maximum(enter, np.minimum(a, b)), np.minimum(leave, np.maximum(a, b))
    return enter < leave
