"""From a clip to its prior: what is shown in each frame, what is found on the way, and what becomes of bad input."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

from egox.cameras import Camera, Pinhole
from egox.depth import DepthEstimate
from egox.prior import PYTORCH3D_PARITY, EgoPrior, Lifter, PriorSettings, Rendered, RenderSettings, ego_prior

from ..traced import UP, Box, ego_camera, exo_camera, trace

COUNT = 8
TABLE = Box((-0.7, 2.2, 0.0), (0.9, 3.0, 0.75), (150, 150, 60))
MOVER = Box((-1.3, 2.4, 0.8), (-0.8, 2.8, 1.5), (250, 20, 20))
"""Slides along the table by 30 cm a frame: every place behind it is seen in most frames."""

AS_IT_IS = PriorSettings(scale="none")


@dataclass(frozen=True)
class Scene:
    """frames, depth_m, moving: of the exo view; truth: the ego pictures' `which` [frames, side, side], 0 = what moves."""

    frames: np.ndarray
    depth_m: np.ndarray
    moving: np.ndarray
    exo: Camera
    ego: Camera
    truth: np.ndarray
    known: np.ndarray
    """Ego pixels [frames, side, side] that show something which the exo view of that very frame sees too."""

    def prior(self, settings: PriorSettings = AS_IT_IS, **changes) -> EgoPrior:
        given = {"frames": self.frames, "depth_m": self.depth_m, "exo": self.exo, "ego": self.ego, **changes}
        estimate = given.pop("estimate", None) or DepthEstimate(metric_m=given.pop("depth_m"))
        given.pop("depth_m", None)
        return ego_prior(given.pop("frames"), estimate, given.pop("exo"), given.pop("ego"), settings=settings, **given)


@cache
def scene() -> Scene:
    """A box slides over a table; the wearer is off the exo picture and sees what the box hides from the exo camera."""
    exo = exo_camera([2.4, -0.4, 1.6], [0.6, 3.2, 1.2], frames=COUNT)
    ego = ego_camera([[-2.2, -0.6, 1.5]] * COUNT, [[0.0, 4.0, 1.2]] * COUNT)
    seen, eyes, known = [], [], []
    for frame in range(COUNT):
        boxes = [MOVER.moved([0.3 * frame, 0, 0]), TABLE]
        seen.append(trace(exo, frame, boxes))
        eyes.append(trace(ego, frame, boxes))
        at = np.rint(exo.project(np.nan_to_num(eyes[-1].hit), frame)).clip(0, [exo.width - 1, exo.height - 1]).astype(int)
        there = seen[-1].hit[at[..., 1], at[..., 0]]
        known.append(np.linalg.norm(there - eyes[-1].hit, axis=-1) < 0.08)
    return Scene(
        frames=np.stack([view.picture for view in seen]),
        depth_m=np.stack([view.depth_m for view in seen]),
        moving=np.stack([view.which == 0 for view in seen]),
        exo=exo,
        ego=ego,
        truth=np.stack([view.which for view in eyes]),
        known=np.stack(known) & ego.visible(),
    )


def pictures(prior: EgoPrior) -> np.ndarray:
    return np.stack([rendered.picture for rendered in prior.rendered()])


def red(picture: np.ndarray) -> np.ndarray:
    """Pixels that show something of what moves: nothing else has much more red than green."""
    return picture[..., 0].astype(int) > picture[..., 1].astype(int) + 60


def behind_the_mover(frame: int) -> np.ndarray:
    """Ego pixels that show a wall or the table where the exo view has the mover before it, two pixels from any other."""
    clip = scene()
    empty = trace(clip.ego, frame, [TABLE])
    at = np.rint(clip.exo.project(np.nan_to_num(empty.hit), frame)).clip(0, [clip.exo.width - 1, clip.exo.height - 1]).astype(int)
    first_hit = trace(clip.exo, frame, [TABLE]).hit[at[..., 1], at[..., 0]]
    hidden = clip.moving[frame][at[..., 1], at[..., 0]] & (np.linalg.norm(first_hit - empty.hit, axis=-1) < 0.08)
    hidden &= (clip.truth[frame] > 0) & clip.ego.visible()
    for axis in (0, 1):
        hidden &= np.roll(hidden, 2, axis) & np.roll(hidden, -2, axis)
    return hidden


def frames_of(prior: EgoPrior) -> list[Rendered]:
    return list(prior.rendered())


# What a frame shows


def test_every_frame_shows_what_the_exo_view_of_its_instant_sees():
    clip, prior = scene(), scene().prior()
    assert len(prior) == COUNT
    for frame, rendered in enumerate(prior.rendered()):
        assert rendered.valid[clip.known[frame]].mean() > 0.98
        mover = clip.known[frame] & (clip.truth[frame] == 0)
        assert red(rendered.picture)[mover].mean() > 0.8
        assert red(rendered.picture)[clip.known[frame] & (clip.truth[frame] > 0)].mean() < 0.05


def test_the_background_behind_what_moves_is_shown_as_other_frames_saw_it_and_is_a_hole_without_fusion():
    fused, alone = frames_of(scene().prior()), frames_of(scene().prior(dataclasses.replace(AS_IT_IS, fuse=False)))
    asked = 0
    for frame in range(1, COUNT - 1):
        hidden = behind_the_mover(frame)
        asked += hidden.sum()
        assert fused[frame].valid[hidden].all()
        assert not red(fused[frame].picture)[hidden].any()
        assert not alone[frame].valid[hidden].any()
    assert asked > 100


def test_without_dynamic_things_nothing_that_moves_is_drawn_and_the_background_takes_its_place():
    whole, still = frames_of(scene().prior()), frames_of(scene().prior(dataclasses.replace(AS_IT_IS, dynamic=False)))
    for frame in range(COUNT):
        assert red(whole[frame].picture).any()
        assert not red(still[frame].picture).any()
        assert still[frame].valid.sum() > 0.97 * whole[frame].valid.sum()


def test_without_dynamic_things_and_without_fusion_there_is_a_hole():
    settings = dataclasses.replace(AS_IT_IS, dynamic=False, fuse=False)
    for frame, rendered in enumerate(scene().prior(settings).rendered()):
        assert not red(rendered.picture).any()
        assert not rendered.valid[behind_the_mover(frame)].any()


def test_masks_that_are_given_are_used_and_no_others_are_looked_for():
    clip = scene()
    nothing = np.zeros_like(clip.moving)
    prior = clip.prior(dataclasses.replace(AS_IT_IS, dynamic=False), moving=nothing)
    assert prior.moving is nothing
    assert any(red(picture).any() for picture in pictures(prior))
    exact = clip.prior(dataclasses.replace(AS_IT_IS, dynamic=False), moving=clip.moving)
    assert not red(pictures(exact)).any()


def test_motion_is_found_where_no_masks_are_given():
    clip = scene()
    found = clip.prior().moving
    assert found[clip.moving].mean() > 0.98
    assert found.mean() < 2 * clip.moving.mean()


@pytest.mark.parametrize("given", [True, False], ids=["masks given", "motion found"])
def test_what_moves_takes_no_part_in_the_alignment(given):
    """The disparity is right everywhere; the metric maps see the moving box a third farther away than it is."""
    clip = scene()
    disparity = (2 / clip.depth_m - 0.3).astype(np.float32)
    metric = np.where(clip.moving, 1.3 * clip.depth_m, clip.depth_m).astype(np.float32)
    prior = clip.prior(estimate=DepthEstimate(metric_m=metric, disparity=disparity), moving=clip.moving if given else None)
    np.testing.assert_allclose(prior.depth_m, clip.depth_m, rtol=1e-4)


def test_parity_settings_draw_the_same_scene_point_by_point():
    prior = scene().prior(dataclasses.replace(AS_IT_IS, fuse=False, render=dataclasses.replace(PYTORCH3D_PARITY, radius_px=1.5)))
    rendered = next(prior.rendered())
    assert rendered.valid[scene().known[0]].mean() > 0.9


def test_a_prior_is_the_same_bytes_each_time_it_is_made_and_each_time_it_is_rendered():
    prior = scene().prior(PriorSettings())
    assert pictures(prior).tobytes() == pictures(prior).tobytes() == pictures(scene().prior(PriorSettings())).tobytes()


# The wearer


def wearer_clip(frames: int = 6, *, still: bool = False) -> Scene:
    """Somebody before the exo camera: a red head around the ego camera, and a grey body below it."""
    exo = exo_camera([0.0, -0.8, 1.5], [0.0, 3.0, 1.3], frames=frames)
    x = np.zeros(frames) if still else np.linspace(-0.8, 0.8, frames)
    eyes = np.stack([x, np.full(frames, 2.0), np.full(frames, 1.6)], -1)
    ego = ego_camera(eyes, eyes - [0.0, 2.0, 0.5])
    views = []
    for frame, eye in enumerate(eyes):
        head = Box((-0.09, -0.12, -0.12), (0.09, 0.12, 0.12), (250, 20, 20)).moved(eye)
        body = Box((-0.2, -0.15, -1.6), (0.2, 0.15, -0.3), (90, 90, 90)).moved(eye)
        views.append(trace(exo, frame, [head, body]))
    which = np.stack([view.which for view in views])
    return Scene(
        frames=np.stack([view.picture for view in views]),
        depth_m=np.stack([view.depth_m for view in views]),
        moving=which < 2,
        exo=exo,
        ego=ego,
        truth=which,
        known=which == 0,
    )


def test_the_wall_close_in_front_of_a_head_is_known_from_frames_in_which_the_head_was_elsewhere():
    """The exo camera stands behind the wearer: the head hides just what the wearer looks at."""
    frames = 8
    exo = exo_camera([0.0, -1.5, 1.6], [0.0, 3.0, 1.5], frames=frames)
    eyes = np.stack([np.linspace(-0.8, 0.8, frames), np.full(frames, 2.0), np.full(frames, 1.6)], -1)
    ego = ego_camera(eyes, eyes + [0.0, 1.0, 0.0])
    wall = Box((-3.0, 2.7, 0.0), (3.0, 2.9, 2.6), (120, 160, 90))
    views = []
    for frame, eye in enumerate(eyes):
        head = Box((-0.09, -0.2, -0.12), (0.09, 0.02, 0.12), (250, 20, 20)).moved(eye)
        views.append(trace(exo, frame, [head, wall]))
    prior = ego_prior(
        np.stack([view.picture for view in views]),
        DepthEstimate(metric_m=np.stack([view.depth_m for view in views])),
        exo,
        ego,
        moving=np.stack([view.which == 0 for view in views]),
        settings=AS_IT_IS,
    )
    rows, columns = np.mgrid[: ego.height, : ego.width] - (ego.height - 1) / 2
    middle = np.hypot(rows, columns) < 0.1 * ego.height
    assert np.mean([frame.valid[middle].mean() for frame in prior.rendered()]) > 0.85


@pytest.mark.parametrize("still", [False, True], ids=["walking", "standing"])
@pytest.mark.parametrize("masks", [False, True], ids=["motion", "masks given"])
def test_the_wearers_own_head_is_never_drawn(still, masks):
    clip = wearer_clip(still=still)
    prior = clip.prior(moving=clip.moving if masks else None)
    for rendered in prior.rendered():
        assert not red(rendered.picture).any()
        assert rendered.valid.mean() > 0.05


def test_a_head_that_stands_still_is_not_drawn_as_background_behind_a_hand_either():
    clip = wearer_clip(still=True)
    hand = np.zeros_like(clip.moving)
    hand[3] = clip.truth[3] == 0  # something passes before the face
    depth_m = np.where(hand, 1.2, clip.depth_m).astype(np.float32)
    frames = np.where(hand[..., None], [20, 20, 250], clip.frames).astype(np.uint8)
    prior = clip.prior(frames=frames, depth_m=depth_m, moving=hand)
    assert prior.background is not None
    assert (prior.background.depth_m[hand[3]] > 1.5).all(), "the head is part of the background"
    assert not red(pictures(prior)).any()


def test_the_depth_of_the_head_sets_the_scale_and_the_scaled_head_is_not_drawn():
    clip = wearer_clip()
    prior = clip.prior(PriorSettings(), depth_m=clip.depth_m * np.float32(0.7))
    assert prior.scale.factor == pytest.approx(1 / 0.7, rel=0.08)
    np.testing.assert_allclose(prior.depth_m, clip.depth_m * (0.7 * prior.scale.factor), rtol=1e-5)
    assert prior.background is not None
    assert np.median(prior.background.depth_m / clip.depth_m.max(0)) == pytest.approx(1.0, abs=0.08)
    assert not red(pictures(prior)).any()


# What is found, in words


def test_the_report_says_scale_and_motion_in_a_line_each():
    lines = wearer_clip().prior(PriorSettings(), up=UP).report()
    assert len(lines) == 3
    assert lines[0].startswith("scale: depth x 1.0")
    assert "head: 1.0" in lines[0]
    assert "points: none (the take has no semi-dense points)" in lines[0]
    assert lines[2].startswith("moving: ")
    assert lines[2].endswith(" % of the exo pixels")


def test_the_report_of_aligned_depth_says_how_many_frames_fit_and_how_well():
    clip = scene()
    disparity = (2 / clip.depth_m - 0.3).astype(np.float32)
    prior = clip.prior(estimate=DepthEstimate(metric_m=clip.depth_m, disparity=disparity))
    assert prior.report()[1] == "alignment: 8 of 8 frames fitted, 0.0 % apart (median)"
    np.testing.assert_allclose(prior.depth_m, clip.depth_m, rtol=1e-3)


def test_the_report_says_that_no_scale_was_asked_for():
    assert scene().prior().report()[0] == "scale: depth x 1.000 (not asked for)"


def test_a_head_outside_of_the_exo_picture_leaves_the_scale_at_one_with_the_reason():
    prior = scene().prior(PriorSettings())
    assert prior.scale.factor == 1.0
    assert "head: none (the wearer's head is outside of the exo picture" in prior.report()[0]
    assert "floor: none (the world has no known direction of gravity)" in prior.report()[0]
    np.testing.assert_array_equal(prior.depth_m, scene().depth_m)


# Bad input


def test_a_frame_without_any_depth_shows_the_background_and_leaves_the_others_as_they_were():
    clip, broken = scene(), scene().depth_m.copy()
    broken[3] = np.nan
    whole, partly = frames_of(clip.prior(moving=clip.moving)), frames_of(clip.prior(depth_m=broken, moving=clip.moving))
    for frame in set(range(COUNT)) - {3}:
        assert partly[frame].picture.tobytes() == whole[frame].picture.tobytes()
    assert not red(partly[3].picture).any()
    assert partly[3].valid.sum() > 0.95 * whole[3].valid.sum()
    still = clip.known[3] & (clip.truth[3] > 0) & partly[3].valid & ~red(whole[3].picture)
    assert np.abs(partly[3].picture.astype(int) - whole[3].picture)[still].mean() < 2


def test_a_frame_without_any_depth_is_black_without_fusion():
    broken = scene().depth_m.copy()
    broken[3] = np.nan
    valid = [frame.valid.any() for frame in scene().prior(dataclasses.replace(AS_IT_IS, fuse=False), depth_m=broken).rendered()]
    assert valid == [True, True, True, False, True, True, True, True]


def test_a_frame_without_any_depth_does_not_disturb_scale_or_masks():
    clip = wearer_clip()
    broken = clip.depth_m.copy()
    broken[2] = np.nan
    prior = clip.prior(PriorSettings(), depth_m=broken)
    assert prior.scale.factor == pytest.approx(clip.prior(PriorSettings()).scale.factor, rel=0.01)
    assert not prior.moving[2].any()
    assert np.isfinite(prior.depth_m).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_a_clip_without_any_depth_is_refused(value):
    with pytest.raises(ValueError, match="no frame has any depth: nothing can be rendered"):
        scene().prior(depth_m=np.full_like(scene().depth_m, value))


def test_disparity_without_metric_depth_is_refused_too():
    estimate = DepthEstimate(metric_m=np.zeros_like(scene().depth_m), disparity=np.ones_like(scene().depth_m))
    with pytest.raises(ValueError, match="no frame has any depth"):
        scene().prior(estimate=estimate)


SHAPE = (COUNT, 108, 192)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"frames": np.zeros((*SHAPE, 4), np.uint8)}, r"frames are uint8 of shape \(8, 108, 192, 4\), expected uint8 \[frames"),
        ({"frames": np.zeros((*SHAPE, 3), np.float32)}, "frames are float32"),
        ({"frames": np.zeros(SHAPE, np.uint8)}, r"frames are uint8 of shape \(8, 108, 192\), expected"),
        ({"frames": np.zeros((0, 108, 192, 3), np.uint8)}, r"frames are uint8 of shape \(0, 108, 192, 3\), expected"),
        ({"frames": np.zeros((7, 108, 192, 3), np.uint8)}, r"depth has shape \(8, 108, 192\), expected \(7, 108, 192\) like"),
        ({"depth_m": np.ones((COUNT, 108, 190), np.float32)}, r"depth has shape \(8, 108, 190\), expected \(8, 108, 192\) like"),
        ({"depth_m": np.ones((COUNT, 192, 108), np.float32)}, r"depth has shape \(8, 192, 108\)"),
        ({"depth_m": np.ones((108, 192), np.float32)}, r"metric_m is float32 of shape \(108, 192\), expected floating"),
        ({"depth_m": np.ones(SHAPE, np.int32)}, "metric_m is int32 .*; divide maps in millimetres by 1000"),
        ({"exo": exo_camera([0, 0, 1], [0, 1, 1], frames=COUNT, height=54)}, "exo camera is for 96x54, the frames are 192x108"),
        ({"exo": exo_camera([0, 0, 1], [0, 1, 1], frames=1)}, "the exo camera has 1 poses, the clip 8 frames"),
        ({"ego": ego_camera([0, 0, 1], [0, 1, 1])}, "the ego camera has 1 poses, the clip 8 frames"),
        ({"moving": np.zeros(SHAPE, np.uint8)}, r"moving is uint8 of shape \(8, 108, 192\), expected bool"),
        ({"moving": np.zeros((COUNT, 54, 96), bool)}, r"moving is bool of shape \(8, 54, 96\), expected bool \(8, 108, 192\)"),
        ({"up": np.array([0.0, 0.0, 2.0])}, r"up is \[0. 0. 2.\], expected a unit vector against gravity"),
        ({"up": np.array([0.0, np.nan, 1.0])}, r"up is \[ ?0. nan  ?1.\], expected a unit vector"),
        ({"points": np.zeros((5, 2))}, r"points have shape \(5, 2\), expected \[n, 3\] world metres"),
    ],
)  # fmt: skip
def test_input_of_a_wrong_shape_or_kind_is_refused_and_the_message_names_it(wrong, said):
    with pytest.raises(ValueError, match=said):
        scene().prior(PriorSettings(), **wrong)


def test_a_lens_that_cannot_be_inverted_is_refused_before_anything_is_rendered():
    with pytest.raises(ValueError, match=r"Pinhole: focal length fx is 0\.0, expected a finite number above 0"):
        Pinhole(fx=0.0, fy=100.0, cx=0.0, cy=0.0)
    with pytest.raises(ValueError, match="Pinhole: cx is nan, expected a finite number"):
        Pinhole(fx=100.0, fy=100.0, cx=float("nan"), cy=0.0)


def test_poses_that_are_not_finite_or_none_at_all_are_refused_before_anything_is_rendered():
    poses = scene().ego.world_from_camera.copy()
    poses[5, 0, 3] = np.nan
    with pytest.raises(ValueError, match="world_from_camera is not finite at frame 5"):
        dataclasses.replace(scene().ego, world_from_camera=poses)
    with pytest.raises(ValueError, match=r"must be \[frames, 4, 4\], got \(0, 4, 4\)"):
        dataclasses.replace(scene().ego, world_from_camera=np.empty((0, 4, 4)))


def test_settings_that_are_none_are_refused():
    with pytest.raises(ValueError, match="scale is 'metric', expected 'auto' or 'none'"):
        PriorSettings(scale="metric")  # pyright: ignore[reportArgumentType]


def test_an_ego_camera_within_the_exo_camera_or_within_a_wall_gives_a_picture():
    clip = scene()
    for centre in (clip.exo.centres[0], [0.0, 2.6, 0.4], [0.0, 5.0, 1.0]):
        poses = clip.ego.world_from_camera.copy()
        poses[:, :3, 3] = centre
        prior = clip.prior(PriorSettings(), ego=dataclasses.replace(clip.ego, world_from_camera=poses))
        rendered = next(prior.rendered())
        assert np.isfinite(rendered.depth_m).all()
        assert not rendered.picture[~rendered.valid].any()


def test_masks_over_everything_leave_nothing_but_no_failure():
    everything = np.ones_like(scene().moving)
    prior = scene().prior(dataclasses.replace(AS_IT_IS, dynamic=False), moving=everything)
    assert not any(frame.valid.any() for frame in prior.rendered())


def test_one_frame_alone_is_a_clip():
    clip = scene()
    prior = clip.prior(
        PriorSettings(), frames=clip.frames[:1], depth_m=clip.depth_m[:1], exo=clip.exo.select([0]), ego=clip.ego.select([0])
    )
    assert next(prior.rendered()).valid[clip.known[0]].mean() > 0.95


def test_a_gpu_renders_the_same_prior():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    here, there = frames_of(scene().prior()), frames_of(scene().prior(device="cuda"))
    for one, other in zip(here, there):
        assert (one.valid != other.valid).mean() < 1e-3
        assert np.abs(one.picture.astype(int) - other.picture).mean() < 0.2


def test_clouds_of_a_frame_can_be_taken_without_rendering_them():
    prior = scene().prior(PriorSettings(render=RenderSettings()))
    cloud = prior.cloud(0, Lifter(prior.exo))
    assert len(cloud) > 0.95 * (scene().depth_m[0] > 0).sum()
