"""Finding runs, and refusing to put what was measured differently into one table."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from benchmark.contenders import check_comparable, read_run
from benchmark.errors import UserError
from benchmark.results import read_results
from leaderboard.rows import check_one_table, find_rows, grouped

from .runs import PIXELS, TWO, edit, make_run


def test_runs_are_found_by_file_by_folder_and_below_a_folder_each_once(tmp_path):
    a, b = make_run(tmp_path, "a"), make_run(tmp_path, "b")
    for paths in ([tmp_path], [a, b], [a / "results.json", b], [tmp_path, a, tmp_path / "b"]):
        assert [row.results.method.id for row in find_rows(paths)] == ["a", "b"]
    assert find_rows([a])[0].run == "0123456789abcdef"


def test_a_path_without_results_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="no such run"):
        find_rows([tmp_path / "absent"])
    with pytest.raises(UserError, match=r"holds no results.json; score something first"):
        find_rows([tmp_path])


def test_a_damaged_results_file_is_named(tmp_path):
    make_run(tmp_path, "a")
    broken = make_run(tmp_path, "b") / "results.json"
    broken.write_text("{")
    with pytest.raises(UserError, match=str(broken)):
        find_rows([tmp_path])


def test_rows_of_one_split_and_protocol_pass(tmp_path):
    make_run(tmp_path, "a")
    make_run(tmp_path, "b", seed=4, takes=3)
    rows = find_rows([tmp_path])
    check_one_table(rows)
    assert len(grouped(rows)) == 1


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"split": "seen"}, "split differs (sim/unseen and sim/seen)"),
        ({"split_digest": "0ther"}, "split digest differs (5p1it and 0ther)"),
        ({"protocol": dataclasses.replace(PIXELS, version=2)}, "protocol version differs (1 and 2)"),
        ({"protocol": TWO}, "protocol differs (pixels and two)"),
    ],
)
def test_other_clips_or_another_protocol_are_refused_and_the_difference_is_named(tmp_path, other, text):
    rows = find_rows([make_run(tmp_path, "a"), make_run(tmp_path, "b", **other)])
    with pytest.raises(UserError) as caught:
        check_one_table(rows)
    assert "a (0123456789abcdef) and b (0123456789abcdef) cannot share a table" in str(caught.value)
    assert text in str(caught.value)
    assert [row.results.method.id for group in grouped(rows) for row in group] == ["a", "b"]
    assert len(grouped(rows)) == 2


def test_another_version_of_a_metric_is_refused_by_the_metrics_name(tmp_path):
    a, b = make_run(tmp_path, "a"), make_run(tmp_path, "b")
    metrics = dict(read_results(b / "results.json").metrics)
    edit(b, metrics=metrics | {"ssim": msgspec.structs.replace(metrics["ssim"], version=9)})
    with pytest.raises(UserError, match=r"version of metric ssim differs \(1 and 9\)"):
        check_one_table(find_rows([a, b]))


def test_rows_that_saw_truth_controls_and_partial_runs_do_not_compete(tmp_path):
    make_run(tmp_path, "fair")
    make_run(tmp_path, "still", static=True)
    make_run(tmp_path, "oracle", privileged="truth")
    make_run(tmp_path, "first", privileged="first_frame")
    make_run(tmp_path, "shuffled", control=True)
    make_run(tmp_path, "limited", attempted=3)
    competing = {row.results.method.id for row in find_rows([tmp_path]) if row.competes}
    assert competing == {"fair", "still"}


def test_rows_that_were_measured_with_other_weights_never_share_a_table_and_one_without_any_fits_both(tmp_path):
    folders = [make_run(tmp_path, name) for name in ("mine", "yours", "neither")]
    for folder, weights in zip(folders, ({"net": "a" * 16}, {"net": "b" * 16}, {})):
        metrics = dict(read_results(folder / "results.json").metrics)
        edit(folder, metrics=metrics | {"ssim": msgspec.structs.replace(metrics["ssim"], weights=weights)})
    rows = find_rows(folders)
    with pytest.raises(UserError, match=r"weights net of metric ssim differs \(a{16} and b{16}\)"):
        check_one_table(rows)
    check_one_table([rows[0], rows[2]])
    assert [[row.results.method.id for row in group] for group in grouped(rows)] == [["mine", "neither"], ["yours"]]


def test_a_row_without_weights_does_not_bring_rows_of_other_weights_together(tmp_path):
    folders = [make_run(tmp_path, name) for name in ("neither", "mine", "yours")]
    for folder, weights in zip(folders, ({}, {"net": "a" * 16}, {"net": "b" * 16})):
        metrics = dict(read_results(folder / "results.json").metrics)
        edit(folder, metrics=metrics | {"ssim": msgspec.structs.replace(metrics["ssim"], weights=weights)})
    with pytest.raises(UserError, match="weights net of metric ssim differs"):
        check_one_table(find_rows(folders))
    with pytest.raises(UserError, match="weights net of metric ssim differs"):
        check_comparable([read_run(folder) for folder in folders])
