"""The three modes of the object criteria on objects drawn by hand, whose answers are known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from benchmark.errors import Undefined
from benchmark.metrics import objects_egoexo4d, objects_paper, objects_strict
from benchmark.metrics.mask_tracks import Tracks

from .drawn_objects import SIDE, found, likes, nothing, pairs, square, still

DIAGONAL = math.hypot(SIDE, SIDE)
MODES = (objects_paper, objects_egoexo4d, objects_strict)
EVERY_MODE = pytest.mark.parametrize("mode", MODES)


def scores(mode, arrays, tau: float = 0.8) -> tuple[float, float, float]:
    """Location error, IoU, contour."""
    values = [measure(arrays, tau=tau).value for measure in (mode.location_error, mode.iou, mode.contour)]
    assert all(type(value) is float and math.isfinite(value) for value in values)
    return values[0], values[1], values[2]


@EVERY_MODE
def test_the_truth_itself_is_perfect(mode):
    truth = still(square(10, 10), square(40, 50, 30), square(70, 5, 13))
    assert scores(mode, pairs(truth, truth)) == (0, 1, 1)


def test_a_lone_square_moved_by_3_and_4_is_off_by_exactly_5():
    arrays = pairs(still(square(33, 34)), still(square(30, 30)))
    assert scores(objects_paper, arrays) == (5, pytest.approx(17 * 16 / (800 - 17 * 16)), 1)
    assert scores(objects_strict, arrays) == (5, pytest.approx(17 * 16 / (800 - 17 * 16)), 1)
    off, iou, contour = scores(objects_egoexo4d, arrays)
    assert off == pytest.approx(5 / DIAGONAL, abs=1e-12)
    assert iou == pytest.approx(17 * 16 / (800 - 17 * 16))
    # one pixel of tolerance at this size: most of the outline is beyond it
    assert 0 < contour < 0.7


@EVERY_MODE
def test_a_20_px_square_moved_by_10_overlaps_by_a_third(mode):
    assert scores(mode, pairs(still(square(40, 30)), still(square(30, 30))))[1] == pytest.approx(1 / 3, abs=1e-7)


@EVERY_MODE
def test_wider_objects_overlap_less_and_less(mode):
    truth = still(square(30, 30))
    ious = [scores(mode, pairs(still(square(30 - d, 30 - d, 20 + 2 * d)), truth))[1] for d in range(9)]
    assert all(a > b for a, b in pairwise(ious))


@EVERY_MODE
def test_the_order_of_the_objects_changes_nothing(mode):
    masks, moved = (
        [square(10, 10), square(40, 50, 30), square(70, 5, 13)],
        [square(12, 14), square(45, 50, 28), square(60, 5, 13)],
    )
    truth = found([masks] * 2, likes(3))
    order = [2, 0, 1]
    shuffled = found([[moved[k] for k in order]] * 2, likes(3)[order])
    assert scores(mode, pairs(shuffled, truth)) == pytest.approx(scores(mode, pairs(found([moved] * 2, likes(3)), truth)))


def test_losing_an_object_never_pays_under_strict_and_may_under_the_papers_rule():
    truth = still(square(5, 5), square(70, 70))
    far = found([[square(8, 5), square(5, 5)]] * 2, likes(2))
    without = found([[square(8, 5)]] * 2, likes(2)[:1])
    before, after = scores(objects_strict, pairs(far, truth)), scores(objects_strict, pairs(without, truth))
    assert after[0] >= before[0]
    assert after[1] <= before[1]
    assert after[2] <= before[2]
    assert scores(objects_paper, pairs(without, truth))[0] < scores(objects_paper, pairs(far, truth))[0]
    assert objects_paper.iou(pairs(without, truth), tau=0.8).notes[0].startswith("1 of 2 objects matched")
    assert objects_paper.iou(pairs(far, truth), tau=0.8).notes[0].startswith("2 of 2 objects matched")


def test_an_object_that_is_not_matched_has_half_the_diagonal_and_nothing_else_under_strict():
    arrays = pairs(found([[square(10, 10)]] * 2, [[0, 0, 0, 1]]), still(square(10, 10)))
    assert scores(objects_strict, arrays) == (pytest.approx(DIAGONAL / 2), 0, 0)
    half = pairs(found([[square(10, 10)]] * 2, likes(2)[:1]), still(square(10, 10), square(60, 60)))
    assert scores(objects_strict, half) == (pytest.approx(DIAGONAL / 4), 0.5, 0.5)


def test_no_distance_counts_for_more_than_a_loss_under_strict():
    arrays = pairs(still(square(76, 76)), still(square(0, 0)))
    assert scores(objects_strict, arrays)[0] == pytest.approx(DIAGONAL / 2)
    assert scores(objects_paper, arrays)[0] == pytest.approx(76 * math.sqrt(2))


def test_under_the_ego_exo4d_rule_an_absent_object_lies_in_the_middle_of_the_frame():
    arrays = pairs(found([[square(10, 10)]] * 2, [[0, 0, 0, 1]]), still(square(10, 10)))
    # midpoint of 10..29 rounded down is 19
    assert scores(objects_egoexo4d, arrays) == (pytest.approx((48 - 19) * math.sqrt(2) / DIAGONAL), 0, 0)


def test_a_track_that_breaks_off_counts_as_lost_from_then_on_except_under_the_papers_rule():
    truth = still(square(10, 10), frames=4)
    broken = found([[square(10, 10)], [square(10, 10)], [nothing()], [nothing()]], likes(1))
    assert scores(objects_paper, pairs(broken, truth)) == (0, 1, 1)
    assert scores(objects_strict, pairs(broken, truth)) == (pytest.approx(DIAGONAL / 4), 0.5, 0.5)
    assert scores(objects_egoexo4d, pairs(broken, truth))[1:] == (0.5, 0.5)


def test_frames_without_the_true_object_do_not_count():
    truth = found([[square(10, 10)], [nothing()], [nothing()]], likes(1))
    prediction = found([[square(10, 10)], [square(60, 60)], [nothing()]], likes(1))
    for mode in MODES:
        assert scores(mode, pairs(prediction, truth)) == (0, 1, 1)


def test_strict_gives_each_object_and_ego_exo4d_each_frame_of_one_the_same_weight():
    # one object is in one of four frames and lost, the other in all four and found
    truth = found([[square(10, 10), square(60, 60)]] + [[square(10, 10), nothing()]] * 3, likes(2))
    prediction = found([[square(10, 10)]] * 4, likes(2)[:1])
    assert scores(objects_strict, pairs(prediction, truth))[1] == 0.5
    assert scores(objects_egoexo4d, pairs(prediction, truth))[1] == pytest.approx(4 / 5)


def test_the_papers_rule_takes_one_object_in_several_pairs():
    truth = found([[square(10, 10), square(60, 10)]], [[1, 0], [1, 0]])
    prediction = found([[square(10, 10)]], [[1, 0]])
    assert scores(objects_paper, pairs(prediction, truth))[0] == pytest.approx(25)
    note = objects_paper.location_error(pairs(prediction, truth), tau=0.8).notes[0]
    assert note == "2 of 2 objects matched, 0 spurious; 2 pairs in 1 of 1 frames"


def test_the_papers_rule_matches_anew_in_every_frame():
    truth = found([[square(10, 10)]] * 2, likes(1))
    prediction = found([[square(10, 10)]] * 2, likes(1))
    prediction["frame_feature"][1] = likes(2)[1]
    note = objects_paper.iou(pairs(prediction, truth), tau=0.8).notes[0]
    assert note.endswith("1 pairs in 1 of 2 frames")


def test_the_papers_iou_is_of_boxes_and_its_contour_of_shapes():
    corner = square(10, 10, 20)
    corner[10:20, 10:20] = False
    off, iou, contour = scores(objects_paper, pairs(still(square(10, 10, 20)), still(corner)))
    assert (off, iou) == (0, 1)
    assert contour == pytest.approx(0.75)
    assert scores(objects_strict, pairs(still(square(10, 10, 20)), still(corner)))[1] == pytest.approx(0.75)


@EVERY_MODE
def test_without_objects_in_the_truth_nothing_is_defined(mode):
    nobody = found([[], []], [])
    for prediction in (nobody, still(square(10, 10))):
        with pytest.raises(Undefined, match="no object in the truth"):
            mode.iou(pairs(prediction, nobody), tau=0.5)


def test_without_objects_in_the_prediction_strict_is_at_its_worst_and_the_papers_rule_undefined():
    nobody, truth = found([[], []], []), still(square(10, 10))
    assert scores(objects_strict, pairs(nobody, truth)) == (pytest.approx(DIAGONAL / 2), 0, 0)
    assert scores(objects_egoexo4d, pairs(nobody, truth))[1:] == (0, 0)
    with pytest.raises(Undefined, match="no predicted object is like"):
        objects_paper.iou(pairs(nobody, truth), tau=0.5)


def test_the_note_says_how_many_were_matched_and_how_many_are_nobodys():
    truth, prediction = (
        still(square(10, 10), square(60, 60)),
        still(square(10, 10), square(60, 10), square(10, 60), square(30, 30)),
    )
    prediction["feature"][1] = likes(4)[3]
    assert objects_strict.iou(pairs(prediction, truth), tau=0.8).notes == ("1 of 2 objects matched, 3 spurious",)


def test_chance_is_the_value_with_partners_drawn_at_random():
    truth = still(square(10, 10), square(40, 10))
    arrays = pairs(truth, truth)
    for mode in (objects_paper, objects_strict):
        assert mode.location_error(arrays, tau=0.8).chance == pytest.approx(15)
        assert mode.iou(arrays, tau=0.8).chance == pytest.approx(0.5)
    assert objects_egoexo4d.location_error(arrays, tau=0.8).chance == pytest.approx(15 / DIAGONAL)
    assert objects_egoexo4d.iou(arrays, tau=0.8).chance == pytest.approx(0.5)


def test_what_is_lost_is_lost_by_chance_too():
    truth = still(square(10, 10), square(40, 10))
    half = found([[square(10, 10)]] * 2, likes(2)[:1])
    assert objects_strict.iou(pairs(half, truth), tau=0.8).chance == pytest.approx(0.5)
    assert objects_strict.location_error(pairs(half, truth), tau=0.8).chance == pytest.approx(DIAGONAL / 4)


def test_an_object_without_a_feature_is_never_matched():
    truth, prediction = still(square(10, 10)), still(square(10, 10))
    prediction["feature"][:] = 0
    prediction["frame_feature"][:] = 0
    assert objects_strict.iou(pairs(prediction, truth), tau=-1.0).value == 0
    with pytest.raises(Undefined):
        objects_paper.iou(pairs(prediction, truth), tau=-1.0)


def test_records_hold_all_pairs_and_only_numbers():
    truth, prediction = still(square(10, 10), square(40, 50, 30)), still(square(12, 14), square(50, 50), square(5, 70))
    arrays = pairs(prediction, truth)
    assert arrays["mask_iou"].shape == (2, 2, 3)
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert Tracks.read(truth).present.all()


def test_alternatives_are_looked_for_in_no_prediction_and_looked_at_in_any():
    truth = still(square(10, 10), square(50, 50)) | {"objects": np.array([1], np.int32)}
    assert pairs(truth, truth)["cosine"].shape == (1, 2)
    # the object's like is only among the alternatives
    prediction = found([[square(50, 50), square(10, 10)]] * 2, likes(2)[::-1]) | {"objects": np.array([1], np.int32)}
    assert scores(objects_strict, pairs(prediction, truth)) == (0, 1, 1)
