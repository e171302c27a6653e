"""The local scale of a lens: finite differences of `project`, and how far the neglected terms of Fisheye624 reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from egox.cameras import ARIA_CIRCLE_RAD, Array, Fisheye624, KannalaBrandt, Lens

from .measured import ARIA_448, GOPRO, LENSES, PINHOLE

RADIAL_ONLY = replace(ARIA_448, p=(0.0, 0.0), s=(0.0, 0.0, 0.0, 0.0))
UNEVEN = replace(GOPRO, fx=GOPRO.fx * 1.3)


def directions(up_to_deg: float, n: int = 500) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return np.deg2rad(rng.uniform(0.5, up_to_deg, n)), rng.uniform(0, 2 * np.pi, n)


def rays(theta: Array, phi: Array) -> Array:
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)


def differences(lens: Lens, theta: Array, phi: Array) -> Array:
    """Pixels per radian [n, 2] by central differences; across, one radian of the ray is 1 / sin(theta) of the azimuth."""
    step = 1e-6
    radial = lens.project(rays(theta + step, phi)) - lens.project(rays(theta - step, phi))
    across = lens.project(rays(theta, phi + step)) - lens.project(rays(theta, phi - step))
    return np.stack([np.linalg.norm(radial, axis=-1), np.linalg.norm(across, axis=-1) / np.sin(theta)], -1) / (2 * step)


@pytest.mark.parametrize(
    ("lens", "up_to_deg"), [(PINHOLE, 80), (GOPRO, 80), (GOPRO, 170), (UNEVEN, 100), (RADIAL_ONLY, 80)], ids=str
)
def test_it_is_the_derivative_of_project(lens, up_to_deg):
    theta, phi = directions(up_to_deg)
    np.testing.assert_allclose(lens.magnification(3 * rays(theta, phi)), differences(lens, theta, phi), rtol=1e-6)


def test_the_neglected_terms_of_aria_move_it_by_less_than_half_a_percent_in_the_circle():
    theta, phi = directions(np.rad2deg(ARIA_CIRCLE_RAD), 5000)
    off = ARIA_448.magnification(rays(theta, phi)) / differences(ARIA_448, theta, phi) - 1
    assert 0.003 < np.abs(off).max() < 0.005


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_on_the_axis_it_is_the_focal_length(name, lens, width, height):
    focals = (lens.f, lens.f) if isinstance(lens, Fisheye624) else (lens.fx, lens.fy)
    for point in ([0, 0, 2.0], [1e-20, 0, 2.0], [1e-9, 0, 1.0]):
        np.testing.assert_allclose(lens.magnification(point), focals, rtol=1e-9)
        np.testing.assert_allclose(lens.magnification(torch.tensor(point)).numpy(), focals, rtol=1e-5)


def test_aria_shows_less_of_the_radial_direction_at_its_rim():
    rim = ARIA_448.magnification(rays(np.array([ARIA_CIRCLE_RAD]), np.array([0.3])))[0] / ARIA_448.f
    np.testing.assert_allclose(rim, (0.834, 1.402), atol=1e-3)


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_it_is_nan_where_project_is(name, lens, width, height):
    points = np.concatenate([np.random.default_rng(1).normal(size=(400, 3)), [[0, 0, -1.0], [0, 0, 0], [1, 0, 0]]])
    np.testing.assert_array_equal(np.isnan(lens.magnification(points)), np.isnan(lens.project(points)))


def test_it_is_nan_beyond_the_turn_of_a_polynomial():
    lens = KannalaBrandt(fx=300.0, fy=300.0, cx=0.0, cy=0.0, k=(-0.31, 0.0, 0.0, 0.0))
    assert np.isfinite(lens.magnification(rays(np.deg2rad([59.0]), np.zeros(1)))).all()
    assert np.isnan(lens.magnification(rays(np.deg2rad([60.0]), np.zeros(1)))).all()


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_numpy_and_torch_agree(name, lens, width, height):
    points = rays(*directions(60)).reshape(5, 100, 3) * 4
    exact = lens.magnification(points)
    np.testing.assert_allclose(lens.magnification(torch.from_numpy(points)).numpy(), exact, rtol=1e-12)
    single = lens.magnification(torch.from_numpy(points).float())
    assert (single.dtype, tuple(single.shape)) == (torch.float32, (5, 100, 2))
    np.testing.assert_allclose(single.numpy(), exact, rtol=1e-5)
