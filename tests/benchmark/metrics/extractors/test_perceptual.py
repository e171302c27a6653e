"""LPIPS and ST-LPIPS: known values, order, agreement with the lpips package and with the slow graph, regions, sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file

from benchmark.errors import Unavailable, Undefined, UserError
from benchmark.metrics.extractors.lpips_alex import AlexNetMaps, package_model
from benchmark.metrics.extractors.perceptual import FrameDistance, LayerMaps, RegionDistance, mean_over
from benchmark.metrics.extractors.st_lpips import ShiftTolerantMaps, blurred, convolved_and_blurred
from benchmark.metrics.metric import Arrays
from benchmark.video import Frames
from tests.weights_at_hand import need_weights

from ..pictures import blurred as out_of_focus
from ..pictures import constant, noisy, textured
from . import random_weights


class Distance:
    """What the three extractors of a network find together."""

    def __init__(self, maps: LayerMaps) -> None:
        self.maps = maps

    def __call__(self, prediction: Frames, truth: Frames, *, cover: NDArray | None = None) -> Arrays:
        found = self.maps(prediction, truth)
        regions = {} if cover is None else RegionDistance({}, "cpu")(found, cover=cover)
        return {**FrameDistance({}, "cpu")(found), **regions}


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory) -> Path:
    return random_weights.written(random_weights.alexnet(), tmp_path_factory.mktemp("alexnet") / "alexnet.safetensors")


@pytest.fixture(scope="module")
def untrained(alexnet, tmp_path_factory) -> dict[str, Distance]:
    path = random_weights.written(random_weights.st_lpips(), tmp_path_factory.mktemp("st") / "st.safetensors")
    return {
        "st-lpips": Distance(ShiftTolerantMaps({"st-lpips-alex": path}, "cpu")),
        "lpips": Distance(AlexNetMaps({"alexnet": alexnet}, "cpu")),
    }


@pytest.fixture(scope="module")
def trained() -> Distance:
    return Distance(ShiftTolerantMaps(need_weights("st-lpips-alex"), "cpu"))


BOTH = pytest.mark.parametrize("name", ["st-lpips", "lpips"])


def test_black_is_as_far_from_white_as_the_published_network_says(trained):
    black, white = constant(0, frames=1, side=256), constant(255, frames=1, side=256)
    assert trained(black, white)["frame"] == pytest.approx(0.43412, abs=1e-4)


def test_st_lpips_grows_with_blur_and_noise_and_hardly_with_a_shift(trained):
    photograph = skimage.data.astronaut()[None, :160]
    truth = photograph[:, :, 200:360]
    by_blur = [trained(out_of_focus(truth, sigma), truth)["frame"].item() for sigma in (0.5, 1, 2, 4, 8)]
    by_noise = [trained(noisy(truth, sd), truth)["frame"].item() for sd in (5, 10, 20, 40)]
    assert by_blur == sorted(set(by_blur))
    assert by_noise == sorted(set(by_noise))
    one, two = (trained(photograph[:, :, 200 + by : 360 + by], truth)["frame"].item() for by in (1, 2))
    assert 0 < one < two < by_blur[1] / 3


def test_the_checkpoint_blurs_with_the_taps_that_are_built_in():
    tensors = load_file(need_weights("st-lpips-alex")["st-lpips-alex"])
    filters = [value for name, value in tensors.items() if name.endswith("filt")]
    assert len(filters) == 3
    for value in filters:
        assert torch.equal(value * 16, torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).expand_as(value))


@pytest.mark.parametrize("size", [(25, 25), (26, 26), (27, 40), (40, 27)])
def test_one_convolution_gives_what_a_convolution_and_a_blur_give(size):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, *size, generator=generator)
    weight, bias = torch.randn(8, 3, 11, 11, generator=generator) / 20, torch.randn(8, generator=generator)
    slow = blurred(F.conv2d(x, weight, bias))
    fast = convolved_and_blurred(x, weight, bias)
    assert fast.shape == slow.shape
    assert torch.allclose(fast, slow, atol=1e-5)


def test_lpips_is_what_the_package_says_of_the_same_trunk(untrained, alexnet):
    package = package_model()
    trunk = load_file(alexnet)
    package.net.load_state_dict({n: trunk[f"features.{n.partition('.')[2]}"] for n in package.net.state_dict()})
    truth = textured(frames=3, height=70, width=64)
    prediction = noisy(truth, 30)
    with torch.inference_mode():
        a, b = (torch.from_numpy(video).permute(0, 3, 1, 2) / 127.5 - 1 for video in (prediction, truth))
        expected = package(a, b).flatten().numpy()
    assert expected.min() > 1e-3
    assert untrained["lpips"](prediction, truth)["frame"] == pytest.approx(expected, rel=1e-5)


@BOTH
def test_a_video_is_no_distance_from_itself(untrained, name):
    video = textured(frames=2, height=48, width=40)
    assert untrained[name](video, video.copy())["frame"].tolist() == [0.0, 0.0]


@BOTH
def test_prediction_and_truth_can_be_swapped(untrained, name):
    a, b = textured(seed=1), textured(seed=2)
    assert untrained[name](a, b)["frame"] == pytest.approx(untrained[name](b, a)["frame"], rel=1e-6)


@BOTH
def test_a_frame_has_the_same_distance_in_any_company(untrained, name, monkeypatch):
    truth, prediction = textured(frames=5, seed=1), textured(frames=5, seed=2)
    together = untrained[name](prediction, truth)["frame"]
    assert np.ptp(together) > 1e-5
    monkeypatch.setattr("benchmark.metrics.extractors.perceptual._PIXELS_AT_ONCE", 1)
    assert untrained[name](prediction, truth)["frame"] == pytest.approx(together, abs=1e-6)
    assert untrained[name](prediction[::-1], truth[::-1])["frame"][::-1] == pytest.approx(together, abs=1e-6)


@BOTH
def test_black_and_constant_frames_have_a_finite_distance(untrained, name):
    for prediction, truth in (
        (constant(0), constant(0)),
        (constant(0), constant(90)),
        (constant(0), textured(frames=2, height=32, width=32)),
    ):
        assert np.isfinite(untrained[name](prediction, truth)["frame"]).all()


@pytest.mark.parametrize(("name", "least"), [("st-lpips", 21), ("lpips", 31)])
def test_the_smallest_frame_works_and_one_pixel_less_is_undefined(untrained, name, least):
    big, small = constant(9, frames=1, side=least), constant(9, frames=1, side=least - 1)
    assert untrained[name](big, 2 * big)["frame"].shape == (1,)
    with pytest.raises(Undefined, match=rf"frames of {least - 1}x{least - 1} are smaller than the {least}x{least} of "):
        untrained[name](small, small)


def test_a_region_that_is_the_whole_frame_is_the_whole_distance_to_the_last_bit():
    generator = np.random.default_rng(0)
    maps = [generator.random((2, side, side)) for side in (31, 15, 7)]
    whole = np.sum([found.mean(axis=(1, 2)) for found in maps], axis=0)
    assert np.array_equal(mean_over(maps, np.ones((2, 64, 64), bool)), whole)
    assert np.isnan(mean_over(maps, np.zeros((2, 64, 64), bool))).all()


def test_a_position_weighs_as_much_as_the_region_fills_of_it():
    maps = [np.array([[[1.0, 5.0], [0.0, 0.0]]])]
    region = np.zeros((1, 4, 4), bool)
    region[0, :2, 1] = True
    region[0, 0, 2] = True
    # two of four pixels of the first position, one of four of the second
    assert mean_over(maps, region) == pytest.approx((2 * 1.0 + 1 * 5.0) / 3)


@BOTH
def test_with_a_full_cover_nothing_is_imagined(untrained, name):
    truth, prediction = textured(frames=2, seed=1), textured(frames=2, seed=2)
    found = untrained[name](prediction, truth, cover=np.ones(truth.shape[:3], bool))
    assert np.isnan(found["imagined"]).all()
    assert np.isfinite(found["seen"]).all()


@BOTH
def test_a_cover_of_another_size_is_refused(untrained, name):
    truth = textured(frames=2)
    with pytest.raises(UserError, match="cover of the ego prior is bool of shape"):
        untrained[name](truth, truth, cover=np.ones((2, 8, 8), bool))


@BOTH
def test_the_two_regions_mean_what_their_names_say(untrained, name):
    truth = textured(frames=2, height=96, width=96)
    prediction = truth.copy()
    prediction[:, :, 48:] = noisy(truth, 60)[:, :, 48:]
    cover = np.zeros(truth.shape[:3], bool)
    cover[:, :, :48] = True
    found = untrained[name](prediction, truth, cover=cover)
    assert (found["seen"] < 0.7 * found["frame"]).all()
    assert (found["imagined"] > 1.3 * found["frame"]).all()


@BOTH
def test_corners_outside_of_the_lens_circle_belong_to_neither_region(untrained, name):
    truth = textured(frames=1, height=96, width=96)
    cover = np.arange(96) % 2 == np.zeros((1, 96, 1))
    inside = untrained[name](noisy(truth, 30), truth, cover=cover)
    spoiled = noisy(truth, 30)
    spoiled[:, :6, :6] = 255
    outside = untrained[name](spoiled, truth, cover=cover)
    assert outside["frame"] - inside["frame"] > 4 * abs(outside["seen"] - inside["seen"])
    assert outside["frame"] - inside["frame"] > 4 * abs(outside["imagined"] - inside["imagined"])


@BOTH
def test_a_single_uncovered_pixel_is_a_region_and_a_covered_frame_beside_it_has_none(untrained, name):
    truth, prediction = textured(frames=2, seed=1), textured(frames=2, seed=2)
    cover = np.ones(truth.shape[:3], bool)
    cover[0, 20, 20] = False
    found = untrained[name](prediction, truth, cover=cover)["imagined"]
    assert found[0] > 0
    assert np.isnan(found[1])


def test_broken_weights_are_refused(tmp_path):
    tensors = random_weights.st_lpips()
    tensors["net.slice3.9.bias"][5] = torch.inf
    path = random_weights.written(tensors, tmp_path / "st.safetensors")
    with pytest.raises(UserError, match="network st-lpips-alex gave NaN or infinity"):
        ShiftTolerantMaps({"st-lpips-alex": path}, "cpu")(textured(seed=1), textured(seed=2))


def test_weights_of_another_network_are_refused(tmp_path, alexnet):
    with pytest.raises(UserError, match=r"alexnet.safetensors has no tensor 'lin0.model.1.weight'"):
        ShiftTolerantMaps({"st-lpips-alex": alexnet}, "cpu")


def test_lpips_that_cannot_be_imported_is_unavailable(alexnet, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lpips", None)
    with pytest.raises(Unavailable, match=r"^package 'lpips' cannot be imported: "):
        AlexNetMaps({"alexnet": alexnet}, "cpu")
