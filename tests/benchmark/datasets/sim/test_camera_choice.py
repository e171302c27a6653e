"""The cameras of held-out clips: what a camera sees of the ego view, and choices that are kept as they are made."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.datasets.sim import camera_choice, catalogue
from benchmark.datasets.sim.lens import ego_lens, exo_lens, exo_width
from benchmark.datasets.sim.rig import EXO_CAMERAS
from benchmark.datasets.sim.takes import FPS
from benchmark.datasets.sim.world import World

AT_S = 126 / FPS
"""Both hands are in the ego view then."""


@pytest.fixture(scope="module")
def world() -> World:
    take = catalogue.TakeId(group="val", number=0)
    return World(catalogue.plan_of(take), catalogue.script_of(take))


def seen_by(world: World, *poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    before = world.exo_cameras
    world.exo_cameras = [replace(before[0], world_from_camera=each) for each in poses]
    try:
        return camera_choice.seen_shares(world, AT_S, AT_S)
    finally:
        world.exo_cameras = before


def test_a_camera_at_the_eyes_sees_what_its_picture_holds_and_one_that_looks_away_sees_nothing(world: World) -> None:
    eyes = world.ego_pose(AT_S)
    away = eyes @ np.diag([-1.0, 1.0, -1.0, 1.0])
    view, hands = seen_by(world, eyes, away)
    rows, columns = np.mgrid[:48, :48]
    rays = ego_lens(48).unproject(np.stack([columns, rows], axis=-1).astype(float)).reshape(-1, 3)
    rays = rays[rays[:, 2] > np.cos(np.deg2rad(59.0))]
    pixels = exo_lens(world.exo_cameras[0].focal_px, 256).project(rays)
    inside = ((pixels > 0) & (pixels < (exo_width(256) - 1, 255))).all(-1)
    assert view[0] == pytest.approx(inside.mean(), abs=0.02)
    assert hands[0] > 0.5
    assert view[1] == hands[1] == 0


def test_neither_walls_nor_the_wearers_body_are_seen_through(world: World) -> None:
    world.move_to(AT_S)
    eyes = world.ego_pose(AT_S)
    level = eyes[:3, 2] * (1, 1, 0)
    level /= np.linalg.norm(level)
    chest = eyes[:3, 3] - (0, 0, 0.45)
    right = np.cross(level, (0, 0, 1))
    behind = np.eye(4)
    behind[:3, :3] = np.stack([right, (0, 0, -1), level], axis=1)
    behind[:3, 3] = chest - 0.6 * level
    outside = eyes.copy()
    outside[:3, 3] -= 50 * eyes[:3, 2]
    view, hands = seen_by(world, eyes, behind, outside)
    assert hands[1] < 0.2 < hands[0]  # the trunk is before them
    assert view[2] == hands[2] == 0


def test_hands_count_beside_the_view(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    view, hands = np.array([0.6, 0.7, 0.5, 0.1]), np.array([0.5, 0.1, 0.9, 1.0])
    monkeypatch.setattr(camera_choice, "seen_shares", lambda *_: (view, hands))
    assert camera_choice.best_camera(world, 0, 1) == "cam03"  # .77 for .75, .73 and .4


@pytest.mark.parametrize(("split", "take"), [("val", 3), ("seen", 1), ("unseen", 2)])
def test_kept_choices_are_those_that_are_made_but_for_ties(split: str, take: int) -> None:
    take_id, rows = catalogue.held_out_windows(split, 12)[take]
    world = World(catalogue.plan_of(take_id), catalogue.script_of(take_id))
    kept = {row.clip_id: row.exo_cam for row in catalogue.make_split(f"{split}:12").rows}
    for row in rows:
        view, hands = camera_choice.seen_shares(world, row.first_frame / FPS, row.last_frame / FPS)
        scores = dict(zip(EXO_CAMERAS, view + camera_choice.HANDS * hands, strict=True))
        assert scores[kept[row.clip_id]] > max(scores.values()) - 0.01
        assert max(scores.values()) > min(scores.values()) + 0.03


def test_kept_choices_are_of_the_windows_that_there_are() -> None:
    kept = tomllib.loads(Path(camera_choice.__file__).with_name(catalogue.CHOICES).read_text())
    for split, count in camera_choice.CLIPS.items():
        windows = catalogue.held_out_windows(split, count)
        assert kept[f"{split}_windows"] == camera_choice.windows_digest(windows), "choose again: camera_choice.py tells how"
        assert len(kept[split]) == count == sum(len(rows) for _, rows in windows)
        assert {row.exo_cam for row in catalogue.make_split(f"{split}:{count}").rows} == set(EXO_CAMERAS)
