"""Kernel distances: brute force, a published golden value, and what unbiased means."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmark.metrics.mmd import mmd_biased, mmd_unbiased, mmd_unbiased_paired, polynomial_kernels, swap_parts

from .vectors import Features, drawn, paired

CUBIC = {"degree": 3, "coef0": 1.0}


def kernel(x: Features, y: Features) -> float:
    return float((x @ y / len(x) + 1.0) ** 3)


def looped(a: Features, b: Features, *, meets_partner: bool) -> float:
    """By two loops; meets_partner: whether a_i meets b_i."""
    n, m = len(a), len(b)
    within_a = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_b = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = [kernel(a[i], b[j]) for i in range(n) for j in range(m) if meets_partner or i != j]
    return within_a + within_b - 2 * sum(across) / len(across)


def standard_errors_from_zero(values: list[float]) -> float:
    return abs(np.mean(values)) / (np.std(values, ddof=1) / np.sqrt(len(values)))


def test_both_unbiased_forms_equal_the_double_loop():
    a, b = paired(9)
    assert mmd_unbiased(polynomial_kernels(a, b[:7], **CUBIC)) == pytest.approx(looped(a, b[:7], meets_partner=True), rel=1e-12)
    assert mmd_unbiased_paired(polynomial_kernels(a, b, **CUBIC)) == pytest.approx(looped(a, b, meets_partner=False), rel=1e-12)


def test_the_biased_form_with_degree_2_has_jedis_golden_value():
    a = np.arange(1.0, 10.0).reshape(3, 3)
    b = np.array([[7.0, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]])
    assert mmd_biased(polynomial_kernels(a, b, degree=2, coef0=0.0)) == pytest.approx(270.7222, abs=5e-5)


def test_independent_sets_of_one_distribution_are_at_zero_on_average():
    kernels = [polynomial_kernels(drawn(10, seed=2 * i), drawn(14, seed=2 * i + 1), **CUBIC) for i in range(200)]
    assert standard_errors_from_zero([mmd_unbiased(one) for one in kernels]) < 3
    assert standard_errors_from_zero([mmd_biased(one) for one in kernels]) > 3


def test_pairs_that_share_a_scene_are_at_zero_too_where_partners_do_not_meet():
    """Prediction and truth of one distribution, but not independent: the form for independent sets is off."""
    kernels = []
    for trial in range(200):
        scene = drawn(10, seed=trial)
        ours, theirs = (scene + 0.3 * drawn(10, seed=1000 * side + trial) for side in (1, 2))
        kernels.append(polynomial_kernels(ours, theirs, **CUBIC))
    assert standard_errors_from_zero([mmd_unbiased_paired(one) for one in kernels]) < 3
    assert standard_errors_from_zero([mmd_unbiased(one) for one in kernels]) > 3


def test_a_set_is_exactly_at_zero_from_itself():
    a = drawn(10)
    assert mmd_unbiased_paired(polynomial_kernels(a, a, **CUBIC)) == pytest.approx(0, abs=1e-12)


def test_swapping_clips_between_two_predictions_flips_the_signs_of_their_parts():
    a, truth = paired(5, seed=1)
    b, _ = paired(5, seed=1, noise=0.8)
    parts = swap_parts(a, b, truth, **CUBIC)
    for signs in product((1.0, -1.0), repeat=5):
        swapped = np.array(signs)[:, None] < 0
        one, other = np.where(swapped, b, a), np.where(swapped, a, b)
        expected = looped(one, truth, meets_partner=False) - looped(other, truth, meets_partner=False)
        assert np.dot(signs, parts) == pytest.approx(expected, abs=1e-10)


def test_equal_predictions_have_parts_of_exactly_zero():
    a, truth = paired(9)
    assert np.array_equal(swap_parts(a, a.copy(), truth, **CUBIC), np.zeros(9))
