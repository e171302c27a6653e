"""SSIM: closed forms, order, and agreement with an independent implementation on OpenCV's filters."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from benchmark.metrics.luma import luma
from benchmark.metrics.ssim import ssim, ssim_luma

from .pictures import blurred, constant, noisy, textured

BOTH = pytest.mark.parametrize("measure", [ssim, ssim_luma])


def independent_ssim(a: NDArray, b: NDArray) -> float:
    """One channel [height, width] in 0..255: 11x11 Gaussian of sigma 1.5 by cv2.filter2D, valid part only."""
    kernel = cv2.getGaussianKernel(11, 1.5, cv2.CV_64F)
    window = kernel @ kernel.T

    def mean(x: NDArray) -> NDArray:
        return cv2.filter2D(x, cv2.CV_64F, window)[5:-5, 5:-5]

    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y, covariance = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2, mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(np.mean(luminance * (2 * covariance + c2) / (var_x + var_y + c2)))


@pytest.mark.parametrize("spoil", [lambda clip: blurred(clip, 2), lambda clip: noisy(clip, 25), lambda clip: textured(seed=9)])
def test_every_frame_agrees_with_an_independent_implementation(spoil):
    truth = textured(seed=5)
    prediction = spoil(truth)
    rgb, grey = ssim(prediction, truth), ssim_luma(prediction, truth)
    assert rgb.frames is not None
    assert grey.frames is not None
    for i, (a, b) in enumerate(zip(prediction, truth)):
        channels = [independent_ssim(a[..., c], b[..., c]) for c in range(3)]
        assert rgb.frames[i] == pytest.approx(np.mean(channels), abs=1e-10)
        assert grey.frames[i] == pytest.approx(independent_ssim(luma(a), luma(b)), abs=1e-10)


def test_it_is_not_what_scikit_image_gives_without_the_three_options():
    truth = textured()
    prediction = blurred(truth, 2)
    plain = np.mean([structural_similarity(a, b, channel_axis=-1) for a, b in zip(prediction, truth)])
    assert ssim(prediction, truth).value != pytest.approx(plain, abs=1e-3)


@BOTH
@pytest.mark.parametrize(("a", "b"), [(0, 255), (10, 20), (200, 60), (0, 0)])
def test_constant_pictures_have_a_closed_form(measure, a, b):
    c1 = (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert measure(constant(a), constant(b)).value == pytest.approx(expected, abs=1e-9)


def test_black_against_white_is_one_in_ten_thousand():
    assert ssim(constant(0), constant(255)).value == pytest.approx(9.999e-05, abs=1e-8)


@BOTH
def test_identical_videos_score_one(measure):
    clip = textured()
    assert measure(clip, clip).value == pytest.approx(1.0, abs=1e-12)


@BOTH
def test_prediction_and_truth_can_be_swapped(measure):
    a, b = textured(seed=1), textured(seed=2)
    assert measure(a, b).value == pytest.approx(measure(b, a).value, abs=1e-12)


@BOTH
def test_more_noise_and_more_blur_are_always_worse(measure):
    truth = textured()
    by_noise = [measure(noisy(truth, sd), truth).value for sd in (5, 10, 20, 40)]
    by_blur = [measure(blurred(truth, sigma), truth).value for sigma in (0.5, 1, 2, 4, 8)]
    assert by_noise == sorted(by_noise, reverse=True)
    assert len(set(by_noise)) == 4
    assert by_blur == sorted(by_blur, reverse=True)
    assert len(set(by_blur)) == 5


def test_a_clip_is_the_mean_of_its_frames_and_keeps_them():
    truth = textured(frames=4)
    prediction = noisy(truth, 15)
    found = ssim(prediction, truth)
    alone = [ssim(prediction[i : i + 1], truth[i : i + 1]).value for i in range(4)]
    assert found.frames == tuple(alone)
    assert found.value == pytest.approx(np.mean(found.frames), abs=1e-15)


def test_layout_in_memory_does_not_matter():
    truth = textured()
    prediction = noisy(truth, 15)
    turned = np.asfortranarray(prediction)
    assert not turned.flags.c_contiguous
    assert ssim(turned, truth).value == pytest.approx(ssim(prediction, truth).value, abs=1e-15)


@BOTH
def test_frames_smaller_than_the_window_are_undefined_with_the_reason(measure):
    clip = textured(height=10, width=20)
    found = measure(clip, clip)
    assert found.value is None
    assert found.undefined == "frames of 20x10 are smaller than the 11x11 window"
    assert measure(textured(height=11, width=11), textured(height=11, width=11)).value == pytest.approx(1.0)
