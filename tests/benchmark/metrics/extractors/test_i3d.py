"""I3D: TensorFlow's own distances of black from white, lengths of videos, and weights that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmark.errors import Undefined, UserError
from benchmark.metrics.extractors.i3d import I3D, I3DLogits, I3DLogits16, _max_pool, load_i3d, window_of
from tests.weights_at_hand import need_weights

from ..pictures import textured
from . import random_weights


@pytest.fixture(scope="module")
def trained() -> I3D:
    return load_i3d(need_weights("i3d")["i3d"], "cpu")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Path:
    return random_weights.written(random_weights.i3d(), tmp_path_factory.mktemp("i3d") / "i3d.safetensors")


def black_and_white(frames: int) -> torch.Tensor:
    return torch.stack([torch.full((3, frames, 224, 224), level) for level in (-1.0, 1.0)])


@pytest.mark.parametrize(
    ("frames", "logits", "pool", "tolerance"),
    [
        (9, 492.63, None, 0.05),
        (10, 569.77, None, 0.05),
        (11, 486.75, None, 0.05),
        (16, 152.90, 1.5142, 0.05),
        (24, 66.29, None, 0.05),
        (30, 151.3925, 2.4624, 0.01),
    ],
)
def test_black_is_as_far_from_white_as_in_the_original_implementation(trained, frames, logits, pool, tolerance):
    with torch.inference_mode():
        pooled = trained.pooled(black_and_white(frames))
        found = trained.head(pooled)
    assert float((found[0] - found[1]).double().square().sum()) == pytest.approx(logits, abs=tolerance)
    if pool is not None:
        assert float((pooled[0] - pooled[1]).double().square().sum()) == pytest.approx(pool, abs=1e-4)


def test_a_video_has_the_same_logits_alone_and_in_a_batch_and_at_any_place_in_it(untrained):
    network = load_i3d(untrained, "cpu")
    videos = torch.cat([window_of(textured(frames=9, seed=seed), "cpu") for seed in (1, 2)])
    with torch.inference_mode():
        alone = torch.cat([network(video[None]) for video in videos])
        assert torch.allclose(network(videos), alone, atol=1e-4, rtol=1e-5)
        assert torch.allclose(network(videos.flip(0)).flip(0), alone, atol=1e-4, rtol=1e-5)
    assert float((alone[0] - alone[1]).abs().max()) > 1e-2


def test_the_order_of_frames_matters(untrained):
    extract = I3DLogits({"i3d": untrained}, "cpu")
    video = textured(frames=9)
    assert np.abs(extract(video)["feature"] - extract(video[::-1])["feature"]).max() > 1e-3


def test_eight_frames_are_too_few_and_nine_are_enough(untrained):
    extract = I3DLogits({"i3d": untrained}, "cpu")
    with pytest.raises(Undefined, match=r"^the video has 8 frames, I3D needs at least 9$"):
        extract(textured(frames=8))
    with pytest.raises(Undefined, match=r"^the video has 1 frame, I3D"):
        extract(textured(frames=1))
    found = extract(textured(frames=9))["feature"]
    assert found.shape == (400,)
    assert found.dtype == np.float32


def test_the_short_window_sees_sixteen_frames_and_no_more(untrained):
    extract = I3DLogits16({"i3d": untrained}, "cpu")
    with pytest.raises(Undefined, match=r"^the video has 15 frames, I3D needs at least 16$"):
        extract(textured(frames=15))
    video = textured(frames=18)
    assert np.array_equal(extract(video)["feature"], I3DLogits({"i3d": untrained}, "cpu")(video[:16])["feature"])


def test_frames_are_resized_without_antialias_and_levels_go_from_minus_one_to_one():
    checks = np.zeros((1, 448, 448, 3), np.uint8)
    checks[:, :, 1::4] = checks[:, :, 2::4] = 255
    found = window_of(checks, "cpu")
    assert found.shape == (1, 3, 1, 224, 224)
    # a filter that looks wider than two pixels would pull these means apart
    assert found.unique().tolist() == [0.0]
    extremes = np.concatenate([np.zeros_like(checks), np.full_like(checks, 255)])
    assert window_of(extremes, "cpu")[0, 0, :, 0, 0].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize(
    ("shape", "kernel", "stride"),
    [
        ((5, 9, 8), (3, 3, 3), (2, 2, 2)),
        ((4, 7, 8), (3, 3, 3), (1, 1, 1)),
        ((3, 8, 9), (1, 3, 3), (1, 2, 2)),
        ((5, 6, 7), (2, 2, 2), (2, 2, 2)),
    ],
)
def test_a_pool_axis_by_axis_is_the_pool_over_the_box(shape, kernel, stride):
    x = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    padding = []
    for n, k, s in zip(shape, kernel, stride):
        outputs = (n + s - 1) // s
        total = max(0, (outputs - 1) * s + k - n)
        padding = [total // 2, (total + 1) // 2, *padding]
    assert torch.equal(_max_pool(x, kernel, stride), F.max_pool3d(F.pad(x, padding, value=-torch.inf), kernel, stride))


def test_weights_that_hold_no_numbers_are_refused_and_never_give_a_feature(tmp_path):
    tensors = random_weights.i3d()
    tensors["params/Mixed_4c/Branch_1/Conv3d_0b_3x3/Conv_0/kernel"][0, 0, 0, 0, 0] = torch.nan
    extract = I3DLogits({"i3d": random_weights.written(tensors, tmp_path / "i3d.safetensors")}, "cpu")
    with pytest.raises(UserError, match=r"network i3d gave NaN or infinity; its weights are broken.*egox-bench weights"):
        extract(textured(frames=9))


def test_a_weights_file_that_is_cut_missing_or_of_another_network_is_named(tmp_path, untrained):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(untrained.read_bytes()[:1000])
    other = random_weights.written({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    wide = random_weights.i3d()
    wide["params/Logits/Conv3d_0c_1x1/Conv_0/bias"] = torch.zeros(401)
    wrong = random_weights.written(wide, tmp_path / "wrong.safetensors")
    for path, text in (
        (cut, "cannot be read"),
        (tmp_path / "none.safetensors", "cannot be read"),
        (other, "has no tensor 'params/Conv3d_1a_7x7/Conv_0/kernel'"),
        (wrong, "does not fit I3D"),
    ):
        with pytest.raises(UserError, match=text) as caught:
            load_i3d(path, "cpu")
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
