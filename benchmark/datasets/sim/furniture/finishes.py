"""The materials that one room's furniture shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..build import Model
from ..materials import Material, pick

Top = tuple[float, float, float, float, float]
"""A free rectangle to put things on, (x0, y0, x1, y1, z) in the piece's frame, metres."""
Piece = tuple[Model, list[Top]]
"""A piece of furniture: its model (x along the wall, y into the room, z up) and its free tops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finishes:
    """kind: room type; the rest are the room's materials by use."""

    kind: str
    table: Material
    wall: Material
    ceiling: Material
    floor: Material
    wood: Material
    front: Material
    top: Material
    leg: Material
    dark: Material
    fabric: Material
    trim: Material
    curtain: Material
    steel: Material


def draw_finishes(kind: str, seed: int) -> Finishes:
    """The finishes of a room type, drawn from the place's seed."""
    rng = np.random.default_rng([11, seed])
    wood = pick(rng, "wood", texture="wood", repeat_m=0.7, gloss=0.12)
    stone = Material(
        colour=str(rng.choice(["#3a3a3c", "#b9b4aa", "#8d8982", "#d0ccc2"])), texture="stone", repeat_m=0.3, gloss=0.3
    )
    floors = {
        "kitchen": Material(colour=str(rng.choice(["#b8ab97", "#a7a39b", "#c4b8a4"])), texture="tiles", repeat_m=1.4, gloss=0.2),
        "workshop": Material(
            colour=str(rng.choice(["#85837f", "#9a968e", "#7d8384"])), texture="concrete", repeat_m=2.5, gloss=0.1
        ),
        "office": Material(colour=str(rng.choice(["#6f7276", "#7f776d", "#5c646c"])), texture="carpet", repeat_m=0.8, gloss=0.0),
        "living room": Material(
            colour=str(rng.choice(["#9a7350", "#b08a62", "#7c5a3e"])), texture="planks", repeat_m=0.9, gloss=0.2
        ),
        "lab": Material(colour=str(rng.choice(["#b4b8b6", "#a3abb0", "#bdb7aa"])), texture="tiles", repeat_m=2.4, gloss=0.25),
    }
    front = pick(rng, "front", gloss=0.15, texture="plaster") if rng.random() < 0.65 else wood
    top = {
        "kitchen": stone if rng.random() < 0.6 else wood,
        "lab": Material(colour=str(rng.choice(["#3b4044", "#d4d6d3"])), texture="stone", repeat_m=0.25, gloss=0.3),
    }.get(kind, wood)
    laminate = Material(
        colour=str(rng.choice(["#d9d7d1", "#b9b6ae", "#8f8a83", "#4a4d50"])), texture="plaster", repeat_m=0.6, gloss=0.22
    )
    table = {"lab": top, "office": laminate if rng.random() < 0.6 else wood, "kitchen": top}.get(kind, wood)
    return Finishes(
        kind=kind,
        table=table,
        wall=pick(rng, "wall", texture="plaster", repeat_m=2.0),
        ceiling=Material(colour="#e6e4df", texture="plaster", repeat_m=2.0),
        floor=floors[kind],
        wood=wood,
        front=front,
        top=top,
        leg=wood if rng.random() < 0.4 else pick(rng, "dark", gloss=0.2),
        dark=pick(rng, "dark"),
        fabric=pick(rng, "fabric", texture="weave", repeat_m=0.25),
        trim=Material(colour="#dedbd3"),
        curtain=pick(rng, "wall", texture="weave", repeat_m=0.2),
        steel=pick(rng, "steel", texture="brushed", repeat_m=0.4, gloss=0.5, metal=True),
    )
