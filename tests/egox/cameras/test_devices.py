"""What is known of the devices: published and raw focal lengths of GoPro, sizes of Aria, and errors that name the fault."""

from __future__ import annotations

import numpy as np
import pytest

from egox.cameras import UPRIGHT_FROM_RAW, Fisheye624
from egox.cameras.devices import (
    ARIA_DEFAULT_2880,
    GOPRO_K,
    RAW_FOCAL_RANGE_PX,
    aria_lens_1408,
    default_aria_lens,
    gopro_lens,
    plain_scaled,
    raw_aria_lens,
    raw_lens_of_undistorted,
    undistorted_focal,
    upright_aria_lens,
)

from .measured import ARIA_448, ARIA_1408, GOPRO


@pytest.mark.parametrize(
    ("published", "raw"),
    [(1247.974504, 1769.475220), (1221.059125, 1749.177002), (1226.986249, 1753.635864), (1237.122603, 1761.275757)],
)
def test_the_raw_focal_is_recovered_from_the_published_one(published: float, raw: float):
    matrix = [[published, 0, 1920], [0, published, 1080], [0, 0, 1]]
    lens, width, height = raw_lens_of_undistorted(matrix)
    assert (width, height) == (3840, 2160)
    assert lens.fx == pytest.approx(raw, abs=2e-6)
    back = undistorted_focal(lens.fx, width=width, height=height, k=GOPRO_K)
    assert back == pytest.approx(published, abs=1e-8)


def test_the_closed_form_agrees_with_opencvs_own_undistortion():
    cv2 = pytest.importorskip("cv2")
    for raw in (1753.635864, 1785.852661):
        matrix = np.array([[raw, 0, 1920], [0, raw, 1080], [0, 0, 1]])
        new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(
            matrix, np.array(GOPRO_K), (3840, 2160), np.eye(3), balance=0.8
        )
        assert undistorted_focal(raw, width=3840, height=2160, k=GOPRO_K) == pytest.approx(new[0, 0], abs=1e-6)


def test_an_upright_exo_camera_is_recovered_too():
    published = undistorted_focal(1760.0, width=2160, height=3840, k=GOPRO_K)
    lens, width, height = raw_lens_of_undistorted([[published, 0, 1080], [0, published, 1920], [0, 0, 1]])
    assert (width, height) == (2160, 3840)
    assert lens.fx == pytest.approx(1760.0, abs=1e-8)


@pytest.mark.parametrize("focal", np.linspace(*RAW_FOCAL_RANGE_PX, 7))
def test_the_published_focal_rises_with_the_raw_one(focal):
    lower, upper = (undistorted_focal(f, width=3840, height=2160, k=GOPRO_K) for f in (focal, focal + 1))
    assert lower < upper


@pytest.mark.parametrize(
    ("intrinsics", "words"),
    [
        (np.eye(2), "finite 3x3 matrix"),
        ([[1, 2, 3], [4, 5], [6]], "finite 3x3 matrix"),
        (None, "finite 3x3 matrix"),
        ([[1248.0, 0, np.nan], [0, 1248.0, 1080], [0, 0, 1]], "finite 3x3 matrix"),
        ([[1248.0, 0, 1900], [0, 1248.0, 1080], [0, 0, 1]], r"c \(1900.0, 1080.0\) is not centred"),
        ([[1248.0, 0, 1920], [0, 1240.0, 1080], [0, 0, 1]], r"f \(1248.0, 1240.0\), .* is not centred"),
        ([[100.0, 0, 1920], [0, 100.0, 1080], [0, 0, 1]], r"no raw focal in 1450\.\.2500 px gives the published 100.0"),
        ([[-1248.0, 0, 1920], [0, -1248.0, 1080], [0, 0, 1]], "no raw focal"),
    ],
)
def test_a_published_matrix_that_has_no_raw_lens_is_refused(intrinsics, words):
    with pytest.raises(ValueError, match=words):
        raw_lens_of_undistorted(intrinsics)


def test_the_exo_lens_is_scaled_plainly_to_the_published_size():
    lens = plain_scaled(gopro_lens(1761.275757), 796 / 3840, 448 / 2160)
    assert gopro_lens(1761.275757) == GOPRO
    assert (lens.cx, lens.cy) == pytest.approx((398, 224), abs=1e-12)
    assert (lens.fx, lens.fy) == pytest.approx((1761.275757 * 796 / 3840, 1761.275757 * 448 / 2160), abs=1e-12)


def test_aria_numbers_of_either_size_give_the_lens_at_1408():
    assert aria_lens_1408(ARIA_DEFAULT_2880) == ARIA_1408
    assert aria_lens_1408(ARIA_1408.params) == ARIA_1408
    assert raw_aria_lens(ARIA_1408, 448) == ARIA_448
    assert upright_aria_lens(ARIA_1408, 448) == ARIA_448.upright(448)


@pytest.mark.parametrize("side", [128, 448, 1408])
def test_the_default_lens_is_upright_at_any_side(side):
    lens, point = default_aria_lens(side), np.array([0.3, -0.2, 1.0])
    u, v = raw_aria_lens(ARIA_1408, side).project(point)
    np.testing.assert_allclose(lens.project(UPRIGHT_FROM_RAW @ point), (side - 1 - v, u), atol=1e-9)


def test_the_default_lens_meets_the_golden_pixel():
    assert isinstance(default_aria_lens(448), Fisheye624)
    np.testing.assert_allclose(
        default_aria_lens(448).project(UPRIGHT_FROM_RAW @ (0.3, -0.2, 1.0)), (261.943439, 285.845278), atol=1e-6
    )


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (ARIA_DEFAULT_2880[:14], "camera-rgb has 14 parameters, expected the 15"),
        ((np.nan, *ARIA_DEFAULT_2880[1:]), "no lens can have .focal length nan"),
        ((-610.0, *ARIA_DEFAULT_2880[1:]), "no lens can have .focal length -610"),
        ((*ARIA_DEFAULT_2880[:14], np.inf), "no lens can have"),
        ((240.0, 319.0, 243.0, *ARIA_DEFAULT_2880[3:]), r"principal point at \(319.0, 243.0\), the middle of neither"),
    ],
)
def test_aria_numbers_that_are_no_rgb_lens_are_refused(params, words):
    with pytest.raises(ValueError, match=words):
        aria_lens_1408(params)
