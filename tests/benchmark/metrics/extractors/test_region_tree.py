"""The tree of regions of a picture."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics.extractors.region_tree import region_tree

from .drawn_scene import scene


def test_the_half_that_is_of_another_colour_is_a_region_and_the_clearest():
    picture = np.full((64, 64, 3), 60, np.uint8)
    picture[:, 32:] = (200, 180, 40)
    picture = picture + np.random.default_rng(0).integers(0, 3, picture.shape, dtype=np.uint8)
    tree = region_tree(picture, sigma=1.0)
    clearest = np.argsort(-tree.life)[:2]
    halves = sorted((tree.members[clearest].astype(bool)[:, tree.basins]).tolist())
    wanted = np.zeros((64, 64), bool)
    wanted[:, 32:] = True
    for half, side in zip(np.array(halves), (wanted, ~wanted)):
        assert (half == side).mean() > 0.97


def test_regions_are_nested_or_apart_and_as_large_as_their_basins():
    tree = region_tree(scene()[0], sigma=1.5)
    masks = tree.members.astype(bool)[:, tree.basins]
    assert tree.areas.tolist() == masks.sum(axis=(1, 2)).tolist()
    shared = masks.reshape(len(masks), -1).astype(np.float32) @ masks.reshape(len(masks), -1).T
    smaller = np.minimum(tree.areas[:, None], tree.areas[None])
    assert np.all((shared == 0) | (shared == smaller))
    assert tree.life.min() >= 0


def test_overlap_of_two_trees_is_that_of_their_masks():
    picture = scene()[0]
    a, b = region_tree(picture, sigma=1.5), region_tree(picture, sigma=3.0)
    overlap = a.iou(b)
    for i, j in ((0, 0), (-1, -1), (5, 3)):
        one, other = a.members[i].astype(bool)[a.basins], b.members[j].astype(bool)[b.basins]
        assert overlap[i, j] == pytest.approx((one & other).sum() / (one | other).sum())
    assert np.diag(a.iou(a)) == pytest.approx(1)


def test_a_flat_picture_has_no_regions_but_itself():
    assert len(region_tree(np.full((40, 50, 3), 90, np.uint8), sigma=1.0).areas) == 0
