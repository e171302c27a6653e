"""The cameras of held-out clips: what a camera sees of the ego view, and choices that are kept as they are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark.datasets.sim import camera_choice, catalogue
from benchmark.datasets.sim.rig import EXO_CAMERAS
from benchmark.datasets.sim.shapes import pose
from benchmark.datasets.sim.takes import FPS
from benchmark.datasets.sim.world import World


@pytest.fixture(scope="module")
def world() -> World:
    take = catalogue.TakeId(group="val", number=0)
    return World(catalogue.plan_of(take), catalogue.script_of(take))


def seen_by(world: World, *poses: np.ndarray, at_s: float) -> tuple[np.ndarray, np.ndarray]:
    before = world.exo_cameras
    world.exo_cameras = [replace(before[0], world_from_camera=each) for each in poses]
    try:
        return camera_choice.seen_shares(world, at_s, at_s)
    finally:
        world.exo_cameras = before


def test_a_camera_before_the_eyes_sees_what_its_picture_holds_and_one_that_looks_away_sees_nothing(world: World) -> None:
    t = 126 / FPS
    eyes = world.ego_pose(t) @ pose(z=0.05)  # before the face
    away = eyes @ np.diag([-1.0, 1.0, -1.0, 1.0])
    view, hands = seen_by(world, eyes, away, at_s=t)
    assert 0.4 < view[0] < 0.95  # the exo lens is narrower than the ego lens
    assert hands[0] > 0.5
    assert view[1] == hands[1] == 0


def test_what_is_behind_something_is_not_seen(world: World) -> None:
    t = 126 / FPS
    world.move_to(t)
    eyes = world.ego_pose(t) @ pose(z=0.05)
    outside = eyes.copy()
    outside[:3, 3] -= 50 * eyes[:3, 2]  # far behind the person, outside the room
    view, hands = seen_by(world, eyes, outside, at_s=t)
    assert view[0] > 0.4
    assert view[1] == hands[1] == 0


@pytest.mark.parametrize(("split", "take"), [("val", 3), ("seen", 1), ("unseen", 2)])
def test_kept_choices_are_those_that_are_made(split: str, take: int) -> None:
    take_id, rows = catalogue.held_out_windows(split, 12)[take]
    world = World(catalogue.plan_of(take_id), catalogue.script_of(take_id))
    made = {row.clip_id: camera_choice.best_camera(world, row.first_frame / FPS, row.last_frame / FPS) for row in rows}
    kept = {row.clip_id: row.exo_cam for row in catalogue.make_split(f"{split}:12").rows}
    assert made == {clip: kept[clip] for clip in made}


def test_as_many_choices_are_kept_as_clips_can_be_asked_for() -> None:
    for split, count in catalogue.CHOSEN.items():
        cameras = {row.exo_cam for row in catalogue.make_split(f"{split}:{count}").rows}
        assert cameras == set(EXO_CAMERAS)
        with pytest.raises(IndexError):
            camera_choice.chosen_camera(split, count)
