"""Segments of a first frame and their way along the flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.metrics.extractors.segments import SAME, _filled, carry, segment
from benchmark.metrics.mask_overlap import mask_iou

from .drawn_scene import SIDE, scene


def overlaps(a, b):
    return mask_iou(a, b).max(axis=1)


def test_the_patches_are_the_clearest_objects():
    picture = scene()[0]
    found = segment(picture)
    colours = (picture.astype(int) - 90 > 60) @ [1, 2, 4]
    assert sorted(np.unique(colours)) == [0, 1, 2, 3, 4, 5]
    patches = np.stack([colours == colour for colour in range(1, 6)])
    assert overlaps(patches, found.masks()[:5]).min() > 0.9


@pytest.mark.parametrize("px", [1, 3, 8])
def test_a_moved_picture_has_its_patches_moved(px):
    still, moved = (segment(scene(shift=shift)[0]).masks() for shift in (0, px))
    assert overlaps(np.roll(still[:5], px, axis=2), moved).min() > 0.95


def test_patches_are_found_again_under_blur_noise_and_at_another_size():
    picture = scene()[0]
    clear = segment(picture).masks()[:5]
    noise = np.random.default_rng(1).normal(0, 10, picture.shape)
    for damaged in (cv2.GaussianBlur(picture, (0, 0), 3), np.clip(picture + noise, 0, 255).astype(np.uint8)):
        assert overlaps(clear, segment(damaged.astype(np.uint8)).masks()).min() > 0.75
    half = segment(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)).masks()
    assert overlaps(clear[:, ::2, ::2], half).min() > 0.75


def test_objects_hardly_overlap_and_no_two_segments_are_the_same():
    found = segment(scene()[0])
    masks = found.masks()
    layers = masks[: found.objects].sum(axis=0)
    assert (layers > 1).mean() < 0.05
    assert np.max(mask_iou(masks, masks) - np.eye(len(masks))) <= SAME


def test_lens_surround_is_no_object_though_its_edge_is_bright():
    picture = np.full((SIDE, SIDE, 3), 130, np.uint8)
    picture[:, :40] = 2
    picture[70:76, 34:40] = 25
    picture[60:90, 80:110] = (220, 30, 30)
    masks = segment(picture).masks()
    assert masks[0, 75, 95]
    assert not masks[:, :, :34].any()


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_picture_has_no_objects(level):
    assert segment(np.full((64, 64, 3), level, np.uint8)).objects == 0


def test_grain_has_no_objects():
    grain = np.random.default_rng(0).integers(89, 92, (96, 96, 3), dtype=np.uint8)
    assert len(segment(grain).members) == 0


def test_at_most_twelve_objects_and_twelve_alternatives_are_kept():
    generator = np.random.default_rng(0)
    tiles = np.kron(generator.integers(0, 256, (6, 6, 3)), np.ones((32, 32, 1))).astype(np.uint8)
    found = segment(tiles)
    assert (found.objects, len(found.members)) == (12, 24)


def test_segments_go_with_the_picture():
    frames = scene(frames=5, step=3)
    first = segment(frames[0])
    for t, masks in enumerate(carry(frames, first)):
        expected = np.roll(first.masks(), 3 * t, axis=2)
        assert (masks == expected)[..., 3 * t :].mean(axis=(1, 2)).min() > 0.97


def test_segments_of_a_still_video_stay_as_they_are():
    frames = np.repeat(scene(frames=1), 4, axis=0)
    first = segment(frames[0])
    for masks in carry(frames, first):
        np.testing.assert_array_equal(masks, first.masks())


def test_a_segment_is_given_up_for_good_where_the_flow_contradicts_itself():
    still = scene(frames=1)[0]
    other = np.random.default_rng(5).integers(0, 256, still.shape, dtype=np.uint8)
    tracks = carry(np.stack([still, other, still, still]), segment(still))
    there = [set(np.flatnonzero(masks.any(axis=(1, 2))).tolist()) for masks in tracks]
    assert len(there[1]) < len(there[0])
    assert there[3] <= there[2] <= there[1]


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
