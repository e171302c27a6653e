"""Fréchet distance: closed forms, symmetries, and agreement with matrix square roots where those are good."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from benchmark.metrics.frechet import frechet_distance, inner_products

from .vectors import Features, drawn, paired


def distance(a: Features, b: Features, **options) -> float:
    return frechet_distance(inner_products(a, b), **options)


def by_square_root(a: Features, b: Features) -> float:
    s1, s2 = np.cov(a.T), np.cov(b.T)
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return float(means + np.trace(s1) + np.trace(s2) - 2 * np.trace(sqrtm(s1 @ s2)).real)


def by_eigenvalues(a: Features, b: Features) -> float:
    s1, s2 = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(s1)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ s2 @ root), 0, None)).sum()
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return float(means + np.trace(s1) + np.trace(s2) - 2 * shared)


def designed(means: Features, deviations: Features, *, n: int, seed: int) -> Features:
    """Vectors whose sample mean and (diagonal) covariance are exactly these."""
    noise = np.random.default_rng(seed).normal(0, 1, (n, len(means)))
    orthonormal, _ = np.linalg.qr(noise - noise.mean(axis=0))
    return means + orthonormal * deviations * np.sqrt(n - 1)


def test_gaussians_of_diagonal_covariance_have_their_closed_form():
    m1, m2 = np.array([0.0, 3.0, -1.0, 2.0]), np.array([1.0, 1.0, -1.0, 5.0])
    s1, s2 = np.array([1.0, 2.0, 0.5, 4.0]), np.array([2.0, 2.0, 1.5, 1.0])
    a, b = designed(m1, s1, n=30, seed=0), designed(m2, s2, n=40, seed=1)
    assert distance(a, b) == pytest.approx(np.sum((m1 - m2) ** 2) + np.sum((s1 - s2) ** 2), rel=1e-10)


def test_more_vectors_than_dimensions_agree_with_both_other_forms():
    a, b = drawn(60, seed=1), drawn(50, seed=2, offset=0.5)
    assert distance(a, b) == pytest.approx(by_square_root(a, b), rel=1e-8)
    assert distance(a, b) == pytest.approx(by_eigenvalues(a, b), rel=1e-8)


def test_fewer_vectors_than_dimensions_agree_with_the_eigenvalues():
    a, b = drawn(20, dimensions=90, seed=3), drawn(15, dimensions=90, seed=4)
    assert distance(a, b) == pytest.approx(by_eigenvalues(a, b), rel=1e-5)


@pytest.mark.parametrize("n", [5, 40])
def test_a_set_has_no_distance_from_itself(n):
    a = drawn(n, dimensions=20, offset=50)
    assert distance(a, a) < 1e-6 * np.trace(np.cov(a.T))


def test_it_is_symmetric_and_blind_to_the_order_of_vectors():
    a, b = paired(25)
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-10)
    order = np.random.default_rng(0).permutation(25)
    assert distance(a[order], b) == pytest.approx(distance(a, b), rel=1e-10)


def test_a_shift_of_all_vectors_adds_its_squared_length():
    a, shift = drawn(25), np.arange(12.0)
    assert distance(a + shift, a) == pytest.approx(shift @ shift, rel=1e-10)


def test_a_rotation_changes_nothing_and_a_scale_its_square():
    a, b = paired(25)
    rotation, _ = np.linalg.qr(np.random.default_rng(5).normal(0, 1, (12, 12)))
    assert distance(a @ rotation, b @ rotation) == pytest.approx(distance(a, b), rel=1e-9)
    assert distance(3 * a, 3 * b) == pytest.approx(9 * distance(a, b), rel=1e-9)


def test_the_divisor_n_shrinks_all_but_the_distance_of_means():
    a, b = paired(25)
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    assert distance(a, b, divisor="N") - means == pytest.approx(24 / 25 * (distance(a, b) - means), rel=1e-9)


def test_one_distribution_looks_nearer_to_itself_the_more_vectors_there_are():
    found = [distance(drawn(n, dimensions=60, seed=6), drawn(n, dimensions=60, seed=7)) for n in (10, 30, 90, 270)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[-1]
