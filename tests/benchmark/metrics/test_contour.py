"""The boundary F: its map, its tolerance, what registering changes, and agreement with dilating by a disk."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage.morphology import dilation, disk

from benchmark.metrics.contour import boundary, boundary_about, boundary_f, boundary_in_frame, tolerance_px
from benchmark.metrics.mask_tracks import box_of

from .drawn_objects import square


def in_frame(mask):
    left, top, right, bottom = box_of(mask)
    return boundary_in_frame(mask[top:bottom, left:right], left, top, height=mask.shape[0], width=mask.shape[1])


def about(mask):
    left, top, right, bottom = box_of(mask)
    y, x = np.nonzero(mask)
    return boundary_about(mask[top:bottom, left:right], left, top, (float(x.mean()), float(y.mean())))


def blobs(seed: int, *, height: int = 60, width: int = 80):
    noise = np.random.default_rng(seed).normal(size=(height, width))
    return cv2.GaussianBlur(noise, (0, 0), 5) > 0.06


def test_the_tolerance_is_0_8_percent_of_the_diagonal_rounded_up():
    assert [tolerance_px(side, side) for side in (128, 448, 480)] == [2, 6, 6]


def test_a_boundary_is_where_the_right_lower_or_lower_right_neighbour_differs():
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True
    expected = ["01110", "01010", "01110", "00000"]
    assert ["".join("01"[int(v)] for v in row) for row in boundary(mask)] == expected


def test_a_boundary_from_a_box_is_that_of_the_whole_frame_at_every_edge_of_it():
    for mask in (square(0, 0), square(76, 76), square(0, 40), square(40, 76), square(30, 30), blobs(0)):
        whole = np.zeros_like(mask)
        points = in_frame(mask)
        whole[points[:, 1], points[:, 0]] = True
        np.testing.assert_array_equal(whole, boundary(mask))


@pytest.mark.parametrize("tolerance", [1, 2, 6])
def test_f_agrees_with_dilating_both_boundaries_by_a_disk(tolerance):
    masks, others = [blobs(1), blobs(2)], [blobs(3), blobs(4), square(20, 20, 25, height=60, width=80)]
    found = boundary_f([in_frame(m) for m in masks], [in_frame(m) for m in others], tolerance)
    for i, a in enumerate(masks):
        for j, b in enumerate(others):
            edge_a, edge_b = boundary(a), boundary(b)
            precision = (edge_b & dilation(edge_a, disk(tolerance))).sum() / edge_b.sum()
            recall = (edge_a & dilation(edge_b, disk(tolerance))).sum() / edge_a.sum()
            assert found[i, j] == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-12)


def test_a_moved_square_has_the_same_contour_until_it_moves_beyond_the_tolerance():
    truth = square(30, 30)
    values = [boundary_f([in_frame(truth)], [in_frame(square(30 + d, 30))], 3).item() for d in range(7)]
    assert values[:4] == [1, 1, 1, 1]
    assert all(a > b for a, b in pairwise(values[3:]))


@pytest.mark.parametrize("side", [5, 6])
def test_a_registered_contour_does_not_see_where_an_object_is(side):
    # of an even side the centre lies between pixels, and every whole number rounds the same way
    for x, y in ((40, 31), (41, 30), (3, 4), (70, 75)):
        np.testing.assert_array_equal(about(square(30, 30, side)), about(square(x, y, side)))


def test_a_registered_contour_sees_another_size():
    values = [boundary_f([about(square(20, 20, 20))], [about(square(20, 20, 20 + d))], 2).item() for d in (0, 2, 12)]
    assert values[0] == 1
    assert values[1] == 1
    assert values[1] > values[2]


def test_registering_shows_the_cut_that_the_frame_makes():
    cut = square(-10, 30)
    assert len(about(cut)) > len(in_frame(cut))


def test_two_masks_without_a_boundary_agree_and_one_without_does_not():
    full, part = np.ones((20, 20), bool), square(5, 5, 8, height=20, width=20)
    nothing, some = in_frame(full), in_frame(part)
    assert len(nothing) == 0
    assert boundary_f([nothing, some], [nothing, some], 2).tolist() == [[1, 0], [0, 1]]
