"""Where exo cameras stand: neither too near the person nor too far, nothing right before the lens, the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.datasets.sim import rig
from benchmark.datasets.sim.shapes import Array, pose

ROOM = (6.0, 5.0, 2.7)
WORK = pose(3.0, 2.8, 0.9)
MARKS = np.array([[3.0, 2.6, 1.5], [3.0, 3.0, 1.0]])
STANDING = np.tile([3.0, 2.5, 0.95], (8, 1))


def open_floor(origins: Array, directions: Array, distances: Array) -> Array:
    """Nothing is in the way."""
    return np.zeros(len(origins), bool)


def slab_at_left(origins: Array, directions: Array, distances: Array) -> Array:
    """An endless slab in the plane x = 2."""
    step = (2.0 - origins[:, 0]) / np.where(directions[:, 0] == 0, 1e-9, directions[:, 0])
    return (step > 0) & (step < distances)


def place(blocked: rig.Sight, pelvis: Array, seed: int, room: tuple[float, float, float] = ROOM) -> list[rig.ExoCamera]:
    return rig.place_cameras(
        np.random.default_rng(seed), room=room, world_from_work=WORK, marks=MARKS, pelvis=pelvis, blocked=blocked
    )


def distances(cameras: list[rig.ExoCamera], pelvis: Array) -> Array:
    at = np.stack([camera.world_from_camera[:3, 3] for camera in cameras])
    return np.linalg.norm(at[:, None] - pelvis, axis=2)


@pytest.mark.parametrize("seed", range(6))
def test_cameras_keep_their_distance_from_a_person_who_stands(seed: int) -> None:
    far = distances(place(open_floor, STANDING, seed), STANDING)
    assert far.min() >= rig.NEAR_M
    assert far.max() <= rig.FAR_M


@pytest.mark.parametrize("seed", range(6))
def test_cameras_keep_their_distance_while_the_person_walks(seed: int) -> None:
    walking = STANDING + np.linspace(0, 1, 8)[:, None] * [1.0, -0.8, 0.0]
    far = distances(place(open_floor, walking, seed), walking)
    assert far.min() >= rig.NEAR_M
    assert far.max() <= rig.FAR_M


@pytest.mark.parametrize("seed", range(6))
def test_no_camera_stands_beside_a_slab_that_fills_its_picture(seed: int) -> None:
    rays = rig._coarse_rays()
    for camera in place(slab_at_left, STANDING, seed):
        turned = rays @ camera.world_from_camera[:3, :3].T
        start = np.repeat(camera.world_from_camera[None, :3, 3], len(rays), 0)
        assert slab_at_left(start, turned, np.full(len(rays), rig.CLEAR_M)).mean() <= rig.CLEAR_SHARE


def test_a_room_without_a_sound_place_still_gets_four_cameras() -> None:
    def all_is_near(origins: Array, directions: Array, distances: Array) -> Array:
        return np.ones(len(origins), bool)

    cameras = place(all_is_near, STANDING, 0)
    assert [camera.name for camera in cameras] == list(rig.EXO_CAMERAS)
    far = distances(cameras, STANDING)  # clutter cannot be helped; distance still can
    assert far.min() >= rig.NEAR_M
    assert far.max() <= rig.FAR_M


def test_the_same_seed_gives_the_same_cameras() -> None:
    one, two = place(open_floor, STANDING, 3), place(open_floor, STANDING, 3)
    assert all((a.world_from_camera == b.world_from_camera).all() for a, b in zip(one, two, strict=True))
