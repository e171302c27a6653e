"""The method `ego-prior`: what its options become, and that a clip with bad depth is told and stops no run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.box_room import ArrayMaps, box_room_clip
from benchmark.clip import Clip, Maps, inputs_for
from benchmark.errors import Undefined, UserError
from benchmark.runner import run_job
from benchmark.work import Steps
from egox.depth import DepthEstimate
from methods.ego_prior import SPEC, Options
from methods.ego_prior.adapter import EgoPriorMethod, prior_of
from methods.ego_prior.making import Maker
from tests.benchmark.toy import ToyDataset, toy_answers, toy_job
from tests.egox.prior.test_build import Scene, scene
from tests.egox.traced import UP


def made_of(clip: Scene, options: Options, **changes):
    given = {"exo": clip.exo, "ego": clip.ego, "depth": DepthEstimate(metric_m=clip.depth_m), **changes}
    return Maker(options).make(clip.frames, **given)


def with_depth(clip: Clip, change) -> Clip:
    """The clip with its exo depth [frames, height, width] put through `change`; its disparity is taken away."""
    view = clip.exo[0]
    assert view.depth is not None
    maps = ArrayMaps(change(view.depth.read().copy()), "changed")
    changed = replace(view, depth=Maps(source=maps, indices=tuple(range(len(clip.frame_indices)))), disparity=None)
    return replace(clip, exo=(changed,))


def unknown(depth_m: np.ndarray) -> np.ndarray:
    return np.full_like(depth_m, np.nan)


def unknown_in_frame_1(depth_m: np.ndarray) -> np.ndarray:
    depth_m[1] = np.nan
    return depth_m


def too_narrow(depth_m: np.ndarray) -> np.ndarray:
    return depth_m[:, :, 1:]


def in_millimetres(depth_m: np.ndarray) -> np.ndarray:
    return (1000 * depth_m).astype(np.uint16)


# Options


def test_masks_by_ids_are_the_whole_things_that_motion_points_at():
    clip = scene()
    ids = np.where(clip.moving, 7, 1).astype(np.int16)
    ids[:, :3, :3] = 0
    prior = made_of(clip, Options(masks="ids", scale="none"), ids=ids)
    np.testing.assert_array_equal(prior.moving, clip.moving)
    by_motion = made_of(clip, Options(scale="none"), ids=ids)
    assert (by_motion.moving & ~clip.moving).any(), "motion alone takes in the outline"


def test_options_reach_the_prior():
    prior = made_of(scene(), Options(fuse=False, dynamic=False, scale="none"), up=UP)
    assert (prior.settings.fuse, prior.settings.dynamic, prior.settings.scale) == (False, False, "none")
    assert prior.background is None
    assert made_of(scene(), Options()).settings.scale == "auto"


def test_depth_along_the_ray_is_turned_into_z_where_the_option_says_so():
    clip = scene()
    forward = clip.exo.lens.unproject(clip.exo.pixel_grid())[..., 2]
    ranges = DepthEstimate(metric_m=(clip.depth_m / forward).astype(np.float32))
    prior = made_of(clip, Options(depth_is="range", scale="none"), depth=ranges)
    np.testing.assert_allclose(prior.depth_m, clip.depth_m, rtol=1e-5)


def test_the_published_renderers_radius_is_five_pixels_at_448_and_less_in_smaller_pictures():
    render = made_of(scene(), Options(renderer="pytorch3d", scale="none")).settings.render
    assert render.radius_px == pytest.approx(5 * 96 / 448)
    assert (render.slots, render.surface, render.backend) == (20, False, "torch")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"backend": "pytorch3d"}, "draws the settings of renderer=pytorch3d only: set both"),
        ({"masks": "sam2"}, "masks=sam2 and sam2_model=NAME go together"),
        ({"sam2_model": "facebook/sam2.1-hiera-large"}, "masks=sam2 and sam2_model=NAME go together"),
        ({"disparity_model": "some/network"}, "name a depth_model that is metric with it"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_what_to_do(wrong, said):
    with pytest.raises(ValueError, match=said):
        Options(**wrong)


def test_a_network_whose_weights_are_not_there_is_the_users_error(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="nowhere"):
        made_of(scene(), Options(depth_model=str(tmp_path / "nowhere")), depth=None)


# Bad clips


def prior_of_room(change) -> np.ndarray:
    clip = with_depth(box_room_clip("room", seed=1), change)
    inputs = inputs_for(clip, needs=SPEC.needs, optional=SPEC.optional)
    return EgoPriorMethod(Options(scale="none")).generate(inputs, seed=0)


def test_depth_that_is_unknown_everywhere_leaves_the_clip_undefined_with_the_reason():
    with pytest.raises(Undefined, match="depth of exo view exo1 is unknown everywhere"):
        prior_of_room(unknown)


def test_a_frame_without_depth_shows_the_background():
    whole, partly = prior_of_room(lambda depth_m: depth_m), prior_of_room(unknown_in_frame_1)
    for frame in (0, 2, 3, 4):
        assert np.array_equal(whole[frame], partly[frame])
    assert np.abs(whole[1].astype(int) - partly[1]).mean() < 1, "nothing moves in the room"


def test_depth_of_another_size_is_an_error_that_names_both():
    with pytest.raises(ValueError, match=r"depth has shape \(5, 256, 447\), expected \(5, 256, 448\) like the exo frames"):
        prior_of_room(too_narrow)


def test_depth_in_integers_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match=r"metric_m is uint16 .* divide maps in millimetres by 1000"):
        prior_of_room(in_millimetres)


def test_a_head_that_the_exo_view_does_not_see_leaves_the_scale_to_the_others_or_at_one():
    clip = box_room_clip("room", seed=1)
    assert clip.ego_camera is not None
    poses = clip.ego_camera.world_from_camera.copy()
    poses[:, :3, 3] = clip.exo[0].camera.centres[0] + [-0.3, -0.3, 0]  # behind the exo camera, in its corner
    clip = replace(clip, ego_camera=replace(clip.ego_camera, world_from_camera=poses))
    with_points = prior_of(inputs_for(clip, needs=SPEC.needs, optional=SPEC.optional), Maker(Options()))
    assert with_points.scale.factor == pytest.approx(1, abs=0.02)
    assert "points: 1.0" in with_points.report()[0]
    alone = prior_of(inputs_for(clip, needs=SPEC.needs), Maker(Options()))
    assert alone.scale.factor == 1.0
    assert "outside of the exo picture" in alone.report()[0]


def test_clips_with_bad_depth_are_told_and_the_run_goes_on(tmp_path: Path):
    bad = {"c1": unknown, "c2": too_narrow, "c3": unknown_in_frame_1}
    changes = {name: lambda clip, change=change: with_depth(clip, change) for name, change in bad.items()}
    answers = toy_answers(lambda: EgoPriorMethod(Options(scale="none")), needs=SPEC.needs, optional=SPEC.optional)
    job = toy_job(tmp_path, dataset=ToyDataset(changes=changes), answers=answers)
    report = run_job(job, job.manifest.rows, steps=Steps(generate=True, score=True))
    assert {event.clip: event.kind for event in report.events} == {"c0": "done", "c1": "undefined", "c2": "error", "c3": "done"}
    assert report.errors["c2"].startswith("ValueError: depth has shape (3, 256, 447)")
    assert report.results.n_scored == 2
