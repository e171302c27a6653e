"""Finding runs, and refusing to put what was measured differently into one table."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from benchmark.contenders import check_comparable, read_run
from benchmark.errors import UserError
from benchmark.results import read_results
from leaderboard.rows import check_one_table, find_rows, find_rows_and_faults, grouped

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


def in_repository(root, folder):
    """A run put into a results repository by hand; returns its results file."""
    results = read_results(folder / "results.json")
    file = root / "results" / results.split.name / results.protocol.name / results.method.id / f"{folder.name}.json"
    file.parent.mkdir(parents=True)
    file.write_bytes((folder / "results.json").read_bytes())
    file.with_suffix(".scores.jsonl").write_bytes((folder / "scores.jsonl").read_bytes())
    return file


def test_runs_of_a_results_repository_are_found_with_their_scores_by_clip(tmp_path):
    file = in_repository(tmp_path / "repository", make_run(tmp_path / "runs", "a"))
    for path in (tmp_path / "repository", tmp_path / "repository" / "results", file.parent, file):
        (row,) = find_rows([path])
        assert (row.run, row.file) == ("0123456789abcdef", file.resolve())
        assert len(row.read().records) == 24
        assert row.folder == file.resolve().with_suffix("")  # which is not there: features and videos never enter


def test_files_of_clips_in_a_run_are_not_taken_for_a_repository(tmp_path):
    folder = make_run(tmp_path / "results", "a")  # a user may call the folder of runs so
    (folder / "clips").mkdir()
    (folder / "clips" / "0123456789abcdef.json").write_text("{}")
    assert [row.file.name for row in find_rows([tmp_path])] == ["results.json"]


def damaged(root):
    """Six runs of which five do not fit, each for another reason; returns their folders by reason."""
    folders = {name: make_run(root, name) for name in ("fine", "nan", "schema", "metric", "missing", "twice", "torn")}
    for name, old, new in (("nan", b'"mean": 20', b'"mean": NaN, "x": 20'), ("schema", b'"schema": 2', b'"schema": 9')):
        file = folders[name] / "results.json"
        data = file.read_bytes().replace(old, new, 1)
        assert data != file.read_bytes()
        file.write_bytes(data)
    metrics = dict(read_results(folders["metric"] / "results.json").metrics)
    edit(folders["metric"], metrics=metrics | {"beauty": metrics["psnr"]})
    for name, change in (("missing", slice(0, -1)), ("twice", slice(0, None)), ("torn", slice(0, None))):
        scores = folders[name] / "scores.jsonl"
        lines = scores.read_bytes().splitlines(keepends=True)[change]
        lines = [*lines, lines[0]] if name == "twice" else lines
        scores.write_bytes(b"".join(lines)[: -100 if name == "torn" else None])
    return folders


def test_files_that_do_not_fit_cost_no_other_run_its_place_and_each_is_one_sentence(tmp_path):
    folders = damaged(tmp_path)
    rows, faults = find_rows_and_faults([tmp_path])
    assert [row.results.method.id for row in rows] == ["fine"]
    assert len(faults) == 6
    assert [fault.replace(f"{tmp_path}/", "").replace("/unseen/pixels/0123456789abcdef", "") for fault in faults[:5]] == [
        "metric/results.json: metric 'beauty' is not known to this version; score the run again with it",
        "missing/scores.jsonl: 1 clip is missing (23 of 24); copy the run's own file, or score the run again",
        "nan/results.json, line 19: NaN is no number; expected null with a reason: score the run again",
        "schema/results.json: results schema 9, this version reads 2; score the run again",
        "torn/scores.jsonl, line 24: not JSON (Input data was truncated); it may be cut short: score the run again",
    ]
    said = "clip 'c000' comes twice; copy the run's own file, or score the run again"
    assert faults[5] == f"{folders['twice'] / 'scores.jsonl'}: {said}"
    with pytest.raises(UserError):
        find_rows([folders["nan"]])


def test_nan_in_a_line_of_scores_is_named_and_a_method_of_that_name_is_none(tmp_path):
    make_run(tmp_path, "NaN")
    scores = make_run(tmp_path, "b") / "scores.jsonl"
    scores.write_bytes(scores.read_bytes().replace(b'"value":', b'"value":NaN,"was":', 1))
    (tmp_path / "NaN" / "unseen" / "pixels" / "0123456789abcdef" / "results.json").open("a").write("x")
    faults = find_rows_and_faults([tmp_path])[1]
    assert "trailing characters" in faults[0]
    assert faults[1] == f"{scores}, line 1: NaN is no number; expected null with a reason: score the run again"


def test_files_that_are_no_text_or_nested_without_end_are_faults_as_any_other(tmp_path):
    deep, bytes_ = make_run(tmp_path, "a") / "results.json", make_run(tmp_path, "b") / "results.json"
    scores = make_run(tmp_path, "c") / "scores.jsonl"
    deep.write_text("[" * 100_000)
    bytes_.write_bytes(bytes_.read_bytes().replace(b'"b"', b'"\xff"'))
    scores.write_bytes(scores.read_bytes().replace(b"take 1", b"take \xff"))
    assert find_rows_and_faults([tmp_path])[1] == [
        f"{deep}: nested too deeply; score the run again",
        f"{bytes_}: a text in it is not UTF-8; score the run again",
        f"{scores}, line 2: a text in it is not UTF-8; score the run again",
    ]
    with pytest.raises(UserError, match="nested too deeply"):
        find_rows([deep])


def test_controls_join_every_table_that_they_fit(tmp_path):
    for method, level in (("bare", 30), ("one", 20), ("two", 21)):
        make_run(tmp_path, method, level=level)
    make_run(tmp_path, "oracle", cap=True, privileged="truth", control=True)
    next((tmp_path / "bare").rglob("scores.jsonl")).unlink()
    groups = [[row.results.method.id for row in group] for group in grouped(find_rows([tmp_path]))]
    assert groups == [["bare", "oracle"], ["one", "two", "oracle"]]
