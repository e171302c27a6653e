"""The three lenses: golden numbers of one recorded device, round trips, and exact changes of picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from egox.cameras import UPRIGHT_FROM_RAW, Camera, Fisheye624, KannalaBrandt

from .measured import ARIA_448, ARIA_1408, ARIA_2880, GOPRO, LENSES, PINHOLE

POINTS = [  # camera metres -> raw 1408, raw 448, upright 448
    ((0.3, -0.2, 1.0), (899.442302, 582.677762), (285.845278, 185.056560), (261.943439, 285.845278)),
    ((-0.8, 0.5, 1.0), (267.853618, 985.041276), (84.885242, 313.081315), (133.918685, 84.885242)),
    ((0.05, 1.1, 1.0), (742.889563, 1297.981846), (236.033043, 412.653315), (34.346685, 236.033043)),
    ((-1.2, -0.9, 1.0), (150.833577, 281.155770), (47.651593, 89.117745), (357.882255, 47.651593)),
]


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


def test_swapping_only_the_principal_point_is_not_the_upright_turn():
    swapped = Fisheye624(f=ARIA_448.f, cx=447 - ARIA_448.cy, cy=ARIA_448.cx, k=ARIA_448.k, p=ARIA_448.p, s=ARIA_448.s)
    rays = ARIA_448.upright(448).unproject(np.stack(np.meshgrid([60.0, 220, 390], [60.0, 220, 390]), -1))
    off = np.linalg.norm(swapped.project(rays) - ARIA_448.upright(448).project(rays), axis=-1)
    assert 0.2 < off.max() < 0.6


FOLDED = [  # both polynomials rise up to 59.4 degrees only: 1 - 3 * 0.31 theta^2 = 0
    KannalaBrandt(fx=300.0, fy=300.0, cx=320.0, cy=240.0, k=(-0.31, 0.0, 0.0, 0.0)),
    Fisheye624(f=300.0, cx=320.0, cy=240.0, k=(-0.31, 0.0, 0.0, 0.0, 0.0, 0.0), p=(0.0, 0.0), s=(0.0, 0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize("lens", FOLDED)
def test_a_polynomial_that_turns_back_is_cut_at_the_turn(lens):
    angle = np.deg2rad([10.0, 40, 58, 59.3, 59.5, 75, 85])
    rays = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1)
    pixels = lens.project(rays)
    assert np.isfinite(pixels[:4]).all()
    assert np.isnan(pixels[4:]).all()
    np.testing.assert_allclose(lens.unproject(pixels[:4]), rays[:4], atol=1e-9)


@pytest.mark.parametrize("lens", FOLDED)
def test_a_pixel_that_no_ray_reaches_has_none(lens):
    assert np.isnan(lens.unproject([[320.0 + 300.0, 240.0], [5000.0, 240.0]])).all()
    camera = Camera(lens=lens, width=1400, height=480, world_from_camera=np.eye(4)[None])
    if isinstance(lens, Fisheye624):
        assert not camera.visible()[:, 530:].any()


NONSENSE = [
    (PINHOLE, {"fx": 0.0}, "Pinhole: focal length fx is 0.0, expected a finite number above 0"),
    (PINHOLE, {"fy": -1.0}, "Pinhole: focal length fy is -1.0, expected a finite number above 0"),
    (PINHOLE, {"cx": np.nan}, "Pinhole: cx is nan, expected a finite number"),
    (GOPRO, {"fx": np.inf}, "KannalaBrandt: focal length fx is inf, expected a finite number above 0"),
    (GOPRO, {"cy": -np.inf}, "KannalaBrandt: cy is -inf, expected a finite number"),
    (GOPRO, {"k": (0.1, np.nan, 0.0, 0.0)}, r"KannalaBrandt: k is \(0.1, nan, 0.0, 0.0\), expected 4 finite numbers"),
    (GOPRO, {"k": (0.1, 0.2)}, r"KannalaBrandt: k is \(0.1, 0.2\), expected 4 finite numbers"),
    (ARIA_448, {"f": np.nan}, "Fisheye624: focal length f is nan, expected a finite number above 0"),
    (ARIA_448, {"k": (0.0,) * 5}, "Fisheye624: k .* expected 6 finite numbers"),
    (ARIA_448, {"p": (0.0, np.inf)}, r"Fisheye624: p is \(0.0, inf\), expected 2 finite numbers"),
    (ARIA_448, {"s": (0.0, 0.0, 0.0)}, "Fisheye624: s .* expected 4 finite numbers"),
]


@pytest.mark.parametrize(("lens", "change", "words"), NONSENSE)
def test_numbers_that_no_lens_has_are_refused_by_field(lens, change, words):
    with pytest.raises(ValueError, match=words):
        replace(lens, **change)


def test_terms_given_as_a_list_make_the_same_lens():
    lens = replace(GOPRO, k=list(GOPRO.k))
    assert lens == GOPRO
    assert hash(lens) == hash(GOPRO)
    assert np.isfinite(lens.project([0.1, 0.2, 1.0])).all()
