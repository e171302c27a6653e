"""The epipolar self-check from pixels on: tracking a textured room through the ego lens."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.datasets.egoexo4d import upright_ego
from benchmark.datasets.epipolar import SPAN, check_epipolar, plane_angles_deg, track_pairs
from benchmark.video import Frames
from egox.cameras import Camera, rigid

from .download import head_path
from .test_conventions import RAW, RGB

SIDE = 224
N_FRAMES = 22


def texture() -> np.ndarray:
    """Blurred noise that corners are found in; it repeats every 1024 px."""
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)  # pyright: ignore


def film(camera: Camera) -> list[Frames]:
    """Pictures of the inside of a box whose walls carry the texture: exact, by rays."""
    paint, half = texture(), np.array([3.0, 2.5, 1.6])
    rays = camera.lens.unproject(camera.pixel_grid())
    pictures = []
    for frame in range(len(camera)):
        centre = camera.centres[frame]
        directions = rays @ camera.world_from_camera[frame, :3, :3].T
        with np.errstate(divide="ignore"):
            distances = (np.sign(directions) * half - centre) / directions
        wall = distances.argmin(-1)
        hit = centre + directions * distances.min(-1)[..., None]
        others = np.array([[1, 2], [0, 2], [0, 1]])[wall]
        place = np.take_along_axis(hit, others, -1) * 180 + wall[..., None] * 317
        grey = cv2.remap(paint, *(np.mod(place[..., i], 1023).astype(np.float32) for i in (0, 1)), cv2.INTER_LINEAR)
        pictures.append(np.repeat(grey[..., None], 3, -1))
    return pictures


@pytest.fixture(scope="module")
def filmed() -> tuple[Camera, list[Frames]]:
    camera = upright_ego(RGB, RAW[:N_FRAMES], SIDE)
    return camera, film(camera)


def test_a_filmed_room_passes_and_a_wrong_clock_or_turn_does_not(filmed: tuple[Camera, list[Frames]]):
    camera, pictures = filmed
    tracks = track_pairs(pictures)
    right = check_epipolar(tracks, camera.lens, camera.world_from_camera)
    assert right is not None
    assert right.accepted
    assert right.error_deg < 0.1
    late = check_epipolar(tracks, camera.lens, np.concatenate([np.full((1, 4, 4), np.nan), camera.world_from_camera[:-1]]))
    assert late is not None
    assert late.best_shift == 1
    raw = check_epipolar(tracks, camera.lens, RAW[:N_FRAMES])
    assert raw is not None
    assert raw.error_deg > 10 * right.error_deg


def test_pairs_begin_at_every_second_frame_and_span_six(filmed: tuple[Camera, list[Frames]]):
    pairs = [(pair.first, pair.second) for pair in track_pairs(filmed[1])]
    assert pairs
    assert all(second - first == SPAN and first % 2 == 0 for first, second in pairs)
    assert max(second for _, second in pairs) <= N_FRAMES - 1


def test_a_still_video_tells_nothing(filmed: tuple[Camera, list[Frames]]):
    camera, pictures = filmed
    tracks = track_pairs([pictures[0]] * 12)
    assert tracks == []
    assert check_epipolar(tracks, camera.lens, camera.world_from_camera) is None


def test_frames_without_a_pose_are_left_out_of_the_figure(filmed: tuple[Camera, list[Frames]]):
    camera, pictures = filmed
    tracks = track_pairs(pictures)
    poses = camera.world_from_camera.copy()
    poses[::2] = np.nan
    assert check_epipolar(tracks, camera.lens, poses) is None


def test_the_angle_off_the_epipolar_plane_is_that_of_the_ray():
    before, after = np.eye(4), rigid(np.eye(3), [1.0, 0, 0])
    point = np.array([0.3, 0.4, 2.0])
    ray_before, ray_after = point / np.linalg.norm(point), (point - [1, 0, 0]) / np.linalg.norm(point - [1, 0, 0])
    assert plane_angles_deg(ray_before[None], ray_after[None], before, after)[0] == pytest.approx(0, abs=1e-9)
    normal = np.cross([1.0, 0, 0], ray_before)
    normal /= np.linalg.norm(normal)
    tilted = np.cos(np.deg2rad(2)) * ray_after + np.sin(np.deg2rad(2)) * normal
    assert plane_angles_deg(ray_before[None], tilted[None], before, after)[0] == pytest.approx(2, abs=1e-6)


def test_the_head_moves_enough_for_the_check_to_mean_something():
    path = head_path(N_FRAMES)
    assert np.linalg.norm(path[SPAN, :3, 3] - path[0, :3, 3]) > 0.02
