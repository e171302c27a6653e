"""Posed cameras: world and camera axes, depth, what is visible, JSON, and changes of picture and camera together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.clip import View
from benchmark.video import Video
from egox.cameras import ARIA_CIRCLE_RAD, Camera, inverse

from .measured import ARIA_448, GOPRO, LENSES, PINHOLE, poses


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_turning_upright_moves_the_camera_as_it_moves_the_pixels(name, lens, width, height):
    camera = Camera(lens=lens, width=width, height=height, world_from_camera=poses())
    turned = camera.upright()
    points = camera.to_world(np.random.default_rng(3).normal(size=(50, 3)) * 0.4 + (0, 0, 2), 0)
    u, v = np.moveaxis(camera.project(points, 0), -1, 0)
    np.testing.assert_allclose(turned.project(points, 0), np.stack([height - 1 - v, u], -1), atol=1e-8)
    assert (turned.width, turned.height) == (height, width)


@pytest.mark.parametrize("change", ["crop", "resize", "upright"])
def test_pixels_and_camera_of_a_view_change_together(change):
    """A bright dot is drawn where the camera says that a point is; after the change it is where the new camera says."""
    camera = Camera(lens=GOPRO.resized(1 / 12, 1 / 12), width=320, height=180, world_from_camera=poses())
    point = camera.to_world(np.array([0.2, -0.1, 1.5]), 0)
    u, v = camera.project(point, 0)
    grid = camera.pixel_grid()
    dot = np.exp(-((grid[..., 0] - u) ** 2 + (grid[..., 1] - v) ** 2) / (2 * 4.0**2))
    picture = np.repeat((255 * dot).astype(np.uint8)[..., None], 3, -1)
    view = View(name="v", video=Video.of_array(picture[None], fps=30), camera=camera)
    view = {"crop": lambda: view.cropped(20, 10, 240, 160), "resize": lambda: view.resized(160, 90), "upright": view.upright}[
        change
    ]()
    after = view.video.read()[0, ..., 0].astype(np.float64)
    rows, columns = np.mgrid[: after.shape[0], : after.shape[1]]
    centre = (columns * after).sum() / after.sum(), (rows * after).sum() / after.sum()
    assert view.camera is not None
    assert after.shape == (view.camera.height, view.camera.width)
    np.testing.assert_allclose(centre, view.camera.project(point, 0), atol=0.05)


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_lifted_depth_is_z_and_not_ray_length(name, lens, width, height):
    camera = Camera(lens=lens, width=width, height=height, world_from_camera=poses(seed=4))
    pixels = np.array([[width * 0.3, height * 0.35], [width * 0.6, height * 0.55]])
    lifted = camera.to_camera(camera.lift(pixels, [2.0, 3.0], 0), 0)
    np.testing.assert_allclose(lifted[:, 2], [2.0, 3.0], atol=1e-9)
    assert (np.linalg.norm(lifted, axis=1) > lifted[:, 2] * 1.001).any()
    np.testing.assert_allclose(camera.project(camera.lift(pixels, [2.0, 3.0], 0), 0), pixels, atol=1e-6)


def test_world_and_camera_axes_are_each_others_inverse():
    camera = Camera(lens=PINHOLE, width=784, height=448, world_from_camera=poses(3, seed=5))
    points = np.random.default_rng(6).normal(size=(20, 3))
    np.testing.assert_allclose(camera.to_world(camera.to_camera(points, 2), 2), points, atol=1e-12)
    world_to_camera = inverse(camera.world_from_camera[2])
    np.testing.assert_allclose(
        camera.to_camera(points, 2), points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3], atol=1e-12
    )
    np.testing.assert_allclose(camera.centres[2], -world_to_camera[:3, :3].T @ world_to_camera[:3, 3], atol=1e-12)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p[:, :3], "must be"),
        (lambda p: np.where(np.arange(3)[:, None, None] == 1, np.nan, p), "not finite at frame 1"),
        (lambda p: p * np.array([1.0, 1, 1.01, 1]), "not a rotation at frame"),
        (lambda p: p * np.array([-1.0, 1, 1, 1]), "not a rotation at frame"),
    ],
)
def test_a_camera_refuses_poses_that_are_none(spoil, words):
    with pytest.raises(ValueError, match=words):
        Camera(lens=PINHOLE, width=784, height=448, world_from_camera=spoil(poses(3)))


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_a_camera_survives_json_to_the_last_bit(name, lens, width, height):
    camera = Camera(lens=lens, width=width, height=height, world_from_camera=poses(2))
    back = Camera.from_json(json.loads(json.dumps(camera.to_json())))
    assert back.digest() == camera.digest()
    assert back.lens == lens


def test_an_unknown_lens_is_named_with_those_that_there_are():
    data = Camera(lens=PINHOLE, width=784, height=448, world_from_camera=poses()).to_json()
    data["lens"]["model"] = "Omnidirectional"
    with pytest.raises(ValueError, match="'Omnidirectional' is not one of Fisheye624, KannalaBrandt, Pinhole"):
        Camera.from_json(data)


def test_the_lens_circle_of_aria_hides_the_corners_only():
    camera = Camera(lens=ARIA_448.upright(448), width=448, height=448, world_from_camera=poses())
    seen = camera.visible()
    assert not seen[0, 0]
    assert not seen[447, 447]
    assert seen[224, 224]
    assert seen[20, 224]
    assert 0.75 < seen.mean() < 0.95


@pytest.mark.parametrize("upright", [False, True])
def test_what_is_visible_ends_at_the_lens_circle_whichever_way_the_picture_stands(upright):
    camera = Camera(lens=ARIA_448, width=448, height=448, world_from_camera=poses())
    camera = camera.upright() if upright else camera
    turn = np.linspace(0, 2 * np.pi, 200)
    for off_deg, seen in ((-0.5, True), (0.5, False)):
        angle = ARIA_CIRCLE_RAD + np.deg2rad(off_deg)
        rays = np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), 0 * turn + np.cos(angle)], -1)
        column, row = np.rint(camera.lens.project(rays)).astype(int).T
        inside = (column >= 0) & (column < 448) & (row >= 0) & (row < 448)
        assert inside.sum() > 50
        assert (camera.visible()[row[inside], column[inside]] == seen).all()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("fx", 0, "Pinhole: focal length fx is 0.0, expected a finite number above 0"),
        ("cx", [1], "lens Pinhole: "),
        ("f", 1, "lens Pinhole: "),
    ],
)
def test_a_lens_in_json_that_is_none_is_refused(field, value, words):
    data = Camera(lens=PINHOLE, width=784, height=448, world_from_camera=poses()).to_json()
    data["lens"][field] = value
    with pytest.raises(ValueError, match=words):
        Camera.from_json(data)
