"""SAM 2 and DINOv3 together, from frames to scores, with small random weights; the seeds are drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics import objects_egoexo4d, objects_paper, objects_strict
from benchmark.metrics.extractors.followed_objects import large_enough, taken
from benchmark.metrics.extractors.object_pairs import AllPairs
from benchmark.metrics.extractors.objects_sam2 import Sam2Objects
from benchmark.metrics.mask_tracks import Tracks

from ..pictures import textured
from .tiny_networks import save_dinov3, save_sam2

HEIGHT, WIDTH = 80, 112


@pytest.fixture(scope="module")
def extractor(tmp_path_factory) -> Sam2Objects:
    folder = tmp_path_factory.mktemp("weights")
    weights = {"sam2-hiera-large": save_sam2(folder / "sam2"), "dinov3-vitl16": save_dinov3(folder / "dinov3")}
    return Sam2Objects(weights, "cpu")


def seeds():
    masks = np.zeros((3, HEIGHT, WIDTH), bool)
    masks[0, 5:45, 5:45] = True
    masks[1, 40:75, 60:100] = True
    # a frame of one pixel: its box is large enough, and the tracker loses it at once
    masks[2, 10:50, 50:100] = True
    masks[2, 11:49, 51:99] = False
    return masks


def drawn(monkeypatch, extractor: Sam2Objects, masks) -> None:
    monkeypatch.setattr(extractor, "_segment", lambda picture: masks)


def test_from_frames_to_scores_and_the_truth_itself_is_perfect(extractor, monkeypatch):
    drawn(monkeypatch, extractor, seeds()[:2])
    arrays = extractor(textured(frames=3, height=HEIGHT, width=WIDTH))
    tracks = Tracks.read(arrays)
    assert tracks.present[0].tolist() == [True, True]
    assert arrays["frame_feature"].shape == (3, 2, 32)
    assert (np.linalg.norm(arrays["frame_feature"], axis=-1) > 0.99).tolist() == tracks.present.tolist()
    np.testing.assert_allclose(np.linalg.norm(arrays["feature"], axis=-1), 1, atol=1e-6)
    pairs = AllPairs({}, "cpu")(arrays, arrays)
    for mode, tau in ((objects_egoexo4d, 0.5), (objects_strict, 0.5), (objects_paper, 0.999999)):
        assert mode.location_error(pairs, tau=tau).value == 0
        assert mode.iou(pairs, tau=tau).value == 1
        assert mode.contour(pairs, tau=tau).value == 1


def test_an_object_that_the_tracker_does_not_take_as_it_was_given_is_dropped_and_counted(extractor, monkeypatch):
    drawn(monkeypatch, extractor, seeds())
    arrays = extractor(textured(frames=2, height=HEIGHT, width=WIDTH))
    assert arrays["seeds"].tolist() == [3]
    assert arrays["prompt_failed"].tolist() == [1]
    assert arrays["areas"].shape == (2, 2)
    assert len(arrays["feature"]) == 2


def test_a_picture_in_which_nothing_is_found_gives_no_objects(extractor):
    # random weights are sure of nothing, so this is what the whole path says
    arrays = extractor(textured(frames=2, height=HEIGHT, width=WIDTH))
    assert arrays["areas"].shape == (2, 0)
    assert arrays["feature"].shape == (0, 32)
    assert arrays["frame_feature"].shape == (2, 0, 32)
    assert AllPairs({}, "cpu")(arrays, arrays)["mask_iou"].shape == (2, 0, 0)


def test_seeds_of_boxes_under_32_px_go_and_the_first_32_of_the_others_stay():
    masks = np.zeros((40, 64, 64), bool)
    masks[:, 5:37, 5:37] = True
    masks[0, 5] = False  # 31 px high
    masks[3, :, 20:] = False
    masks[5, 5, 40] = True
    kept = large_enough(masks)
    assert len(kept) == 32
    np.testing.assert_array_equal(kept[0], masks[1])
    np.testing.assert_array_equal(kept[2], masks[4])
    assert large_enough(masks[:0]).shape == (0, 64, 64)


def test_a_seed_is_taken_from_an_iou_of_four_fifths():
    seed = np.zeros((1, 10, 10), bool)
    seed[0, :5] = True
    for rows, expected in ((5, True), (4, True), (3, False), (0, False)):
        tracked = np.zeros_like(seed)
        tracked[0, :rows] = True
        assert taken(seed, tracked).tolist() == [expected]


def test_a_box_under_8_px_has_no_feature_in_its_frame(extractor):
    boxes = np.array([[[0, 0, 8, 8], [0, 0, 7, 40], [0, 0, 0, 0]]], np.int32)
    found = extractor._of_boxes(textured(frames=1, height=HEIGHT, width=WIDTH), boxes)
    assert found.any(axis=-1).tolist() == [[True, False, False]]
