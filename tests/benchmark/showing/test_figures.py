"""Numbers and geometry of what is shown, where they are known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark.box_room import HALF_M, box_room_clip, looking
from benchmark.clip import Clip
from benchmark.showing.figures import depth_ratio, exo_figures, head_figures, head_pixels, hints_of
from benchmark.showing.scene import Scene, lift_cloud, scene_of
from egox.cameras import UPRIGHT_FROM_RAW, Camera, rigid

CLIP = box_room_clip("box", seed=3, frames=5, exo_views=2)


def scene(clip: Clip = CLIP, *, frame: int = 2, with_cloud: bool = True) -> Scene:
    cloud = None
    view = CLIP.exo[0]
    if with_cloud and view.depth is not None and view.camera is not None:
        cloud = lift_cloud(view.video.read([frame])[0], view.depth.frame(frame), view.camera, frame)
    return scene_of(clip, frame=frame, cloud=cloud)


def with_head(poses: np.ndarray) -> Clip:
    assert CLIP.ego_camera is not None
    return replace(CLIP, ego_camera=replace(CLIP.ego_camera, world_from_camera=poses), body_pose=None)


def test_distances_heights_and_angles_are_those_of_the_poses():
    eye, down = np.array([0.4, -0.3, 0.2]), np.deg2rad(30)
    gaze = np.array([np.cos(down), 0, -np.sin(down)])
    here = scene(with_head(np.stack([looking(eye, eye + gaze)] * 5)))
    head, (main, _) = head_figures(here, depth_ratio=None), exo_figures(here)
    assert head is not None
    assert head.pitch_deg == pytest.approx(-30)
    assert head.roll_deg == pytest.approx(0)
    assert head.path_m == 0
    exo = here.exo[0].camera.centres[0]
    assert main.distance_m == pytest.approx(np.linalg.norm(exo - eye), abs=1e-4)
    assert main.nearest_m == main.farthest_m
    expected = np.degrees(np.arccos((exo - eye) @ gaze / np.linalg.norm(exo - eye)))
    assert main.gaze_angle_deg == pytest.approx(expected, abs=0.06)
    assert head.over_lowest_exo_m == pytest.approx(0.2 - 0.7)
    assert head.height_m == pytest.approx(HALF_M[2] + 0.2, abs=0.03)
    assert head.floor_source == "lowest level surface of the depth as shipped"


def test_the_cloud_lies_on_the_walls_of_the_room_with_normals_into_it():
    cloud = scene().cloud
    assert cloud is not None
    np.testing.assert_allclose(np.abs(cloud.points / HALF_M).max(1), 1, atol=1e-5)
    inward = -(cloud.normals * cloud.points / HALF_M).sum(1)
    assert (inward > 0.3).mean() > 0.99


def test_feet_tell_the_floor_before_depth_does():
    assert CLIP.body_pose is not None
    feet = dict(CLIP.body_pose) | {"left_ankle": np.full((5, 3), -1.2)}
    here = scene(replace(CLIP, body_pose=feet))
    assert (here.floor_m, here.floor_source) == (-1.2, "lowest joint of a foot")
    assert scene(with_cloud=False).floor_m is None, "the pelvis of this room's body is no floor"


def test_up_is_guessed_from_the_exo_picture_and_snapped_to_an_axis():
    here = scene(replace(CLIP, up=None))
    np.testing.assert_array_equal(here.up, [0, 0, 1])
    assert here.up_source == "guessed: upper edge of the exo picture"
    alone = scene(replace(CLIP, up=None, exo=()), with_cloud=False)
    assert alone.up_source == "guessed: upper edge of the ego picture"


def test_a_head_behind_the_camera_or_beside_its_picture_has_no_pixel():
    camera = CLIP.exo[0].camera
    assert camera is not None
    in_camera = np.array([[0, 0, 2], [0, 0, -2], [30, 0, 1], [0.1, 0, 2], [0, 0.1, 2]])
    poses = rigid(np.stack([np.eye(3)] * 5), camera.to_world(in_camera, 0))
    ego = Camera(lens=camera.lens, width=9, height=9, world_from_camera=poses)
    pixels = head_pixels(camera, ego)
    assert np.isfinite(pixels).all(1).tolist() == [True, False, False, True, True]
    np.testing.assert_allclose(pixels[0], [camera.lens.cx, camera.lens.cy])


def test_the_depth_ratio_tells_a_factor():
    view, ego = CLIP.exo[0], CLIP.ego_camera
    assert view.camera is not None
    assert ego is not None
    at_head = view.camera.to_camera(ego.centres[2], 2)[2]
    depth = np.full((view.camera.height, view.camera.width), 1.3 * at_head)
    assert depth_ratio(depth, view.camera, ego, 2) == pytest.approx(1.3)
    assert depth_ratio(np.zeros_like(depth), view.camera, ego, 2) is None


def hints(clip: Clip, ratio: float | None = None) -> str:
    here = scene(clip, with_cloud=False)
    return "; ".join(hints_of(here, head_figures(here, depth_ratio=ratio), exo_figures(here)))


def test_a_right_clip_gives_no_hint():
    assert hints(CLIP, 0.95) == ""


def test_wrong_poses_give_a_hint_each():
    assert CLIP.ego_camera is not None
    poses = CLIP.ego_camera.world_from_camera
    raw = poses @ rigid(UPRIGHT_FROM_RAW, np.zeros(3))
    assert "rolled by 90°: poses of a raw sensor" in hints(with_head(raw)).replace("-", "")
    millimetres = poses.copy()
    millimetres[:, :3, 3] *= 1000
    assert "are all poses in metres" in hints(with_head(millimetres))
    behind = poses.copy()
    behind[3:, :3, 3] = [-4, -4, 1]
    assert "outside of the picture of exo1 in 2 of 5 frames" in hints(with_head(behind))
    assert "depth off by a factor" in hints(CLIP, 0.5)
