"""Recorded vectors: pixels of known points, the wearer's head in four exo views, and PyTorch3D's fisheye camera."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from egox.cameras import UPRIGHT_FROM_RAW, Camera, Fisheye624, KannalaBrandt, Pinhole, inverse

from .measured import GOPRO


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


@pytest.fixture(scope="module")
def pytorch3d_fisheye(samples: Path) -> dict[str, np.ndarray]:
    """318 points through PyTorch3D's FishEyeCameras with the measured Aria lens at 448, raw; see the README beside the file."""
    path = samples.parent / "reference" / "pytorch3d" / "case_d_fisheye.npz"
    if not path.is_file():
        pytest.skip("the recorded output of PyTorch3D is not beside the samples: reference/pytorch3d/case_d_fisheye.npz")
    with np.load(path) as file:
        return dict(file)


def recorded_lens(case: dict[str, np.ndarray], *, p: bool = True, s: bool = True) -> Fisheye624:
    tangential, prism = case["tangential"] * p, case["thin_prism"] * s
    return Fisheye624.from_params([float(case["focal"].item()), *case["principal"], *case["radial"], *tangential, *prism])


@pytest.mark.samples
@pytest.mark.parametrize(
    ("array", "terms"),
    [
        ("pixels_f64", {}),
        ("pixels_radial_f64", {"p": False, "s": False}),
        ("pixels_radial_tangential_f64", {"s": False}),
        ("pixels_radial_prism_f64", {"p": False}),
    ],
)
def test_fisheye624_agrees_with_pytorch3d(pytorch3d_fisheye: dict[str, np.ndarray], array: str, terms: dict[str, bool]):
    case = pytorch3d_fisheye
    ordinary, points = case["group"] < 2, case["points_camera"].astype(np.float64)
    lens = recorded_lens(case, **terms)
    np.testing.assert_allclose(lens.project(points[ordinary]), case[array][ordinary, :2], atol=1e-9)


@pytest.mark.samples
def test_fisheye624_agrees_with_pytorch3d_in_float32(pytorch3d_fisheye: dict[str, np.ndarray]):
    case = pytorch3d_fisheye
    ordinary = case["group"] < 2
    pixels = recorded_lens(case).project(torch.from_numpy(case["points_camera"][ordinary]).float())
    np.testing.assert_allclose(pixels.numpy(), case["pixels_f64"][ordinary, :2], atol=1e-3)


@pytest.mark.samples
def test_points_behind_or_beside_the_camera_have_no_pixel_though_pytorch3d_gives_one(pytorch3d_fisheye: dict[str, np.ndarray]):
    case = pytorch3d_fisheye
    points = case["points_camera"].astype(np.float64)
    seen = np.isfinite(recorded_lens(case).project(points)).all(-1)
    np.testing.assert_array_equal(seen, points[:, 2] > 0)
    assert np.isfinite(case["pixels_f64"][points[:, 2] < 0]).all()


@pytest.mark.samples
def test_the_upright_lens_and_pose_agree_with_pytorch3d(pytorch3d_fisheye: dict[str, np.ndarray]):
    case = pytorch3d_fisheye
    lens = recorded_lens(case).upright(448)
    np.testing.assert_allclose((lens.cx, lens.cy), case["upright_principal"], atol=1e-12)
    np.testing.assert_allclose(lens.p, case["upright_tangential"], atol=1e-15)
    np.testing.assert_allclose(lens.s, case["upright_thin_prism"], atol=1e-15)
    pose = inverse(case["world_to_camera_upright"])[None]
    camera = Camera(lens=lens, width=448, height=448, world_from_camera=pose)
    ordinary = case["group"] < 2
    theirs = (448 - 448 * case["upright_points_ndc"][ordinary, :2].astype(np.float64)) / 2 - 0.5
    np.testing.assert_allclose(camera.project(case["points_world"][ordinary], 0), theirs, atol=3e-3)
