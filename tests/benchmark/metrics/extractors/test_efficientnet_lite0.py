"""EfficientNet-lite0: what it sees in photographs, its preprocessing, and that frames do not depend on each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from benchmark.errors import UserError
from benchmark.metrics.extractors.efficientnet_lite0 import EfficientNetFeatures, load_efficientnet_lite0, prepared
from tests.weights_at_hand import need_weights

from ..pictures import constant, textured
from . import random_weights


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Path:
    return random_weights.written(random_weights.efficientnet_lite0(), tmp_path_factory.mktemp("lite0") / "lite0.safetensors")


def square(photograph: np.ndarray) -> np.ndarray:
    """The middle of a photograph that is wider than high."""
    height, width = photograph.shape[:2]
    left = (width - height) // 2
    return photograph[None, :, left : left + height]


def test_it_sees_an_espresso_in_a_cup_and_a_cat_in_a_cat():
    network = load_efficientnet_lite0(need_weights("efficientnet-lite0")["efficientnet-lite0"], "cpu")
    with torch.inference_mode():
        coffee, cat = (
            network(prepared(square(photograph), "cpu")).softmax(dim=1)[0]
            for photograph in (skimage.data.coffee(), skimage.data.chelsea())
        )
    assert int(coffee.argmax()) == 967
    assert float(coffee[967]) == pytest.approx(0.94, abs=0.005)
    assert 281 <= int(cat.argmax()) <= 285
    assert float(cat[281:286].sum()) > 0.8


def test_levels_are_scaled_as_the_network_was_trained_and_sizes_become_224():
    assert prepared(constant(127, side=40), "cpu").unique().tolist() == [0.0]
    assert prepared(constant(255), "cpu").unique().tolist() == [1.0]
    assert prepared(textured(frames=2, height=50, width=90), "cpu").shape == (2, 3, 224, 224)


def test_features_of_a_frame_are_the_same_in_any_company(untrained):
    extract = EfficientNetFeatures({"efficientnet-lite0": untrained}, "cpu")
    video = textured(frames=10)
    found = extract(video)["embedding"]
    assert found.shape == (10, 1280)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 6
    assert np.abs(found[0] - found[9]).max() > 1e-3
    assert np.allclose(extract(video[::-1])["embedding"][::-1], found, atol=1e-5)
    assert np.allclose(extract(video[3:4])["embedding"], found[3:4], atol=1e-5)


def test_memory_layout_does_not_matter(untrained):
    extract = EfficientNetFeatures({"efficientnet-lite0": untrained}, "cpu")
    video = textured(frames=2)
    elsewhere = np.asfortranarray(video)
    elsewhere.setflags(write=False)
    assert np.array_equal(extract(elsewhere)["embedding"], extract(video)["embedding"])


def test_black_frames_have_finite_features(untrained):
    assert np.isfinite(EfficientNetFeatures({"efficientnet-lite0": untrained}, "cpu")(constant(0))["embedding"]).all()


def test_broken_weights_are_refused(tmp_path):
    tensors = random_weights.efficientnet_lite0()
    tensors["_bn1.running_var"][7] = -1.0
    path = random_weights.written(tensors, tmp_path / "lite0.safetensors")
    with pytest.raises(UserError, match="network efficientnet-lite0 gave NaN or infinity"):
        EfficientNetFeatures({"efficientnet-lite0": path}, "cpu")(textured(frames=1))
