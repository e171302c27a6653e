"""The motion between two views, from exact rays through the ego lens: with outliers, without parallax, without points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.metrics.two_views import LEAST_POINTS, recover
from egox.cameras.devices import default_aria_lens

LENS = default_aria_lens(448)
SCALE = 0.1 / LENS.pixels_per_radian


def rays_of(rotation: np.ndarray, centre: np.ndarray, *, wrong: float = 0.0, noise_px: float = 0.0, seed: int = 0):
    """Rays [n, 3] of two pictures of a cloud; the second camera at `centre` in axes of the first, turned by `rotation`
    (second from first). A share `wrong` of the second pixels lies anywhere in the picture."""
    rng = np.random.default_rng(seed)
    pixels = rng.uniform(60, 388, (300, 2))
    points = LENS.unproject(pixels) * rng.uniform(0.5, 4, (300, 1))
    second = LENS.project((points - centre) @ rotation.T) + rng.normal(0, noise_px, (300, 2))
    bad = rng.permutation(300)[: int(wrong * 300)]
    second[bad] = rng.uniform(60, 388, (len(bad), 2))
    return LENS.unproject(pixels), LENS.unproject(second)


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(Rotation.from_matrix(a @ b.T).magnitude()))


def degrees_of(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))


@pytest.mark.parametrize("seed", range(6))
def test_forty_percent_of_wrong_tracks_do_not_move_the_answer(seed: int):
    rng = np.random.default_rng(100 + seed)
    rotation = Rotation.from_rotvec(np.radians(8) * _unit(rng)).as_matrix()
    centre = 0.1 * _unit(rng)
    found = recover(*rays_of(rotation, centre, wrong=0.4, seed=seed), scale_rad=SCALE)
    assert found is not None
    assert degrees_between(found.rotation, rotation) < 0.05
    assert degrees_of(found.direction, centre) < 0.5


def test_turning_is_told_from_moving_sideways():
    """To the right, past a cloud: a fit of a pure turn would be degrees off."""
    found = recover(*rays_of(np.eye(3), np.array([0.2, 0, 0]), noise_px=0.05), scale_rad=SCALE)
    assert found is not None
    assert degrees_between(found.rotation, np.eye(3)) < 0.1
    assert degrees_of(found.direction, np.array([1.0, 0, 0])) < 1
    assert np.degrees(found.parallax_rad) > 2


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_forward_and_backward_are_told_apart(sign: float):
    centre = np.array([0.0, 0.0, 0.15 * sign])
    found = recover(*rays_of(np.eye(3), centre, noise_px=0.05), scale_rad=SCALE)
    assert found is not None
    assert degrees_of(found.direction, centre) < 2


def test_a_pure_turn_is_found_and_leaves_no_parallax():
    rotation = Rotation.from_rotvec([0.05, -0.1, 0.02]).as_matrix()
    found = recover(*rays_of(rotation, np.zeros(3), wrong=0.2), scale_rad=SCALE)
    assert found is not None
    assert degrees_between(found.rotation, rotation) < 0.05
    assert found.parallax_rad < SCALE


def test_equal_rays_give_no_turn_at_all():
    rays, _ = rays_of(np.eye(3), np.zeros(3))
    found = recover(rays, rays, scale_rad=SCALE)
    assert found is not None
    assert degrees_between(found.rotation, np.eye(3)) < 1e-6
    assert found.parallax_rad < 1e-9


def test_too_few_points_give_nothing():
    before, after = rays_of(np.eye(3), np.array([0.1, 0, 0]))
    assert recover(before[: LEAST_POINTS - 1], after[: LEAST_POINTS - 1], scale_rad=SCALE) is None
    assert recover(before[:LEAST_POINTS], after[:LEAST_POINTS], scale_rad=SCALE) is not None


def test_the_same_rays_give_the_same_bits():
    pair = rays_of(Rotation.from_rotvec([0.0, 0.1, 0.0]).as_matrix(), np.array([0.05, 0, 0.1]), wrong=0.3, noise_px=0.2)
    one, two = (recover(*pair, scale_rad=SCALE) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.rotation.tobytes() == two.rotation.tobytes()
    assert one.direction.tobytes() == two.direction.tobytes()


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)
