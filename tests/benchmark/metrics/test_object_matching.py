"""Matching by cosine: the most alike, and one to one."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from benchmark.metrics.object_matching import NOBODY, most_alike, one_to_one


def test_the_most_alike_may_be_taken_twice_and_one_to_one_may_not():
    cosine = np.array([[0.9, 0.6], [0.8, 0.1]])
    assert most_alike(cosine, 0.5).tolist() == [0, 0]
    assert one_to_one(cosine, 0.5).tolist() == [1, 0]


def test_nobody_is_taken_below_the_threshold_and_somebody_at_it():
    cosine = np.array([[0.75, 0.1], [0.1, 0.7]])
    for match in (most_alike, one_to_one):
        assert match(cosine, 0.75).tolist() == [0, NOBODY]
        assert match(cosine, 0.8).tolist() == [NOBODY, NOBODY]


def test_a_poor_match_does_not_push_out_a_good_one():
    # all pairs are allowed, and the total above tau is greater with one good match than with two at the threshold
    cosine = np.array([[0.95, 0.51], [0.52, 0.1]])
    assert one_to_one(cosine, 0.5).tolist() == [0, NOBODY]


def test_one_to_one_finds_the_greatest_total_above_the_threshold():
    generator = np.random.default_rng(0)
    for _ in range(20):
        cosine = generator.uniform(0, 1, (4, 4))
        partners = one_to_one(cosine, 0.5)
        taken = [(i, j) for i, j in enumerate(partners) if j != NOBODY]
        best = max(sum(max(cosine[i, j] - 0.5, 0) for i, j in enumerate(p)) for p in permutations(range(4)))
        assert len({j for _, j in taken}) == len(taken)
        assert abs(sum(cosine[i, j] - 0.5 for i, j in taken) - best) < 1e-4


def test_without_objects_nobody_is_matched():
    for match in (most_alike, one_to_one):
        assert match(np.zeros((3, 0)), 0.5).tolist() == [NOBODY] * 3
        assert match(np.zeros((0, 3)), 0.5).tolist() == []
