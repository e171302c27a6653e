"""Many shapes joined into one traceable mesh, with a material and an instance id on every face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .materials import Material
from .shapes import Array, Shape, join

Model = list[tuple[Shape, Material]]
"""A thing: shapes with what they are made of, in the thing's own frame (z up, standing on z = 0)."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """A joined shape with per-face material index and instance id (0 is "nothing")."""

    shape: Shape
    material: Array
    instance: Array


class Builder:
    """Collects models into one mesh; a new instance id for each, names kept for captions."""

    def __init__(self, materials: list[Material], names: list[str]) -> None:
        self.materials, self.names = materials, names
        self._index = {material: i for i, material in enumerate(materials)}
        self._parts: list[tuple[Shape, int, int]] = []

    def add(self, model: Model, name: str, matrix: Array | None = None, instance: int | None = None) -> int:
        """Add a model moved by a 4x4 matrix; returns its instance id (new, or the one given)."""
        if instance is None:
            self.names.append(name)
            instance = len(self.names) - 1
        for shape, material in model:
            if material not in self._index:
                self._index[material] = len(self.materials)
                self.materials.append(material)
            self._parts.append((shape if matrix is None else shape.moved(matrix), self._index[material], instance))
        return instance

    def mesh(self) -> Mesh:
        """Everything added so far as one mesh."""
        count = [len(s.faces) for s, _, _ in self._parts]
        return Mesh(
            join([s for s, _, _ in self._parts]),
            np.repeat([m for _, m, _ in self._parts], count),
            np.repeat([i for _, _, i in self._parts], count),
        )
