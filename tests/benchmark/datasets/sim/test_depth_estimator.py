"""Simulated depth estimates: wrong by stated amounts, the same each time, in any order, and never inventing depth."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from benchmark.box_room import ArrayMaps
from benchmark.datasets.sim.depth_estimator import (
    ERRORS,
    VERSION,
    DepthErrors,
    EstimatedDepth,
    estimated_depth,
    estimated_disparity,
    estimator_digest,
    smooth_waves,
)
from benchmark.datasets.sim.shapes import Array

PERFECT = DepthErrors(
    scale_most=1.0, shift_per_m=0, flicker=0, flicker_shift_per_m=0, smooth=0, edge=1e-6, noise=0, twin_drift=0, twin_smooth=0,
    twin_edge=1e-6, twin_noise=0,
)  # fmt: skip
SEEDS = [f"window{i}/cam0{1 + i % 4}" for i in range(60)]


def room(height: int = 128) -> Array:
    """A wall 4 m away, a floor that comes near, and someone 2 m away: [height, 1.75 height] metres."""
    width = round(1.75 * height)
    down = np.arange(height)[:, None] / height
    depth = np.broadcast_to(1 / np.maximum(1 / 4.0, 1.4 * (down - 0.4)), (height, width)).copy()
    depth[height // 4 : height * 3 // 4, width // 3 : width // 2] = 2.0
    return depth.astype(np.float32)


def edge_distance_px(depth: Array) -> Array:
    """Pixels to the nearest jump of more than 10 %."""
    from scipy import ndimage

    wide = ndimage.maximum_filter(depth, 3) / ndimage.minimum_filter(depth, 3) > 1.1
    return ndimage.distance_transform_edt(~wide)


def twin(depth: Array, frame: int, *, seed: str = "s", errors: DepthErrors = ERRORS) -> Array:
    return estimated_disparity(depth, frame, seed=seed, fps=10, errors=errors)


def factors(depth: Array, frames: Sequence[int], seed: str) -> Array:
    """Median of estimate over truth, per frame."""
    return np.array([np.median(estimated_depth(depth, frame, seed=seed) / depth) for frame in frames])


def test_a_perfect_estimator_gives_the_truth_and_an_affine_twin():
    depth = room()
    np.testing.assert_allclose(estimated_depth(depth, 3, seed="s", errors=PERFECT), depth, rtol=1e-6)
    disparity = twin(depth, 3, errors=PERFECT)
    slope, shift = np.polyfit((1 / depth).ravel(), disparity.ravel(), 1)
    np.testing.assert_allclose(disparity, slope / depth + shift, rtol=1e-5)


def test_a_frame_has_the_same_bytes_each_time_and_in_any_order():
    maps = ArrayMaps(np.stack([room() + 0.1 * i for i in range(4)]), "room")
    for what in ("depth", "disparity"):
        forwards, backwards = (EstimatedDepth(truth=maps, seed="s", what=what, fps=10) for _ in range(2))
        first = {frame: forwards.frame(frame).tobytes() for frame in range(4)}
        assert {frame: backwards.frame(frame).tobytes() for frame in (3, 0, 2, 1)} == first
        assert forwards.frame(2).dtype == np.float32
        assert len(set(first.values())) == 4
        assert forwards.key == backwards.key


def test_clips_and_cameras_are_wrong_in_ways_of_their_own():
    depth = room()
    assert len({estimated_depth(depth, 0, seed=seed).tobytes() for seed in SEEDS[:8]}) == 8
    keys = {EstimatedDepth(truth=ArrayMaps(depth[None], "room"), seed=seed, what="depth", fps=10).key for seed in SEEDS[:8]}
    assert len(keys) == 8


def test_the_scale_of_a_clip_is_wrong_by_up_to_40_percent_either_way():
    errors = dataclasses.replace(PERFECT, scale_most=ERRORS.scale_most)
    logs = np.log([np.median(estimated_depth(room(32), 0, seed=seed, errors=errors) / room(32)) for seed in SEEDS])
    assert np.abs(logs).max() <= np.log(1.4) + 1e-6
    assert logs.std() == pytest.approx(np.log(1.4) / np.sqrt(3), rel=0.25), "log-uniform"
    assert abs(logs.mean()) < 0.08


def test_a_frame_flickers_by_one_to_three_percent_and_the_twin_does_not():
    depth, frames = room(64), range(40)
    for seed in SEEDS[:5]:
        assert 0.01 < np.log(factors(depth, frames, seed)).std() < 0.035
        calm = np.stack([twin(depth, frame, seed=seed) for frame in frames])
        still = calm.mean(0)
        of_frames = [np.polyfit(still.ravel(), each.ravel(), 1)[0] for each in calm]
        assert 0.0002 < np.std(of_frames) < 0.004


def test_flicker_is_without_memory_and_the_twins_drift_is_slow():
    depth, frames = room(64), range(60)
    jumps = np.log(factors(depth, frames, "s"))
    assert abs(np.corrcoef(jumps[1:], jumps[:-1])[0, 1]) < 0.35
    calm = np.array([np.median(twin(depth, frame)) for frame in frames])
    assert np.abs(np.diff(calm)).max() / np.median(calm) < 0.003


def test_after_the_best_scale_errors_are_some_percent():
    depth = room()
    for seed in SEEDS[:10]:
        ratio = estimated_depth(depth, 0, seed=seed) / depth
        assert 0.015 < np.median(np.abs(ratio / np.median(ratio) - 1)) < 0.09


def test_the_twin_is_affine_in_inverse_depth_up_to_its_stated_error():
    depth = room()
    far = edge_distance_px(depth) > 6
    for seed in SEEDS[:10]:
        disparity = twin(depth, 0, seed=seed)
        slope, shift = np.polyfit(1 / depth[far], disparity[far], 1)
        off = (disparity - shift) / slope * depth - 1
        assert slope > 0, "larger is nearer"
        assert np.abs(off[far]).std() < 1.3 * ERRORS.twin_smooth
        assert np.abs(off[far]).max() < 4 * ERRORS.twin_smooth


def test_the_twins_scale_and_shift_say_nothing_about_metres():
    depth = room(32)
    flat = dataclasses.replace(PERFECT, scale_most=ERRORS.scale_most)
    fits = np.array([np.polyfit((1 / depth).ravel(), twin(depth, 0, seed=seed, errors=flat).ravel(), 1) for seed in SEEDS])
    scales, shifts = fits[:, 0], fits[:, 1] / fits[:, 0]
    assert scales.max() / scales.min() > 8
    assert np.ptp(shifts) > 0.3
    metric = [np.median(estimated_depth(depth, 0, seed=seed, errors=flat) / depth) for seed in SEEDS]
    assert abs(np.corrcoef(np.log(metric), np.log(scales))[0, 1]) < 0.3


@pytest.mark.parametrize("height", [128, 448])
def test_edges_bleed_over_a_few_pixels_and_nothing_else_changes(height: int):
    depth = room(height)
    errors = dataclasses.replace(PERFECT, edge=ERRORS.edge, twin_edge=ERRORS.twin_edge)
    blurred = estimated_depth(depth, 0, seed="s", errors=errors)
    reach = 4 * ERRORS.edge * height + 2
    off = np.abs(blurred / depth - 1)
    assert off[edge_distance_px(depth) > reach].max() < 0.03, "the crease of wall and floor is rounded"
    assert np.median(off[edge_distance_px(depth) > reach]) < 1e-4
    assert off[edge_distance_px(depth) <= 1].max() > 0.1


@pytest.mark.parametrize("height", [128, 448])
def test_the_nearer_surface_grows_and_a_ramp_of_depths_between_appears(height: int):
    depth = np.where(np.arange(2 * height) < height, 2.0, 4.0)[None, :].repeat(height, 0).astype(np.float32)
    errors = dataclasses.replace(PERFECT, edge=ERRORS.edge)
    row = estimated_depth(depth, 0, seed="s", errors=errors)[height // 2]
    between = (row > 2.04) & (row < 3.92)
    assert (np.diff(row) > -1e-6).all()
    assert 0.015 * height < between.sum() < 0.06 * height
    middle = np.interp(1 / 3, 1 / row[::-1], np.arange(2 * height)[::-1])
    assert middle > height - 0.5 + 0.3 * ERRORS.edge * height, "3 m, half way, lies on the farther side"


def test_surfaces_stay_smooth():
    """No grain that a network would not show: neighbours differ by what slant and slow errors explain."""
    depth = np.full((128, 224), 3.0, np.float32)
    estimate = estimated_depth(depth, 0, seed="s")
    assert np.abs(np.diff(estimate, axis=1)).max() / 3 < 0.02
    assert np.abs(np.diff(estimate, axis=0)).max() / 3 < 0.02


def test_the_smooth_error_stays_for_the_clip_and_is_slow_over_the_picture():
    depth = np.full((128, 224), 3.0, np.float32)
    errors = dataclasses.replace(PERFECT, smooth=ERRORS.smooth)
    first, later = (estimated_depth(depth, frame, seed="s", errors=errors) for frame in (0, 9))
    assert (first == later).all()
    waves = smooth_waves((128, 224), np.random.default_rng(0), ERRORS.smooth_waves)
    assert waves.mean() == pytest.approx(0, abs=1e-9)
    assert waves.std() == pytest.approx(1)
    assert np.abs(np.diff(waves, axis=1)).max() < 0.2


def test_unknown_stays_unknown_and_does_not_leak():
    depth = room()
    holed = depth.copy()
    holed[20:60, 100:160] = 0
    holed[:, :3] = 0
    for estimate, unknown in ((estimated_depth, 0.0), (twin, np.nan)):
        known, with_hole = estimate(depth, 0, seed="s"), estimate(holed, 0, seed="s")
        np.testing.assert_array_equal(with_hole[holed == 0], np.full((holed == 0).sum(), unknown, np.float32))
        assert np.isfinite(with_hole[holed > 0]).all()
        assert np.abs(with_hole / known - 1)[holed > 0].max() < 0.6, "at most the other side of an edge"
        assert np.median(np.abs(with_hole / known - 1)[holed > 0]) < 1e-6
    nothing = np.zeros((8, 14), np.float32)
    assert (estimated_depth(nothing, 0, seed="s") == 0).all()
    assert np.isnan(twin(nothing, 0)).all()


def test_no_estimate_is_beyond_the_farthest():
    far = np.full((32, 56), 400.0, np.float32)
    estimates = [estimated_depth(far, frame, seed=seed) for seed in SEEDS[:10] for frame in range(3)]
    assert np.min(estimates) > 0
    assert np.max(estimates) <= ERRORS.farthest_m + 1e-3


def test_every_amplitude_is_part_of_the_estimators_identity():
    digests = {estimator_digest()}
    for field in dataclasses.fields(DepthErrors):
        value = getattr(ERRORS, field.name)
        other = tuple(2 * v for v in value) if isinstance(value, tuple) else 2 * value
        digests.add(estimator_digest(dataclasses.replace(ERRORS, **{field.name: other})))
    assert len(digests) == len(dataclasses.fields(DepthErrors)) + 1


def test_the_estimator_is_frozen_models_are_trained_on_it():
    """Whoever changes an amplitude makes another world of depth: raise VERSION, and write the new digest here."""
    assert (VERSION, estimator_digest()) == ("1", "1c5d36167cc386f2")
