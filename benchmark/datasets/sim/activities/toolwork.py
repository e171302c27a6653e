"""Work with a tool in the right hand: take it, use it in a rhythm, lay it back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..actor import LEFT, RIGHT
from ..script import Spot, Vector

Perform = Callable[[float], float]
PAN_YAW = np.pi + 0.55


def steady(vessel: str, x: float, y: float) -> tuple[Vector, str, float, float]:
    """How the left hand steadies a vessel: grip point, grip, curl, radius; a pan by its handle, others by the side."""
    if vessel == "pan":
        return (x + 0.25 * np.cos(PAN_YAW), y + 0.25 * np.sin(PAN_YAW), 0.06), "rest", 1.2, 0.012
    radius, height = {"pot": (0.105, 0.09), "bowl": (0.085, 0.045), "jar": (0.042, 0.05)}.get(vessel, (0.042, 0.05))
    return (x - radius - 0.012, y - 0.02, height), "side", 0.45, 0.006


def use_tool(
    spot: Spot,
    tool: int,
    *,
    grip: str,
    contact: Vector,
    wave: tuple[str, Vector, float],
    words: str,
    things: tuple[int, ...],
    left: tuple[Vector, str, float, float] | None = None,
    left_wave: tuple[str, Vector, float] | None = None,
    seconds: tuple[float, float] = (3.0, 4.6),
    at: Vector = (0.0, 0.26, 0.03),
) -> Perform:
    """The shared shape: reach for the tool, bring it to the contact point, work, glance up, lay it back."""
    park = spot.script.props[tool].start

    def perform(t: float) -> float:
        rest = () if left else (LEFT,)
        begin = spot.begin(t, *rest)
        spot.look(begin, (float(park[0, 3]) - spot.x, float(park[1, 3]), 0.03), hands=0.2)
        held = spot.take_tool(tool, begin)
        duration = float(spot.rng.uniform(*seconds))
        start, end = held + 0.6, held + 0.6 + duration
        above = (contact[0] + 0.05, contact[1] - 0.03, contact[2] + 0.09)
        spot.key(RIGHT, start - 0.25, above, grip)
        spot.key(RIGHT, start, contact, grip)
        spot.key(RIGHT, end, contact, grip)
        spot.key(RIGHT, end + 0.2, above, grip)
        spot.wave(RIGHT, start - 0.1, end, *wave)
        if left:
            spot.key(LEFT, held + 0.3, left[0], left[1], curl=left[2], radius=left[3])
            spot.key(LEFT, end + 0.1, left[0], left[1], curl=left[2], radius=left[3])
            if left_wave:
                spot.wave(LEFT, start, end, *left_wave)
        spot.look(held - 0.1, at)
        if duration > 3.2 and spot.rng.random() < 0.6:
            glance = start + duration * float(spot.rng.uniform(0.35, 0.6))
            spot.look(glance, (float(spot.rng.uniform(-1.2, 1.2)), 1.2, 0.35), hands=0.0)
            spot.look(glance + 0.75, at)
        done = spot.lay_tool(tool, end + 0.2, held)
        spot.look(end, (float(park[0, 3]) - spot.x, float(park[1, 3]), 0.03), hands=0.2)
        spot.script.say(begin, held + 0.3, "reaches for {0}", tool)
        spot.script.say(held + 0.3, end + 0.3, words, tool, *things)
        spot.script.say(end + 0.3, done, "puts down {0}", tool)
        return done

    return perform


def stir(spot: Spot) -> Perform:
    vessel = str(spot.rng.choice(["pan", "pot", "bowl"]))
    rim, radius = {"pan": (0.05, 0.07), "pot": (0.13, 0.055), "bowl": (0.07, 0.045)}[vessel]
    index = spot.prop(vessel, 0.0, 0.3, yaw=PAN_YAW)
    spoon = spot.tool("spoon", 0.2, 0.2, turn=0.2)
    return use_tool(
        spot, spoon, grip="stick", contact=(0.055, 0.25, rim + 0.14), wave=("circle", (radius, radius, 0.0), 1.1),
        words="stirs in {1} with {0}", things=(index,), left=steady(vessel, 0.0, 0.3), at=(0.0, 0.28, 0.05),
    )  # fmt: skip


def chop(spot: Spot) -> Perform:
    board = spot.prop("board", -0.04, 0.27, yaw=float(spot.rng.normal(0, 0.1)))
    vegetable = spot.prop("vegetable", -0.09, 0.28, z=0.021, yaw=0.2)
    knife = spot.tool("knife", 0.19, 0.2, turn=-1.1)
    return use_tool(
        spot, knife, grip="knife", contact=(0.05, 0.19, 0.1), wave=("circle", (0.02, 0.035, 0.045), 1.9),
        words="chops {1} on {2} with {0}", things=(vegetable, board), left=((-0.12, 0.24, 0.055), "flat", 0.5, 0.02),
    )  # fmt: skip


def wipe(spot: Spot) -> Perform:
    cloth = spot.tool("cloth", 0.12, 0.2)
    return use_tool(
        spot, cloth, grip="flat", contact=(0.02, 0.28, 0.026), wave=("circle", (0.17, 0.1, 0.0), 0.75),
        words="wipes {surface} with {0}", things=(), left=((-0.26, 0.1, 0.03), "flat", 0.3, 0.012), at=(0.02, 0.3, 0.02),
    )  # fmt: skip


def hammer(spot: Spot) -> Perform:
    plank = spot.prop("plank", -0.06, 0.32, yaw=float(spot.rng.normal(0, 0.1)))
    tool = spot.tool("hammer", 0.17, 0.18, turn=0.1)
    return use_tool(
        spot, tool, grip="hammer", contact=(0.06, 0.14, 0.13), wave=("strike", (0.03, -0.06, 0.17), 1.5),
        words="hammers a nail into {1}", things=(plank,), left=((-0.2, 0.29, 0.06), "flat", 0.3, 0.012),
    )  # fmt: skip


def screw(spot: Spot) -> Perform:
    gadget = spot.prop("gadget", 0.0, 0.28, yaw=float(spot.rng.normal(0, 0.2)))
    tool = spot.tool("screwdriver", 0.2, 0.2)
    return use_tool(
        spot, tool, grip="stick", contact=(0.05, 0.24, 0.2), wave=("circle", (0.02, 0.02, 0.012), 1.3),
        words="works on {1} with {0}", things=(gadget,), left=((-0.11, 0.26, 0.035), "side", 0.3, 0.01),
    )  # fmt: skip


def saw(spot: Spot) -> Perform:
    plank = spot.prop("plank", -0.02, 0.33, yaw=float(spot.rng.normal(0, 0.08)))
    tool = spot.tool("saw", 0.2, 0.16, turn=-0.9)
    return use_tool(
        spot, tool, grip="saw", contact=(0.14, 0.1, 0.14), wave=("stroke", (0.0, 0.12, -0.03), 1.2),
        words="saws {1}", things=(plank,), left=((-0.16, 0.3, 0.06), "flat", 0.3, 0.012), at=(0.08, 0.3, 0.05),
    )  # fmt: skip


def sand(spot: Spot) -> Perform:
    plank = spot.prop("plank", -0.02, 0.28, yaw=float(spot.rng.normal(0, 0.08)))
    tool = spot.tool("block", 0.2, 0.12)
    return use_tool(
        spot, tool, grip="flat", contact=(0.02, 0.27, 0.075), wave=("stroke", (0.14, 0.02, 0.0), 1.4),
        words="sands {1}", things=(plank,), left=((-0.2, 0.25, 0.055), "flat", 0.3, 0.012),
    )  # fmt: skip


def paint(spot: Spot) -> Perform:
    plank = spot.prop("board", -0.02, 0.28, yaw=float(spot.rng.normal(0, 0.1)))
    jar = spot.prop("jar", 0.22, 0.34)
    tool = spot.tool("brush", 0.2, 0.16)
    return use_tool(
        spot, tool, grip="stick", contact=(0.05, 0.22, 0.19), wave=("stroke", (0.11, 0.05, 0.0), 0.8),
        words="paints {1} with {0}", things=(plank, jar), left=((-0.2, 0.2, 0.04), "flat", 0.3, 0.012),
    )  # fmt: skip


def drip(spot: Spot) -> Perform:
    """Fill tubes from a flask with a pipette: the hand goes to and fro."""
    rack, flask = spot.prop("rack", -0.08, 0.3), spot.prop("flask", 0.14, 0.34)
    tool = spot.tool("pipette", 0.22, 0.17)
    return use_tool(
        spot, tool, grip="stick", contact=(0.04, 0.25, 0.24), wave=("circle", (0.13, 0.03, 0.05), 0.45),
        words="fills tubes in {1} from {2} with {0}", things=(rack, flask), left=((-0.22, 0.26, 0.04), "side", 0.3, 0.01),
    )  # fmt: skip
