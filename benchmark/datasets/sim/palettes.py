"""Muted, curated colours, by what they are used for; sRGB hex."""

from __future__ import annotations

import numpy as np

from .shapes import Array


def linear(hex_colour: str) -> Array:
    """Linear RGB [3] in 0..1."""
    srgb = np.array([int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


PALETTES = {
    "wall": ("#d9d4c8", "#cfd3d2", "#d8cdb8", "#c3cbc6", "#dcd9d2", "#c9bfae", "#b9c2c9", "#d3c7bd"),
    "wood": ("#a9825a", "#8a6542", "#c4a377", "#6b4a31", "#b8946a", "#d0b48c"),
    "dark": ("#3a3d42", "#2f2b29", "#454b50", "#3b332c"),
    "front": ("#e4e1da", "#c8ccc6", "#9aa49c", "#7d8a8c", "#d6cab6", "#5f6d72", "#b59a76"),
    "fabric": ("#7c7f86", "#9a8f80", "#5b6876", "#8c6f5e", "#6c7763", "#a39a90", "#4c5560"),
    "shirt": ("#5d6b7c", "#8a8d8f", "#3d4149", "#7b5a55", "#a9aeb0", "#56705f", "#c9c4b8", "#2f3b52", "#8f7f63", "#6e3f3f"),
    "trousers": ("#2f3640", "#3f4a5c", "#4d463d", "#26272b", "#6a6253"),
    "skin": ("#e0b08f", "#c98f6b", "#a8714f", "#7c4f36", "#d6a07c", "#5e3b2a"),
    "hair": ("#2a211c", "#15120f", "#4b3526", "#6b4f35", "#8b8178"),
    "ceramic": ("#e8e4da", "#c7d0d0", "#8fa3ab", "#b86f52", "#d9c48f", "#5f7a78", "#b9b0a4", "#6d7fa0"),
    "plastic": ("#c8463a", "#3a6ea5", "#d8a53a", "#4a8a5a", "#e3e3de", "#2f3236", "#7aa6b8", "#d67f3a", "#8c5a86"),
    "paper": ("#e9e4d6", "#b89468", "#a98053", "#d6cfbf"),
    "book": ("#7a3b35", "#2f4a63", "#4c6150", "#b58a4a", "#5b4a63", "#d3cbb8", "#34383d", "#9a5a3c", "#6f8791"),
    "glass": ("#6f8f77", "#8a6a3c", "#a9c3c6", "#4f6f83"),
    "steel": ("#b9bcbf", "#a4a8ab", "#8c8f92"),
}
