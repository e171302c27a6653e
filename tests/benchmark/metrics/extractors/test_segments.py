"""Segments of a first frame and their way along the flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.metrics.extractors.segments import _filled, carry, segment

from .drawn_scene import SIDE, scene


def test_each_patch_is_a_segment_and_the_floor_is_too_large_to_be_one():
    picture = scene()[0]
    labels = segment(picture)
    assert labels.shape == (SIDE, SIDE)
    areas = np.bincount(labels.ravel())
    assert areas[1:].tolist() == sorted(areas[1:], reverse=True)
    colours = (picture.astype(int) - 90 > 60) @ [1, 2, 4]
    assert sorted(np.unique(colours)) == [0, 1, 2, 3, 4, 5]
    owners = [np.bincount(labels[colours == colour]) / (colours == colour).sum() for colour in range(6)]
    # all of a patch but its rim, which the smoothing makes a segment of its own
    assert min(shares.max() for shares in owners) > 0.75
    assert owners[0].argmax() == 0
    assert sorted(shares.argmax() for shares in owners[1:]) == [1, 2, 3, 4, 5]


def test_lens_surround_is_no_object_though_its_edge_is_bright():
    picture = np.full((SIDE, SIDE, 3), 130, np.uint8)
    picture[:, :30] = 2
    picture[70:76, 24:30] = 25
    picture[60:90, 80:110] = (220, 30, 30)
    labels = segment(picture)
    assert labels[75, 95] == 1
    assert not labels[:, :28].any()


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_picture_has_no_objects(level):
    assert segment(np.full((64, 64, 3), level, np.uint8)).max() == 0


def test_at_most_twelve_are_kept():
    generator = np.random.default_rng(0)
    tiles = np.kron(generator.integers(0, 256, (6, 6, 3)), np.ones((32, 32, 1))).astype(np.uint8)
    assert segment(tiles).max() == 12


def test_segments_go_with_the_picture():
    frames = scene(frames=5, step=3)
    first = segment(frames[0])
    for t, labels in enumerate(carry(frames, first)):
        expected = np.roll(first, 3 * t, axis=1)
        inside = slice(3 * t, None)
        agree = (labels[:, inside] == expected[:, inside]).mean()
        assert agree > 0.97


def test_segments_of_a_still_video_stay_as_they_are():
    frames = np.repeat(scene(frames=1), 4, axis=0)
    first = segment(frames[0])
    for labels in carry(frames, first):
        np.testing.assert_array_equal(labels, first)


def test_a_segment_is_given_up_for_good_where_the_flow_contradicts_itself():
    still = scene(frames=1)[0]
    other = np.random.default_rng(5).integers(0, 256, still.shape, dtype=np.uint8)
    first = segment(still)
    present = [np.unique(labels[labels > 0]).tolist() for labels in carry(np.stack([still, other, still, still]), first)]
    assert len(present[1]) < len(present[0])
    assert set(present[3]) <= set(present[2]) <= set(present[1])


def test_pixels_from_outside_take_the_commonest_label_beside_them():
    labels = np.array([[1, 1, -1], [2, 1, -1], [2, 2, -1], [0, 0, -1]])
    # beside the edge: 1 1 / 1 1 2 / 1 2 0 (the smallest of equals) / 2 0 0
    assert _filled(labels)[:, 2].tolist() == [1, 1, 0, 0]
    assert _filled(np.full((2, 3), -1)).tolist() == [[0, 0, 0]] * 2


def test_tracks_do_not_depend_on_opencvs_threads():
    frames = scene(frames=3, step=3)
    first = segment(frames[0])
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        several = list(carry(frames, first))
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
    np.testing.assert_array_equal(several, list(carry(frames, first)))
