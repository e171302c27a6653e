"""Objects without a model hub on drawn videos, from frames to scores. The network has random weights."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from benchmark.errors import Undefined
from benchmark.metrics import objects_strict
from benchmark.metrics.extractors.object_pairs import AllPairs
from benchmark.metrics.extractors.objects_mini import MiniObjects
from benchmark.metrics.mask_overlap import mask_iou
from benchmark.metrics.mask_tracks import Tracks
from benchmark.metrics.object_matching import one_to_one
from benchmark.metrics.object_pairs import ObjectPairs

from . import random_weights
from .drawn_scene import SIDE, scene

TAU = 0.5
PATCHES = 5
"""The first objects of a scene."""


@pytest.fixture(scope="module")
def extractor(tmp_path_factory) -> MiniObjects:
    path = tmp_path_factory.mktemp("weights") / "efficientnet-lite0.safetensors"
    random_weights.written(random_weights.efficientnet_lite0(), path)
    return MiniObjects({"efficientnet-lite0": path}, "cpu")


def pairs(prediction, truth):
    return AllPairs({}, "cpu")(prediction, truth)


def values(arrays):
    found = [measure(arrays, tau=TAU) for measure in (objects_strict.location_error, objects_strict.iou, objects_strict.contour)]
    return [value.value for value in found], [value.chance for value in found]


def test_the_truth_against_itself_is_perfect(extractor):
    found = extractor(scene())
    (count,) = found["objects"].tolist()
    assert 5 <= count < len(found["feature"])
    assert found["feature"].shape[1] == 1280
    assert Tracks.read(found).present.all()
    assert values(pairs(found, found))[0] == [0, 1, 1]
    assert objects_strict.iou(pairs(found, found), tau=TAU).notes == (f"{count} of {count} objects matched",)


@pytest.mark.parametrize("shift", [3, 8, 16])
def test_in_a_copy_moved_by_d_pixels_the_patches_are_off_by_d(extractor, shift):
    arrays = pairs(extractor(scene(shift=shift)), extractor(scene()))
    read = ObjectPairs.read(arrays)
    partners = one_to_one(read.cosine, TAU)[:PATCHES]
    off = read.predicted_centres[:, partners] - read.truth_centres[:, :PATCHES]
    assert np.linalg.norm(off, axis=2) == pytest.approx(shift, abs=0.7)
    assert read.registered_contour[:, range(PATCHES), partners].min() > 0.97
    assert values(arrays)[0][1] < 1


def test_other_scenes_are_at_chance(extractor):
    found = [extractor(scene(seed=seed, frames=2)) for seed in range(5)]
    scored = [values(pairs(a, b)) for a, b in permutations(found, 2)]
    measured, chance = (np.mean([score[which] for score in scored], axis=0) for which in (0, 1))
    assert measured[0] == pytest.approx(chance[0], rel=0.15)
    assert measured[1] == pytest.approx(chance[1], abs=0.05)
    assert measured[1] < 0.2


def test_the_same_frames_give_the_same_bytes(extractor):
    a, b = extractor(scene()), extractor(scene())
    assert {name: array.tobytes() for name, array in a.items()} == {name: array.tobytes() for name, array in b.items()}


def test_a_flat_video_has_no_objects_and_is_at_the_worst_values(extractor):
    flat = extractor(np.full((3, SIDE, SIDE, 3), 90, np.uint8))
    assert flat["areas"].shape == (3, 0)
    truth = extractor(scene(frames=3))
    assert values(pairs(flat, truth))[0] == [pytest.approx(SIDE / 2**0.5), 0, 0]
    with pytest.raises(Undefined, match="no object in the truth"):
        objects_strict.iou(pairs(truth, flat), tau=TAU)


def test_one_frame_is_enough_and_tiny_frames_are_undefined(extractor):
    found = extractor(scene(frames=1))
    assert values(pairs(found, found))[0] == [0, 1, 1]
    with pytest.raises(Undefined, match="12x12"):
        extractor(np.zeros((2, 12, 12, 3), np.uint8))


def test_an_object_is_told_apart_by_what_it_looks_like_not_by_where_it_is(extractor):
    here, there = extractor(scene(frames=1)), extractor(scene(frames=1, shift=16))
    cosine = pairs(there, here)["cosine"][:PATCHES, :PATCHES]
    overlap = mask_iou(np.roll(Tracks.read(here).masks(0)[:PATCHES], 16, axis=2), Tracks.read(there).masks(0)[:PATCHES])
    assert cosine.argmax(axis=1).tolist() == overlap.argmax(axis=1).tolist()
    assert cosine.max(axis=1).min() > 0.98
