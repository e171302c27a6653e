"""Pictures by their areas, maps by their nearest pixels, and how high an exo view lies beside an ego picture."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.video import Resize
from egox.clip import beside_ego
from egox.resizing import resized


def test_pictures_are_averaged_over_areas():
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[::2, ::2] = 200
    assert (resized(picture, width=4, height=2) == 50).all()


@pytest.mark.parametrize("kind", [np.float32, np.int16, np.uint8])
def test_maps_keep_their_values(kind):
    values = np.array([[1, 1, 9, 9], [1, 1, 9, 9]], kind).repeat(3, axis=0)
    small = resized(values, width=3, height=2)
    assert small.dtype == kind
    assert set(np.unique(small).tolist()) <= {1, 9}, "between two surfaces there is nothing"


def test_what_has_the_size_is_returned_itself():
    picture = np.zeros((4, 8, 3), np.uint8)
    assert resized(picture, width=8, height=4) is picture


@pytest.mark.parametrize(
    ("exo", "ego", "beside"),
    [
        ((256, 448), 128, (128, 224)),
        ((448, 784), 448, (448, 784)),
        ((100, 175), 128, (100, 175)),
        ((300, 400), 128, (128, 171)),
    ],
    ids=["mini", "full", "never up", "not a whole number of times"],
)
def test_an_exo_view_lies_beside_an_ego_picture_at_its_height_and_is_never_scaled_up(exo, ego, beside):
    assert beside_ego(exo, ego) == beside


def test_the_benchmark_brings_clips_to_another_size_in_the_same_way():
    rng = np.random.default_rng(0)
    for source in (rng.integers(0, 255, (30, 52, 3)).astype(np.uint8), rng.random((30, 52), np.float32)):
        assert np.array_equal(Resize(21, 12)(source), resized(source, width=21, height=12))
