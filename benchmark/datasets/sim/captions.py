"""What a person would say happens in a window, naming only things that the exo view really shows."""

from __future__ import annotations

import numpy as np

from .places import SURFACE_NAMES
from .shapes import Array
from .world import World

LEAST_PIXELS = 8
"""A thing is named where it covers as many exo pixels in some frame (of a picture 128 pixels high)."""

LEAST_SECONDS = 0.35
"""A deed is named where as much of it lies in the window."""
PHRASES = {
    "carton": "a box",
    "vegetable": "a vegetable",
    "board": "a board",
    "plank": "a plank",
    "gadget": "a small device",
    "fruit": "a piece of fruit",
    "rack": "a rack",
    "block": "a sanding block",
}


def caption(world: World, begin_s: float, end_s: float, exo_ids: Array) -> str:
    """One sentence for [begin_s, end_s] of the take; exo_ids: [frames, height, width]."""
    least = LEAST_PIXELS * (exo_ids.shape[1] / 128) ** 2
    counts = np.stack([np.bincount(ids.ravel(), minlength=len(world.names)) for ids in exo_ids]).max(0)
    mentioned: set[int] = set()

    def phrase(index: int) -> str:
        kind = world.take.props[index].kind
        if counts[world.prop_ids[index]] < least:
            return "something"
        name = PHRASES.get(kind, _with_article(kind))
        if index in mentioned:
            name = "the " + name.split(" ", 1)[1]
        mentioned.add(index)
        return name

    surface = "the " + SURFACE_NAMES[world.place.kind]
    parts = []
    for words in world.take.words:
        if min(words.t1, end_s) - max(words.t0, begin_s) > LEAST_SECONDS:
            named = (phrase(i) for i in words.things)
            text = words.text.format(*named, surface=surface).replace(" with something", "")
            parts.append(text.replace("from something into something", "something"))
    deeds = ", then ".join(dict.fromkeys(parts)) or "pauses"
    if deeds.startswith("walks"):
        return f"In {_with_article(world.place.kind)}, a person {deeds}."
    posture = "sits" if world.take.seated else "stands"
    return f"In {_with_article(world.place.kind)}, a person {posture} at {surface} and {deeds}."


def _with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun
