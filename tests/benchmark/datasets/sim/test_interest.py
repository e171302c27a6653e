"""Windows with motion and with something before the eyes score higher, from the poses alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np

from benchmark.datasets.sim.actor import LEFT, RIGHT, Hand, Pose
from benchmark.datasets.sim.catalogue import TakeId, plan_of
from benchmark.datasets.sim.interest import GOOD_ENOUGH, interest
from benchmark.datasets.sim.shapes import unit

PLACE = plan_of(TakeId(group="train", number=0))
DOWN_AT_WORK = unit(np.array([0.0, 0.5, -0.7]))


@dataclass
class Acting:
    """Stands in for a Motion: a gaze and a right hand as functions of time."""

    gaze: Callable[[float], np.ndarray]
    right: Callable[[float], np.ndarray]
    script: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(look=SimpleNamespace(scale=1.0)))

    def pose(self, t: float) -> Pose:
        axes = np.array([0.0, 1.0, 0.0]), np.array([-1.0, 0.0, 0.0])
        hands = {RIGHT: Hand(self.right(t), *axes, 0.3, 0.02), LEFT: Hand(np.array([-0.2, 0.2, 0.05]), *axes, 0.3, 0.02)}
        pelvis = np.array([0.0, -0.24, 0.05])
        return Pose(pelvis=pelvis, yaw=0.0, ankles={RIGHT: pelvis, LEFT: pelvis}, gaze=self.gaze(t), hands=hands)


def score(gaze: Callable[[float], np.ndarray], right: Callable[[float], np.ndarray]) -> float:
    return interest(PLACE, Acting(gaze, right), 0.0, 1.6)  # pyright: ignore[reportArgumentType]


def still(t: float) -> np.ndarray:
    return np.array([0.2, 0.2, 0.05])


def reaching(t: float) -> np.ndarray:
    return still(t) + [0.0, 0.2 * t, 0.0]


def test_working_with_moving_hands_in_view_is_good_enough() -> None:
    assert score(lambda t: DOWN_AT_WORK, reaching) >= GOOD_ENOUGH


def test_a_turning_head_counts_as_motion() -> None:
    assert score(lambda t: unit(DOWN_AT_WORK + [0.3 * t, 0.0, 0.0]), still) >= GOOD_ENOUGH


def test_a_still_window_is_not_good_enough() -> None:
    assert score(lambda t: DOWN_AT_WORK, still) == 0.5


def test_a_near_wall_before_the_eyes_is_not_good_enough() -> None:
    closet = replace(PLACE, size=(1.2, 1.2, 2.6), work=(0.6, 0.6, 0.9, 0.0))
    acting = Acting(lambda t: unit(np.array([1.0, -0.6, 0.3])), reaching)
    assert interest(closet, acting, 0.0, 1.6) == 0.5  # pyright: ignore[reportArgumentType]
    assert interest(PLACE, acting, 0.0, 1.6) >= GOOD_ENOUGH  # pyright: ignore[reportArgumentType]
