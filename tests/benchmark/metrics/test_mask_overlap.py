"""IoU of masks, of boxes, and of shapes laid on each other."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from benchmark.metrics.mask_overlap import aligned_iou, box_iou, mask_iou
from benchmark.metrics.mask_tracks import box_of

from .drawn_objects import nothing, square


def test_a_20_px_square_moved_by_10_overlaps_by_a_third():
    assert mask_iou(square(10, 10)[None], square(20, 10)[None]) == pytest.approx(1 / 3, abs=1e-15)
    a, b = (np.array([box_of(square(x, 10))]) for x in (10, 20))
    assert box_iou(a, b) == pytest.approx(1 / 3, abs=1e-15)


def test_every_pair_agrees_with_counting_pixels():
    generator = np.random.default_rng(1)
    truth, prediction = generator.random((3, 13, 17)) < 0.5, generator.random((4, 13, 17)) < 0.3
    expected = [[(a & b).sum() / (a | b).sum() for b in prediction] for a in truth]
    np.testing.assert_allclose(mask_iou(truth, prediction), expected, rtol=1e-14)


def test_a_wider_mask_overlaps_less_with_every_pixel_of_dilation():
    truth = square(30, 30)
    values = []
    for radius in range(9):
        grown = cv2.dilate(truth.astype(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8)).astype(bool)
        values.append(mask_iou(truth[None], grown[None]).item())
    assert values[0] == 1
    assert all(a > b for a, b in pairwise(values))


def test_an_empty_mask_or_box_overlaps_with_nothing_not_even_another():
    assert mask_iou(nothing()[None], nothing()[None]) == 0
    assert mask_iou(nothing()[None], square(5, 5)[None]) == 0
    assert box_iou(np.zeros((1, 4), np.int32), np.zeros((1, 4), np.int32)) == 0


def test_boxes_that_only_touch_or_lie_apart_on_one_axis_do_not_overlap():
    a = np.array([[0, 0, 10, 10]])
    assert box_iou(a, np.array([[10, 0, 20, 10], [2, 40, 8, 50]])).tolist() == [[0, 0]]


def ellipse(width: int, height: int):
    canvas = np.zeros((height, width), np.uint8)
    cv2.ellipse(canvas, (width // 2, height // 2), (width // 2 - 1, height // 2 - 1), 0, 0, 360, 1, -1)
    left, top, right, bottom = box_of(canvas.astype(bool))
    return canvas[top:bottom, left:right].astype(bool)


def test_shapes_are_compared_without_their_size():
    round_small, round_large = ellipse(21, 21), ellipse(81, 41)
    full = np.ones((30, 12), bool)
    assert aligned_iou([full], [np.ones((7, 9), bool)]) == 1
    assert aligned_iou([round_large], [round_small]) > 0.9
    # a disk fills pi/4 of its box
    assert aligned_iou([full], [ellipse(101, 101)]).item() == pytest.approx(np.pi / 4, abs=0.03)


def test_the_predicted_cut_is_resized_to_the_true_ones_size():
    half = np.array([[True, False], [True, True]])
    large = np.kron(half, np.ones((10, 10), bool)).astype(bool)
    assert aligned_iou([large], [half]) == 1
    assert aligned_iou([np.ones((20, 20), bool)], [half]).item() == pytest.approx(0.75)


def test_what_is_not_there_has_no_shape():
    assert aligned_iou([None, np.ones((3, 3), bool)], [None]).tolist() == [[0], [0]]
