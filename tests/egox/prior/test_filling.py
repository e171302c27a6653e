"""Filling the holes of a prior."""

from __future__ import annotations

import numpy as np
import pytest

from egox.prior.filling import filled

ALL = np.ones((32, 32), np.bool_)


def ball(side: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return x**2 + y**2 < radius**2


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def test_valid_pixels_stay_and_outside_of_the_circle_is_black(pictures: np.ndarray) -> None:
    circle = ball(32, 14)
    valid = np.random.default_rng(1).random((3, 32, 32)) < 0.4
    out = filled(pictures, valid, circle)
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out[valid & circle], pictures[valid & circle])
    assert not out[:, ~circle].any()
    assert out[:, circle].any(-1).mean() > 0.99


def test_one_colour_fills_everything_with_that_colour() -> None:
    picture = np.full((32, 32, 3), (10, 90, 200), np.uint8)
    valid = np.zeros((32, 32), np.bool_)
    valid[3, 30] = True
    np.testing.assert_array_equal(filled(np.where(valid[..., None], picture, 0).astype(np.uint8), valid, ALL), picture)


def test_what_holes_hold_does_not_matter(pictures: np.ndarray) -> None:
    valid = np.random.default_rng(1).random((3, 32, 32)) < 0.2
    other = np.where(valid[..., None], pictures, 255 - pictures).astype(np.uint8)
    np.testing.assert_array_equal(filled(pictures, valid, ALL), filled(other, valid, ALL))


def test_pixels_outside_of_the_circle_do_not_bleed_in() -> None:
    circle = ball(32, 10)
    picture = np.where(circle[..., None], 200, 0).astype(np.uint8).repeat(3, -1)[..., :3]
    valid = ~ball(32, 6)  # black corners count as valid, the middle is a hole
    assert (filled(picture, valid, circle)[circle] == 200).all()


def test_a_ramp_is_continued_across_a_hole() -> None:
    ramp = np.broadcast_to((4 * np.arange(32, dtype=np.uint8) + 60)[None, :, None], (32, 32, 3))
    valid = ALL.copy()
    valid[12:20, 12:20] = False
    off = filled(np.ascontiguousarray(ramp), valid, ALL).astype(int) - ramp
    assert np.abs(off).max() <= 16  # 60 to 184 across the picture; a flat filling would be off by 16 at the hole's sides
    assert np.abs(off[12:20, 15:17]).max() <= 4


def test_nothing_valid_is_grey_inside_the_circle(pictures: np.ndarray) -> None:
    circle = ball(32, 14)
    out = filled(pictures, np.zeros((3, 32, 32), np.bool_), circle)
    assert (out[:, circle] == 128).all()
    assert not out[:, ~circle].any()


def test_each_picture_is_filled_on_its_own(pictures: np.ndarray) -> None:
    valid = np.random.default_rng(2).random((3, 32, 32)) < 0.1
    valid[1] = False
    together = filled(pictures, valid, ALL)
    for picture, mask, expected in zip(pictures, valid, together):
        np.testing.assert_array_equal(filled(picture, mask, ALL), expected)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (1, 9), (33, 32)])
def test_any_size_is_filled(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    picture, valid = rng.integers(1, 256, (*size, 3), np.uint8), rng.random(size) < 0.5
    valid.flat[0] = True
    out = filled(picture, valid, np.ones(size, np.bool_))
    low, high = picture[valid].min(0), picture[valid].max(0)
    assert ((out >= low) & (out <= high)).all()


def test_no_pictures_and_wrong_shapes() -> None:
    assert filled(np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 8, 8), np.bool_), ALL[:8, :8]).shape == (0, 8, 8, 3)
    with pytest.raises(ValueError, match=r"expected \[\.\.\., h, w, 3\]"):
        filled(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((8, 8), np.bool_), ALL[:8, :8])
    with pytest.raises(ValueError, match=r"circle"):
        filled(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.bool_), ALL)
