"""The reference rows: what each shows, and where each stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.box_room import box_room_clip
from benchmark.clip import Clip, Input, check_prediction, inputs_for
from benchmark.errors import Undefined, UserError
from benchmark.registry import load_registry, options_from
from benchmark.video import Frames, Video
from methods.prior_inpaint.adapter import filled


@pytest.fixture(scope="module")
def clip() -> Clip:
    return box_room_clip("room", seed=1)


def truth_of(clip: Clip) -> Frames:
    assert clip.truth is not None
    return clip.truth.video.read()


def circle_of(clip: Clip) -> np.ndarray:
    assert clip.ego_camera is not None
    return clip.ego_camera.visible()


def made(name: str, clip: Clip, *, train: tuple[Clip, ...] = (), **settings: str) -> Frames:
    """What the method answers, through the registry and the inputs that it may see."""
    spec = load_registry()[name]
    method: Any = spec.load(options_from(spec, preset=None, settings=settings))
    if train:
        method.fit(train)
    inputs = inputs_for(clip, needs=spec.needs, exo_views=spec.exo_views, privilege=spec.privileged)
    frames = method.generate(inputs, seed=0)
    check_prediction(frames, inputs)
    return frames


def psnr(frames: Frames, truth: Frames) -> float:
    return float(10 * np.log10(255**2 / np.mean((frames.astype(float) - truth) ** 2)))


def with_truth(clip: Clip, frames: Frames) -> Clip:
    assert clip.truth is not None
    return replace(clip, truth=replace(clip.truth, video=Video.of_array(frames, fps=clip.fps)))


def test_oracle_is_the_truth(clip):
    assert np.array_equal(made("oracle", clip), truth_of(clip))


def test_repeat_first_holds_the_first_true_frame(clip):
    frames = made("repeat-first", clip)
    assert np.array_equal(frames, np.repeat(truth_of(clip)[:1], 5, axis=0))


def test_methods_that_see_truth_are_undefined_without_it(clip):
    blind = replace(clip, truth=None, missing={Input.TRUTH: "no ego video in the wild"})
    for name in ("oracle", "repeat-first"):
        with pytest.raises(Undefined, match="no ego video in the wild"):
            made(name, blind)


def test_copy_exo_is_the_centre_square_of_the_exo_video():
    clip = box_room_clip("as-high", ego_side=256)
    assert np.array_equal(made("copy-exo", clip), clip.exo[0].video.read()[:, :, 96:352])


def test_copy_exo_resizes_the_square_to_the_ego_size():
    clip = box_room_clip("small", seed=1, ego_side=64)
    quartered = clip.exo[0].video.read()[:, :, 96:352].reshape(5, 64, 4, 64, 4, 3).mean((2, 4))
    assert np.abs(made("copy-exo", clip) - quartered).max() <= 0.75


def test_mean_frame_is_the_rounded_mean_of_all_training_frames_in_any_order(clip):
    values = (0, 1, 200)
    train = tuple(with_truth(clip, np.full((2, 128, 128, 3), value, np.uint8)) for value in values)
    assert (made("mean-frame", clip, train=train) == 67).all()
    assert (made("mean-frame", clip, train=train[:2]) == 1).all(), "0.5 rounds up"
    rooms = tuple(box_room_clip(f"t{seed}", seed=seed) for seed in (5, 6, 7))
    assert np.array_equal(made("mean-frame", clip, train=rooms), made("mean-frame", clip, train=rooms[::-1]))
    exact = np.mean([truth_of(room) for room in rooms], axis=(0, 1))
    assert np.abs(made("mean-frame", clip, train=rooms)[0] - exact).max() <= 0.5


def test_mean_frame_refuses_what_it_cannot_learn_from_and_sizes_it_did_not_learn(clip):
    small = box_room_clip("small", seed=1, ego_side=64)
    with pytest.raises(UserError, match=r"clip 'small': ego frames are \(64, 64, 3\), those before \(128, 128, 3\)"):
        made("mean-frame", clip, train=(clip, small))
    with pytest.raises(UserError, match="clip 'room': mean-frame learns from ego videos and this clip has none"):
        made("mean-frame", clip, train=(replace(clip, truth=None),))
    with pytest.raises(ValueError, match=r"learnt pictures of \(64, 64\), asked for \(128, 128\)"):
        made("mean-frame", clip, train=(small,))


def test_the_ego_prior_shows_each_thing_where_the_truth_has_it(clip):
    """The room's depth is metric, and nobody stands in it whose head could be measured: scale=none."""
    prior, truth = made("ego-prior", clip, scale="none"), truth_of(clip)
    drawn = prior.any(-1)
    assert 0.6 < drawn[:, circle_of(clip)].mean() < 0.95
    off = np.abs(prior[drawn].astype(int) - truth[drawn]).max(-1)
    shifted = np.abs(np.roll(prior, 4, axis=2)[drawn].astype(int) - truth[drawn]).max(-1)
    assert np.median(off) < 0.4 * np.median(shifted)
    assert psnr(prior * drawn[..., None], truth * drawn[..., None]) > 28


def test_the_ego_prior_is_black_where_nothing_fell_and_outside_the_lens_circle(clip):
    assert not made("ego-prior", clip)[:, ~circle_of(clip)].any()


def test_moving_things_are_in_the_prior_of_their_own_instant(clip):
    """Only frame 2 of the exo video is painted, so only frame 2 of the prior changes."""
    pictures = clip.exo[0].video.read()
    pictures[2] = [255, 0, 0]
    painted = replace(clip, exo=(replace(clip.exo[0], video=Video.of_array(pictures, fps=clip.fps)),))
    before, after = made("ego-prior", clip), made("ego-prior", painted)
    assert [bool((before[i] != after[i]).any()) for i in range(5)] == [False, False, True, False, False]


@pytest.mark.parametrize("name", ["ego-prior", "prior-inpaint"])
def test_priors_are_undefined_without_depth_with_the_datasets_reason(clip, name):
    flat = replace(clip, missing={Input.DEPTH: "depth missing: this release ships none"})
    with pytest.raises(Undefined, match="depth missing: this release ships none"):
        made(name, flat)


def test_the_shipped_prior_is_handed_back_untouched_and_is_undefined_where_there_is_none(clip):
    assert np.array_equal(made("shipped-prior", clip), clip.ego_prior.read())
    with pytest.raises(Undefined, match="no prior in this dataset"):
        made("shipped-prior", replace(clip, ego_prior=None, missing={Input.EGO_PRIOR: "no prior in this dataset"}))


def test_inpainting_fills_the_circle_keeps_what_was_there_and_leaves_the_outside_black(clip):
    prior, complete, circle = made("ego-prior", clip), made("prior-inpaint", clip), circle_of(clip)
    drawn = prior.any(-1)
    assert np.array_equal(complete[drawn], prior[drawn])
    assert complete.any(-1)[:, circle].all()
    assert not complete[:, ~circle].any()
    assert psnr(complete, truth_of(clip)) > psnr(prior, truth_of(clip)) + 6


def test_the_black_outside_does_not_bleed_into_the_filled_rim():
    v, u = np.mgrid[:64, :64] - 31.5
    circle = np.hypot(u, v) < 28
    valid = np.hypot(u, v) < 20
    complete = filled(np.where(valid[..., None], 180, 0).astype(np.uint8), valid, circle, radius_px=3)
    assert complete[circle].min() >= 175
    assert complete[circle].max() <= 185, "OpenCV's own rounding drifts up a little"


def test_a_prior_without_any_point_stays_black():
    empty = np.zeros((32, 32, 3), np.uint8)
    assert not filled(empty, np.zeros((32, 32), bool), np.ones((32, 32), bool), radius_px=3).any()


def test_the_inpainting_radius_is_an_option_with_bounds(clip):
    assert (made("prior-inpaint", clip, radius_px="9") != made("prior-inpaint", clip)).any()
    with pytest.raises(UserError, match="radius_px is 0"):
        made("prior-inpaint", clip, radius_px="0")
