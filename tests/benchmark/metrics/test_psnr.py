"""PSNR: closed forms, order, pooling, the cap, and agreement with scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from benchmark.metrics.luma import luma
from benchmark.metrics.psnr import mean_squared_error, psnr, psnr_luma

from .pictures import blurred, constant, noisy, textured

BOTH = pytest.mark.parametrize("measure", [psnr, psnr_luma])


@BOTH
@pytest.mark.parametrize(("offset", "expected"), [(1, 48.1308), (16, 24.0484), (255, 0.0)])
def test_a_uniform_offset_gives_20_log10_of_255_over_the_offset(measure, offset, expected):
    found = measure(constant(offset), constant(0), cap_db=100.0)
    assert found.value == pytest.approx(20 * math.log10(255 / offset), abs=1e-9)
    assert found.value == pytest.approx(expected, abs=1e-4)


@BOTH
def test_a_darker_prediction_is_as_far_as_a_brighter_one_for_8_bit_arrays_do_not_wrap(measure):
    assert measure(constant(10), constant(250), cap_db=100.0).value == pytest.approx(20 * math.log10(255 / 240), abs=1e-9)


@BOTH
def test_identical_videos_take_the_cap_and_say_how_many_frames_did(measure):
    clip = textured(frames=4)
    found = measure(clip, clip, cap_db=80.0)
    assert found.value == 80.0
    assert found.frames == (80.0,) * 4
    assert found.notes == ("4 of 4 frames at the cap of 80 dB",)


def test_one_identical_frame_is_capped_and_counted_among_others():
    truth = textured(frames=3)
    prediction = noisy(truth, 20)
    prediction[1] = truth[1]
    found = psnr(prediction, truth, cap_db=100.0)
    assert found.frames is not None
    assert found.frames[1] == 100.0
    assert found.notes == ("1 of 3 frames at the cap of 100 dB",)
    assert found.value == pytest.approx(np.mean(found.frames), abs=1e-12)


def test_a_single_wrong_level_in_a_large_frame_is_beyond_the_cap_and_noted():
    truth = np.full((1, 448, 448, 3), 90, np.uint8)
    prediction = truth.copy()
    prediction[0, 5, 5, 1] = 91
    assert psnr(prediction, truth, cap_db=100.0).notes == ("1 of 1 frames at the cap of 100 dB",)
    uncapped = psnr(prediction, truth, cap_db=200.0)
    assert uncapped.value == pytest.approx(10 * math.log10(255**2 * truth.size), abs=1e-9)
    assert uncapped.notes == ()


@BOTH
def test_prediction_and_truth_can_be_swapped(measure):
    a, b = textured(seed=1), textured(seed=2)
    assert measure(a, b, cap_db=100.0) == measure(b, a, cap_db=100.0)


@BOTH
def test_more_noise_and_more_blur_are_always_worse(measure):
    truth = textured()
    by_noise = [measure(noisy(truth, sd), truth, cap_db=100.0).value for sd in (5, 10, 20, 40)]
    by_blur = [measure(blurred(truth, sigma), truth, cap_db=100.0).value for sigma in (0.5, 1, 2, 4, 8)]
    assert by_noise == sorted(by_noise, reverse=True)
    assert len(set(by_noise)) == 4
    assert by_blur == sorted(by_blur, reverse=True)
    assert len(set(by_blur)) == 5


def test_the_mean_of_frames_is_never_below_the_value_of_the_pooled_error():
    truth = textured(frames=6)
    prediction = np.stack([noisy(truth[i : i + 1], 3 + 10 * i)[0] for i in range(6)])
    pooled = 10 * math.log10(255**2 / mean_squared_error(prediction, truth))
    found = psnr(prediction, truth, cap_db=100.0).value
    assert found is not None
    assert found > pooled + 0.5


def test_every_frame_agrees_with_scikit_image():
    truth, prediction = textured(frames=5, seed=3), textured(frames=5, seed=4)
    rgb, grey = psnr(prediction, truth, cap_db=100.0), psnr_luma(prediction, truth, cap_db=100.0)
    assert rgb.frames is not None
    assert grey.frames is not None
    for i, (a, b) in enumerate(zip(truth, prediction)):
        assert rgb.frames[i] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
        assert grey.frames[i] == pytest.approx(peak_signal_noise_ratio(luma(a), luma(b), data_range=255), abs=1e-9)


def test_luma_is_full_swing_and_weighs_green_most():
    red, green, blue = np.eye(3, dtype=np.uint8).reshape(3, 1, 1, 3) * 255
    assert luma(red).item() == pytest.approx(76.245)
    assert luma(green).item() == pytest.approx(149.685)
    assert luma(blue).item() == pytest.approx(29.07)
    assert luma(np.full((1, 1, 3), 255, np.uint8)).item() == pytest.approx(255.0)


def test_luma_does_not_see_a_change_of_hue_that_keeps_brightness_and_rgb_does():
    truth = np.full((1, 16, 16, 3), 100, np.uint8)
    prediction = truth + np.array([20, 0, 0], np.uint8) - np.array([0, 10, 0], np.uint8)
    on_luma, on_rgb = psnr_luma(prediction, truth, cap_db=100.0).value, psnr(prediction, truth, cap_db=100.0).value
    assert on_luma is not None
    assert on_rgb is not None
    assert on_luma > on_rgb + 20
