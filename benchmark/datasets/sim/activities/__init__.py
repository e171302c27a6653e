"""What actors can do, by room type.

An activity is set up once at a part of the work surface (it puts its things there) and can then be performed again and
again: `setup(spot) -> perform`, `perform(t) -> when it ends`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..script import Spot
from . import desk, handling, toolwork

Perform = Callable[[float], float]
Activity = Callable[[Spot], Perform]

AT_SURFACE: dict[str, tuple[Activity, ...]] = {
    "kitchen": (toolwork.stir, toolwork.chop, toolwork.wipe, handling.pour, handling.move, handling.stack, handling.drink),
    "workshop": (
        toolwork.hammer, toolwork.screw, toolwork.saw, toolwork.sand, toolwork.paint, toolwork.wipe, handling.move,
        handling.stack,
    ),
    "office": (desk.write, desk.type_text, desk.read, desk.phone, handling.move, handling.drink, handling.stack),
    "living room": (
        handling.pour, handling.move, desk.read, desk.write, toolwork.wipe, handling.drink, desk.phone,
        toolwork.paint,
    ),
    "lab": (handling.pour, handling.move, toolwork.screw, toolwork.drip, handling.shake, desk.write, toolwork.wipe),
}  # fmt: skip
"""Work for the actor by room type."""
