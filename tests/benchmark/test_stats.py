"""Intervals and tests: closed forms, independent implementations, and behaviour on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmark.stats import (
    FLIPS,
    cluster_interval,
    compare,
    detectable_difference,
    holm,
    jackknife_error,
    jackknife_interval,
    sign_flip_p,
    smallest_p,
    t_p,
    tie_groups,
)


def clustered(*, takes: int, clips: int, between: float, within: float, seed: int) -> tuple[list[float], list[int]]:
    """Values that share an offset in each take."""
    generator = np.random.default_rng(seed)
    offsets = generator.normal(0, between, takes)
    values = (offsets[:, None] + generator.normal(0, within, (takes, clips))).ravel()
    return values.tolist(), np.repeat(np.arange(takes), clips).tolist()


def width(interval) -> float:
    return interval.high - interval.low


def test_the_mean_is_over_clips_and_lies_within_its_interval():
    values, takes = clustered(takes=12, clips=4, between=1, within=1, seed=0)
    found = cluster_interval(values, takes, seed=1)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.mean < found.high
    assert found.clusters == 12
    assert found.note is None


def test_unequal_takes_weigh_by_their_clips():
    found = cluster_interval([0.0, 0.0, 0.0, 10.0], ["a", "a", "a", "b"], seed=0)
    assert found.mean == 2.5
    assert found.low == 0.0
    assert found.high == 10.0


def test_clips_of_one_take_make_the_interval_wider_than_as_many_independent_ones():
    values, takes = clustered(takes=12, clips=6, between=2, within=0.3, seed=2)
    by_take = cluster_interval(values, takes, seed=3)
    by_clip = cluster_interval(values, range(len(values)), seed=3)
    assert width(by_take) > 1.8 * width(by_clip)


def test_clips_alone_in_their_takes_agree_with_the_textbook_interval():
    values = np.random.default_rng(4).normal(5, 2, 200).tolist()
    found = cluster_interval(values, range(200), seed=5)
    expected = 2 * 1.96 * np.std(values, ddof=1) / np.sqrt(200)
    assert width(found) == pytest.approx(expected, rel=0.05)


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(6)
    hits = 0
    for trial in range(120):
        offsets = generator.normal(0, 1, 30)
        values = (offsets[:, None] + generator.normal(0, 0.5, (30, 3))).ravel()
        found = cluster_interval(values.tolist(), np.repeat(np.arange(30), 3).tolist(), seed=trial)
        hits += found.low <= 0 <= found.high  # type: ignore[operator]
    assert 0.88 <= hits / 120 <= 1.0


def test_the_same_seed_gives_the_same_interval_and_names_of_takes_do_not_matter():
    values, takes = clustered(takes=15, clips=2, between=1, within=1, seed=7)
    named = [f"take {take}" for take in takes]
    assert cluster_interval(values, takes, seed=8) == cluster_interval(values, named, seed=8)
    assert cluster_interval(values, takes, seed=8) != cluster_interval(values, takes, seed=9)


def test_one_take_has_no_interval_and_says_why():
    found = cluster_interval([1.0, 2.0, 3.0], ["a", "a", "a"], seed=0)
    assert (found.mean, found.low, found.high) == (2.0, None, None)
    assert found.note == "one take: no interval over takes"


def test_few_takes_are_called_indicative():
    values, takes = clustered(takes=9, clips=2, between=1, within=1, seed=7)
    assert cluster_interval(values, takes, seed=0).note == "indicative interval (9 takes)"


def test_equal_values_have_an_interval_of_no_width():
    found = cluster_interval([0.1] * 30, [i // 2 for i in range(30)], seed=0)
    assert found.low == pytest.approx(0.1, abs=1e-15)
    assert found.high == pytest.approx(0.1, abs=1e-15)
    assert found.low <= found.mean <= found.high  # type: ignore[operator]


def test_values_that_are_missing_not_finite_or_of_another_number_are_refused():
    with pytest.raises(ValueError, match="at least one value"):
        cluster_interval([], [], seed=0)
    with pytest.raises(ValueError, match="finite"):
        cluster_interval([1.0, float("nan")], ["a", "b"], seed=0)
    with pytest.raises(ValueError, match="2 values and 3 clusters"):
        cluster_interval([1.0, 2.0], ["a", "b", "c"], seed=0)


def test_five_takes_cannot_go_below_one_in_sixteen():
    assert sign_flip_p([1.0, 2.0, 3.0, 4.0, 5.0], seed=0) == 0.0625


def test_no_difference_at_all_gives_p_one():
    assert sign_flip_p([0.0] * 8, seed=0) == 1.0
    assert sign_flip_p([0.0] * 30, seed=0) == 1.0


@pytest.mark.parametrize("takes", [3, 8, 13])
def test_the_exact_test_agrees_with_scipys(takes):
    values = np.random.default_rng(takes).normal(0.4, 1, takes)
    expected = scipy_stats.permutation_test(
        (values,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=2**takes, vectorized=True
    ).pvalue
    assert sign_flip_p(values, seed=0) == pytest.approx(expected, abs=1e-12)


def test_many_takes_use_seeded_flips_that_agree_with_scipys_and_never_reach_zero():
    values = np.random.default_rng(9).normal(0.25, 1, 40)
    expected = scipy_stats.permutation_test(
        (values,), lambda x, axis: np.abs(np.mean(x, axis=axis)), permutation_type="samples", alternative="greater",
        n_resamples=FLIPS, vectorized=True, rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    assert sign_flip_p(values, seed=1) == pytest.approx(expected, abs=0.01)
    assert sign_flip_p(values, seed=1) == sign_flip_p(values, seed=1)
    assert sign_flip_p(np.ones(40), seed=0) == 1 / (1 + FLIPS)


def test_p_is_uniform_when_nothing_differs():
    generator = np.random.default_rng(10)
    found = [sign_flip_p(generator.normal(0, 1, 13), seed=0) for _ in range(500)]
    assert scipy_stats.kstest(found, "uniform").pvalue > 0.05


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def values_by_clip(offset: float, *, takes: int = 12, seed: int = 0) -> dict[str, float]:
    generator = np.random.default_rng(seed)
    return {f"c{i:02d}": float(20 + i + offset + generator.normal(0, 0.1)) for i in range(2 * takes)}


TAKES = {f"c{i:02d}": i // 2 for i in range(24)}


def test_a_paired_test_sees_a_small_steady_gain_that_the_spread_of_clips_hides():
    a, b = values_by_clip(0.3, seed=1), values_by_clip(0.0, seed=2)
    found = compare(a, b, TAKES, direction="up", seed=0)
    assert found.difference == pytest.approx(0.3, abs=0.1)
    assert found.p < 0.01
    assert found.win_rate > 0.8
    assert found.effect is not None
    assert found.effect > 1
    unpaired = scipy_stats.ttest_ind(list(a.values()), list(b.values())).pvalue
    assert unpaired > 0.5


def test_only_clips_that_both_scored_count_and_takes_weigh_alike():
    a = {"x1": 1.0, "x2": 1.0, "x3": 1.0, "y1": 3.0, "only a": 99.0}
    b = {"x1": 0.0, "x2": 0.0, "x3": 0.0, "y1": 0.0, "only b": -99.0}
    takes = {"x1": "x", "x2": "x", "x3": "x", "y1": "y", "only a": "x", "only b": "y"}
    found = compare(a, b, takes, direction="up", seed=0)
    assert (found.clips, found.takes) == (4, 2)
    assert found.difference == 2.0
    assert found.difference_clips == 1.5


def test_where_lower_is_better_the_lower_one_wins_and_ties_count_half():
    a, b = {"1": 1.0, "2": 2.0, "3": 3.0, "4": 9.0}, {"1": 2.0, "2": 2.0, "3": 4.0, "4": 1.0}
    takes = {clip: clip for clip in a}
    assert compare(a, b, takes, direction="down", seed=0).win_rate == 0.625
    assert compare(a, b, takes, direction="up", seed=0).win_rate == 0.375


def test_a_method_compared_with_itself_ties_with_p_one():
    a = values_by_clip(0.0)
    found = compare(a, a, TAKES, direction="up", seed=0)
    assert (found.p, found.win_rate, found.difference, found.effect) == (1.0, 0.5, 0.0, None)


def test_too_few_takes_to_reach_five_percent_are_said():
    a, b = {"1": 1.0, "2": 2.0}, {"1": 0.0, "2": 0.5}
    found = compare(a, b, {"1": "x", "2": "y"}, direction="up", seed=0)
    assert found.smallest_p == 0.5
    assert found.note == "2 takes: no p below 0.5 is possible"


def test_methods_without_a_shared_clip_are_refused():
    with pytest.raises(ValueError, match="no clip has a number from both"):
        compare({"1": 1.0}, {"2": 1.0}, {"1": "x", "2": "x"}, direction="up", seed=0)


def test_where_the_truth_is_the_goal_the_nearer_one_wins_from_either_side():
    truth = {"1": 0.95, "2": 0.90}
    still, real = {"1": 1.0, "2": 1.0}, {"1": 0.94, "2": 0.92}
    found = compare(still, real, {"1": "x", "2": "y"}, direction="truth", truth=truth, seed=0)
    assert found.difference == pytest.approx((0.05 + 0.10) / 2 - (0.01 + 0.02) / 2)
    assert found.win_rate == 0.0
    with pytest.raises(ValueError, match="truth's own values"):
        compare(still, real, {"1": "x", "2": "y"}, direction="truth", seed=0)


def test_clips_whose_truth_has_no_value_do_not_count_where_the_truth_is_the_goal():
    found = compare({"1": 1.0, "2": 5.0}, {"1": 0.0, "2": 0.0}, {"1": "x", "2": "y"}, direction="truth", truth={"1": 1.0}, seed=0)
    assert (found.clips, found.difference) == (1, -1.0)


def test_a_detectable_difference_is_found_about_as_often_as_promised():
    takes, sd = 14, 2.0
    wanted = detectable_difference(sd / np.sqrt(takes), takes)
    assert wanted is not None
    generator = np.random.default_rng(11)
    shown = np.mean([sign_flip_p(generator.normal(wanted, sd, takes), seed=0) < 0.05 for _ in range(150)])
    assert 0.7 < shown < 0.9
    assert detectable_difference(sd / np.sqrt(4 * takes), 4 * takes) < 0.52 * wanted  # type: ignore[operator]


def test_too_few_takes_could_show_no_difference_at_all():
    assert detectable_difference(0.1, 1) is None
    assert smallest_p(5) == 0.0625
    values = {str(i): float(i) for i in range(5)}
    assert compare(values, dict.fromkeys(values, 0.0), {c: c for c in values}, direction="up", seed=0).detectable is None
    assert compare(values_by_clip(0.3), values_by_clip(0, seed=1), TAKES, direction="up", seed=0).detectable is not None


def test_the_jackknife_of_a_mean_is_its_textbook_error():
    values = np.random.default_rng(12).normal(3, 2, 15)
    left_out = [np.delete(values, i).mean() for i in range(15)]
    error = values.std(ddof=1) / np.sqrt(15)
    assert jackknife_error(left_out) == pytest.approx(error, rel=1e-12)
    found = jackknife_interval(values.mean(), left_out, takes=15)
    expected = scipy_stats.t.interval(0.95, 14, loc=values.mean(), scale=error)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-12)
    assert found.note is None


def test_a_difference_of_exactly_zero_has_p_one_and_one_without_error_none():
    assert t_p(0.0, 0.0, degrees=5) == 1.0
    assert t_p(1.0, 0.0, degrees=5) is None
    assert t_p(-2.0, 1.0, degrees=9) == pytest.approx(2 * scipy_stats.t.cdf(-2.0, 9), rel=1e-12)


def pairs(*named: tuple[int, int]) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in named}


@pytest.mark.parametrize(
    ("separated", "groups"),
    [
        (pairs(), [(0, 1, 2, 3)]),
        (pairs((0, 3)), [(0, 1, 2), (1, 2, 3)]),
        (pairs((0, 1), (0, 2), (0, 3)), [(0,), (1, 2, 3)]),
        (pairs((0, 2), (0, 3), (1, 3)), [(0, 1), (1, 2), (2, 3)]),
        (pairs((1, 2)), [(0, 1, 3), (0, 2, 3)]),
        (pairs((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)), [(0,), (1,), (2,), (3,)]),
    ],
)
def test_tie_groups_are_the_largest_sets_that_hold_no_separated_pair(separated, groups):
    assert tie_groups([0, 1, 2, 3], separated) == groups


def test_tie_groups_follow_the_ranking():
    assert tie_groups([2, 0, 1], pairs((2, 1))) == [(2, 0), (0, 1)]
    assert tie_groups([], set()) == []
