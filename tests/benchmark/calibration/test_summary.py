from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from benchmark.calibration.ladders import LADDERS, Ladder
from benchmark.calibration.plan import Rung
from benchmark.calibration.summary import Curve, Level, Measured, level_of, metrics_of, own_ladder, shape_of, value_at
from benchmark.metrics import MetricSpec, Need, SetValue
from benchmark.store import Score

from .subjects import only

HERE = __name__
BY_ID = {ladder.id: ladder for ladder in LADDERS}
TAKES = {f"c{i}": f"t{i // 2}" for i in range(4)}


def gap(prediction: np.ndarray, truth: np.ndarray, takes: list[str]) -> SetValue:
    if len(takes) < 3:
        return SetValue(value=None, n=len(takes), undefined="fewer than 3 clips")
    return SetValue(value=float(np.abs(prediction - truth).mean()), n=len(takes))


def metric(name: str = "ssim", direction: Any = "up", **changes: Any) -> MetricSpec:
    spec = MetricSpec(
        id=name, title=name, unit="", direction=direction, decimals=2, version=1, summary="", definition="", target="",
        needs=frozenset({Need.TRUTH}),
    )  # fmt: skip
    return dataclasses.replace(spec, **changes)


def measured(spec: MetricSpec, values: dict[str, list[Any]], *ladders: str) -> Measured:
    """values: rung ("truth", "blur-2") to a number, a reason, or a Score a clip; what is not named is 0.5 everywhere."""

    def kept(metric_id: str, rung: Rung) -> dict[str, Score]:
        assert metric_id == spec.id
        given = values.get(rung.name, [0.5] * len(TAKES))
        return {clip: _score(value) for clip, value in zip(TAKES, given) if value is not None}

    chosen: list[Ladder] = [BY_ID[name] for name in ladders]
    return metrics_of(only(spec), chosen, kept, takes=TAKES, unavailable={})[spec.id]


def _score(value: Any) -> Score:
    if isinstance(value, Score):
        return value
    return Score(key="k", undefined=value) if isinstance(value, str) else Score(key="k", value=value)


def steps(name: str, values: list[float]) -> dict[str, list[float]]:
    """The same value for every clip at each level after the truth."""
    return {f"{name}-{level:g}": [value] * 4 for level, value in zip(BY_ID[name].measured, values)}


def curve(values: list[float | None], *, levels: list[float], losses: list[float | None] | None = None) -> Curve:
    rows = tuple(
        Level(level=level, value=value, change=value, loss=loss, n=1, undefined=0)
        for level, value, loss in zip(levels, values, losses or values)
    )
    return Curve(ladder="blur", title="blur", unit="px", levels=rows, rho=None, shape="monotone", own=False)


def test_a_level_has_the_mean_of_its_clips_and_the_loss_against_the_truth():
    values = {"truth": [1.0, 0.9, 0.8, 0.7], **steps("delay", [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]), "delay-1": [0.9, 0.9, 0.5, 0.5]}
    first = measured(metric(), values, "delay").curves["delay"].levels[1]
    assert first.value == pytest.approx(0.7)
    assert (first.change, first.loss) == (pytest.approx(-0.15), pytest.approx(0.15))
    assert (first.n, first.undefined) == (4, 0)


def test_a_metric_whose_best_is_the_truth_loses_by_its_distance_clip_by_clip():
    values = {"truth": [0.5] * 4, "delay-1": [0.4, 0.6, 0.5, 0.5]}
    first = measured(metric("flicker", "truth"), values, "delay").curves["delay"].levels[1]
    assert first.change == pytest.approx(0.0)
    assert first.loss == pytest.approx(0.05)


def test_clips_without_a_number_at_a_level_are_counted_and_left_out_of_the_truth_too():
    values = {"truth": [1.0, 1.0, 0.0, None], "delay-1": [0.5, 0.5, "nothing matched", "nothing matched"]}
    first = measured(metric(), values, "delay").curves["delay"].levels[1]
    assert (first.value, first.change, first.n, first.undefined, first.reason) == (0.5, -0.5, 2, 2, "nothing matched")


def test_rho_and_shape_tell_a_falling_curve_from_one_that_turns():
    falls = measured(metric(), {"truth": [1.0] * 4, **steps("blur", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])}, "blur")
    turns = measured(metric(), {"truth": [1.0] * 4, **steps("blur", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.45])}, "blur")
    assert (falls.curves["blur"].rho, falls.verdict) == (pytest.approx(1.0), "monotone")
    assert turns.verdict == "not monotone"
    assert 0.9 < (turns.curves["blur"].rho or 0) < 1.0


@pytest.mark.parametrize(
    ("losses", "shape"),
    [
        ([0.0, 0.1, 0.1, 0.3], "monotone"),
        ([0.0, 0.0, 0.0], "no answer"),
        ([0.0, 0.9, 1.0, 0.995], "monotone"),
        ([0.0, 0.2, 0.1], "not monotone"),
        ([0.0, 0.9, 1.0, 0.98], "not monotone"),
        ([0.0, -0.1, -0.2], "not monotone"),
        ([0.0], "undefined"),
    ],
)
def test_a_curve_is_monotone_where_losses_fall_by_no_more_than_a_hundredth_of_their_range(losses, shape):
    assert shape_of(losses) == shape


def test_every_metric_against_the_truth_has_its_own_ladder_by_name():
    assert [own_ladder(name) for name in ("psnr", "psnr-y", "psnr-seen")] == ["noise"] * 3
    assert [own_ladder(name) for name in ("st-lpips-alex", "lpips-alex", "eff-i", "fvd-16")] == ["blur"] * 4
    assert (own_ladder("location-error-strict"), own_ladder("pose-rotation")) == ("shift", "jitter")
    assert (own_ladder("flicker"), own_ladder("psnrish")) == ("", "")


def test_a_metric_whose_own_ladder_was_left_out_says_so():
    assert measured(metric("psnr"), {}, "blur").verdict == "not measured"
    assert measured(metric("flicker", "truth"), {}, "blur").verdict == ""


def test_what_one_degree_costs_is_read_off_the_ladders_of_the_head():
    values = {"truth": [1.0] * 4, **steps("turn", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]), **steps("jitter", [0.5] * 7)}
    found = measured(metric(), values, "turn", "jitter")
    assert (found.turn_degree, found.jitter_degree) == (pytest.approx(0.7), pytest.approx(0.5))


@pytest.mark.parametrize(
    ("direction", "truth", "still", "rewarded"),
    [
        ("up", 0.9, 0.95, True),
        ("up", 0.9, 0.5, False),
        ("down", 0.2, 0.1, True),
        ("truth", 0.96, 1.0, True),
        ("truth", 1.0, 0.0, False),
    ],
)
def test_a_frozen_video_is_rewarded_where_it_reads_as_better_than_the_truth(direction, truth, still, rewarded):
    values = {"truth": [truth] * 4, **steps("freeze", [still] * 4)}
    found = measured(metric("m", direction), values, "freeze")
    assert (found.frozen, found.rewards_frozen) == (pytest.approx(still), rewarded)


def test_the_copied_prior_gets_the_level_of_damage_that_costs_as_much():
    values = {"truth": [1.0] * 4, **steps("shift", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]), "prior-1": [0.55] * 4}
    found = measured(metric(), values, "shift", "prior")
    assert found.prior == pytest.approx(0.55)
    assert found.prior_as == {"shift": pytest.approx(5.0)}
    worse = measured(metric(), {**values, "prior-1": [0.1] * 4}, "shift", "prior")
    assert worse.prior_as == {"shift": None}


def test_a_share_of_shuffled_pairs_grows_by_whole_clips_and_never_gives_one_back():
    values = {"truth": [1.0] * 4, "swap-1": [0.0, 0.1, 0.2, 0.3]}
    found = [level.value for level in measured(metric(), values, "swap").curves["swap"].levels]
    assert found[0] == 1.0
    assert found[-1] == pytest.approx(0.15)
    taken = [round((before or 0) * 4 - (after or 0) * 4, 6) for before, after in itertools.pairwise(found)]
    assert sorted(taken) == [0.7, 0.8, 0.9, 1.0]


def part(value: float, best: float = 0.0) -> Score:
    return Score(key="k", feature=np.array([value], "<f4").tobytes(), truth_feature=np.array([best], "<f4").tobytes())


def test_a_metric_of_the_set_has_one_value_a_level():
    spec = metric("fvd", "down", of="set", target=f"{HERE}:gap")
    values = {"truth": [part(0)] * 4, "swap-1": [part(1), part(2), part(3), part(4)]}
    found = measured(spec, values, "swap")
    assert found.truth == 0.0
    assert found.curves["swap"].levels[-1].value == pytest.approx(2.5)
    assert found.curves["swap"].levels[-1].n == 4


def test_a_set_that_is_too_small_is_undefined_with_its_reason():
    spec = metric("fvd", "down", of="set", target=f"{HERE}:gap")
    found = measured(spec, {"truth": [part(0), part(0), None, None], "swap-1": [part(1)] * 4}, "swap")
    assert found.truth is None
    level = found.curves["swap"].levels[-1]
    assert (level.value, level.n, level.reason) == (None, 0, "fewer than 3 clips")


def test_values_between_levels_are_linear_and_beyond_them_none():
    line = curve([1.0, 3.0, None], levels=[0, 2, 4])
    assert value_at(line, 1.0) == 2.0
    assert value_at(line, 3.0) is None
    assert value_at(line, 9.0) is None
    assert value_at(None, 1.0) is None


def test_the_first_level_that_costs_as_much_is_taken():
    line = curve([0, 2, 1, 4], levels=[0, 1, 2, 3])
    assert level_of(line, 1.0) == 0.5
    assert level_of(line, 3.0) == pytest.approx(2 + 2 / 3)
    assert level_of(line, 5.0) is None
