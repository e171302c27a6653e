"""Comparing runs: what is paired with what, what is refused, and who is called better."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from benchmark import comparison, comparison_text, standings
from benchmark.comparison import compare_runs, pairwise
from benchmark.contenders import find_runs, gathered
from benchmark.errors import UserError
from benchmark.metrics import METRICS, catalogue_sets
from benchmark.metrics.fvd import fvd
from benchmark.metrics.metric import MetricSpec, Need
from benchmark.stats import compare, holm

from .compared import CLIPS, SCENE, TAKES, feature_pairs, levels, make_run

TOY = MetricSpec(
    id="toy-calm",
    title="Calm",
    unit="",
    direction="truth",
    decimals=3,
    version=1,
    summary="A number whose goal is the truth's own.",
    definition="As given.",
    target="nowhere:nothing",
    needs=frozenset({Need.TRUTH}),
)


@pytest.fixture(autouse=True)
def known_metrics(monkeypatch):
    """With metrics of sets and one of direction "truth", whatever the benchmark itself lists."""
    known = MappingProxyType({**METRICS, **{spec.id: spec for spec in (*catalogue_sets.METRICS, TOY)}})
    for module in (comparison, comparison_text, standings):
        monkeypatch.setattr(module, "METRICS", known)


def only(found, metric="psnr"):
    (one,) = [difference for difference in found.differences if difference.metric == metric]
    return one


def everything(seed: int, *, level: float = 20.0, noise: float = 0.5) -> dict:
    """Values and vectors of all kinds of metrics."""
    vectors = feature_pairs(noise=noise, seed=seed)
    return {
        "values": {"psnr": levels(level, seed=seed), "toy-calm": levels(0.9, seed=seed)},
        "vectors": {"fvd": vectors, "kvd": vectors},
    }


def test_a_run_compared_with_itself_differs_by_nothing_with_p_one(tmp_path):
    folder = make_run(tmp_path, "a", **everything(1))
    found = compare_runs([folder, folder])
    assert len(found.differences) == 4
    for one in found.differences:
        assert one.difference == 0
        assert one.p == one.p_holm == 1.0
        assert one.ahead is None
        assert not one.separated
    assert [contender.label for contender in found.contenders] == ["a [a-0000] #1", "a [a-0000] #2"]


def test_a_method_copied_under_another_name_ties_with_p_one(tmp_path):
    runs = [make_run(tmp_path, name, **everything(1)) for name in ("a", "b")]
    found = compare_runs(runs)
    assert {one.p for one in found.differences} == {1.0}
    assert {standing.group for standings in found.standings.values() for standing in standings} <= {"a", ""}


def test_a_steady_gain_is_separated_and_a_vanishing_one_is_not(tmp_path):
    runs = [
        make_run(tmp_path, name, {"psnr": levels(level, seed=seed)})
        for name, level, seed in (("low", 20.0, 1), ("high", 20.6, 2), ("same", 20.02, 3))
    ]
    found = compare_runs(runs)
    by_pair = {(one.a, one.b): one for one in found.differences}
    assert by_pair[0, 1].separated
    assert by_pair[0, 1].ahead == 1
    assert by_pair[0, 1].difference == pytest.approx(-0.6, abs=0.15)
    assert not by_pair[0, 2].separated
    assert found.standings["psnr"][0].place == 1
    assert {standing.place: standing.group for standing in found.standings["psnr"]} == {1: "a", 0: "b", 2: "b"}


def test_holm_is_over_all_pairs_and_all_metrics(tmp_path):
    runs = [
        make_run(tmp_path, name, {"psnr": levels(20 + i / 20, seed=i), "ssim": levels(0.5, seed=9 + i)})
        for i, name in enumerate("abc")
    ]
    found = compare_runs(runs)
    assert found.tests == 6
    assert [one.p_holm for one in found.differences] == holm([one.p for one in found.differences if one.p is not None])


def test_the_numbers_are_those_of_the_paired_test_over_takes(tmp_path):
    a, b = levels(20.3, seed=1), levels(20.0, seed=2)
    one = only(compare_runs([make_run(tmp_path, "a", {"psnr": a}), make_run(tmp_path, "b", {"psnr": b})]))
    expected = compare(a, b, TAKES, direction="up", seed=0)
    assert one.difference == expected.difference
    assert one.p == expected.p
    assert one.detectable == expected.detectable
    assert (one.clips, one.takes) == (24, 12)


def test_runs_that_differ_in_seed_only_are_averaged_clip_by_clip_and_their_spread_is_told(tmp_path):
    seeds = [levels(20 + 0.1 * i, seed=i) for i in range(3)]
    for i, values in enumerate(seeds):
        make_run(tmp_path, "a", {"psnr": values}, seed=i)
    make_run(tmp_path, "b", {"psnr": levels(20, seed=9)})
    found = compare_runs([tmp_path])
    assert [len(contender.runs) for contender in found.contenders] == [3, 1]
    mean = {clip: float(np.mean([values[clip] for values in seeds])) for clip in CLIPS}
    expected = compare(mean, levels(20, seed=9), TAKES, direction="up", seed=0)
    assert only(found).difference == pytest.approx(expected.difference, rel=1e-12)
    a, b = sorted(found.standings["psnr"], key=lambda standing: standing.place)
    assert a.seed_sd == pytest.approx(np.std([np.mean(list(values.values())) for values in seeds], ddof=1), rel=1e-9)
    assert b.seed_sd is None
    text = comparison_text.drawn(found, terminal=False)
    assert "b: one seed, seed variance unmeasured" in text
    assert "a: mean of 3 seeds, clip by clip" in text


def test_other_options_are_another_contender_and_named_by_what_differs(tmp_path):
    runs = [
        make_run(tmp_path, "a", {"psnr": levels(20, seed=i)}, options={"blur": i, "fill": 3}, run=f"r{i}", seed=i) for i in (1, 2)
    ]
    assert [contender.label for contender in compare_runs(runs).contenders] == ["a blur=1", "a blur=2"]


def test_only_clips_that_both_scored_count_and_the_rest_is_told(tmp_path):
    whole = make_run(tmp_path, "a", {"psnr": levels(20, seed=1)})
    lacking = make_run(tmp_path, "b", {"psnr": levels(20, seed=2, clips=CLIPS[:20])})
    one = only(compare_runs([whole, lacking]))
    assert one.clips == 20
    assert "4 clips without a number from both left out" in one.notes


def test_a_clip_that_one_method_lacks_changes_no_other_pair(tmp_path):
    a, b = (make_run(tmp_path, name, {"psnr": levels(20, seed=i)}) for i, name in enumerate("ab"))
    whole = make_run(tmp_path / "whole", "c", {"psnr": levels(20, seed=5)})
    lacking = make_run(tmp_path / "lacking", "c", {"psnr": levels(20, seed=5, clips=CLIPS[1:])})
    one, other = (compare_runs([a, b, c]).differences for c in (whole, lacking))
    assert (one[0].a, one[0].b) == (0, 1)
    assert (one[0].difference, one[0].p) == (other[0].difference, other[0].p)


def test_methods_without_a_clip_in_common_are_undefined_not_equal(tmp_path):
    runs = [make_run(tmp_path, name, {"psnr": levels(20, clips=clips)}) for name, clips in (("a", CLIPS[:12]), ("b", CLIPS[12:]))]
    one = only(compare_runs(runs))
    assert one.undefined == "no clip has a number from both"
    assert (one.difference, one.p, one.p_holm) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"split_digest": "0ther"}, r"split digest differs \(5p1it and 0ther\)"),
        ({"protocol_digest": "0ther"}, r"protocol digest differs \(pr0t0 and 0ther\)"),
        ({"versions": {"psnr": 2}}, r"version of metric psnr differs \(1 and 2\)"),
        ({"partial": True}, r"b \(b-0000\) is partial"),
    ],
)
def test_runs_that_do_not_compare_are_refused_with_what_differs(tmp_path, change, text):
    a = make_run(tmp_path, "a", {"psnr": levels(20)})
    b = make_run(tmp_path, "b", {"psnr": levels(20)}, **change)
    with pytest.raises(UserError, match=text):
        compare_runs([a, b])


def test_one_contender_alone_and_folders_without_runs_are_refused(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / "runs", "a", {"psnr": levels(20)}, seed=seed)
    with pytest.raises(UserError, match="needs two methods, and there is only a with 2 seeds"):
        compare_runs([tmp_path / "runs"])
    with pytest.raises(UserError, match="no such folder"):
        compare_runs([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no results\.json"):
        compare_runs([tmp_path / "empty"])


CALM = {"real": 0.95, "still": 1.0, "near": 0.94}


def calm(level: float, *, seed: int, noise: float = 0.002) -> dict:
    own = np.random.default_rng(seed).normal(0, noise, len(CLIPS))
    return {"toy-calm": {clip: float(level + SCATTER[clip] + extra) for clip, extra in zip(CLIPS, own)}}


SCATTER = dict(zip(CLIPS, np.random.default_rng(3).normal(0, 0.01, len(CLIPS))))


@pytest.mark.parametrize("given", [True, False])
def test_where_the_truth_is_the_goal_a_still_video_loses_with_the_highest_value(tmp_path, given):
    """The oracle may be among the runs, or beside them."""
    still = make_run(tmp_path, "still", {"toy-calm": dict.fromkeys(CLIPS, 1.0)})
    near = make_run(tmp_path, "near", calm(CALM["near"], seed=1))
    oracle = make_run(tmp_path, "oracle", calm(CALM["real"], seed=2, noise=0), privileged="truth")
    found = compare_runs([still, near, oracle] if given else [still, near])
    (one,) = [one for one in found.differences if (one.a, one.b) == (0, 1)]
    assert one.ahead == 1
    assert one.separated
    order = [standing.place for standing in found.standings["toy-calm"]]
    assert order == ([2, 1, 0] if given else [1, 0])
    standing = {standing.place: standing for standing in found.standings["toy-calm"]}[0]
    assert standing.gap == pytest.approx(0.05, abs=0.01)
    assert standing.value == 1.0


def test_without_an_oracle_such_a_metric_has_a_difference_but_no_winner(tmp_path):
    still = make_run(tmp_path, "still", {"toy-calm": dict.fromkeys(CLIPS, 1.0)})
    near = make_run(tmp_path, "near", calm(CALM["near"], seed=1))
    make_run(tmp_path, "oracle", calm(CALM["real"], seed=2), partial=True)
    make_run(tmp_path, "oracle", calm(CALM["real"], seed=2), split_digest="0ther", run="other")
    one = only(compare_runs([still, near]), "toy-calm")
    assert one.difference == pytest.approx(0.06, abs=0.01)
    assert (one.ahead, one.win_rate) == (None, None)
    assert comparison.NO_TRUTH in one.notes


def test_set_metrics_leave_each_take_out_of_both_and_of_the_reference(tmp_path):
    good, bad = feature_pairs(noise=0.3, seed=1), feature_pairs(noise=1.5, seed=2)
    runs = [make_run(tmp_path, name, {}, vectors={"fvd": own}) for name, own in (("good", good), ("bad", bad))]
    one = only(compare_runs(runs), "fvd")

    def value(own: dict, without: str | None = None) -> float:
        kept = [clip for clip in CLIPS if TAKES[clip] != without]
        vectors = [np.stack([own[clip][side].astype("<f4") for clip in kept]).astype(float) for side in (0, 1)]
        return fvd(vectors[0], vectors[1], [TAKES[clip] for clip in kept]).value or 0.0

    left = [value(good, take) - value(bad, take) for take in sorted(set(TAKES.values()))]
    error = np.sqrt(11 / 12 * np.sum((np.array(left) - np.mean(left)) ** 2))
    assert one.difference == pytest.approx(value(good) - value(bad), rel=1e-9)
    assert one.high - one.difference == pytest.approx(2.2010 * error, rel=1e-4)  # type: ignore[operator]
    assert one.ahead == 0
    assert one.separated
    assert (one.effect, one.win_rate) == (None, None)


def test_kvd_swaps_whole_takes_and_cannot_go_below_what_their_number_allows(tmp_path):
    runs = [
        make_run(tmp_path, name, {}, vectors={"kvd": feature_pairs(noise=0.1, shift=shift, seed=i)})
        for i, (name, shift) in enumerate((("good", 0.0), ("bad", 3.0)))
    ]
    one = only(compare_runs(runs), "kvd")
    assert one.ahead == 0
    assert one.smallest_p == 2.0**-11
    assert one.p == pytest.approx(2.0**-11)


def test_set_metrics_average_over_seeds_and_use_the_clips_that_all_have(tmp_path):
    for seed in (0, 1):
        vectors = feature_pairs(noise=0.5, seed=seed)
        kept = {clip: vectors[clip] for clip in CLIPS[seed:]}
        make_run(tmp_path, "a", {}, vectors={"fvd": kept, "kvd": kept}, seed=seed)
    vectors = feature_pairs(noise=0.5, seed=9)
    make_run(tmp_path, "b", {}, vectors={"fvd": vectors, "kvd": vectors})
    found = compare_runs([tmp_path])
    assert {one.clips for one in found.differences} == {23}
    for metric in ("fvd", "kvd"):
        assert {standing.place: standing.seed_sd is not None for standing in found.standings[metric]} == {0: True, 1: False}


def test_set_metrics_of_too_few_clips_are_undefined_and_other_truths_are_refused(tmp_path):
    few = {clip: pair for clip, pair in feature_pairs(noise=0.5, seed=1).items() if clip in CLIPS[:7]}
    whole = feature_pairs(noise=0.5, seed=2)
    a = make_run(tmp_path, "a", {}, vectors={"fvd": few})
    b = make_run(tmp_path, "b", {}, vectors={"fvd": whole})
    assert only(compare_runs([a, b]), "fvd").undefined == "fewer than 8 different clips with features from both"
    moved = {clip: (prediction, truth + 1) for clip, (prediction, truth) in whole.items()}
    c = make_run(tmp_path, "c", {}, vectors={"fvd": moved})
    with pytest.raises(UserError, match="clip c00: the runs measured different truths"):
        compare_runs([b, c])


def test_pairs_do_not_depend_on_who_else_is_compared(tmp_path):
    runs = [make_run(tmp_path, name, **everything(i)) for i, name in enumerate("abc")]
    three, two = pairwise(gathered(find_runs(runs))), pairwise(gathered(find_runs(runs[:2])))
    kept = [one for one in three if (one.a, one.b) == (0, 1)]
    assert [(one.difference, one.low, one.high, one.p) for one in kept] == [
        (one.difference, one.low, one.high, one.p) for one in two
    ]


def test_a_still_video_and_one_that_saw_truth_are_named_as_no_competitors_and_never_bold(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    make_run(tmp_path, "fair", {"psnr": levels(20, seed=1)})
    make_run(tmp_path, "still", {"psnr": levels(25, seed=2)}, static=True)
    make_run(tmp_path, "told", {"psnr": levels(30, seed=3)}, privileged="first_frame")
    found = compare_runs([tmp_path])
    assert not any(one.separated for one in found.differences)
    text = comparison_text.drawn(found, terminal=False)
    assert "†  still: always a still video; no competitor" in text
    assert "†  told: sees truth while it generates (first_frame); no competitor" in text
    assert "fair − still †" in text
    assert comparison_text.drawn(found, terminal=True).count("\x1b[1mPSNR") == 0
    make_run(tmp_path, "better", {"psnr": levels(23, seed=4)})
    assert comparison_text.drawn(compare_runs([tmp_path]), terminal=True).count("\x1b[1mPSNR") == 1


def test_pairs_with_a_control_are_no_tests_of_the_family_and_keep_their_own_p(tmp_path):
    make_run(tmp_path, "a", {"psnr": levels(20, seed=1)})
    make_run(tmp_path, "b", {"psnr": levels(20.5, seed=2)})
    make_run(tmp_path, "copy", {"psnr": levels(18, seed=3)}, control=True)
    found = compare_runs([tmp_path])
    assert found.tests == 1
    fair, *others = found.differences
    assert fair.p_holm == fair.p
    assert fair.separated
    assert [(one.p, one.p_holm) for one in others] == [(2.0**-11, None)] * 2
    assert {standing.place: standing.group for standing in found.standings["psnr"]} == {0: "b", 1: "a", 2: ""}
    lines = comparison_text.drawn(found, terminal=False).splitlines()
    rows = [line for line in lines if line.startswith("PSNR dB") and "…" in line]
    assert [line.endswith("b *") for line in rows] == [True, False, False]
    assert ["0.0005  uncorrected" in line for line in rows] == [False, True, True]


def test_methods_whose_videos_do_not_move_win_nothing_whatever_they_say_of_themselves(tmp_path):
    make_run(tmp_path, "fair", {"psnr": levels(20, seed=1)})
    make_run(tmp_path, "frozen", {"psnr": levels(25, seed=2)}, still=13)
    make_run(tmp_path, "moving", {"psnr": levels(21, seed=3)}, still=12)
    found = compare_runs([tmp_path])
    assert [contender.outside for contender in found.contenders] == [(), ("most of its videos do not move",), ()]
    assert {(one.a, one.b): one.separated for one in found.differences} == {(0, 1): False, (0, 2): True, (1, 2): False}


EASY = tuple(sorted(CLIPS, key=lambda clip: SCENE[clip]))[12:]


def test_a_method_that_lacks_the_hard_clips_does_not_come_first_by_the_mean_of_the_rest(tmp_path):
    good = make_run(tmp_path, "good", {"psnr": levels(20, seed=1)})
    drops = make_run(tmp_path, "drops", {"psnr": levels(19, seed=2, clips=EASY)})
    found = compare_runs([drops, good])
    first, second = found.standings["psnr"]
    assert (first.place, second.place) == (1, 0)
    assert second.value > first.value  # type: ignore[operator]
    assert (first.clips, first.shared, second.clips, second.shared) == (24, 12, 12, 12)
    assert first.ranked == pytest.approx(np.mean([levels(20, seed=1)[clip] for clip in EASY]))
    assert first.notes == ("ranked on 12 shared clips",)
    assert "good: ranked on 12 shared clips" in comparison_text.drawn(found, terminal=False)


def test_sets_are_ranked_at_the_same_number_of_clips(tmp_path):
    """FVD falls with the number of clips: the better method, of half as many, reads higher than the worse one."""
    good, bad = feature_pairs(noise=1.0, seed=3), feature_pairs(noise=1.3, seed=4)
    make_run(tmp_path, "good", {}, vectors={"fvd": {clip: good[clip] for clip in CLIPS[:12]}})
    make_run(tmp_path, "worse", {}, vectors={"fvd": bad})
    found = compare_runs([tmp_path])
    first, second = found.standings["fvd"]
    assert (first.place, second.place) == (0, 1)
    assert second.value < first.value < second.ranked  # type: ignore[operator]
    assert second.notes == ("ranked on 12 shared clips",)


def test_a_control_that_lacks_clips_changes_nothing_for_those_that_compete(tmp_path):
    make_run(tmp_path, "a", {"psnr": levels(20, seed=1)})
    make_run(tmp_path, "b", {"psnr": levels(21, seed=2)})
    make_run(tmp_path, "copy", {"psnr": levels(25, seed=3, clips=EASY)}, control=True)
    found = compare_runs([tmp_path]).standings["psnr"]
    assert [(one.place, one.shared) for one in found] == [(1, 24), (0, 24), (2, 24)]
    assert found[2].notes == ("not ranked: it lacks 12 of 24 clips that the others share",)


def test_methods_without_a_clip_in_common_are_not_ranked(tmp_path):
    make_run(tmp_path, "a", {"psnr": levels(20, clips=CLIPS[:12])})
    make_run(tmp_path, "b", {"psnr": levels(25, clips=CLIPS[12:])})
    found = compare_runs([tmp_path]).standings["psnr"]
    assert [(one.ranked, one.group) for one in found] == [(None, "")] * 2
    assert {one.notes for one in found} == {("not ranked: too few clips have all numbers",)}


def moves(share: float) -> dict[str, float]:
    return {clip: float(i < share * len(CLIPS)) for i, clip in enumerate(CLIPS)}


def test_a_method_that_moves_less_than_the_truth_is_no_candidate_on_calm_metrics(tmp_path):
    make_run(tmp_path, "calm", {"flicker": levels(0.95, noise=0), "dynamic-degree": moves(0.5)})
    make_run(tmp_path, "far", {"flicker": levels(0.80, noise=0.01), "dynamic-degree": moves(0.95)})
    make_run(tmp_path, "near", {"flicker": levels(0.93, noise=0.01), "dynamic-degree": moves(1.0)})
    make_run(tmp_path, "oracle", {"flicker": levels(0.95, noise=0), "dynamic-degree": moves(1.0)}, privileged="truth")
    found = compare_runs([tmp_path])
    standings = found.standings["flicker"]
    assert [found.contenders[one.place].label for one in standings] == ["oracle", "near", "far", "calm"]
    assert [one.group for one in standings] == ["", "a", "b", ""]
    assert standings[3].notes == ("moves less than the truth (dynamic-degree -0.500): no candidate",)
    assert {(one.a, one.b) for one in found.differences if one.metric == "flicker" and one.p_holm is not None} == {(1, 2)}
    assert {(one.a, one.b) for one in found.differences if one.metric == "dynamic-degree" and one.p_holm is not None} == {
        (0, 1),
        (0, 2),
        (1, 2),
    }
    assert "flicker: calm: moves less than the truth" in comparison_text.drawn(found, terminal=False)


def test_the_p_of_fvd_is_never_less_than_swaps_of_so_many_takes_allow(tmp_path):
    good, bad = feature_pairs(noise=0.01, seed=1), feature_pairs(noise=0.01, shift=3.0, seed=2)
    make_run(tmp_path, "bad", {}, vectors={"fvd": bad})
    make_run(tmp_path, "good", {}, vectors={"fvd": good})
    one = only(compare_runs([tmp_path]), "fvd")
    assert one.p == one.smallest_p == 2.0**-11
    assert "p is raised to 0.000488281, the least that swaps of 12 takes could give" in one.notes


def test_a_run_without_a_number_on_a_set_has_none_in_a_comparison_whatever_vectors_it_keeps(tmp_path):
    vectors = [feature_pairs(noise=0.5, seed=seed) for seed in range(3)]
    make_run(tmp_path, "a", {}, vectors={"kvd": vectors[0]})
    make_run(tmp_path, "b", {}, vectors={"kvd": vectors[1]})
    why = "the truths of other clips of the set"
    make_run(tmp_path, "shuffled", {}, vectors={"kvd": vectors[2]}, privileged="other_truth", undefined={"kvd": why})
    found = compare_runs([tmp_path])
    assert [one.undefined for one in found.differences] == [None, f"shuffled: {why}", f"shuffled: {why}"]
    assert [one.value is None for one in found.standings["kvd"]] == [False, False, True]


def test_too_few_takes_for_so_many_tests_are_said(tmp_path):
    metrics = ("psnr", "ssim", "psnr-y", "ssim-y")
    for seed, method in enumerate("abcdefgh"):
        make_run(tmp_path, method, {metric: levels(20 + seed, seed=seed) for metric in metrics})
    found = compare_runs([tmp_path])
    assert found.tests == 112
    assert "12 takes are too few for 112 tests" in comparison_text.drawn(found, terminal=False).splitlines()
    assert not any(one.separated for one in found.differences)


def test_takes_that_differ_by_the_same_do_not_say_that_any_difference_would_show(tmp_path):
    values = levels(20, seed=1)
    make_run(tmp_path, "a", {"psnr": values})
    make_run(tmp_path, "b", {"psnr": {clip: value + 1 for clip, value in values.items()}})
    make_run(tmp_path, "c", {"psnr": {clip: value + 1e-7 * SCENE[clip] for clip, value in values.items()}})
    found = compare_runs([tmp_path])
    assert [one.detectable is None for one in found.differences] == [True, False, False]
    assert found.differences[0].effect is None
    lines = comparison_text.drawn(found, terminal=False).splitlines()
    rows = [line for line in lines if line.startswith("PSNR dB") and "…" in line]
    assert ["<0.001" in row.split() for row in rows] == [False, True, True]
    assert not any("0.000" in row.split() for row in rows)
