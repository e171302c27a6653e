"""What changed between two versions of results, with facts by hand."""

from __future__ import annotations

import json

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from benchmark.errors import UserError
from benchmark.results import read_results
from leaderboard.diff_verb import command
from leaderboard.submission.adding import add
from leaderboard.submission.diff import diff
from leaderboard.submission.diff_text import markdown, plain_text

from .publishable import MINE, YOURS, edit_metric, edit_results, publishable

APP = typer.Typer()
APP.command()(command)


def call(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


@pytest.fixture
def versions(tmp_path):
    """Two folders of runs: "gone" and "moved" before; "moved", with other numbers, "kept" in both, and "came" after."""
    old, new = tmp_path / "old", tmp_path / "new"
    publishable(old, "gone")
    for root in (old, new):
        publishable(root, "kept")
    for root in (old, new):
        file = publishable(root, "moved") / "results.json"
        first = root == old
        edit_metric(file, "psnr", mean=20.0 if first else 20.5, low=19.0, high=21.0)
        edit_metric(file, "ssim", mean=0.5 if first else 0.8, low=0.4, high=0.6)
        edit_metric(file, "st-lpips", mean=0.5 if first else 0.8, low=0.4, high=0.6)
        edit_metric(file, "flicker", mean=0.9 if first else 0.8, low=0.85, high=0.95)
        edit_metric(file, "fvd", mean=None if first else 900.0, n=0 if first else 24, undefined=24 if first else 0)
    publishable(new, "came")
    return old, new


def test_runs_are_added_removed_changed_or_the_same(versions):
    found = diff(*versions)
    assert [row.results.method.id for row in found.added] == ["came"]
    assert [row.results.method.id for row in found.removed] == ["gone"]
    assert [one.new.results.method.id for one in found.changed] == ["moved"]
    assert (found.same, found.faults) == (1, ())


def test_a_number_that_left_the_old_interval_is_said_to_and_only_a_clear_direction_is_better_or_worse(versions):
    (change,) = diff(*versions).changed
    moved = {one.metric: (one.difference, one.beyond, one.better) for one in change.metrics}
    assert moved.pop("psnr") == (0.5, False, "better")
    assert moved.pop("ssim") == (pytest.approx(0.3), True, "better")
    assert moved.pop("st-lpips") == (pytest.approx(0.3), True, "worse")
    assert moved.pop("flicker") == (pytest.approx(-0.1), True, "")  # better the nearer to the truth's own
    assert moved.pop("fvd") == (None, None, "")
    assert moved == {}


def test_the_text_by_hand(versions):
    assert plain_text(diff(*versions)) == (
        "+ came seed=0 · sim-2 unseen · mini@3 · 01234567\n"
        "- gone seed=0 · sim-2 unseen · mini@3 · 01234567\n"
        "~ moved seed=0 · sim-2 unseen · mini@3 · 01234567\n"
        "    metric              old          new  difference\n"
        "    PSNR         20.00±1.00   20.50±1.00       +0.50\n"
        "    SSIM        0.500±0.100  0.800±0.100      +0.300  better, beyond the old interval\n"
        "    ST-LPIPS    0.500±0.100  0.800±0.100      +0.300  worse, beyond the old interval\n"
        "    FVD                   –       900.00              n 0 → 24, undefined 24 → 0\n"
        "    Flickering  0.900±0.050  0.800±0.050      -0.100  beyond the old interval\n"
        "runs: 1 added, 1 removed, 1 changed, 1 the same; 3 numbers beyond the old interval\n"
    )


def test_the_same_difference_gives_the_same_bytes_from_folders_of_runs_and_from_repositories(versions, tmp_path):
    old, new = versions
    for root in versions:  # only what a repository accepts
        for folder in (root / "moved" / "unseen" / "mini").iterdir():
            for file in folder.iterdir():
                file.unlink()
    add([old], tmp_path / "a")
    add([new], tmp_path / "b")
    text = plain_text(diff(old, new))
    assert text == plain_text(diff(tmp_path / "a", tmp_path / "b")) == plain_text(diff(old, tmp_path / "b"))
    assert text.endswith("runs: 1 added, 1 removed, 0 changed, 1 the same\n")


def test_a_run_is_followed_where_its_key_changed_with_its_code(tmp_path):
    publishable(tmp_path / "old", "mine", key=MINE)
    file = publishable(tmp_path / "new", "mine", key=YOURS) / "results.json"
    edit_results(file, method={"source": "t"})
    (change,) = diff(tmp_path / "old", tmp_path / "new").changed
    assert change.fields == (f"key: {MINE} → {YOURS}", "method.source: s → t")
    assert change.metrics == ()


def test_two_seeds_are_two_runs_and_are_not_followed_into_each_other(tmp_path):
    publishable(tmp_path / "old", "mine", seed=0)
    publishable(tmp_path / "new", "mine", seed=1, key=YOURS)
    found = diff(tmp_path / "old", tmp_path / "new")
    assert (len(found.added), len(found.removed), len(found.changed)) == (1, 1, 0)


@pytest.mark.parametrize("why", ["other clips", "version 1 → 9", "other weights"])
def test_numbers_that_were_measured_differently_are_never_called_better(tmp_path, why):
    for root in ("old", "new"):
        file = publishable(tmp_path / root, "mine") / "results.json"
        first = root == "old"
        changes = {"mean": 1.0 if first else 50.0}
        changes |= {"version": 1 if first else 9} if why.startswith("version") else {}
        changes |= {"weights": {"net": root}} if why == "other weights" else {}
        edit_metric(file, "psnr", **changes)
        edit_results(file, split={"digest": root} if why == "other clips" else {})
    found = diff(tmp_path / "old", tmp_path / "new")
    (one,) = found.changed[0].metrics
    assert (one.difference, one.better, one.why) == (49.0, "", why)
    assert "beyond" not in plain_text(found).replace("0 numbers beyond", "")


def test_metrics_that_came_or_went_are_named(tmp_path):
    for root in ("old", "new"):
        file = publishable(tmp_path / root, "mine") / "results.json"
        metrics = dict(read_results(file).metrics)
        metrics.pop("psnr" if root == "old" else "ssim")
        edit_results(file, metrics=metrics)
    (change,) = diff(tmp_path / "old", tmp_path / "new").changed
    assert {one.metric: one.why for one in change.metrics} == {"psnr": "newly measured", "ssim": "no longer measured"}


def test_a_file_that_does_not_fit_is_named_and_the_rest_is_compared(versions):
    old, new = versions
    (new / "kept" / "unseen" / "mini" / MINE / "results.json").write_text("{")
    found = diff(old, new)
    assert found.faults == (
        f"new: kept/unseen/mini/{MINE}/results.json: not JSON (Input data was truncated); it may be cut short:"
        " score the run again",
    )
    assert len(found.changed) == 1
    done = call(old, new)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-2].startswith("! new: kept/")


def test_a_repository_may_be_empty_and_a_folder_that_is_not_there_may_not(repository, tmp_path):
    (tmp_path / "empty" / "results").mkdir(parents=True)
    found = diff(tmp_path / "empty", repository)
    assert [row.results.method.id for row in found.added] == ["mine", "yours"]
    with pytest.raises(UserError, match="absent: not there; name two results repositories, or two folders of runs"):
        diff(tmp_path / "absent", repository)


def test_markdown_is_escaped_and_calls_nobody(tmp_path):
    (tmp_path / "old" / "results").mkdir(parents=True)
    publishable(tmp_path / "new", "@all <b>*x*")
    text = markdown(diff(tmp_path / "old", tmp_path / "new"))
    assert text == (
        "**runs: 1 added, 0 removed, 0 changed, 0 the same**\n\n"
        "Added:\n\n"
        "- @\u2060all &lt;b&gt;\\*x\\* seed=0 · sim-2 unseen · mini@3 · 01234567\n"
    )


def test_markdown_has_a_table_for_each_changed_run(versions):
    lines = markdown(diff(*versions)).splitlines()
    assert "#### moved seed=0 · sim-2 unseen · mini@3 · 01234567" in lines
    assert "| metric | old | new | difference |  |" in lines
    assert "| SSIM | 0.500±0.100 | 0.800±0.100 | +0.300 | better, beyond the old interval |" in lines


def test_what_moves_a_cursor_is_not_printed(tmp_path):
    (tmp_path / "old" / "results").mkdir(parents=True)
    publishable(tmp_path / "new", "a", change=lambda method: msgspec.structs.replace(method, id="a\x1b[2J"))
    assert "+ a?[2J seed=0" in plain_text(diff(tmp_path / "old", tmp_path / "new"))


def test_the_verb_prints_text_markdown_and_json(versions):
    done = call(*versions)
    assert (done.exit_code, done.stdout) == (0, plain_text(diff(*versions)))
    assert call(*versions, "--format", "markdown").stdout == markdown(diff(*versions))
    found = json.loads(call(*versions, "--json").stdout)
    assert [run["method"] for run in found["added"]] == ["came"]
    moved = {one["metric"]: one for one in found["changed"][0]["metrics"]}
    assert moved["psnr"]["difference"] == 0.5
    assert moved["psnr"]["beyond_old_interval"] is False
    assert moved["fvd"]["old"]["mean"] is None
