"""Clips, views and canvases: what a method may see, and that pixels and cameras change together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmark.box_room import box_room_clip, trace
from benchmark.canvas import FULL, MINI, canvas_named
from benchmark.clip import ClipInputs, Input, Privilege, View, check_prediction, inputs_for
from benchmark.datasets.identity import clip_digests
from benchmark.errors import Undefined, UserError
from benchmark.video import Video
from egox.cameras import Camera, KannalaBrandt

ALL = frozenset(Input) - {Input.TRUTH}


def test_a_method_sees_what_it_declared_and_no_more() -> None:
    clip = box_room_clip("c", exo_views=2)
    inputs = inputs_for(clip, needs=frozenset({Input.EXO_VIDEO}))
    assert len(inputs.exo) == 1
    assert inputs.exo[0].camera is None
    assert inputs.exo[0].depth is None
    hidden = (inputs.ego_camera, inputs.up, inputs.caption, inputs.ego_prior, inputs.body_pose, inputs.points, inputs.truth)
    assert hidden == (None,) * 7
    everything = inputs_for(clip, needs=ALL, exo_views=2)
    assert len(everything.exo) == 2
    assert None not in (everything.ego_camera, everything.caption, everything.ego_prior, everything.body_pose, everything.points)
    assert everything.truth is None


def test_truth_is_seen_by_privilege_only() -> None:
    clip = box_room_clip("c", frames=4)
    first = inputs_for(clip, needs=frozenset(), privilege=Privilege.FIRST_FRAME).truth
    whole = inputs_for(clip, needs=frozenset(), privilege=Privilege.TRUTH).truth
    assert first is not None
    assert whole is not None
    assert (len(first), len(whole)) == (1, 4)
    assert inputs_for(clip, needs=frozenset({Input.TRUTH})).truth is None, "a need is no privilege"


def test_missing_inputs_are_undefined_with_their_reason() -> None:
    clip = dataclasses.replace(box_room_clip("c"), missing={Input.DEPTH: "depth missing, no file d/00000.npy"})
    with pytest.raises(Undefined, match="depth missing, no file"):
        inputs_for(clip, needs=frozenset({Input.DEPTH}))
    inputs_for(clip, needs=frozenset({Input.EXO_VIDEO}))
    with pytest.raises(Undefined, match="2 exo views are needed, the clip has 1"):
        inputs_for(clip, needs=frozenset({Input.EXO_VIDEO}), exo_views=2)


def test_optional_inputs_are_given_where_the_clip_has_them() -> None:
    clip = box_room_clip("c")
    asked = {"needs": frozenset({Input.EXO_VIDEO}), "optional": frozenset({Input.DEPTH, Input.CAPTION})}
    there = inputs_for(clip, **asked)
    assert there.exo[0].depth is not None
    assert there.caption == clip.caption
    assert there.exo[0].masks is None, "what is neither needed nor optional stays hidden"
    less = dataclasses.replace(clip, caption=None, missing={Input.CAPTION: "no caption", Input.DEPTH: "depth is broken"})
    left = inputs_for(less, **asked)
    assert (left.caption, left.exo[0].depth, left.exo[0].disparity) == (None, None, None)
    assert inputs_for(clip, needs=frozenset(), optional=frozenset({Input.TRUTH})).truth is None, "only a privilege shows truth"


def test_optional_exo_views_are_as_many_as_there_are() -> None:
    clip = box_room_clip("c", exo_views=2)
    assert len(inputs_for(clip, needs=frozenset(), optional=frozenset({Input.EXO_VIDEO}), exo_views=4).exo) == 2


def test_disparity_comes_with_depth_and_up_with_the_ego_camera() -> None:
    clip = box_room_clip("c")
    depth = inputs_for(clip, needs=frozenset({Input.EXO_VIDEO, Input.DEPTH}))
    assert depth.exo[0].disparity is clip.exo[0].disparity
    assert depth.up is None
    camera = inputs_for(clip, needs=frozenset({Input.EXO_VIDEO, Input.EGO_CAMERA}))
    assert camera.exo[0].disparity is None
    assert camera.up is not None
    assert camera.up.tolist() == [0, 0, 1]
    assert not camera.up.flags.writeable, "one array is shared by all clips"


def test_disparity_is_cropped_and_resized_like_depth() -> None:
    view = box_room_clip("c").exo[0].cropped(20, 12, 160, 100).resized(40, 25).upright()
    assert view.depth is not None
    assert view.disparity is not None
    depth, disparity = view.depth.frame(1), view.disparity.frame(1)
    assert disparity.shape == (40, 25)
    np.testing.assert_allclose(disparity, 3.0 / depth + 0.4, rtol=1e-6)


def test_up_disparity_and_points_are_part_of_a_clips_identity_where_they_are_known() -> None:
    clip = box_room_clip("c")
    flat = dataclasses.replace(clip, exo=(dataclasses.replace(clip.exo[0], disparity=None),))
    lost = dataclasses.replace(clip, up=None)
    tilted = dataclasses.replace(clip, up=np.array([0.0, 0.6, 0.8]))
    bare = dataclasses.replace(clip, points=None)
    assert len({clip_digests(each, MINI).inputs for each in (clip, flat, lost, tilted, bare)}) == 5
    assert clip_digests(clip, MINI).truth == clip_digests(flat, MINI).truth


def view_of(width: int, height: int, *, focal: float) -> View:
    lens = KannalaBrandt(fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2, k=(0.03, -0.01, 0.004, -0.001))
    pose = box_room_clip("c").exo[0].camera
    assert pose is not None
    camera = Camera(lens=lens, width=width, height=height, world_from_camera=pose.world_from_camera)
    return View(name="exo", video=Video.of_array(trace(camera, np.zeros((6, 3))).pictures, fps=30), camera=camera)


@pytest.mark.parametrize("change", ["crop", "resize", "turn"])
def test_pixels_and_camera_change_together(change: str) -> None:
    view = view_of(112, 64, focal=36.0)
    changed = {
        "crop": lambda: view.cropped(10, 6, 80, 50),
        "resize": lambda: view.resized(56, 32),
        "turn": lambda: view.upright(),
    }[change]()
    assert changed.camera is not None
    expected = trace(changed.camera, np.zeros((6, 3))).pictures
    got = changed.video.read()
    assert got.shape == expected.shape
    tolerance = 0.5 if change != "resize" else 2.0  # averaged pixels are not a sample at their centre
    assert np.abs(got.astype(float) - expected).mean() < tolerance
    wrong = np.roll(expected, 1, axis=2)
    assert np.abs(got.astype(float) - wrong).mean() > 1.5 * np.abs(got.astype(float) - expected).mean()


def test_the_full_canvas_crops_796_to_784_and_never_squeezes() -> None:
    view = view_of(796, 448, focal=200.0)
    fitted = FULL.fit_exo(view)
    assert fitted.video.size == (448, 784)
    assert fitted.camera is not None
    assert view.camera is not None
    assert fitted.camera.lens.cx == view.camera.lens.cx - 6
    point = view.camera.lift([300.0, 200.0], 2.0, 0)
    assert np.allclose(fitted.camera.project(point, 0), [294.0, 200.0], atol=1e-9)


def test_the_mini_canvas_takes_a_448_recording_down_to_256() -> None:
    fitted = MINI.fit_exo(view_of(796, 448, focal=200.0))
    assert fitted.video.size == (256, 448)
    assert fitted.camera is not None
    assert (fitted.camera.width, fitted.camera.height) == (448, 256)


def test_a_view_smaller_than_the_canvas_is_refused() -> None:
    with pytest.raises(UserError, match="smaller than the full canvas"):
        FULL.fit_exo(view_of(228, 128, focal=60.0))
    with pytest.raises(UserError, match="portrait exo views and those narrower than 7:4 do not fit"):
        MINI.fit_exo(view_of(256, 456, focal=60.0))


def test_windows_cover_49_frames_of_the_take_on_both_canvases() -> None:
    assert (MINI.window(100)[0], MINI.window(100)[-1], len(MINI.window(100))) == (100, 148, 17)
    assert (FULL.window(100)[0], FULL.window(100)[-1], len(FULL.window(100))) == (100, 148, 49)


def test_an_unknown_canvas_gets_a_hint() -> None:
    with pytest.raises(UserError, match="did you mean 'mini'"):
        canvas_named("minni")


def test_outputs_of_the_wrong_kind_are_named_with_both_shapes() -> None:
    inputs = ClipInputs(clip_id="c", size=(32, 32), n_frames=3, fps=10)
    check_prediction(np.zeros((3, 32, 32, 3), np.uint8), inputs)
    with pytest.raises(ValueError, match=r"\(2, 32, 32, 3\), expected \(3, 32, 32, 3\)"):
        check_prediction(np.zeros((2, 32, 32, 3), np.uint8), inputs)
    with pytest.raises(ValueError, match="float64, expected a uint8 array"):
        check_prediction(np.zeros((3, 32, 32, 3)), inputs)
