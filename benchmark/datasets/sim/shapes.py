"""Triangle shapes: box, lathe, tube, cushion, panel.

Shapes carry smooth normals and uv in metres, so textures keep their physical size on every object. Metres, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """vertices, normals [n, 3]; uv [n, 2] in metres; faces [m, 3]."""

    vertices: Array
    normals: Array
    uv: Array
    faces: Array

    def moved(self, matrix: Array) -> Shape:
        """Apply a 4x4 affine matrix; normals by the inverse transpose."""
        normals = self.normals @ np.linalg.inv(matrix[:3, :3])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        return Shape(self.vertices @ matrix[:3, :3].T + matrix[:3, 3], normals, self.uv, self.faces)


def pose(x: float = 0.0, y: float = 0.0, z: float = 0.0, *, yaw: float = 0.0, scale: float = 1.0) -> Array:
    """4x4: turn by yaw (radians, about z), scale, then translate."""
    c, s = np.cos(yaw) * scale, np.sin(yaw) * scale
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, scale, z], [0, 0, 0, 1.0]])


def frame(origin: ArrayLike, x_axis: ArrayLike, y_axis: ArrayLike, z_axis: ArrayLike) -> Array:
    """4x4 with the given axes as columns."""
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = x_axis, y_axis, z_axis, origin
    return matrix


def unit(v: ArrayLike) -> Array:
    """Vectors [..., 3] at length one."""
    v = np.asarray(v, float)
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


@cache
def _grid_faces(rows: int, columns: int) -> Array:
    r, c = np.mgrid[: rows - 1, : columns - 1]
    a, b = r * columns + c, r * columns + c + 1
    d, e = a + columns, b + columns
    return np.concatenate([np.stack([a, b, e], -1).reshape(-1, 3), np.stack([a, e, d], -1).reshape(-1, 3)])


def join(shapes: Sequence[Shape]) -> Shape:
    """One shape from many."""
    offset, faces = 0, []
    for shape in shapes:
        faces.append(shape.faces + offset)
        offset += len(shape.vertices)
    return Shape(
        np.concatenate([s.vertices for s in shapes]),
        np.concatenate([s.normals for s in shapes]),
        np.concatenate([s.uv for s in shapes]),
        np.concatenate(faces),
    )


def panel(origin: ArrayLike, edge_u: ArrayLike, edge_v: ArrayLike, *, cell: float = 0.3, fit: bool = False) -> Shape:
    """Flat rectangle, normal edge_u x edge_v, split into cells of at most `cell` metres (baked light needs vertices).

    fit: uv run over 0..1 (pictures, screens) instead of metres.
    """
    origin, edge_u, edge_v = (np.asarray(v, float) for v in (origin, edge_u, edge_v))
    lu, lv = np.sqrt(edge_u @ edge_u), np.sqrt(edge_v @ edge_v)
    nu, nv = int(np.ceil(lu / cell)) + 1, int(np.ceil(lv / cell)) + 1
    a, b = np.tile(np.linspace(0, 1, nu), nv)[:, None], np.repeat(np.linspace(0, 1, nv), nu)[:, None]
    (ax, ay, az), (bx, by, bz) = edge_u, edge_v
    normal = unit((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx))
    uv = np.hstack([a, 1 - b]) if fit else np.hstack([a * lu, b * lv])
    return Shape(origin + a * edge_u + b * edge_v, np.repeat(normal[None], len(a), 0), uv, _grid_faces(nv, nu))


def box(low: ArrayLike, high: ArrayLike, *, cell: float = 0.3) -> Shape:
    """Axis-aligned box; grain (u) runs along each face's longer edge."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    size, sides = high - low, []
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        eu, ev = np.zeros(3), np.zeros(3)
        eu[i], ev[j] = size[i], size[j]
        top = low.copy()
        top[axis] = high[axis]
        sides += [panel(top, eu, ev, cell=cell), panel(low, ev, eu, cell=cell)]
    flip = [
        Shape(s.vertices, s.normals, s.uv[:, ::-1] if np.ptp(s.uv[:, 1]) > np.ptp(s.uv[:, 0]) else s.uv, s.faces) for s in sides
    ]
    return join(flip)


def lathe(profile: ArrayLike, *, segments: int = 16) -> Shape:
    """Surface of revolution about z of profile [(radius, z), ...] from bottom to top; repeat a point for a hard edge."""
    r, z = np.asarray(profile, float).T
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    dr, dz = np.gradient(r), np.gradient(z)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    vertices = np.concatenate([r[:, None, None] * ring, np.broadcast_to(z[:, None, None], (len(r), segments + 1, 1))], -1)
    slope = unit(np.stack([dz, -dr], -1) + 1e-12)
    normals = np.concatenate([slope[:, :1, None] * ring, np.broadcast_to(slope[:, 1:, None], (len(r), segments + 1, 1))], -1)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
    uv = np.stack(np.broadcast_arrays(angle[None] * r.max(), length[:, None]), -1)
    return Shape(vertices.reshape(-1, 3), normals.reshape(-1, 3), uv.reshape(-1, 2), _grid_faces(len(r), segments + 1))


def cylinder(radius: float, height: float, *, segments: int = 16, top_radius: float | None = None) -> Shape:
    """Closed cylinder or cone standing on z = 0."""
    top = radius if top_radius is None else top_radius
    return lathe([(0, 0), (radius, 0), (radius, 0), (top, height), (top, height), (0, height)], segments=segments)


def cushion(size: ArrayLike, *, power: float = 0.4, rings: int = 8, segments: int = 16) -> Shape:
    """Superellipsoid centred at the origin: power 1 is an ellipsoid, smaller is boxier."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)[:, None]
    lon = np.linspace(-np.pi, np.pi, segments + 1)[None]

    def bend(v: Array, p: float) -> Array:
        return np.sign(v) * np.abs(v) ** p

    def direction(p: float) -> Array:
        flat = bend(np.cos(lat), p)
        return np.stack(np.broadcast_arrays(flat * bend(np.cos(lon), p), flat * bend(np.sin(lon), p), bend(np.sin(lat), p)), -1)

    half = np.asarray(size, float) / 2
    uv = np.stack(np.broadcast_arrays(lon * half[:2].mean(), lat * half[2]), -1)
    return Shape(
        (direction(power) * half).reshape(-1, 3),
        unit(direction(2 - power) / half).reshape(-1, 3),
        uv.reshape(-1, 2),
        _grid_faces(rings + 1, segments + 1),
    )


def tube(points: ArrayLike, radii: ArrayLike, reference: ArrayLike, *, segments: int = 10, closed: bool = True) -> Shape:
    """Elliptic tube through points [n, 3]; radii [n, 2] are half-widths along `reference` and across it.

    Ends are rounded by three shrinking rings when closed.
    """
    points, radii = np.asarray(points, float), np.asarray(radii, float)
    radii = np.repeat(radii[:, None], 2, 1) if radii.ndim == 1 else radii
    if closed:
        caps = np.array([[1.0, 0.02], [0.87, 0.5], [0.5, 0.87]])
        start, end = unit(points[0] - points[1]), unit(points[-1] - points[-2])
        r0, r1 = radii[0].min(), radii[-1].min()
        points = np.concatenate([points[:1] + start * r0 * caps[:, :1], points, points[-1:] + end * r1 * caps[::-1, :1]])
        radii = np.concatenate([radii[:1] * caps[:, 1:], radii, radii[-1:] * caps[::-1, 1:]])
    tangent = unit(np.gradient(points, axis=0))
    reference = np.broadcast_to(np.asarray(reference, float), points.shape)
    a = unit(reference - (reference * tangent).sum(1, keepdims=True) * tangent)
    b = np.cross(tangent, a)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    c, s = np.cos(angle)[None, :, None], np.sin(angle)[None, :, None]
    ra, rb = radii[:, None, :1], radii[:, None, 1:]
    vertices = points[:, None] + a[:, None] * c * ra + b[:, None] * s * rb
    taper = -np.gradient(radii.mean(1)) / np.maximum(np.linalg.norm(np.gradient(points, axis=0), axis=1), 1e-4)
    normals = unit(unit(a[:, None] * c * rb + b[:, None] * s * ra) + tangent[:, None] * np.clip(taper, -3, 3)[:, None, None])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    uv = np.stack(np.broadcast_arrays(angle[None] * radii.mean(), length[:, None]), -1)
    return Shape(vertices.reshape(-1, 3), normals.reshape(-1, 3), uv.reshape(-1, 2), _grid_faces(len(points), segments + 1))
