"""CLIP-I and Eff-I: cosines with known angles, pooling, and the mean that Eff-I subtracts."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmark.errors import Undefined
from benchmark.metrics import METRICS
from benchmark.metrics.clip_i import clip_i
from benchmark.metrics.eff_i import MEAN_FILE, eff_i
from benchmark.metrics.extraction import extractor_identity
from benchmark.metrics.likeness import mean_cosine
from benchmark.metrics.measure import extractor_of
from tests.weights_at_hand import need_weights

from .pictures import noisy, textured


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_value_is_the_mean_of_the_cosines_of_frames():
    found = clip_i({"embedding": at(0, 60, 180)}, {"embedding": at(0, 0, 0)})
    assert found.frames == pytest.approx((1.0, 0.5, -1.0), abs=1e-6)
    assert found.value == pytest.approx(0.5 / 3, abs=1e-6)


def test_lengths_do_not_matter():
    assert mean_cosine(3 * at(0, 30), 5 * at(40, 50)).value == pytest.approx(mean_cosine(at(0, 30), at(40, 50)).value, abs=1e-6)


def test_an_origin_is_where_angles_are_seen_from():
    origin = np.array([10.0, 10.0])
    assert mean_cosine(at(0) + origin, at(90) + origin, origin=origin).value == pytest.approx(0.0, abs=1e-6)
    plain = mean_cosine(at(0) + origin, at(90) + origin).value
    assert plain is not None
    assert plain > 0.99


def test_an_embedding_without_length_has_no_direction():
    with pytest.raises(Undefined, match="no direction"):
        mean_cosine(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))


def test_the_mean_of_eff_i_is_a_mean_of_features_of_the_network():
    tensors = load_file(MEAN_FILE)
    assert list(tensors) == ["mean"]
    mean = tensors["mean"]
    assert mean.shape == (1280,)
    assert mean.dtype == np.float32
    assert mean.min() >= 0
    assert 0.05 < mean.mean() < 2


def test_another_mean_would_be_another_key_of_eff_i():
    digest = hashlib.sha256(MEAN_FILE.read_bytes()).hexdigest()[:16]
    extractor = extractor_of(METRICS["eff-i"])
    assert extractor is not None
    assert f"{MEAN_FILE.name} {digest}" in extractor_identity(extractor)[2]


def test_eff_i_tells_frames_apart_that_plain_cosines_hardly_do():
    from benchmark.metrics.extractors.efficientnet_lite0 import EfficientNetFeatures

    extract = EfficientNetFeatures(need_weights("efficientnet-lite0"), "cpu")
    truth = textured(frames=3, height=128, width=128)
    there = extract(truth)
    assert eff_i(there, there).value == pytest.approx(1.0, abs=1e-12)
    little, much, back = (eff_i(extract(video), there).value for video in (noisy(truth, 4), noisy(truth, 40), truth[::-1]))
    assert little is not None
    assert much is not None
    assert back is not None
    assert 1 > little > much
    assert back < little
