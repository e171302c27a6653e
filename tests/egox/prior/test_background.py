"""The still background of a clip: whatever some frames have seen, averaged, and nothing else."""

from __future__ import annotations

import numpy as np

from egox.motion import background_depth
from egox.prior import fuse

HEIGHT, WIDTH, COUNT = 12, 16, 20
COVERED = np.s_[4:8, 5:9]


def room() -> tuple[np.ndarray, np.ndarray]:
    """Frames and depth of a wall at 4 m with a colour of its own in each pixel."""
    picture = np.arange(HEIGHT * WIDTH * 3, dtype=np.int64).reshape(HEIGHT, WIDTH, 3) * 7 % 200 + 20
    return np.repeat(picture[None].astype(np.uint8), COUNT, 0), np.full((COUNT, HEIGHT, WIDTH), 4.0, np.float32)


def with_box(frames_covered: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """... before which something red stands at 2 m in some frames, and the masks of it."""
    frames, depth = room()
    moving = np.zeros(depth.shape, bool)
    moving[(frames_covered, *COVERED)] = True
    frames[moving], depth[moving] = [255, 0, 0], 2.0
    return frames, depth, moving


def test_a_scene_in_which_nothing_moves_is_its_own_background():
    frames, depth = room()
    background = fuse(frames, depth, np.zeros(depth.shape, bool), background_depth(depth))
    np.testing.assert_array_equal(background.picture, frames[0])
    np.testing.assert_array_equal(background.depth_m, depth[0])
    assert (background.picture.dtype, background.depth_m.dtype) == (np.uint8, np.float32)


def test_what_something_hides_for_a_while_is_taken_from_the_other_frames():
    frames, depth, moving = with_box(np.s_[:14])
    background = fuse(frames, depth, moving, background_depth(depth))
    np.testing.assert_array_equal(background.picture, room()[0][0])
    np.testing.assert_array_equal(background.depth_m, room()[1][0])


def test_what_the_masks_miss_is_kept_out_by_its_depth():
    frames, depth, moving = with_box(np.s_[:14])
    background = fuse(frames, depth, np.zeros_like(moving), background_depth(depth))
    np.testing.assert_array_equal(background.picture, room()[0][0])


def test_a_place_that_something_covers_in_every_frame_stays_unknown():
    frames, depth, moving = with_box(np.s_[:])
    background = fuse(frames, depth, moving, background_depth(depth))
    unknown = np.zeros((HEIGHT, WIDTH), bool)
    unknown[COVERED] = True
    np.testing.assert_array_equal(background.depth_m == 0, unknown)
    assert not background.picture[unknown].any()


def test_noise_and_flicker_are_averaged_away():
    rng, (frames, depth) = np.random.default_rng(0), room()
    noisy = np.clip(frames + 8 * rng.standard_normal(frames.shape), 0, 255).astype(np.uint8)
    flickers = (depth * (1 + 0.01 * rng.standard_normal((COUNT, 1, 1)))).astype(np.float32)
    background = fuse(noisy, flickers, np.zeros(depth.shape, bool), background_depth(flickers))
    one = np.abs(noisy[0].astype(float) - frames[0]).mean()
    assert np.abs(background.picture.astype(float) - frames[0]).mean() < 0.35 * one
    assert np.abs(background.depth_m / 4 - 1).max() < 0.006


def test_frames_without_depth_and_pixels_without_depth_take_no_part():
    frames, depth = room()
    frames[3], depth[3] = 255, 0
    depth[:, 0, 0] = 0
    background = fuse(frames, depth, np.zeros(depth.shape, bool), background_depth(depth))
    assert background.depth_m[0, 0] == 0
    np.testing.assert_array_equal(background.picture.reshape(-1, 3)[1:], room()[0][0].reshape(-1, 3)[1:])
    np.testing.assert_array_equal(background.depth_m.ravel()[1:], 4.0)
