"""Dynamic masks: what stands in front of the static background, in scenes where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from egox.motion import background_depth, given_masks, motion_masks

COUNT, HEIGHT, WIDTH = 12, 336, 588


@dataclass(frozen=True)
class Scene:
    """Aligned depth as a network has it, the frames, which pixels truly move, and the depth where nothing does."""

    depth_m: np.ndarray
    frames: np.ndarray
    moving: np.ndarray
    empty_m: np.ndarray


def room_m():
    """A wall at 4 m with a table before it, at 3 m."""
    depth = np.full((HEIGHT, WIDTH), 4.0, np.float32)
    depth[210:, 90:450] = 3.0
    return depth


@cache
def box_scene(box_m: float = 2.0) -> Scene:
    """A box of 135x105 pixels slides across the room, its own width in four frames; depth flickers by 0.6 %."""
    rng = np.random.default_rng(0)
    pixels, whole = (rng.standard_normal(shape, np.float32) for shape in ((COUNT, HEIGHT, WIDTH), (COUNT, 1, 1)))
    noise = 1 + 0.005 * pixels + 0.003 * whole
    empty = room_m() * noise
    paint = rng.integers(60, 120, (HEIGHT, WIDTH, 3))
    frames = np.repeat(paint[None], COUNT, 0)
    moving = np.zeros(empty.shape, bool)
    for t in range(COUNT):
        moving[t, 120:255, 30 + 26 * t : 135 + 26 * t] = True
    frames[moving] = [180, 60, 40]
    frames = np.clip(frames + 3 * rng.standard_normal(frames.shape, np.float32), 0, 255)
    depth = np.where(moving, np.float32(box_m) * noise, empty)
    return Scene(depth, frames.astype(np.uint8), moving, empty)


def recall_and_precision(found, truth):
    hit = (found & truth).sum()
    return hit / truth.sum(), hit / found.sum()


@pytest.mark.parametrize("with_frames", [False, True])
def test_a_box_before_a_flickering_wall_is_found(with_frames):
    scene = box_scene()
    found = motion_masks(scene.depth_m, scene.frames if with_frames else None).moving
    recall, precision = recall_and_precision(found, scene.moving)
    assert recall > 0.99
    assert precision > 0.9


def test_the_background_is_seen_behind_what_moves():
    scene = box_scene()
    background = motion_masks(scene.depth_m).background_m
    assert background.dtype == np.float32
    assert np.percentile(np.abs(background / room_m() - 1), 99.9) < 0.03


def test_a_still_scene_that_flickers_has_no_motion():
    scene = box_scene()
    assert not motion_masks(scene.empty_m, scene.frames).moving.any()


def test_motion_close_to_a_surface_is_found_by_depth_and_colour_together():
    scene = box_scene(box_m=2.85)
    on_table = np.zeros_like(scene.moving)
    on_table[:, 210:, 90:450] = scene.moving[:, 210:, 90:450]
    area = np.s_[:, 215:250, 95:445]
    by_depth = motion_masks(scene.depth_m).moving[area]
    by_both = motion_masks(scene.depth_m, scene.frames).moving[area]
    assert recall_and_precision(by_both, on_table[area])[0] > 0.95
    assert (by_depth & on_table[area]).sum() < 0.2 * on_table[area].sum()


def test_a_shadow_does_not_move():
    scene = box_scene()
    shadow = np.where(scene.moving[..., None], scene.frames // 2, scene.frames)
    assert not motion_masks(scene.empty_m, shadow).moving.any()


def test_background_that_a_quarter_of_the_frames_see_is_background():
    depth = np.full((16, 8, 8), 2.0, np.float32)
    depth[:4] = 3.0
    assert (background_depth(depth) == 3).all()
    assert (background_depth(depth[1:]) == 2).all()


def test_unknown_frames_do_not_count_and_are_not_moving():
    depth = np.full((8, 50, 50), 3.0, np.float32)
    depth[:4, :20] = [[[0], [np.nan], [np.inf], [0]] * 5]
    depth[6:, :, 20:] = 2.0
    depth[:, -1] = 0
    motion = motion_masks(depth)
    assert (motion.background_m[20:-1] == 3).all()
    assert (motion.background_m[-1] == 0).all()
    assert not motion.moving[:4].any()
    assert not motion.moving[:, -1].any()
    assert motion.moving[6:, 20:-1, 20:].all()


def test_specks_go_and_holes_close():
    depth = np.full((8, 448, 300), 3.0, np.float32)
    depth[0, 100:200, 100:200] = 2.0
    depth[0, 150, 150] = 3.0
    depth[0, 50, 50] = 2.0
    moving = motion_masks(depth).moving
    assert moving[0, 97:203, 110:190].all()
    assert not moving[0, :90].any()
    assert not moving[1:].any()


def test_the_dilation_grows_with_the_picture():
    def width_found(scale: int) -> int:
        depth = np.full((8, 112 * scale, 112 * scale), 3.0, np.float32)
        depth[0, :, 40 * scale : 60 * scale] = 2.0
        return int(motion_masks(depth).moving[0, 0].sum()) - 20 * scale

    assert (width_found(1), width_found(4)) == (2, 6)


def test_masks_come_from_ids_where_these_are_known():
    ids = np.array([[[0, 3], [7, 3]], [[-1, 7], [7, 0]]], np.int16)
    assert given_masks(ids, {3, -1}).tolist() == [[[False, True], [False, True]], [[True, False], [False, False]]]
    assert not given_masks(ids, ()).any()
    with pytest.raises(ValueError, match="ids are float64"):
        given_masks(ids.astype(float), {3})


def test_sizes_that_do_not_fit_are_refused():
    depth = np.ones((2, 4, 6), np.float32)
    with pytest.raises(ValueError, match=r"depth has shape \(4, 6\)"):
        motion_masks(depth[0])
    with pytest.raises(ValueError, match=r"frames are uint8 of shape \(2, 4, 5, 3\), expected uint8 of shape \(2, 4, 6, 3\)"):
        motion_masks(depth, np.zeros((2, 4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="nearer is 0"):
        motion_masks(depth, nearer=0)
