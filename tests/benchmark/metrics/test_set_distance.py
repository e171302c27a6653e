"""Distances of whole sets: when they are undefined, their intervals and floors, and what a reader is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmark.errors import UserError
from benchmark.metrics import catalogue_sets
from benchmark.metrics.frechet import frechet_distance, inner_products
from benchmark.metrics.fvd import fvd, fvd_population
from benchmark.metrics.kvd import kvd
from benchmark.metrics.set_distance import LEFT_OUT, members_of

from .vectors import drawn, paired, takes

BOTH = pytest.mark.parametrize("distance", [fvd, fvd_population, kvd])


@BOTH
def test_truth_against_truth_is_at_zero_with_an_interval_of_no_width(distance):
    truth = drawn(24, dimensions=40)
    found = distance(truth, truth, takes(24, 12))
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.low == pytest.approx(0, abs=1e-6)
    assert found.high == pytest.approx(0, abs=1e-6)


@BOTH
def test_seven_clips_are_undefined_and_eight_are_not(distance):
    prediction, truth = paired(8)
    few = distance(prediction[:7], truth[:7], takes(7, 7))
    assert few.value is None
    assert few.undefined == f"7 different clips; {distance.name} needs 8 or more"
    enough = distance(prediction, truth, takes(8, 8))
    assert enough.n == 8
    assert math.isfinite(enough.value)


def test_clips_with_one_and_the_same_truth_count_once_and_are_told():
    prediction, truth = paired(10)
    doubled = fvd(np.vstack([prediction, prediction[:3]]), np.vstack([truth, truth[:3]]), [*takes(10, 10), *takes(3, 10)])
    once = fvd(prediction, truth, takes(10, 10))
    assert (doubled.value, doubled.low, doubled.n) == (once.value, once.low, 10)
    assert "3 of 13 clips repeat another's truth and are left out" in doubled.notes
    prediction, truth = paired(7)
    assert fvd(np.vstack([prediction, prediction[:3]]), np.vstack([truth, truth[:3]]), takes(10, 5)).value is None


@BOTH
def test_features_that_are_not_finite_are_refused_with_their_number(distance):
    prediction, truth = paired(12)
    prediction[2, 3], prediction[5, :] = np.nan, np.inf
    with pytest.raises(UserError, match=r"features of 2 of 12 predictions hold NaN or infinity"):
        distance(prediction, truth, takes(12, 6))


@BOTH
def test_the_order_of_clips_does_not_change_a_bit(distance):
    prediction, truth = paired(24)
    names = takes(24, 12)
    order = np.random.default_rng(0).permutation(24)
    assert distance(prediction[order], truth[order], [names[i] for i in order]) == distance(prediction, truth, names)


def test_the_interval_is_a_jackknife_over_takes():
    prediction, truth = paired(20)
    names = np.array(takes(20, 5))
    found = fvd(prediction, truth, names.tolist())
    left = [
        frechet_distance(inner_products(prediction[names != name], truth[names != name])) for name in sorted(set(names.tolist()))
    ]
    error = math.sqrt(4 / 5 * np.sum((np.array(left) - np.mean(left)) ** 2))
    reach = scipy_stats.t.ppf(0.975, 4) * error
    assert found.low == pytest.approx(found.value - reach, rel=1e-8)
    assert found.high == pytest.approx(found.value + reach, rel=1e-8)
    assert found.interval == "indicative interval (5 takes)"


@pytest.mark.parametrize(("number", "note"), [(1, "1 take: no interval over takes"), (2, "2 takes: no interval over takes")])
def test_fewer_than_three_takes_have_no_interval(number, note):
    found = fvd(*paired(12), takes(12, number))
    assert (found.low, found.high, found.interval) == (None, None, note)


def test_very_many_takes_are_left_out_in_groups_that_give_about_the_same_interval():
    prediction, truth = paired(LEFT_OUT + 30, dimensions=4)
    kernels = inner_products(prediction, truth)
    members = members_of(takes(LEFT_OUT + 30, LEFT_OUT + 30))
    grouped = fvd.without_each_take(kernels, members)
    assert len(grouped) == LEFT_OUT
    everyone = np.arange(LEFT_OUT + 30)
    single = [frechet_distance(kernels.part(np.delete(everyone, i), np.delete(everyone, i))) for i in everyone]
    by_group = np.sqrt((LEFT_OUT - 1) * np.var(grouped))
    by_take = np.sqrt((len(single) - 1) * np.var(single))
    assert by_group == pytest.approx(by_take, rel=0.3)


@pytest.mark.parametrize(("clips", "number", "n"), [(24, 24, 12), (24, 12, 12), (16, 16, 8), (17, 17, 8), (26, 5, None)])
def test_the_floor_compares_halves_of_equal_number(clips, number, n):
    floor = fvd(*paired(clips), takes(clips, number)).floor
    assert floor is not None
    assert floor.n == (n or floor.n)
    assert 8 <= floor.n <= clips // 2
    assert floor.splits == 20


@pytest.mark.parametrize(("clips", "number"), [(12, 12), (15, 15), (24, 1), (24, 2)])
def test_halves_of_too_few_clips_have_no_floor_and_say_so(clips, number):
    names = takes(clips, number) if number != 2 else ["large"] * 20 + ["small"] * 4
    found = fvd(*paired(clips), names)
    assert found.floor is None
    from_takes = f"{number} take{'s' if number > 1 else ''}"
    assert f"no floor: halves of {clips} clips from {from_takes} have fewer than 8 clips" in found.notes


@BOTH
def test_the_truth_itself_stands_at_its_floor_and_a_worse_prediction_above(distance):
    prediction, truth = paired(40, noise=1.5)
    own = distance(truth, truth, takes(40, 20)).floor
    assert own.prediction == pytest.approx(own.real, rel=1e-9)
    worse = distance(prediction + 1, truth, takes(40, 20)).floor
    assert worse.real == own.real
    assert worse.prediction > worse.real


def test_a_floor_never_has_clips_of_one_take_on_both_sides():
    """Two takes far apart: were their clips mixed, the halves would be alike."""
    truth = np.vstack([drawn(10, offset=0, seed=1), drawn(10, offset=30, seed=2)])
    names = ["a"] * 10 + ["b"] * 10
    apart = frechet_distance(inner_products(truth[:10], truth[10:]))
    assert fvd(truth, truth, names).floor.real == pytest.approx(apart, rel=1e-9)


def test_fvd_falls_with_the_number_of_clips_and_kvd_does_not():
    clips = {n: [paired(n, dimensions=60, seed=10 * n + i) for i in range(6)] for n in (10, 80)}
    mean = {
        (distance.name, n): np.mean([distance(*pair, takes(n, 4)).value for pair in pairs])
        for distance in (fvd, kvd)
        for n, pairs in clips.items()
    }
    assert mean["FVD", 10] > 1.15 * mean["FVD", 80]
    spread = np.std([kvd(*pair, takes(10, 4)).value for pair in clips[10]], ddof=1) / np.sqrt(6)
    assert abs(mean["KVD", 10] - mean["KVD", 80]) < 4 * spread


def test_kvd_says_how_much_it_varies_over_subsets_of_the_clips():
    (note,) = kvd(*paired(24), takes(24, 12)).notes
    assert note.startswith("sd ")
    assert note.endswith(" over 100 subsets of 12 clips")


def test_the_specs_lead_to_the_functions_and_take_a_set():
    loaded = {spec.id: spec.load() for spec in catalogue_sets.METRICS}
    assert loaded == {"fvd": fvd, "fvd-16": fvd_population, "kvd": kvd}
    assert {spec.of for spec in catalogue_sets.METRICS} == {"set"}
