"""Pose faithfulness from pixels on: a filmed room scored against the poses that it was filmed with, and others."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.errors import Undefined, UserError
from benchmark.metrics.catalogue_beyond import EXTRACTORS, METRICS
from benchmark.metrics.extractors.ego_motion import EgoMotion
from benchmark.metrics.pose import NO_DIRECTION_DEG, pose_rotation, pose_translation
from benchmark.video import Frames
from egox.cameras import Camera, rigid
from egox.cameras.devices import default_aria_lens
from tests.benchmark.datasets.test_epipolar import film

SIDE, FRAMES, FPS = 160, 12, 10.0
EXTRACT = EgoMotion({}, "cpu")


def walk(step_m: float, turn_deg: float) -> Camera:
    """Ahead and a little aside, the head turning faster and faster."""
    turns = Rotation.from_euler("YX", [(turn_deg * i * (1 + 0.08 * i), 5 * np.sin(i)) for i in range(FRAMES)], degrees=True)
    places = [(0.3 * step_m * i, 0, step_m * i) for i in range(FRAMES)]
    return Camera(
        lens=default_aria_lens(SIDE), width=SIDE, height=SIDE, world_from_camera=rigid(turns.as_matrix(), np.array(places))
    )


def filmed(camera: Camera) -> Frames:
    return np.stack(film(camera))


@pytest.fixture(scope="module")
def walked() -> tuple[Camera, Frames]:
    camera = walk(0.06, 1.0)
    return camera, filmed(camera)


def rotation(frames: Frames, camera: Camera) -> float:
    value = pose_rotation(EXTRACT(frames, fps=FPS, ego_camera=camera), ego_camera=camera).value
    assert value is not None
    return value


def translation(frames: Frames, camera: Camera) -> float:
    value = pose_translation(EXTRACT(frames, fps=FPS, ego_camera=camera), ego_camera=camera).value
    assert value is not None
    return value


def requested_deg(camera: Camera, span: int = 2) -> np.ndarray:
    turns = Rotation.from_matrix(camera.world_from_camera[:, :3, :3])
    return np.degrees((turns[span:].inv() * turns[:-span]).magnitude())


def test_a_video_that_moves_as_asked_is_near_zero_on_both(walked: tuple[Camera, Frames]):
    camera, frames = walked
    assert rotation(frames, camera) < 0.3
    assert translation(frames, camera) < 5


def test_a_video_that_runs_ahead_is_worse_the_further_it_does(walked: tuple[Camera, Frames]):
    camera, frames = walked
    errors = [rotation(frames[n:], camera.select(range(FRAMES - n))) for n in (0, 1, 3)]
    assert errors == sorted(errors)
    assert errors[2] > 5 * errors[0]


def test_a_still_video_has_the_whole_requested_turn_as_its_error(walked: tuple[Camera, Frames]):
    camera, frames = walked
    still = np.repeat(frames[:1], FRAMES, axis=0)
    assert rotation(still, camera) == pytest.approx(np.median(requested_deg(camera)), abs=1e-4)


def test_a_still_video_shows_no_translation_and_counts_as_a_random_direction(walked: tuple[Camera, Frames]):
    camera, frames = walked
    found = EXTRACT(np.repeat(frames[:1], FRAMES, axis=0), fps=FPS, ego_camera=camera)
    value = pose_translation(found, ego_camera=camera)
    assert value.value == NO_DIRECTION_DEG
    assert value.notes == ("10 of 10 frame pairs show no translation, 90 degrees each",)


def test_noise_on_a_still_video_is_no_translation(walked: tuple[Camera, Frames]):
    camera, frames = walked
    grain = np.random.default_rng(0).normal(0, 4, frames.shape)
    still = np.clip(frames[:1] + grain, 0, 255).round().astype(np.uint8)
    assert translation(still, camera) == NO_DIRECTION_DEG
    assert rotation(still, camera) == pytest.approx(np.median(requested_deg(camera)), abs=0.1)


def test_a_head_that_turns_one_degree_a_pair_too_far_is_one_degree_off(walked: tuple[Camera, Frames]):
    camera, frames = walked
    extra = rigid(Rotation.from_euler("Z", np.arange(FRAMES)[:, None] * 0.5, degrees=True).as_matrix(), np.zeros((FRAMES, 3)))
    asked = Camera(lens=camera.lens, width=SIDE, height=SIDE, world_from_camera=camera.world_from_camera @ extra)
    assert rotation(frames, asked) == pytest.approx(1.0, abs=0.25)


def test_moving_backward_where_forward_was_asked_is_nearly_180_degrees_off(walked: tuple[Camera, Frames]):
    camera, frames = walked
    poses = camera.world_from_camera.copy()
    poses[:, :3, 3] *= -1
    assert translation(frames, Camera(lens=camera.lens, width=SIDE, height=SIDE, world_from_camera=poses)) > 170


def test_without_texture_both_are_undefined(walked: tuple[Camera, Frames]):
    camera, frames = walked
    found = EXTRACT(np.full_like(frames, 90), fps=FPS, ego_camera=camera)
    for measure in (pose_rotation, pose_translation):
        with pytest.raises(Undefined, match="too few points can be followed in 10 of 10 frame pairs"):
            measure(found, ego_camera=camera)


def test_pairs_without_texture_never_make_a_video_better(walked: tuple[Camera, Frames]):
    camera, frames = walked
    poor = frames.copy()
    for i in range(3, FRAMES):
        poor[i] = np.roll(frames[i], 3 * i, axis=1)
    blurred = poor.copy()
    blurred[-3:] = 90
    found = EXTRACT(blurred, fps=FPS, ego_camera=camera)
    value = pose_rotation(found, ego_camera=camera)
    assert value.value is not None
    assert value.notes == ("3 of 10 frame pairs have too few tracks and count as worst",)
    assert value.value >= rotation(poor, camera)


def test_half_of_the_pairs_lost_is_undefined(walked: tuple[Camera, Frames]):
    camera, frames = walked
    blank = frames.copy()
    blank[5:] = 90
    with pytest.raises(Undefined, match="of 10 frame pairs"):
        pose_rotation(EXTRACT(blank, fps=FPS, ego_camera=camera), ego_camera=camera)


def test_a_head_that_only_turns_has_no_direction_to_compare():
    camera = walk(0.001, 2.0)
    found = EXTRACT(filmed(camera), fps=FPS, ego_camera=camera)
    with pytest.raises(Undefined, match=r"moves by 0\.02 m or more in 0 of 10 frame pairs, fewer than 3"):
        pose_translation(found, ego_camera=camera)
    value = pose_rotation(found, ego_camera=camera).value
    assert value is not None
    assert value < 0.3


def test_a_thing_that_moves_by_itself_does_not_turn_the_head(walked: tuple[Camera, Frames]):
    camera, frames = walked
    rng = np.random.default_rng(0)
    patch = cv2.GaussianBlur(rng.integers(0, 256, (50, 50, 3), dtype=np.uint8), (0, 0), 1.5)
    handled = frames.copy()
    for i in range(FRAMES):
        handled[i, 90:140, 40 + 2 * i : 90 + 2 * i] = patch
    assert rotation(handled, camera) < 0.6


def test_a_video_no_longer_than_a_pair_and_a_camera_of_another_size_are_told(walked: tuple[Camera, Frames]):
    camera, frames = walked
    with pytest.raises(Undefined, match="2 frames: the camera's motion is looked for over 3"):
        EXTRACT(frames[:2], fps=FPS, ego_camera=camera)
    with pytest.raises(UserError, match="ego camera is for 80x80, the frames are 160x160"):
        EXTRACT(frames, fps=FPS, ego_camera=camera.resized(80, 80))


def test_pairs_span_a_fifth_of_a_second_at_any_rate(walked: tuple[Camera, Frames]):
    camera, frames = walked
    slow, fast = (EXTRACT(frames, fps=fps, ego_camera=camera) for fps in (10.0, 30.0))
    assert set(slow["second"] - slow["first"]) == {2}
    assert slow["first"].tolist() == list(range(10))
    assert set(fast["second"] - fast["first"]) == {6}
    assert fast["first"].tolist() == [0, 2, 4]


def test_the_same_video_gives_the_same_bytes(walked: tuple[Camera, Frames]):
    camera, frames = walked
    one, two = (EXTRACT(frames, fps=FPS, ego_camera=camera) for _ in range(2))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_specs_name_what_exists_and_both_poses_share_an_extractor():
    extractors = {spec.id: spec for spec in EXTRACTORS}
    for spec in METRICS:
        assert callable(spec.load())
    assert {spec.extractor for spec in METRICS} == {None, "ego-motion"}
    assert extractors["ego-motion"].load() is EgoMotion
