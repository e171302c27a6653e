"""Metrics over parts of the picture: the lens circle, what the prior covers, what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import Undefined, UserError
from benchmark.metrics.psnr import mean_squared_error, psnr, psnr_imagined, psnr_lens, psnr_seen
from benchmark.metrics.regions import imagined, lens_circle, seen
from benchmark.metrics.ssim import RIM, ssim, ssim_imagined, ssim_lens, ssim_seen

from .pictures import noisy, textured

SHAPE = (3, 48, 48, 3)
TRUTH = textured(height=48, width=48)
PREDICTION = noisy(TRUTH, 20)
COVER = np.random.default_rng(0).random(SHAPE[:3]) < 0.4


def value(found) -> float:
    assert found.value is not None
    return found.value


def test_the_circle_touches_the_sides_and_leaves_the_corners():
    circle = lens_circle((1, 448, 448, 3))[0]
    assert circle.mean() == pytest.approx(np.pi / 4, abs=1e-3)
    assert circle[223, 0]
    assert circle[447, 224]
    assert not circle[60, 60]
    assert not circle[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert (circle == circle[::-1, ::-1]).all()


def test_seen_and_imagined_make_up_the_circle_and_share_no_pixel():
    one, other = seen(SHAPE, COVER), imagined(SHAPE, COVER)
    assert not (one & other).any()
    np.testing.assert_array_equal(one | other, lens_circle(SHAPE))


def test_full_cover_gives_the_lens_metric_exactly():
    full = np.ones(SHAPE[:3], bool)
    assert psnr_seen(PREDICTION, TRUTH, cover=full, cap_db=100.0) == psnr_lens(PREDICTION, TRUTH, cap_db=100.0)
    assert ssim_seen(PREDICTION, TRUTH, cover=full) == ssim_lens(PREDICTION, TRUTH)


def test_a_region_of_all_pixels_gives_the_plain_metric(monkeypatch: pytest.MonkeyPatch):
    everywhere = lambda shape: np.ones(shape[:3], bool)  # noqa: E731
    monkeypatch.setattr("benchmark.metrics.psnr.lens_circle", everywhere)
    monkeypatch.setattr("benchmark.metrics.ssim.lens_circle", everywhere)
    assert value(psnr_lens(PREDICTION, TRUTH, cap_db=100.0)) == pytest.approx(
        value(psnr(PREDICTION, TRUTH, cap_db=100.0)), abs=1e-12
    )
    assert value(ssim_lens(PREDICTION, TRUTH)) == pytest.approx(value(ssim(PREDICTION, TRUTH)), abs=1e-12)


def test_errors_of_seen_and_imagined_pool_back_to_that_of_the_circle():
    parts = [psnr_seen(PREDICTION, TRUTH, cover=COVER, cap_db=100.0), psnr_imagined(PREDICTION, TRUTH, cover=COVER, cap_db=100.0)]
    counts = [region(SHAPE, COVER).sum((1, 2)) for region in (seen, imagined)]
    pooled = sum(n * 255**2 / 10 ** (np.array(part.frames) / 10) for n, part in zip(counts, parts)) / sum(counts)
    circle = lens_circle(SHAPE)
    for i in range(3):
        assert pooled[i] == pytest.approx(mean_squared_error(PREDICTION[i][circle[i]], TRUTH[i][circle[i]]), rel=1e-12)


def test_similarity_of_seen_and_imagined_pools_back_to_that_of_the_circle():
    inner = (slice(None), slice(RIM, -RIM), slice(RIM, -RIM))
    counts = [region(SHAPE, COVER)[inner].sum((1, 2)) for region in (seen, imagined)]
    parts = [np.array(measure(PREDICTION, TRUTH, cover=COVER).frames) for measure in (ssim_seen, ssim_imagined)]
    pooled = (counts[0] * parts[0] + counts[1] * parts[1]) / (counts[0] + counts[1])
    np.testing.assert_allclose(pooled, ssim_lens(PREDICTION, TRUTH).frames, atol=1e-12)


def test_an_error_in_the_holes_is_seen_by_imagined_alone():
    spoilt = np.where(COVER[..., None], TRUTH, 255 - TRUTH).astype(np.uint8)
    assert value(psnr_seen(spoilt, TRUTH, cover=COVER, cap_db=80.0)) == 80.0
    assert value(psnr_imagined(spoilt, TRUTH, cover=COVER, cap_db=80.0)) < 20


def test_black_corners_count_for_nothing():
    corners = ~lens_circle(SHAPE)[..., None]
    spoilt = np.where(corners, 255, TRUTH).astype(np.uint8)
    assert value(psnr_lens(spoilt, TRUTH, cap_db=80.0)) == 80.0
    assert value(psnr(spoilt, TRUTH, cap_db=80.0)) < 20
    nothing = np.zeros(SHAPE[:3], bool)
    assert value(psnr_imagined(spoilt, TRUTH, cover=nothing, cap_db=80.0)) == 80.0


def test_frames_without_such_pixels_are_left_out_and_told():
    cover = COVER.copy()
    cover[1] = True
    found = psnr_imagined(PREDICTION, TRUTH, cover=cover, cap_db=100.0)
    alone = psnr_imagined(PREDICTION[[0, 2]], TRUTH[[0, 2]], cover=COVER[[0, 2]], cap_db=100.0)
    assert found.value == alone.value
    assert found.notes == ("1 of 3 frames have no pixel in this region and are left out",)
    assert found.frames is None
    assert ssim_imagined(PREDICTION, TRUTH, cover=cover).notes == found.notes


def test_a_clip_without_such_pixels_is_undefined():
    full = np.ones(SHAPE[:3], bool)
    with pytest.raises(Undefined, match="no frame has a pixel in this region"):
        psnr_imagined(PREDICTION, TRUTH, cover=full, cap_db=100.0)
    with pytest.raises(Undefined, match="no frame has a pixel in this region"):
        ssim_seen(PREDICTION, TRUTH, cover=~full)


def test_frames_smaller_than_the_window_are_undefined_for_similarity():
    small = textured(height=10, width=10)
    assert ssim_lens(small, small).undefined == "frames of 10x10 are smaller than the 11x11 window"


def test_a_cover_of_another_shape_is_refused():
    with pytest.raises(UserError, match=r"cover of the ego prior is bool of shape \(2, 48, 48\), expected bool \(3, 48, 48\)"):
        psnr_seen(PREDICTION, TRUTH, cover=COVER[:2], cap_db=100.0)
