from __future__ import annotations

import numpy as np
import pytest

from benchmark.box_room import box_room_clip
from benchmark.calibration import perturbations as p
from egox.cameras import Camera


def camera(frames: int = 2, side: int = 128) -> Camera:
    found = box_room_clip("c", frames=frames, ego_side=side).ego_camera
    assert found is not None
    return found


def room(frames: int = 2) -> np.ndarray:
    truth = box_room_clip("c", frames=frames).truth
    assert truth is not None
    return truth.video.read()


def dot_on_axis(lens_camera: Camera) -> np.ndarray:
    """A bright spot where the camera looks."""
    centre = lens_camera.lens.project([0.0, 0.0, 1.0])
    distance = np.linalg.norm(lens_camera.pixel_grid() - centre, axis=-1)
    spot = np.rint(250 * np.exp(-0.5 * (distance / 2) ** 2)).astype(np.uint8)
    return np.repeat(np.repeat(spot[None, ..., None], 3, axis=-1), len(lens_camera), axis=0)


def degrees_off_axis(picture: np.ndarray, lens_camera: Camera) -> float:
    weight = picture[..., 0].astype(float)
    spot = (lens_camera.pixel_grid() * weight[..., None]).sum((0, 1)) / weight.sum()
    return float(np.rad2deg(np.arccos(lens_camera.lens.unproject(spot)[2])))


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_blur_spreads_a_point_by_its_sigma(sigma):
    point = np.zeros((1, 65, 65, 3), np.uint8)
    point[0, 27:38, 27:38] = 255
    out = p.blurred(point, sigma)[0, ..., 0].astype(float)
    across = np.arange(65) - 32
    variance = (out * across**2).sum() / out.sum()
    assert variance == pytest.approx((11**2 - 1) / 12 + sigma**2, rel=0.02)


def test_blur_leaves_a_flat_picture_alone():
    flat = np.full((2, 32, 32, 3), 90, np.uint8)
    assert np.array_equal(p.blurred(flat, 3.0), flat)


def test_noise_has_the_asked_deviation_and_no_bias():
    grey = np.full((4, 64, 64, 3), 128, np.uint8)
    error = p.noisy(grey, 20.0, np.random.default_rng(1)).astype(float) - 128
    assert error.std() == pytest.approx(20.0, rel=0.02)
    assert abs(error.mean()) < 0.3


def test_noise_of_two_levels_is_one_pattern_in_two_strengths():
    grey = np.full((1, 32, 32, 3), 128, np.uint8)
    weak, strong = (p.noisy(grey, sd, np.random.default_rng(3)).astype(float) - 128 for sd in (5.0, 20.0))
    assert np.abs(strong - 4 * weak).max() <= 2.5


def test_noise_is_cut_to_eight_bits_not_wrapped():
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    assert p.noisy(white, 10.0, np.random.default_rng(0)).min() > 150


@pytest.mark.parametrize("px", [0, 1, 5, 127])
def test_a_shift_moves_every_pixel_by_just_that_and_mirrors_the_edge(px):
    frames = room()
    out = p.shifted(frames, px)
    assert out.shape == frames.shape
    assert np.array_equal(out[:, :, px:], frames[:, :, : 128 - px])
    assert np.array_equal(out[:, :, :px], frames[:, :, 1 : px + 1][:, :, ::-1])


def test_a_shift_as_wide_as_the_picture_is_refused():
    with pytest.raises(ValueError, match="shift of 128 px of a picture 128 px wide"):
        p.shifted(room(), 128)


def test_a_delay_holds_the_first_frame_and_then_runs_behind():
    clip = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(3, -1)
    assert p.delayed(clip, 2)[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 2]
    assert p.delayed(clip, 9)[:, 0, 0, 0].tolist() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("share", "frames"), [(0, [0, 1, 2, 3, 4]), (0.25, [0, 1, 2, 3, 3]), (0.5, [0, 1, 2, 2, 2]), (1, [0, 0, 0, 0, 0])]
)
def test_a_frozen_share_holds_the_frame_that_it_reached(share, frames):
    clip = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(3, -1)
    assert p.frozen(clip, share)[:, 0, 0, 0].tolist() == frames


def test_small_turns_are_by_their_angle_across_the_viewing_direction():
    turns = p.small_turns(3.0, 50, np.random.default_rng(0))
    assert np.allclose(np.rad2deg(np.arccos((np.trace(turns, axis1=1, axis2=2) - 1) / 2)), 3.0)
    assert np.allclose(np.rad2deg(np.arccos(turns[:, 2, 2])), 3.0)
    assert turns[:, 0, 2].min() < -0.02
    assert turns[:, 0, 2].max() > 0.02


def test_no_turn_leaves_every_pixel():
    frames, ego = room(), camera()
    assert np.array_equal(p.turned(frames, ego, np.repeat(np.eye(3)[None], 2, axis=0)), frames)


@pytest.mark.parametrize("degrees", [1.0, 5.0, 12.0])
def test_a_turn_moves_the_centre_by_just_its_angle_through_the_lens(degrees):
    ego = camera(frames=3)
    turns = p.small_turns(degrees, 3, np.random.default_rng(4))
    for picture in p.turned(dot_on_axis(ego), ego, turns):
        assert degrees_off_axis(picture, ego) == pytest.approx(degrees, abs=0.1)


def test_a_turn_is_what_a_turned_camera_sees():
    """Against the box room traced anew from the turned pose."""
    from benchmark.box_room import trace

    ego = camera(frames=1)
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (6, 3))
    turn = p.small_turns(4.0, 1, np.random.default_rng(2))
    pose = ego.world_from_camera.copy()
    pose[0, :3, :3] = pose[0, :3, :3] @ turn[0]
    moved = Camera(lens=ego.lens, width=ego.width, height=ego.height, world_from_camera=pose)
    ours = p.turned(trace(ego, phase).pictures, ego, turn)[0].astype(float)
    theirs = trace(moved, phase).pictures[0].astype(float)
    rays = ego.lens.unproject(ego.pixel_grid())
    well_inside = rays[..., 2] > np.cos(np.deg2rad(50))
    error = np.abs(ours - theirs)[well_inside]
    still = np.abs(trace(ego, phase).pictures[0].astype(float) - theirs)[well_inside]
    assert error.mean() < 1.0
    assert still.mean() > 4 * error.mean()


def test_the_lens_circle_stays_and_what_is_turned_into_it_is_never_black():
    ego = camera()
    inside = ego.visible()
    frames = np.where(inside[None, ..., None], np.uint8(200), np.uint8(0)).repeat(2, 0).repeat(3, -1)
    out = p.turned(frames, ego, p.small_turns(8.0, 2, np.random.default_rng(0)))
    assert not out[:, ~inside].any()
    assert out[:, inside].min() > 150


def test_frames_of_another_size_than_the_camera_are_refused():
    with pytest.raises(ValueError, match="camera 2 of 128x128"):
        p.turned(np.zeros((2, 64, 64, 3), np.uint8), camera(), np.repeat(np.eye(3)[None], 2, axis=0))
