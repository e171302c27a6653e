"""Masks as bits of their boxes: what goes in comes out."""

from __future__ import annotations

import numpy as np

from benchmark.metrics.mask_tracks import Tracks, TrackWriter, box_of

from .drawn_objects import nothing, square


def written(*masks_of_frames, min_area=1):
    frames = [np.array(masks) for masks in masks_of_frames]
    writer = TrackWriter(*frames[0].shape[1:], min_area=min_area)
    for masks in frames:
        writer.add(masks)
    return Tracks.read(writer.arrays())


def test_masks_of_any_shape_come_back_as_they_went_in():
    generator = np.random.default_rng(0)
    # the middle one in few rows, so that boxes end within a byte
    frames = generator.random((5, 3, 37, 51)) < 0.1
    frames[:, 1, 5:] = False
    tracks = written(*frames)
    for t, masks in enumerate(frames):
        np.testing.assert_array_equal(tracks.masks(t), masks)
        assert tracks.areas[t].tolist() == masks.sum(axis=(1, 2)).tolist()


def test_a_box_ends_behind_its_last_pixel_and_an_absent_one_is_zeros():
    assert box_of(square(3, 5, 20)) == (3, 5, 23, 25)
    assert box_of(nothing()) == (0, 0, 0, 0)


def test_an_object_that_leaves_and_comes_back_is_absent_in_between():
    tracks = written([square(3, 5)], [nothing()], [square(9, 5)])
    assert tracks.present.tolist() == [[True], [False], [True]]
    assert tracks.crops(1) == [None]
    assert tracks.boxes[2, 0].tolist() == [9, 5, 29, 25]


def test_a_mask_under_the_smallest_area_is_absent_and_one_of_that_area_is_not():
    tracks = written([square(0, 0, 8), square(0, 0, 7)], min_area=64)
    assert tracks.present.tolist() == [[True, False]]


def test_the_centre_of_mass_is_the_mean_of_the_pixels_coordinates():
    tracks = written([square(10, 20, 4) | square(40, 20, 4), nothing()])
    np.testing.assert_allclose(tracks.centres()[0], [[26.5, 21.5], [0, 0]])


def test_no_objects_at_all_are_kept_as_none():
    tracks = written(np.zeros((0, 20, 30), bool), np.zeros((0, 20, 30), bool))
    assert tracks.boxes.shape == (2, 0, 4)
    assert tracks.masks(1).shape == (0, 20, 30)


def test_the_first_objects_are_as_they_were_among_all():
    masks = [square(4, 4), square(40, 10, 7), square(20, 60, 11)]
    tracks = written(masks, [nothing(), *masks[1:]]).first(2)
    for frame, expected in enumerate((masks[:2], [nothing(), masks[1]])):
        np.testing.assert_array_equal(tracks.masks(frame), expected)
