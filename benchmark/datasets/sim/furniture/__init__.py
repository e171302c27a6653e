"""Furniture by kind: (width, depth, height in metres, generator, finishes) -> (model, free tops), and what rooms hold of it."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from . import loose, storage, tables, walls
from .finishes import Finishes, Piece

Maker = Callable[[float, float, float, Generator, Finishes], Piece]

FURNITURE: dict[str, Maker] = {
    "counter": storage.counter,
    "table": tables.table,
    "bench": tables.bench,
    "shelf": storage.shelf,
    "upper": storage.upper,
    "fridge": storage.fridge,
    "stove": storage.stove,
    "chest": storage.chest,
    "pegboard": walls.pegboard,
    "wheel": walls.wheel,
    "chair": tables.chair,
    "office_chair": tables.office_chair,
    "sofa": tables.sofa,
    "desk": tables.desk,
    "media": storage.media,
    "plant": storage.plant,
    "boxes": storage.boxes,
    "picture": walls.framed("poster"),
    "notice": walls.framed("page"),
    "whiteboard": walls.whiteboard,
    "window": walls.window,
    "door": walls.door,
    "bag": loose.bag,
    "bin": loose.bin_,
    "stool": loose.stool,
    "crate": loose.crate,
    "papers": loose.papers,
    "shoes": loose.shoes,
    "cable": loose.cable,
    "wall_shelf": loose.wall_shelf,
    "clock": loose.clock,
    "duct": loose.duct,
}
ALONG_WALLS = {  # kind: low things (may carry something above) and tall things: (name, (width range), depth, height)
    "kitchen": (
        (("counter", (1.0, 2.2), 0.62, 0.9), ("counter", (1.0, 1.8), 0.62, 0.9), ("stove", (0.6, 0.6), 0.62, 0.9)),
        (("fridge", (0.7, 0.75), 0.68, 1.8), ("shelf", (0.7, 1.0), 0.35, 1.8), ("plant", (0.4, 0.4), 0.4, 1.0)),
    ),
    "workshop": (
        (("bench", (1.2, 2.2), 0.62, 0.9), ("chest", (0.6, 0.75), 0.5, 0.95), ("boxes", (0.5, 0.6), 0.5, 0.9)),
        (("shelf", (0.9, 1.5), 0.45, 2.0), ("shelf", (0.9, 1.3), 0.4, 1.8), ("boxes", (0.5, 0.6), 0.5, 0.9)),
    ),
    "office": (
        (("desk", (1.3, 1.8), 0.75, 0.74), ("counter", (0.9, 1.4), 0.45, 0.75), ("office_chair", (0.5, 0.5), 0.5, 1.0)),
        (("shelf", (0.8, 1.2), 0.32, 1.9), ("plant", (0.4, 0.4), 0.4, 1.0), ("boxes", (0.45, 0.5), 0.45, 0.9)),
    ),
    "living room": (
        (
            ("sofa", (1.7, 2.2), 0.9, 0.8),
            ("media", (1.4, 1.8), 0.45, 0.5),
            ("chair", (0.45, 0.45), 0.45, 0.9),
            ("counter", (0.9, 1.5), 0.42, 0.75),
        ),
        (("shelf", (0.9, 1.5), 0.32, 2.0), ("plant", (0.4, 0.4), 0.4, 1.0), ("plant", (0.4, 0.4), 0.4, 1.0)),
    ),
    "lab": (
        (("counter", (1.4, 2.4), 0.7, 0.9), ("bench", (1.2, 2.0), 0.7, 0.9), ("counter", (1.0, 1.6), 0.7, 0.9)),
        (("fridge", (0.7, 0.8), 0.7, 1.85), ("shelf", (0.8, 1.2), 0.4, 1.9), ("boxes", (0.5, 0.6), 0.5, 0.9)),
    ),
}
ONE_ONLY = {"fridge", "stove", "media"}
ABOVE = {
    "kitchen": ("upper", "upper", "picture"),
    "workshop": ("pegboard", "wheel", "pegboard", "notice"),
    "office": ("whiteboard", "picture", "notice", "picture"),
    "living room": ("picture",),
    "lab": ("upper", "whiteboard", "notice"),
}
HIGH = {
    "kitchen": ("wall_shelf", "clock", "wall_shelf"),
    "workshop": ("wall_shelf", "duct", "wall_shelf", "clock"),
    "office": ("wall_shelf", "clock", "duct"),
    "living room": ("wall_shelf", "wall_shelf", "clock"),
    "lab": ("wall_shelf", "duct", "clock"),
}
"""What hangs above eye level."""
LOOSE: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("bag", (0.42, 0.26, 0.3)),
    ("bin", (0.3, 0.3, 0.36)),
    ("stool", (0.36, 0.36, 0.46)),
    ("crate", (0.46, 0.34, 0.3)),
    ("papers", (0.5, 0.4, 0.01)),
    ("shoes", (0.26, 0.3, 0.1)),
    ("cable", (0.9, 0.4, 0.02)),
    ("boxes", (0.45, 0.4, 0.6)),
)
"""What stands and lies on floors: kind and size."""
