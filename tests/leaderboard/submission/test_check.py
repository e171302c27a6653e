"""What a check finds in a results repository, sentence by sentence."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from benchmark.errors import UserError
from benchmark.metrics import METRICS
from benchmark.results import read_records, read_results, write_records
from leaderboard.submission.check import check
from leaderboard.submission.readme import write_readme

from .publishable import (
    CLIPS,
    MANIFEST,
    MINE,
    MINI,
    YOURS,
    edit_metric,
    edit_record,
    edit_results,
    place,
    publishable,
    scores_of,
)

RESULTS = f"results/unseen/mini/mine/{MINE}.json"
SCORES = f"results/unseen/mini/mine/{MINE}.scores.jsonl"
AGAIN = "score the run again with this version"
COPY = "copy the run's own scores.jsonl"
ONE_RUN = "copy both files of one run, or score it again"
CHANGED = "is not as egox-bench wrote it (edited, formatted, or other line ends); copy the run's own file byte for byte"


def said(repository: Path) -> list[str]:
    """All findings but those of the README, which no longer fits once a test has changed a file."""
    return [f"{one.level}: {one.sentence}" for one in check(repository).findings if one.file != "README.md"]


def test_a_repository_of_runs_as_the_benchmark_writes_them_has_no_findings(repository):
    checked = check(repository)
    assert checked.findings == ()
    assert checked.runs == 2


def test_a_folder_that_is_no_repository_is_an_error_that_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError) as caught:
        check(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no results repository (it has no folder results/); make one: egox-bench submit RUN --into {tmp_path}"
    )


def test_nan_is_named_with_its_line(repository, mine):
    mean = read_results(mine).metrics["psnr"].mean
    mine.write_text(mine.read_text().replace(f'"mean": {mean}', '"mean": NaN', 1))
    line = next(number for number, text in enumerate(mine.read_text().splitlines(), start=1) if "NaN" in text)
    assert said(repository) == [
        f"problem: {RESULTS}: line {line}: NaN is no number; expected null with a reason: score the run again"
    ]


def test_another_schema_is_named(repository, mine):
    mine.write_text(mine.read_text().replace('"schema": 2', '"schema": 1'))
    assert said(repository) == [f"problem: {RESULTS}: results schema 1, this version reads 2; score the run again"]


def test_a_field_that_does_not_fit_is_named(repository, mine):
    mine.write_text(mine.read_text().replace('"n_scored"', '"n_scord"'))
    assert said(repository) == [f"problem: {RESULTS}: unknown field 'n_scord'; did you mean 'n_scored'?"]


def test_files_that_are_cut_short_are_named(repository, mine):
    scores_of(mine).write_bytes(scores_of(mine).read_bytes()[:-50])
    assert said(repository) == [
        f"problem: {SCORES}: line 24: not JSON (Input data was truncated); it may be cut short: score the run again"
    ]
    mine.write_bytes(mine.read_bytes()[:-50])
    assert said(repository) == [
        f"problem: {RESULTS}: not JSON (Input data was truncated); it may be cut short: score the run again"
    ]


def test_a_file_nested_too_deeply_is_a_finding_and_no_crash(repository, mine):
    mine.write_text("[" * 100_000)
    assert said(repository) == [f"problem: {RESULTS}: nested too deeply; score the run again"]


def test_bytes_that_are_no_text_are_a_finding_and_no_crash(repository, mine):
    scores_of(mine).write_bytes(scores_of(mine).read_bytes().replace(CLIPS[0].encode(), b"\xff", 1))
    why = "line 1: a text in it is not UTF-8; score the run again"
    assert said(repository) == [f"problem: {SCORES}: {why}"]


def test_other_bytes_with_the_same_meaning_are_a_problem(repository, mine):
    mine.write_text(json.dumps(json.loads(mine.read_text())))
    scores_of(mine).write_bytes(scores_of(mine).read_bytes().replace(b"\n", b"\r\n"))
    assert said(repository) == [f"problem: {RESULTS}: {CHANGED}", f"problem: {SCORES}: {CHANGED}"]


@pytest.mark.parametrize(("part", "other"), [("split", "seen"), ("protocol", "rgb"), ("method", "theirs")])
def test_a_run_that_lies_elsewhere_than_it_says_is_named_with_where_it_belongs(repository, mine, part, other):
    names = dict(zip(("split", "protocol", "method"), ("unseen", "mini", "mine"))) | {part: other}
    target = repository / "results" / names["split"] / names["protocol"] / names["method"] / mine.name
    target.parent.mkdir(parents=True)
    scores_of(mine).rename(scores_of(target))
    mine.rename(target)
    file = target.relative_to(repository).as_posix()
    own = {"split": "unseen", "protocol": "mini", "method": "mine"}[part]
    assert said(repository) == [f"problem: {file}: {part}: lies in {other!r}, but says {own!r}; it belongs at {RESULTS}"]


@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        ({"partial": True}, "partial", "not every clip of the split was attempted; finish the run without --limit and --clips"),
        ({"n_expected": 25}, "n_expected", f"is 25, but the split has 24 clips; {AGAIN}"),
        ({"n_scored": 25}, "n_scored", f"is 25 of 24 clips; {AGAIN}"),
        ({"n_still": 25}, "n_still", f"is 25 of 24 scored clips; {AGAIN}"),
        (
            {"split": {"digest": "0" * 16}},
            "split.digest",
            f"is {'0' * 16!r}, but {MANIFEST.digest!r} is that of sim-2 unseen in this version: these are other clips; {AGAIN}",
        ),
        (
            {"protocol": {"version": 1, "digest": "0" * 16}},
            "protocol",
            f"measured with another version: mini@1 ({'0' * 16}), this version has mini@{MINI.version} ({MINI.digest});"
            " score the run again, or check with the other version",
        ),
    ],
)
def test_a_header_that_does_not_fit_this_version_is_a_problem(repository, mine, changes, field, text):
    edit_results(mine, **changes)
    assert f"problem: {RESULTS}: {field}: {text}" in said(repository)
    assert all(one.startswith((f"problem: {RESULTS}", f"problem: {SCORES}: n_s")) for one in said(repository))


def test_a_number_of_clips_that_is_not_the_splits_is_a_problem(repository, mine):
    edit_results(mine, split={"n": 30}, n_expected=30)
    assert said(repository) == [
        f"problem: {RESULTS}: split.n: is 30, but sim-2 unseen has 24 clips; {AGAIN}",
    ]


def test_a_protocol_that_does_not_ship_is_a_problem(repository, mine):
    edit_results(mine, protocol={"name": "best"})
    assert f"problem: {RESULTS}: protocol.name: 'best' does not ship with this version;" in "\n".join(said(repository))
    assert "score the run again under one of egox-paper, mini, rgb" in "\n".join(said(repository))


def test_a_split_that_does_not_ship_is_a_warning_and_its_clips_are_compared_between_runs(repository, mine):
    other = repository / "results" / "unseen" / "mini" / "yours" / f"{YOURS}.json"
    for file in (mine, other):
        edit_results(file, split={"dataset": "ego-exo4d", "digest": "d" * 16})
    warning = "split: 'unseen' of 'ego-exo4d' does not ship with this version: its clips cannot be checked"
    theirs = RESULTS.replace("mine", "yours").replace(MINE, YOURS)
    assert said(repository) == [f"warning: {RESULTS}: {warning}", f"warning: {theirs}: {warning}"]
    edit_record(mine, 0, clip="another")
    assert said(repository)[1:] == [
        f"warning: {theirs}: clip 'another' is in {RESULTS}, and not in {theirs} of the same split;"
        " it failed there, or one is wrong",
        f"warning: {theirs}: {warning}",
    ]
    write_records(scores_of(mine), read_records(scores_of(mine))[1:])
    assert f"problem: {SCORES}: 23 clips and 0 errors for a split of 24 clips; {COPY}, or score the run again" in said(repository)


def test_a_metric_that_is_not_known_is_named_with_the_nearest(repository, mine):
    metrics = dict(read_results(mine).metrics)
    edit_results(mine, metrics=metrics | {"psnrr": metrics["psnr"]})
    assert said(repository) == [f"problem: {RESULTS}: metrics.psnrr: unknown metric 'psnrr'; did you mean 'psnr'?; {AGAIN}"]


def test_a_metric_of_another_version_is_named(repository, mine):
    edit_metric(mine, "psnr", version=9)
    ours = METRICS["psnr"].version
    assert said(repository) == [f"problem: {RESULTS}: metrics.psnr.version: is 9, this version has {ours}; {AGAIN}"]


def test_a_metric_that_does_not_name_its_weights_is_a_problem(repository, mine):
    edit_metric(mine, "eff-i", weights={})
    text = f"names none, but it is measured with efficientnet-lite0; {AGAIN}"
    assert said(repository) == [f"problem: {RESULTS}: metrics.eff-i.weights: {text}"]


@pytest.mark.parametrize("hidden", ["\x1b[2J", "\u202e", "\r"])
def test_characters_that_hide_or_move_are_a_problem_wherever_they_stand(repository, mine, hidden):
    edit_metric(mine, "psnr", reason=f"a {hidden} b")
    edit_record(mine, 0, notes=(f"a {hidden} b",))
    text = "holds characters that move a terminal's cursor or hide text; score the run again without them"
    assert said(repository) == [f"problem: {RESULTS}: {text}", f"problem: {SCORES}: {text}"]


def test_line_breaks_in_a_reason_and_words_of_any_script_pass(repository, mine):
    edit_metric(mine, "psnr", reason="two\nlines, \\u001b as text, für 方法")
    assert said(repository) == []


def test_metrics_that_the_protocol_does_not_measure_or_that_are_not_there_are_named(repository, mine):
    metrics = dict(read_results(mine).metrics)
    metrics["lpips"] = msgspec.structs.replace(metrics.pop("ssim"), version=METRICS["lpips"].version, weights={"alexnet": "0"})
    edit_results(mine, metrics=metrics)
    assert said(repository) == [
        f"problem: {RESULTS}: metrics: lacks ssim, which mini measures; {AGAIN}",
        f"problem: {RESULTS}: metrics.lpips: is not measured by mini; {AGAIN}",
    ]


def test_counts_and_intervals_that_cannot_be_are_problems(repository, mine):
    edit_metric(mine, "fvd", undefined=25)
    edit_metric(mine, "kvd", mean=4.0, low=6.0, high=5.0, n=24, undefined=0)
    assert said(repository) == [
        f"problem: {RESULTS}: metrics.fvd: n 0 + undefined 25 + errors 0 do not fit 24 clips; {AGAIN}",
        f"problem: {RESULTS}: metrics.kvd.mean: 4.0 is not within its interval [6.0, 5.0]; {AGAIN}",
    ]


def test_a_mean_that_its_counts_or_its_interval_deny_is_a_problem(repository, mine):
    edit_metric(mine, "psnr", mean=90.0)
    edit_metric(mine, "ssim", mean=None)
    value = read_results(mine).metrics["psnr"]
    found = [one for one in said(repository) if RESULTS in one]
    assert found == [
        f"problem: {RESULTS}: metrics.psnr.mean: 90.0 is not within its interval [{value.low}, {value.high}]; {AGAIN}",
        f"problem: {RESULTS}: metrics.ssim.mean: is None with n 24; {AGAIN}",
    ]


def test_results_are_recomputed_from_the_scores_by_clip(repository, mine):
    true = read_results(mine).metrics["psnr"]
    assert true.mean is not None
    edit_metric(mine, "psnr", mean=true.mean + 0.01)
    edit_metric(mine, "ssim", n=23, undefined=1)
    edit_results(mine, n_still=1)
    assert said(repository) == [
        f"problem: {SCORES}: metrics.psnr.mean: the results say {true.mean + 0.01}, these scores give {true.mean}; {ONE_RUN}",
        f"problem: {SCORES}: metrics.ssim.n: the results say 23, these scores give 24; {ONE_RUN}",
        f"problem: {SCORES}: n_still: the results say 1, these scores give 0; {ONE_RUN}",
    ]


def test_an_interval_of_another_release_of_scipy_passes_and_another_interval_does_not(repository, mine):
    value = read_results(mine).metrics["psnr"]
    assert value.low is not None
    assert value.high is not None
    width = value.high - value.low
    edit_metric(mine, "psnr", low=value.low - 0.05 * width)
    assert said(repository) == []
    edit_metric(mine, "psnr", low=value.low - 0.2 * width)
    assert len(said(repository)) == 1
    assert said(repository)[0].startswith(f"problem: {SCORES}: metrics.psnr.low: the results say ")


def test_clips_that_are_missing_unknown_twice_or_of_another_take_are_named(repository, mine):
    records = read_records(scores_of(mine))
    write_records(scores_of(mine), records[1:])
    missing = f"is missing, and no more than 0 are counted as errors; {COPY}"
    assert said(repository) == [f"problem: {SCORES}: clip {CLIPS[0]}: {missing}"]
    write_records(scores_of(mine), [records[0], *records])
    assert said(repository) == [f"problem: {SCORES}: clip {CLIPS[0]}: comes twice; {COPY}"]
    write_records(scores_of(mine), [*records, msgspec.structs.replace(records[0], clip="extra")])
    assert said(repository) == [f"problem: {SCORES}: clip extra: is not in sim-2 unseen; {COPY}"]
    write_records(scores_of(mine), [msgspec.structs.replace(records[0], cluster="t", place="p"), *records[1:]])
    assert said(repository) == [
        f"problem: {SCORES}: clip {CLIPS[0]}: take 't' and place 'p' are not those of sim-2 unseen; {COPY}"
    ]


def test_a_score_of_a_metric_that_the_protocol_does_not_measure_is_named(repository, mine):
    scores = read_records(scores_of(mine))[0].scores
    edit_record(mine, 0, scores=scores | {"beauty": scores["psnr"]})
    assert said(repository) == [f"problem: {SCORES}: clip {CLIPS[0]}: metric 'beauty' is not measured by mini; {COPY}"]


def test_clips_that_failed_are_warnings_where_the_results_count_them(tmp_path):
    place(tmp_path, publishable(tmp_path / "runs", "mine", failed=CLIPS[:2]))
    assert said(tmp_path) == [f"warning: {SCORES}: clip {clip}: failed: it has no scores" for clip in CLIPS[:2]]


def test_a_run_without_scores_by_clip_is_allowed_and_warned_of(repository, mine):
    scores_of(mine).unlink()
    assert said(repository) == [
        f"warning: {RESULTS}: has no scores by clip beside it: no paired test can be made with this run; add its scores.jsonl"
    ]
    write_readme(repository)
    assert "## Without scores by clip" in (repository / "README.md").read_text()


def test_scores_without_results_are_named(repository, mine):
    mine.unlink()
    assert said(repository) == [f"problem: {SCORES}: scores by clip without results; add the run again, or remove the file"]


def test_what_does_not_belong_is_named_and_links_are_not_followed(repository, mine, tmp_path):
    (tmp_path / "outside.json").write_text("{}")
    (mine.parent / "video.mkv").write_bytes(b"")
    (mine.parent / f".{mine.name}.12.part").write_bytes(b"")
    (mine.parent / "aaaaaaaaaaaaaaaa.json").symlink_to(tmp_path / "outside.json")
    (repository / "results" / "linked").symlink_to(tmp_path, target_is_directory=True)
    where = "results/unseen/mini/mine"
    kinds = "only <split>/<protocol>/<method>/<key>.json and <key>.scores.jsonl do"
    link = "is a link, and links are never followed; put the file itself there"
    assert said(repository) == [
        f"problem: results/linked: {link}",
        f"warning: {where}/.{mine.name}.12.part: was left by a write that was interrupted; remove it",
        f"problem: {where}/aaaaaaaaaaaaaaaa.json: {link}",
        f"problem: {where}/video.mkv: does not belong into results/ ({kinds}); remove it",
    ]


def test_a_readme_that_is_not_of_these_results_is_a_warning(repository, mine):
    sentence = f"README.md: is missing or not of these results; write it again: egox-bench submit --into {repository}"
    edit_results(mine, n_still=1)
    assert sentence in [one.sentence for one in check(repository).warnings]
    (repository / "README.md").unlink()
    assert sentence in [one.sentence for one in check(repository).warnings]


def test_one_run_under_two_keys_is_a_warning_with_both(repository, mine):
    place(repository, publishable(repository.parent / "runs", "mine", key=YOURS))
    other = RESULTS.replace(MINE, YOURS)
    text = f"is of the same method, options, code, seed, split and protocol as {RESULTS}; keep one of them"
    assert said(repository) == [f"warning: {other}: {text}"]


def test_the_same_videos_under_two_names_are_a_warning_with_both(repository, mine):
    records = read_records(scores_of(mine))
    other = place(repository, publishable(repository.parent / "runs", "yours", level=20, key="a" * 16))
    theirs = [
        msgspec.structs.replace(one, prediction=own.prediction) for one, own in zip(read_records(scores_of(other)), records)
    ]
    write_records(scores_of(other), theirs)
    text = f"'yours' has pixel for pixel the videos of 'mine' ({RESULTS}); say which is which, or keep one of them"
    assert f"warning: results/unseen/mini/yours/{'a' * 16}.json: {text}" in said(repository)


def test_names_that_differ_in_capitals_only_are_a_problem(repository):
    place(repository, publishable(repository.parent / "runs", "Mine", key=YOURS))
    where = "results/unseen/mini"
    assert said(repository) == [
        f"problem: {where}/mine: differs from {where}/Mine in capitals only; give one of the two another name"
    ]


def test_equal_repositories_give_equal_findings(repository, mine):
    (mine.parent / "b.mkv").write_bytes(b"")
    (mine.parent / "a.mkv").write_bytes(b"")
    edit_metric(mine, "psnr", version=9)
    assert check(repository) == check(repository)
