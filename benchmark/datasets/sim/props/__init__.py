"""Small things that people hold and leave lying about, by kind and seed.

`HELD`: where a hand grips each tool, in the tool's frame; the thumb points along its z axis.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..build import Model
from ..shapes import Array
from . import goods, tools, vessels

MODELS = {
    "cup": vessels.cup,
    "bowl": vessels.bowl,
    "plate": vessels.plate,
    "bottle": vessels.bottle,
    "jar": vessels.jar,
    "carton": goods.carton,
    "book": goods.book,
    "notebook": goods.notebook,
    "fruit": goods.fruit,
    "pan": vessels.pan,
    "pot": vessels.pot,
    "kettle": vessels.kettle,
    "spoon": tools.spoon,
    "knife": tools.knife,
    "hammer": tools.hammer,
    "screwdriver": tools.screwdriver,
    "pen": tools.pen,
    "cloth": tools.cloth,
    "board": tools.board,
    "vegetable": tools.vegetable,
    "plank": tools.plank,
    "gadget": tools.gadget,
    "flask": vessels.flask,
    "rack": goods.rack,
    "laptop": goods.laptop,
    "toolbox": goods.toolbox,
    "plant": goods.plant,
    "saw": tools.saw,
    "brush": tools.brush,
    "block": tools.block,
    "pipette": tools.pipette,
    "phone": goods.phone,
}
HELD = {
    "spoon": (0, 0, 0.2),
    "knife": (0, 0, 0.06),
    "hammer": (0, 0, 0.06),
    "screwdriver": (0, 0, 0.06),
    "pen": (0, 0, 0.05),
    "cloth": (0, 0, 0.02),
    "saw": (0, 0, 0.05),
    "brush": (0, 0, 0.1),
    "block": (0, 0, 0.03),
    "pipette": (0, 0, 0.14),
}
CLUTTER = {
    "kitchen": ("cup", "bowl", "plate", "bottle", "jar", "fruit", "pot", "carton", "kettle", "board", "bottle", "jar"),
    "workshop": ("jar", "carton", "hammer_flat", "screwdriver_flat", "toolbox", "carton", "bottle", "gadget", "jar"),
    "office": ("book", "cup", "notebook", "carton", "book", "laptop", "plant"),
    "living room": ("book", "cup", "plant", "bowl", "fruit", "book", "jar"),
    "lab": ("flask", "bottle", "rack", "jar", "carton", "flask", "notebook", "gadget"),
}


@lru_cache(1024)
def model(kind: str, seed: int) -> Model:
    """The prop `kind`, its colours and proportions drawn from seed; "..._flat" lies on its side."""
    kind, flat, _ = kind.partition("_flat")
    parts = MODELS[kind](np.random.default_rng(seed))
    if not flat:
        return parts
    lie = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0.016], [0, 0, 0, 1.0]])
    return [(s.moved(lie), m) for s, m in parts]


def grip_frame(kind: str) -> Array:
    """4x4: the gripping hand in a tool's frame (columns: back of the right hand, fingers, thumb).

    The thumb lies along the handle; cloths and sanding blocks lie under the palm.
    """
    matrix = np.eye(4)
    if kind in ("cloth", "block"):
        matrix[:3, :3] = ((0, 0, -1), (0, 1, 0), (1, 0, 0))
    matrix[:3, 3] = HELD[kind]
    return matrix
