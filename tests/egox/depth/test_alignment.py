"""Paper Eq. 1: the disparity takes the metric maps' scale, static pixels decide, and flicker stays behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from egox.depth import DepthEstimate, NoFitError, align, fit_affine

COUNT, HEIGHT, WIDTH = 9, 60, 80


@dataclass(frozen=True)
class Scene:
    """True depth of a static room [frames, height, width], and a disparity of it: 1/depth = 0.4 d + 0.05."""

    depth_m: np.ndarray
    disparity: np.ndarray

    @property
    def static(self):
        return np.ones(self.depth_m.shape, bool)


def room(seed: int = 0) -> Scene:
    """A floor that runs away from the camera, with boxes on it: 1 to 6 m."""
    rng = np.random.default_rng(seed)
    depth = np.broadcast_to(np.linspace(6, 2, HEIGHT)[:, None], (HEIGHT, WIDTH)).copy()
    for _ in range(12):
        top, left = rng.integers(0, HEIGHT - 12), rng.integers(0, WIDTH - 12)
        depth[top : top + 12, left : left + 12] = rng.uniform(1, 5)
    depth_m = np.repeat(depth[None].astype(np.float32), COUNT, 0)
    return Scene(depth_m, ((1 / depth_m - 0.05) / 0.4).astype(np.float32))


def relative_inverse_error(depth_m, truth_m):
    return np.median(np.abs(truth_m / depth_m - 1))


def test_an_affine_difference_is_undone():
    scene = room()
    aligned = align(DepthEstimate(metric_m=scene.depth_m, disparity=scene.disparity))
    assert relative_inverse_error(aligned.depth_m, scene.depth_m) < 1e-3
    assert np.allclose(aligned.alpha, 0.4, rtol=1e-4)
    assert np.allclose(aligned.beta, 0.05, atol=1e-4)
    assert aligned.fitted.all()
    assert aligned.residual.max() < 1e-4
    assert aligned.depth_m.dtype == np.float32


def moving_region(scene: Scene):
    """A person 30 columns wide, where the metric network is wrong in a way that no affine map of the disparity can follow."""
    moving = np.zeros(scene.depth_m.shape, bool)
    moving[:, 10:50, 20:50] = True
    metric = scene.depth_m.copy()
    metric[moving] = 2.5
    return moving, metric


def test_moving_pixels_do_not_disturb_the_fit():
    scene = room()
    moving, metric = moving_region(scene)
    estimate = DepthEstimate(metric_m=metric, disparity=scene.disparity)
    assert relative_inverse_error(align(estimate, ~moving).depth_m, scene.depth_m) < 1e-3
    assert relative_inverse_error(align(estimate).depth_m, scene.depth_m) > 0.03


def test_the_quantiles_do_not_replace_the_mask_as_they_do_upstream():
    scene = room()
    moving, metric = moving_region(scene)
    d, inverse = scene.disparity[0], 1 / metric[0]
    fit = fit_affine(d, inverse, ~moving[0])
    assert fit.alpha == pytest.approx(0.4, rel=1e-4)

    def inside(values):
        low, high = np.quantile(values[~moving[0]], [0.1, 0.9])
        return (values > low) & (values < high)

    upstream = inside(d) & inside(inverse)
    assert abs(np.polyfit(d[upstream], inverse[upstream], 1)[0] - 0.4) > 0.1


def test_the_tails_of_both_maps_are_left_out():
    scene = room()
    d, inverse = scene.disparity[0], 1 / scene.depth_m[0]
    wild = inverse.copy()
    wild[inverse >= np.quantile(inverse, 0.95)] = 50.0
    fit = fit_affine(d, wild, np.ones(d.shape, bool))
    assert fit.alpha == pytest.approx(0.4, rel=1e-4)
    assert fit.pixels < 0.82 * d.size


def test_flicker_of_the_metric_maps_stays_behind():
    scene = room()
    flicker = 1 + 0.05 * np.random.default_rng(1).standard_normal((COUNT, 1, 1), np.float32)
    metric = scene.depth_m * flicker
    aligned = align(DepthEstimate(metric_m=metric, disparity=scene.disparity)).depth_m

    def unrest(depth):
        return np.median(np.std(depth, axis=0) / np.mean(depth, axis=0))

    assert unrest(metric) > 0.03
    assert unrest(aligned) < unrest(metric) / 50


def test_a_wrong_first_frame_does_not_set_the_scale_of_the_clip():
    scene = room()
    metric = scene.depth_m.copy()
    metric[0] *= 1.3
    aligned = align(DepthEstimate(metric_m=metric, disparity=scene.disparity))
    assert relative_inverse_error(aligned.depth_m, scene.depth_m) < 5e-3


def test_without_momentum_each_frame_has_its_own_fit():
    scene = room()
    factor = np.linspace(1, 2, COUNT, dtype=np.float32)[:, None, None]
    aligned = align(DepthEstimate(metric_m=scene.depth_m * factor, disparity=scene.disparity), momentum=0)
    assert np.allclose(aligned.alpha, 0.4 / factor.ravel(), rtol=1e-3)
    assert relative_inverse_error(aligned.depth_m, scene.depth_m * factor) < 1e-3


def test_momentum_moves_the_state_by_its_share():
    scene = room()
    metric = scene.depth_m.copy()
    metric[-1] /= 2
    alpha = align(DepthEstimate(metric_m=metric, disparity=scene.disparity), momentum=0.75).alpha
    assert np.allclose(alpha, [0.4] * (COUNT - 1) + [0.75 * 0.4 + 0.25 * 0.8], rtol=1e-3)


@pytest.mark.parametrize("broken", ["unknown", "few", "reversed", "flat", "no disparity"])
def test_a_frame_without_a_fit_keeps_the_state(broken):
    scene = room()
    metric, disparity = scene.depth_m.copy(), scene.disparity.copy()
    if broken == "unknown":
        metric[4] = np.nan
    elif broken == "few":
        metric[4, 1:] = 0
    elif broken == "reversed":
        metric[4] = 7 - metric[4]
    elif broken == "flat":
        disparity[4] = 1
    else:
        disparity[4] = np.nan
    aligned = align(DepthEstimate(metric_m=metric, disparity=disparity), momentum=0)
    assert np.flatnonzero(~aligned.fitted).tolist() == [4]
    assert aligned.alpha[4] == aligned.alpha[3]
    assert aligned.beta[4] == aligned.beta[3]
    if broken == "no disparity":
        assert not aligned.depth_m[4].any()
    elif broken != "flat":
        assert relative_inverse_error(aligned.depth_m[4], scene.depth_m[4]) < 1e-3
    assert np.isnan(aligned.residual[4]) == (broken in ("unknown", "no disparity"))


def test_unknown_pixels_neither_disturb_nor_appear():
    scene = room()
    metric, disparity = scene.depth_m.copy(), scene.disparity.copy()
    metric[:, :10] = np.nan
    disparity[:, -10:] = np.nan
    aligned = align(DepthEstimate(metric_m=metric, disparity=disparity)).depth_m
    assert not aligned[:, -10:].any()
    assert relative_inverse_error(aligned[:, :-10], scene.depth_m[:, :-10]) < 1e-3
    assert np.isfinite(aligned).all()


def test_depth_ends_at_a_thousand_metres():
    scene = room()
    disparity = scene.disparity.copy()
    disparity[:, 0, 0] = -5
    aligned = align(DepthEstimate(metric_m=scene.depth_m, disparity=disparity)).depth_m
    assert np.allclose(aligned[:, 0, 0], 1000)
    assert aligned.max() < 1000.1


def test_without_disparity_the_flicker_of_the_metric_maps_scale_is_taken_out():
    still = np.repeat(room().depth_m[:1], 9, 0)
    flicker = np.array([1.0, 1.2, 0.8, 1.0, 1.05, 0.95, 1.1, 0.9, 1.0], np.float32)
    aligned = align(DepthEstimate(metric_m=still * flicker[:, None, None]))
    np.testing.assert_allclose(aligned.depth_m, still, rtol=1e-6)
    np.testing.assert_allclose(aligned.alpha, flicker, rtol=1e-6)
    assert not aligned.beta.any()
    assert aligned.residual.max() < 1e-6
    assert aligned.fitted.all()


def test_without_disparity_a_frame_without_depth_stays_unknown():
    metric = room().depth_m
    metric[0] = 0
    aligned = align(DepthEstimate(metric_m=metric))
    assert not aligned.depth_m[0].any()
    assert aligned.alpha[0] == 1
    assert not aligned.fitted[0]


def test_disparity_with_a_scale_of_its_own_in_each_frame_is_fitted_frame_by_frame():
    scene = room()
    gains = np.linspace(0.5, 2.0, len(scene.depth_m), dtype=np.float32)[:, None, None]
    jumping = DepthEstimate(metric_m=scene.depth_m, disparity=scene.disparity * gains + gains, smooth=False)
    aligned = align(jumping)
    assert np.median(np.abs(aligned.depth_m / scene.depth_m - 1)) < 1e-3
    taken_for_smooth = align(DepthEstimate(metric_m=scene.depth_m, disparity=scene.disparity * gains + gains))
    assert np.median(np.abs(taken_for_smooth.depth_m / scene.depth_m - 1)) > 0.05


def test_a_clip_that_cannot_be_aligned_says_why():
    scene = room()
    with pytest.raises(ValueError, match=r"no frame of 9 can be aligned; frame 0: 0 pixels to fit, at least 100"):
        align(DepthEstimate(metric_m=scene.depth_m, disparity=scene.disparity), ~scene.static)
    with pytest.raises(ValueError, match=r"frame 0: alpha is -.*disparity calls near, the metric depth calls far"):
        align(DepthEstimate(metric_m=scene.depth_m, disparity=-scene.disparity))


def test_what_does_not_fit_is_refused():
    scene = room()
    estimate = DepthEstimate(metric_m=scene.depth_m, disparity=scene.disparity)
    with pytest.raises(ValueError, match=r"static is bool of shape \(60, 80\), expected bool of shape \(9, 60, 80\)"):
        align(estimate, scene.static[0])
    with pytest.raises(ValueError, match="static is float64"):
        align(estimate, scene.static.astype(float))
    with pytest.raises(ValueError, match=r"momentum is 1\.5, expected 0 to 1"):
        align(estimate, momentum=1.5)


def test_disparity_without_contrast_has_no_fit():
    with pytest.raises(NoFitError):
        fit_affine(np.ones((30, 30)), np.linspace(1, 2, 900).reshape(30, 30), np.ones((30, 30), bool))
