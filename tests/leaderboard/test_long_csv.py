"""leaderboard.csv: complete, exact, mergeable, the same bytes each time."""

from __future__ import annotations

import csv
import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.results import read_results
from leaderboard.long_csv import COLUMNS, merge_into, read_lines
from leaderboard.rows import find_rows

from .runs import TWO, make_run


def merged(path: Path, *runs: Path) -> bytes:
    merge_into(path, find_rows(runs))
    return path.read_bytes()


def test_every_metric_of_a_run_is_a_line_that_holds_all_of_its_results(tmp_path):
    folder = make_run(tmp_path / "runs", "mine", undefined=1, errors=2, seed=3, version="1.2")
    merged(tmp_path / "l.csv", folder)
    psnr = read_results(folder / "results.json").metrics["psnr"]
    lines = list(csv.DictReader(io.StringIO((tmp_path / "l.csv").read_text())))
    assert [line["metric"] for line in lines] == ["psnr", "ssim", "psnr-y", "ssim-y"]
    first = lines[0]
    assert tuple(first) == COLUMNS
    assert [float(first[name]) for name in ("value", "low", "high")] == [psnr.mean, psnr.low, psnr.high]
    assert {name: first[name] for name in COLUMNS if name not in ("value", "low", "high", "protocol_digest")} == {
        "method": "mine", "version": "1.2", "split": "unseen", "protocol": "pixels", "metric": "psnr", "n": "21",
        "n_expected": "24", "undefined": "1", "errors": "2", "privileged": "none", "control": "false", "static": "false",
        "partial": "false", "seed": "3", "split_digest": "5p1it", "metric_version": "1", "run": "0123456789abcdef", "options": "",
    }  # fmt: skip


def test_no_number_is_an_empty_cell(tmp_path):
    merged(tmp_path / "l.csv", make_run(tmp_path / "runs", "mine", undefined=24))
    first = read_lines(tmp_path / "l.csv")[0]
    assert (first["value"], first["low"], first["high"], first["n"], first["undefined"]) == ("", "", "", "0", "24")


def test_merging_keeps_other_runs_and_replaces_the_same_one(tmp_path):
    path, root = tmp_path / "l.csv", tmp_path / "runs"
    merged(path, make_run(root, "a", level=20), make_run(root, "b", level=21))
    before = read_lines(path)
    merged(path, make_run(root, "b", level=25))
    after = read_lines(path)
    assert len(after) == 8
    assert [line for line in after if line["method"] == "a"] == [line for line in before if line["method"] == "a"]
    assert all(float(line["value"]) > 24 for line in after if line["method"] == "b" and "psnr" in line["metric"])


def test_one_run_under_two_protocols_keeps_the_lines_of_both(tmp_path):
    path, root = tmp_path / "l.csv", tmp_path / "runs"
    merged(path, make_run(root, "a"))
    merged(path, make_run(root, "a", protocol=TWO))
    assert [(line["protocol"], line["metric"]) for line in read_lines(path)] == [
        ("pixels", "psnr"), ("pixels", "ssim"), ("pixels", "psnr-y"), ("pixels", "ssim-y"), ("two", "psnr"), ("two", "ssim"),
    ]  # fmt: skip


def test_the_order_of_merging_does_not_change_a_byte_and_neither_does_merging_again(tmp_path):
    root = tmp_path / "runs"
    runs = [make_run(root, name, seed=seed) for name in ("b", "a", "c") for seed in (0,)]
    runs.append(make_run(root, "a", run="ffff", seed=1))
    forwards = merged(tmp_path / "1.csv", *runs)
    for run in reversed(runs):
        backwards = merged(tmp_path / "2.csv", run)
    assert forwards == backwards == merged(tmp_path / "1.csv", *runs)


def test_names_with_commas_and_quotes_survive(tmp_path):
    path = tmp_path / "l.csv"
    merged(path, make_run(tmp_path / "runs", 'a,"b"'))
    before = path.read_bytes()
    assert read_lines(path)[0]["method"] == 'a,"b"'
    assert merged(path, make_run(tmp_path / "runs", 'a,"b"')) == before


def test_another_csv_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("method,psnr\nmine,20\n")
    with pytest.raises(UserError, match=r"notes.csv: not a leaderboard CSV of this version \(lacks version\)"):
        merged(path, make_run(tmp_path / "runs", "mine"))
    assert path.read_text() == "method,psnr\nmine,20\n"


def test_a_line_that_was_cut_short_is_refused_by_its_number(tmp_path):
    path = tmp_path / "l.csv"
    merged(path, make_run(tmp_path / "runs", "mine"))
    path.write_text(path.read_text().rsplit(",", 3)[0] + "\n")
    with pytest.raises(UserError, match=r"l.csv, line 5: 19 cells, expected 22"):
        read_lines(path)


def test_a_folder_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        merged(tmp_path / "file" / "l.csv", make_run(tmp_path / "runs", "mine"))


def _merge_one(arguments: tuple[Path, Path]) -> None:
    merge_into(arguments[0], find_rows([arguments[1]]))


def test_processes_that_merge_at_once_lose_no_lines(tmp_path):
    runs = [make_run(tmp_path / "runs", f"method-{i}") for i in range(12)]
    with ProcessPoolExecutor(max_workers=4, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_merge_one, [(tmp_path / "l.csv", run) for run in runs]))
    assert {line["method"] for line in read_lines(tmp_path / "l.csv")} == {f"method-{i}" for i in range(12)}
    assert (tmp_path / "l.csv").read_bytes() == merged(tmp_path / "all.csv", *runs)
