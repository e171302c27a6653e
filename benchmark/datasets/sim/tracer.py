"""Two Embree scenes (static, built once; dynamic, rebuilt per frame) and the shading of their hits in numpy.

Light model: direct light from two groups of area lamps with one shadow ray each per sub-pixel sample (stratified over
the lamp, so four samples see four quarters of it); indirect light baked once per static vertex (two bounces); dynamic
vertices gather their ambient per frame along fixed directions; moving things darken the ambient of what they come near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

from .build import Mesh
from .lamps import Lamp
from .materials import Material, MaterialTable
from .shapes import Array

FAR_M = 1e3
BAKE_RAYS, AMBIENT_RAYS = 28, 6
CONTACT_M = 0.3
"""Range at which moving things still darken the ambient light on static surfaces."""


def _directions(n: int) -> Array:
    """n fixed cosine-weighted directions about +z, spiral-stratified."""
    i = np.arange(n) + 0.5
    r, angle = np.sqrt(i / n), i * np.pi * (3 - np.sqrt(5))
    return np.stack([r * np.cos(angle), r * np.sin(angle), np.sqrt(1 - i / n)], -1).astype(np.float32)


def _about(normals: Array, directions: Array) -> Array:
    """Turn directions [k, 3] into the hemisphere of each normal: [n, k, 3]."""
    sign = np.where(normals[:, 2] >= 0, 1.0, -1.0).astype(np.float32)
    a = -1 / (sign + normals[:, 2])
    b = normals[:, 0] * normals[:, 1] * a
    t = np.stack([1 + sign * normals[:, 0] ** 2 * a, sign * b, -sign * normals[:, 0]], -1)
    s = np.stack([b, sign + normals[:, 1] ** 2 * a, -normals[:, 1]], -1)
    return (
        directions[None, :, :1] * t[:, None] + directions[None, :, 1:2] * s[:, None] + directions[None, :, 2:] * normals[:, None]
    )


def hashed(index: Array, salt: int) -> Array:
    """Uniform [0, 1) per integer index, the same on every machine and call."""
    x = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt * 0xBF58476D1CE4E5B9 % (1 << 64))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


class Layer:
    """One mesh in one Embree scene, with per-vertex ambient light."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.vertices = np.ascontiguousarray(mesh.shape.vertices, np.float32)
        self.normals = mesh.shape.normals.astype(np.float32)
        self.faces = np.ascontiguousarray(mesh.shape.faces, np.int32)
        self.ambient, self.bare = np.zeros_like(self.vertices), []
        self._fields: Array | None = None
        self._scene = rtcore_scene.EmbreeScene()  # pyright: ignore[reportAttributeAccessIssue]
        TriangleMesh(self._scene, self.vertices[self.faces])

    def nearest(self, origins: Array, directions: Array) -> tuple[Array, Array, Array, Array]:
        """Face (-1 for none), distance and barycentric (u, v) of the first hit."""
        hit = self._scene.run(origins, directions, output=True)
        face = hit["primID"]
        return face, np.where(face >= 0, hit["tfar"], FAR_M).astype(np.float32), hit["u"], hit["v"]

    def blocked(self, origins: Array, directions: Array, distance: Array) -> Array:
        """Whether anything lies nearer than `distance` along each ray."""
        return self._scene.run(origins, directions, dists=distance.astype(np.float32), query="OCCLUDED") >= 0

    def at(self, face: Array, u: Array, v: Array) -> tuple[Array, Array, Array, list[Array]]:
        """Interpolated normal, uv, ambient and bare light of each lamp group at hits, gathered in one go."""
        if self._fields is None:
            self._fields = np.hstack([self.normals, self.mesh.shape.uv, self.ambient, *self.bare]).astype(np.float32)
        corner = self.faces[face]
        mixed = self._fields[corner[:, 0]] * (1 - u - v)[:, None]
        mixed += self._fields[corner[:, 1]] * u[:, None]
        mixed += self._fields[corner[:, 2]] * v[:, None]
        return mixed[:, :3], mixed[:, 3:5], mixed[:, 5:8], [mixed[:, i : i + 3] for i in range(8, mixed.shape[1], 3)]


@dataclass(slots=True)
class Surface:
    """What a hit sends back once shadows are known: per lamp group matte * lit + glossy * (lit * gleam), plus ambient
    * nearness, plus glow.

    lit [groups][n]: 1 where the group's lamp sample is free of static things; toward, reach: that sample's direction and
    distance; side [n]: a small integer that differs across edges (instance and rough normal), the denoiser's guide.
    """

    position: Array
    normal: Array
    matte: list[Array]
    glossy: list[Array]
    gleam: list[Array]
    lit: list[Array]
    toward: list[Array]
    reach: list[Array]
    ambient: Array
    glow: Array
    side: Array


def dot(a: Array, b: Array) -> Array:
    """Row-wise dot product [n]."""
    return np.einsum("ij,ij->i", a, b)


class Tracer:
    """lamps: groups of rectangles; a sub-pixel sample looks at one rectangle of each group, weighted by their number."""

    def __init__(self, static: Mesh, materials: list[Material], lamps: list[list[Lamp]]) -> None:
        self.static, self.table, self.lamps = Layer(static), MaterialTable(materials), lamps
        self._moving: Layer | None = None
        self._bake()

    @property
    def moving(self) -> Layer:
        """The dynamic mesh; there is one once `move` was called."""
        if self._moving is None:
            raise RuntimeError("the tracer has no moving mesh yet: call move first")
        return self._moving

    # --- light --------------------------------------------------------------------------------------------------------

    def lamp_point(self, group: int, index: Array, stratum: Array) -> Array:
        """A point on one lamp of the group per index: each of four strata sees another quarter (and another lamp)."""
        lamps, salt = self.lamps[group], 31 * group
        which = (stratum + (hashed(index, salt + 7) * len(lamps)).astype(np.int64)) % len(lamps)
        a = ((stratum % 2) + hashed(index, salt)) - 1
        b = ((stratum // 2 % 2) + hashed(index, salt + 1)) - 1
        centre, u, v = (np.array([getattr(lamp, f) for lamp in lamps], np.float32) for f in ("centre", "u", "v"))
        return (centre[which] + a[:, None] * u[which] + b[:, None] * v[which]).astype(np.float32)

    def _bare(self, position: Array, normal: Array) -> list[Array]:
        """Irradiance of each lamp group without shadows [groups][n, 3]: four points per lamp. Smooth, so vertices are enough."""
        out = []
        for lamps in self.lamps:
            total = np.zeros_like(position)
            for lamp in lamps:
                facing = np.cross(lamp.u, lamp.v)
                area = 4 * np.linalg.norm(facing)
                facing = (facing * 4 / area).astype(np.float32)
                for a, b in ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)):
                    to = (lamp.centre + a * lamp.u + b * lamp.v).astype(np.float32) - position
                    square = dot(to, to)
                    weight = np.maximum(dot(to, normal), 0) * np.maximum(-(to @ facing), 0) / np.maximum(square, 0.09) ** 2
                    total += weight[:, None] * (lamp.radiance * area / 4).astype(np.float32)
            out.append(total)
        return out

    def _bake(self) -> None:
        """Two bounces of diffuse light onto the static vertices; direct light itself is left to the shadow rays."""
        layer, n = self.static, len(self.static.vertices)
        start = layer.vertices + 0.004 * layer.normals
        layer.bare, first = self._bare(start, layer.normals), np.zeros((n, 3), np.float32)
        for group, bare in enumerate(layer.bare):
            for stratum in range(4):
                to = self.lamp_point(group, np.arange(n), np.full(n, stratum)) - start
                reach = np.sqrt(dot(to, to))
                first += bare / 4 * ~layer.blocked(start, to / reach[:, None], reach - 0.02)[:, None]
        rays = _about(layer.normals, _directions(BAKE_RAYS))
        faces = layer.mesh.material
        hit_face = np.empty((n, BAKE_RAYS), np.int32)
        for k in range(BAKE_RAYS):
            hit_face[:, k] = layer.nearest(start, np.ascontiguousarray(rays[:, k]))[0]
        seen = hit_face >= 0
        albedo = self.table.mean_albedo.astype(np.float32)[faces]
        for _ in range(2):
            out = albedo * (first + layer.ambient)[layer.faces].mean(1) / np.pi
            layer.ambient = (out[np.where(seen, hit_face, 0)] * seen[..., None]).mean(1) * np.pi
        self._room_ambient = np.median(layer.ambient, axis=0)

    def move(self, mesh: Mesh) -> None:
        """Replace the dynamic mesh and gather the ambient light on its vertices."""
        self._moving = layer = Layer(mesh)
        start = layer.vertices + 0.006 * layer.normals
        rays = _about(layer.normals, _directions(AMBIENT_RAYS)).reshape(-1, 3)
        origins = np.repeat(start, AMBIENT_RAYS, 0)
        face, distance, *_ = self.static.nearest(origins, rays)
        albedo = self.table.mean_albedo.astype(np.float32)
        glow = self.table.colour * self.table.glow[:, None]
        material = self.static.mesh.material[face]
        out = albedo[material] * (self.static.ambient[self.static.faces[face, 0]] + 0.6 * self._room_ambient) + np.minimum(
            glow[material], 1.5
        )
        near, near_distance, *_ = layer.nearest(origins, rays)
        own = (near >= 0) & (near_distance < distance)
        out[own] = albedo[layer.mesh.material[near[own]]] * self._room_ambient * 0.7
        layer.ambient = out.reshape(-1, AMBIENT_RAYS, 3).mean(1)
        layer.bare = self._bare(start, layer.normals)

    # --- surfaces -----------------------------------------------------------------------------------------------------

    def surface(
        self, layer: Layer, hits: tuple[Array, ...], origins: Array, directions: Array, lamp_points: list[Array], pixel_rad: float
    ) -> Surface:
        """Shade-ready values for hits of one layer, lamp_points [groups][n, 3]; shadows of static things are resolved here."""
        face, distance, u, v = hits
        position = origins + directions * distance[:, None]
        normal, uv, ambient, bares = layer.at(face, u, v)
        facing = -dot(normal, directions)
        normal = normal * (np.where(facing < 0, -1, 1) / np.sqrt(dot(normal, normal) + 1e-12)).astype(np.float32)[:, None]
        material, table = layer.mesh.material[face], self.table
        albedo = table.albedo(material, uv, distance * pixel_rad)
        gloss, start = table.gloss[material], position + 0.003 * normal
        matte, glossy, gleams, lit, toward, reach = [], [], [], [], [], []
        for bare, point in zip(bares, lamp_points):
            to = point - start
            far = np.sqrt(dot(to, to))
            to /= far[:, None]
            half = to - directions
            gleam = np.maximum(dot(half, normal), 0) / np.sqrt(dot(half, half) + 1e-9)
            matte.append(bare * albedo / np.pi)
            glossy.append(bare * (1.4 * gloss)[:, None])
            gleams.append(gleam**50)
            free = (bare[:, 1] > 1e-4) & (dot(to, normal) > 0)
            free[free] = ~self.static.blocked(start[free], to[free], far[free] - 0.02)
            lit.append(free.astype(np.float32))
            toward.append(to)
            reach.append(far)
        bounce_up = directions[:, 2] + 2 * np.abs(facing) * normal[:, 2]
        sheen = self._room_ambient * (0.42 + 0.78 * np.clip(bounce_up * 0.8 + 0.4, 0, 1))[:, None]
        ambient = ambient * albedo / np.pi
        shine = np.where(
            table.metal[material], 0.9 * albedo.mean(1) / np.pi, 0.16 * gloss * (0.25 + 0.75 * (1 - np.abs(facing)) ** 4)
        )
        ambient += (shine[:, None] * sheen).astype(np.float32)
        side = layer.mesh.instance[face] * 27 + (np.rint(normal * 1.4).astype(np.int64) + 1) @ (9, 3, 1)
        return Surface(
            position, normal, matte, glossy, gleams, lit, toward, reach, ambient, albedo * table.glow[material][:, None], side
        )
