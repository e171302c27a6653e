"""The three lenses and posed cameras: golden numbers of one recorded device, round trips, and exact changes of picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.spatial.transform import Rotation

from benchmark.clip import View
from benchmark.video import Video
from egox.cameras import (
    UPRIGHT_FROM_RAW,
    Camera,
    Fisheye624,
    KannalaBrandt,
    Lens,
    Pinhole,
    inverse,
    nearest_rotation,
    rigid,
)

ARIA_2880 = (
    1220.592182729911, 1464.618192267255, 1442.370245962395,
    0.4143793791836057, -0.4859785980738274, 0.1384912170175902, 1.146000597558113, -1.66762626342011, 0.6300994877479119,
    0.0007903390814906743, -0.0003460749279699183,
    -0.001078250965388323, 0.00007704910825386041, 0.0005214350246391408, -0.0001066039798202996,
)  # fmt: skip
GOPRO = KannalaBrandt(fx=1761.275757, fy=1761.275757, cx=1920.0, cy=1080.0, k=(0.036902, 0.057131, -0.057154, 0.018458))
ARIA_1408 = Fisheye624.from_params(ARIA_2880).cropped(32, 32).resized(0.5, 0.5)
ARIA_448 = ARIA_1408.resized(448 / 1408, 448 / 1408)
PINHOLE = Pinhole(fx=634.5, fy=631.0, cx=392.0, cy=224.0)

LENSES: list[tuple[str, Lens, int, int]] = [
    ("pinhole", PINHOLE, 784, 448),
    ("kannala-brandt", GOPRO, 3840, 2160),
    ("fisheye624", ARIA_448, 448, 448),
]
POINTS = [  # camera metres -> raw 1408, raw 448, upright 448
    ((0.3, -0.2, 1.0), (899.442302, 582.677762), (285.845278, 185.056560), (261.943439, 285.845278)),
    ((-0.8, 0.5, 1.0), (267.853618, 985.041276), (84.885242, 313.081315), (133.918685, 84.885242)),
    ((0.05, 1.1, 1.0), (742.889563, 1297.981846), (236.033043, 412.653315), (34.346685, 236.033043)),
    ((-1.2, -0.9, 1.0), (150.833577, 281.155770), (47.651593, 89.117745), (357.882255, 47.651593)),
]


def poses(frames: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rigid(Rotation.random(frames, rng=rng).as_matrix(), rng.normal(size=(frames, 3)))


@pytest.mark.parametrize(("point", "raw_1408", "raw_448", "upright_448"), POINTS)
def test_fisheye624_gives_the_published_pixels_at_three_sizes(point, raw_1408, raw_448, upright_448):
    for lens, pixel in ((ARIA_1408, raw_1408), (ARIA_448, raw_448)):
        np.testing.assert_allclose(lens.project(point), pixel, atol=1e-6)
    np.testing.assert_allclose(ARIA_448.upright(448).project(UPRIGHT_FROM_RAW @ point), upright_448, atol=1e-6)


def test_aria_at_1408_is_a_crop_of_32_and_a_half_not_a_plain_scale():
    assert ARIA_1408.f == pytest.approx(610.296091, abs=1e-6)
    assert (ARIA_1408.cx, ARIA_1408.cy) == pytest.approx((716.059096, 704.935123), abs=1e-6)
    assert (ARIA_448.f, ARIA_448.cx, ARIA_448.cy) == pytest.approx((194.185120, 227.496076, 223.956630), abs=1e-6)
    assert ARIA_2880[0] * 448 / 2880 == pytest.approx(189.870, abs=1e-3)  # the wrong rule, 2.3 % off


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_unprojecting_what_was_projected_gives_the_ray_back(name, lens, width, height):
    rng = np.random.default_rng(1)
    angle, turn = rng.uniform(0, np.deg2rad(55), 2000), rng.uniform(0, 2 * np.pi, 2000)
    rays = np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], -1)
    back = lens.unproject(lens.project(rays * rng.uniform(0.2, 9, (2000, 1))))
    np.testing.assert_allclose(back, rays, atol=1e-10)


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_projecting_what_was_unprojected_gives_the_pixel_back(name, lens, width, height):
    u, v = np.meshgrid(np.linspace(0, width - 1, 41), np.linspace(0, height - 1, 41))
    pixels = np.stack([u, v], -1)
    if isinstance(lens, Fisheye624):
        pixels = pixels[np.hypot(u - lens.cx, v - lens.cy) < 0.48 * width]
    np.testing.assert_allclose(lens.project(lens.unproject(pixels)), pixels, atol=1e-8 * width)


def test_fisheye624_agrees_with_its_expanded_tangential_form():
    f, cx, cy, *rest = ARIA_448.params
    k, (p0, p1), (s0, s1, s2, s3) = rest[:6], rest[6:8], rest[8:]
    for point, *_ in POINTS:
        a, b = point[0] / point[2], point[1] / point[2]
        r = np.hypot(a, b)
        th = np.arctan(r)
        g = 1 + sum(k[i] * th ** (2 * i + 2) for i in range(6))
        xr, yr = th * g / r * a, th * g / r * b
        d = xr * xr + yr * yr
        u = xr + (2 * xr * xr + d) * p0 + 2 * xr * yr * p1 + s0 * d + s1 * d * d
        v = yr + (2 * yr * yr + d) * p1 + 2 * yr * xr * p0 + s2 * d + s3 * d * d
        np.testing.assert_allclose(ARIA_448.project(point), (f * u + cx, f * v + cy), atol=1e-10)


def test_kannala_brandt_agrees_with_opencv():
    cv2 = pytest.importorskip("cv2")
    points = np.random.default_rng(2).normal(size=(300, 3)) * (1, 0.6, 0.3) + (0, 0, 2)
    matrix = np.array([[GOPRO.fx, 0, GOPRO.cx], [0, GOPRO.fy, GOPRO.cy], [0, 0, 1]])
    theirs, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), matrix, np.array(GOPRO.k))
    np.testing.assert_allclose(GOPRO.project(points), theirs[:, 0], atol=1e-6)


def test_kannala_brandt_sees_118_by_69_degrees():
    edge = GOPRO.unproject([[3840.0, 1080.0], [1920.0, 2160.0]])
    half = np.degrees(np.arccos(edge[:, 2]))
    np.testing.assert_allclose(half, (59.0, 34.5), atol=0.1)


def test_kannala_brandt_root_agrees_with_a_bracketing_solver():
    rho = 0.9

    def bent(t: float) -> float:
        return t * (1 + GOPRO.k[0] * t**2 + GOPRO.k[1] * t**4 + GOPRO.k[2] * t**6 + GOPRO.k[3] * t**8) - rho

    ray = GOPRO.unproject([GOPRO.cx + rho * GOPRO.fx, GOPRO.cy])
    assert np.arctan2(ray[0], ray[2]) == pytest.approx(brentq(bent, 0, 3), abs=1e-11)


@pytest.mark.parametrize("lens", [PINHOLE, ARIA_448])
def test_points_behind_the_camera_have_no_pixel(lens):
    assert np.isnan(lens.project([[0.1, 0.2, -1.0], [0.1, 0.2, 0.0]])).all()


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_the_optical_axis_meets_the_principal_point(name, lens, width, height):
    np.testing.assert_allclose(lens.project([0.0, 0.0, 2.0]), (lens.cx, lens.cy), atol=1e-9)
    np.testing.assert_allclose(lens.unproject([lens.cx, lens.cy]), (0, 0, 1), atol=1e-9)


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_a_crop_and_a_resize_move_pixels_by_the_half_pixel_rule(name, lens, width, height):
    point = (0.31, -0.17, 1.3)
    u, v = lens.project(point)
    np.testing.assert_allclose(lens.cropped(6, 3).project(point), (u - 6, v - 3), atol=1e-9)
    scale = 0.37
    moved = (scale * (u + 0.5) - 0.5, scale * (v + 0.5) - 0.5)
    np.testing.assert_allclose(lens.resized(scale, scale).project(point), moved, atol=1e-9)


def test_uneven_scales_are_kept_apart_and_fisheye624_refuses_them():
    lens = GOPRO.resized(796 / 3840, 448 / 2160)
    assert lens.fx / lens.fy == pytest.approx(796 / 3840 * 2160 / 448, abs=1e-12)
    assert abs(lens.fx / lens.fy - 1) == pytest.approx(5.6e-4, abs=1e-5)
    with pytest.raises(ValueError, match="one focal length"):
        ARIA_448.resized(0.5, 0.51)


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_turning_upright_moves_the_camera_as_it_moves_the_pixels(name, lens, width, height):
    camera = Camera(lens=lens, width=width, height=height, world_from_camera=poses())
    turned = camera.upright()
    points = camera.to_world(np.random.default_rng(3).normal(size=(50, 3)) * 0.4 + (0, 0, 2), 0)
    u, v = np.moveaxis(camera.project(points, 0), -1, 0)
    np.testing.assert_allclose(turned.project(points, 0), np.stack([height - 1 - v, u], -1), atol=1e-8)
    assert (turned.width, turned.height) == (height, width)


def test_swapping_only_the_principal_point_is_not_the_upright_turn():
    swapped = Fisheye624(f=ARIA_448.f, cx=447 - ARIA_448.cy, cy=ARIA_448.cx, k=ARIA_448.k, p=ARIA_448.p, s=ARIA_448.s)
    rays = ARIA_448.upright(448).unproject(np.stack(np.meshgrid([60.0, 220, 390], [60.0, 220, 390]), -1))
    off = np.linalg.norm(swapped.project(rays) - ARIA_448.upright(448).project(rays), axis=-1)
    assert 0.2 < off.max() < 0.6


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


def test_the_nearest_rotation_mends_four_decimals():
    exact = Rotation.from_rotvec([0.3, -1.1, 0.4]).as_matrix()
    mended = nearest_rotation(np.round(exact, 4))
    np.testing.assert_allclose(mended @ mended.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(mended) == pytest.approx(1)
    np.testing.assert_allclose(mended, exact, atol=1e-4)


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


@pytest.mark.samples
def test_the_recorded_vectors_are_met(samples: Path):
    expected = json.loads((samples / "ego-exo4d" / "derived" / "expected.json").read_text())
    raw = Fisheye624.from_params(expected["aria_rgb_params_2880"])
    at_1408 = raw.cropped(32, 32).resized(0.5, 0.5)
    at_448 = at_1408.resized(448 / 1408, 448 / 1408)
    np.testing.assert_allclose(at_1408.params, expected["aria_rgb_params_1408"], rtol=1e-12)
    np.testing.assert_allclose(at_448.params, expected["aria_rgb_params_448"], rtol=1e-12)
    for vector in expected["fisheye624_points"]:
        point = np.array(vector["X_cam"])
        np.testing.assert_allclose(at_1408.project(point), vector["uv_raw_1408"], atol=1e-9)
        np.testing.assert_allclose(at_448.project(point), vector["uv_raw_448"], atol=1e-9)
        np.testing.assert_allclose(at_448.upright(448).project(UPRIGHT_FROM_RAW @ point), vector["uv_upright_448"], atol=1e-9)


@pytest.mark.samples
def test_the_ego_centre_lands_where_recorded_in_four_views_with_both_models(samples: Path):
    expected = json.loads((samples / "ego-exo4d" / "derived" / "expected.json").read_text())["ego_centre_in_exo"]
    assert {entry["cam"] for entry in expected} == {"cam01", "cam02", "cam03", "cam04"}
    for entry in expected:
        f, point = entry["f_raw"], entry["X_cam"]
        lens = KannalaBrandt(fx=f, fy=f, cx=1920, cy=1080, k=GOPRO.k)
        pixel = lens.project(point)
        np.testing.assert_allclose(pixel, entry["uv_raw_3840x2160"], atol=1e-6)
        np.testing.assert_allclose(pixel * (796 / 3840, 448 / 2160), entry["uv_raw_796x448"], atol=1e-6)
        wrong = np.array(entry["uv_wrong_pinhole_796x448"])
        x, _, z = point
        published = (wrong[0] - 398) * z / x * 3840 / 796
        pinhole = Pinhole(fx=published, fy=published, cx=1920, cy=1080)
        np.testing.assert_allclose(pinhole.project(point) * (796 / 3840, 448 / 2160), wrong, atol=1e-6)
        assert np.linalg.norm(wrong - entry["uv_raw_796x448"]) > 10
