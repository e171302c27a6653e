"""Tables: order, marks, denominators, and who may be best."""

from __future__ import annotations

import io
import math

import msgspec
import pytest

from benchmark.errors import UserError
from benchmark.results import ClipScore, read_records, read_results, write_records
from leaderboard.formats.terminal import header, plain_text, rich_tables, texts
from leaderboard.marks import marks_of
from leaderboard.rows import Row, find_rows
from leaderboard.table import Sheet, sheet_of

from .runs import edit, make_run


def sheet(root) -> Sheet:
    return sheet_of(find_rows([root]))


def line(found: Sheet, method: str) -> tuple[str, ...]:
    return next(cells for cells in texts(found) if cells[0].split()[0] == method)


def marked(found: Sheet, mark: str) -> set[tuple[str, int]]:
    """Labels and places of the cells that have the mark."""
    return {(row.label, place) for row in found.lines for place, cell in enumerate(row.cells) if cell.mark == mark}


def legend(found: Sheet, start: str) -> list[str]:
    return [text for text in found.legend if text.startswith(start)]


def test_a_cell_is_the_mean_and_half_of_its_interval_in_the_metrics_decimals(tmp_path):
    folder = make_run(tmp_path, "mine")
    found = sheet(tmp_path)
    psnr = read_results(folder / "results.json").metrics["psnr"]
    assert psnr.high is not None
    assert psnr.low is not None
    assert header(found) == ("method", "PSNR ↑ dB", "SSIM ↑", "PSNR-Y ↑ dB", "SSIM-Y ↑", "scored")
    assert texts(found)[0][1] == f"{psnr.mean:.2f}±{(psnr.high - psnr.low) / 2:.2f}"
    assert texts(found)[0][2].startswith("0.2")
    assert len(texts(found)[0][2].split("±")[0]) == 5
    assert found.title == "sim unseen, 24 clips (5p1it) · pixels@1"


def test_the_best_method_comes_first_and_reference_rows_come_below(tmp_path):
    make_run(tmp_path, "weak", level=15)
    make_run(tmp_path, "strong", level=25)
    make_run(tmp_path, "oracle", cap=True, privileged="truth")
    found = sheet(tmp_path)
    assert [cells[0] for cells in texts(found)] == ["strong", "weak", "oracle †"]
    assert found.competing == 2
    assert plain_text(found).count("───\n") == 2


def test_the_best_is_marked_and_bold_where_a_paired_test_separates_it(tmp_path):
    make_run(tmp_path, "weak", level=19)
    make_run(tmp_path, "strong", level=20)
    found = sheet(tmp_path)
    assert line(found, "strong")[1].endswith("*")
    assert line(found, "weak")[1].endswith("+")
    assert marked(found, "best") == {("strong", place) for place in range(4)}
    assert marked(found, "second") == {("weak", place) for place in range(4)}
    assert legend(found, "*")


def test_a_best_mean_that_chance_explains_is_marked_as_not_separated_and_not_bold(tmp_path):
    make_run(tmp_path, "one", level=20.0)
    make_run(tmp_path, "other", level=20.01)
    found = sheet(tmp_path)
    assert sum(cells[1].endswith("°") for cells in texts(found)) == 1
    assert marked(found, "best") == marked(found, "second") == set()
    assert legend(found, "°")
    assert not legend(found, "*")


def test_too_few_takes_to_separate_anything_are_said(tmp_path):
    make_run(tmp_path, "weak", level=10, takes=5)
    make_run(tmp_path, "strong", level=30, takes=5)
    found = sheet(tmp_path)
    assert line(found, "strong")[1].endswith("°")
    assert legend(found, "°") == ["°  best value, not separated from any other (5 takes are too few for 4 tests)"]
    assert legend(found, "indicative") == ["indicative interval (5 takes)"]


def test_rows_that_saw_truth_controls_and_partial_runs_are_never_best_and_carry_their_marks(tmp_path):
    make_run(tmp_path, "fair", level=20)
    make_run(tmp_path, "fairer", level=22)
    make_run(tmp_path, "oracle", cap=True, privileged="truth")
    make_run(tmp_path, "first", level=40, privileged="first_frame", static=True)
    make_run(tmp_path, "shuffled", level=41, control=True)
    make_run(tmp_path, "limited", level=42, attempted=3)
    found = sheet(tmp_path)
    assert [cells[0] for cells in texts(found)] == ["fairer", "fair", "limited ¶", "oracle †", "shuffled ‡", "first †§"]
    assert [cells[1][-1] in "*°" for cells in texts(found)] == [True, False, False, False, False, False]
    assert legend(found, "†") == ["†  sees truth while it generates (first_frame, truth): outside the comparison"]
    assert legend(found, "‡")
    assert legend(found, "§")
    assert legend(found, "¶")


def test_a_lone_method_is_not_called_best(tmp_path):
    make_run(tmp_path, "only")
    make_run(tmp_path, "oracle", cap=True, privileged="truth")
    assert marks_of(find_rows([tmp_path])) == {}


def test_without_per_clip_scores_nothing_is_called_separated(tmp_path):
    for method, level in (("weak", 10), ("strong", 30)):
        (make_run(tmp_path, method, level=level) / "scores.jsonl").unlink()
    found = sheet(tmp_path)
    assert line(found, "strong")[1].endswith("°")
    assert legend(found, "°") == ["°  best value, not separated from any other (scores by clip are missing)"]


def test_a_copy_under_another_name_ties(tmp_path):
    for name in ("ab", "ba"):  # the maker's noise depends on the letters only
        make_run(tmp_path, name)
    found = sheet(tmp_path)
    assert line(found, "ab")[1].rstrip(" °") == line(found, "ba")[1].rstrip(" °")
    assert marked(found, "best") == marked(found, "second") == set()


def test_every_row_shows_how_many_clips_were_scored_and_what_became_of_the_rest(tmp_path):
    make_run(tmp_path, "mine", undefined=2, errors=3)
    make_run(tmp_path, "limited", attempted=4)
    found = sheet(tmp_path)
    assert line(found, "mine")[-1] == "19/24"
    assert line(found, "limited")[-1] == "4/24"
    assert "mine: of 24 clips 3 failed, 2 undefined" in found.legend
    assert "limited: of 24 clips 20 not attempted" in found.legend


def test_a_metric_with_fewer_numbers_than_scored_clips_shows_its_own_count(tmp_path):
    folder = make_run(tmp_path, "mine")
    metrics = dict(read_results(folder / "results.json").metrics)
    edit(folder, metrics=metrics | {"ssim": msgspec.structs.replace(metrics["ssim"], n=20, undefined=4)})
    assert texts(sheet(tmp_path))[0][2].endswith("(n 20)")
    assert "(n" not in texts(sheet(tmp_path))[0][1]


def test_a_run_without_any_number_says_undefined(tmp_path):
    make_run(tmp_path, "mine", undefined=24)
    found = sheet(tmp_path)
    assert texts(found)[0][1:] == ("undefined",) * 4 + ("0/24",)


def test_capped_frames_are_told_but_for_rows_that_see_truth(tmp_path):
    make_run(tmp_path, "mine", cap=True)
    make_run(tmp_path, "oracle", cap=True, privileged="truth")
    legend = sheet(tmp_path).legend
    assert "mine: of 24 clips 24 with a note: see scores.jsonl" in legend
    assert not any(line.startswith("oracle:") for line in legend)


def test_runs_of_one_method_are_told_apart_by_what_differs(tmp_path):
    make_run(tmp_path, "mine", run="aaaa1111bbbb", options={"strength": 0.5, "steps": 3})
    make_run(tmp_path, "mine", run="aaaa2222bbbb", options={"strength": 0.7, "steps": 3})
    make_run(tmp_path, "mine", run="aaaa3333bbbb", options={"strength": 0.7, "steps": 3}, seed=5)
    names = {cells[0] for cells in texts(sheet(tmp_path))}
    assert names == {"mine strength=0.5 seed=0", "mine strength=0.7 seed=0", "mine strength=0.7 seed=5"}
    make_run(tmp_path, "mine", run="cccc3333bbbb", options={"strength": 0.7, "steps": 3}, seed=5)
    assert "mine strength=0.7 seed=5 [cccc3333]" in {cells[0] for cells in texts(sheet(tmp_path))}


def test_rows_measured_differently_are_refused(tmp_path):
    make_run(tmp_path, "a")
    make_run(tmp_path, "b", split_digest="0ther")
    with pytest.raises(UserError, match="cannot share a table: split digest differs"):
        sheet(tmp_path)


def test_the_order_in_which_runs_are_given_does_not_change_the_text(tmp_path):
    rows: list[Row] = []
    for name, level in (("a", 20), ("b", 22), ("c", 18)):
        rows += find_rows([make_run(tmp_path, name, level=level)])
    assert plain_text(sheet_of(rows)) == plain_text(sheet_of(rows[::-1]))


def test_plain_text_is_aligned_and_fits_an_80_column_terminal(tmp_path):
    make_run(tmp_path, "prior-inpaint")
    make_run(tmp_path, "oracle", cap=True, privileged="truth")
    body = plain_text(sheet(tmp_path)).split("\n\n")[1].splitlines()
    assert all(len(row) <= 80 for row in body)
    assert len({row.index("/24") for row in body if "/24" in row}) == 1


def test_the_rich_table_shows_the_same_cells(tmp_path):
    from rich.console import Console

    make_run(tmp_path, "weak", level=19)
    make_run(tmp_path, "strong [v2]", level=20)
    found = sheet(tmp_path)
    out = io.StringIO()
    Console(file=out, width=120).print(rich_tables(found)[0])
    for cells in texts(found):
        for cell in cells:
            assert cell.strip() in out.getvalue()


def test_repeats_with_other_seeds_are_one_method_and_share_its_mark(tmp_path):
    for seed, level in enumerate((25.0, 25.1, 24.9)):
        make_run(tmp_path, "strong", level=level, seed=seed, run=f"seed{seed}")
    make_run(tmp_path, "weak", level=20)
    assert {cells[0]: cells[1][-1] for cells in texts(sheet(tmp_path))} == {
        "strong seed=1": "*",
        "strong seed=0": "*",
        "strong seed=2": "*",
        "weak": "+",
    }


def test_rows_that_no_test_tells_apart_share_the_first_place_and_the_second(tmp_path):
    for name, level in (("ab", 25), ("ba", 25), ("cd", 20), ("dc", 20), ("last", 10)):  # the maker's noise is of the letters
        make_run(tmp_path, name, level=level)
    assert {cells[0]: cells[1][-1] for cells in texts(sheet(tmp_path))} == {
        "ab": "*",
        "ba": "*",
        "cd": "+",
        "dc": "+",
        "last": " ",
    }


def test_a_higher_third_digit_takes_no_first_place_alone(tmp_path):
    make_run(tmp_path, "one", level=20.001)
    make_run(tmp_path, "other", level=20.002)
    make_run(tmp_path, "weak", level=15)
    assert {cells[0]: cells[1][-1] for cells in texts(sheet(tmp_path))} == {"one": "*", "other": "*", "weak": "+"}


def test_hiding_columns_changes_no_mark_of_the_others(tmp_path):
    make_run(tmp_path, "one", level=20.0)
    make_run(tmp_path, "other", level=20.12)
    whole, part = sheet(tmp_path), sheet_of(find_rows([tmp_path]), columns=["psnr"])
    assert header(part) == ("method", "PSNR ↑ dB", "scored")
    assert [cells[1] for cells in texts(part)] == [cells[1] for cells in texts(whole)]


def test_seeds_of_one_method_alone_have_no_best(tmp_path):
    for seed in range(2):
        make_run(tmp_path, "mine", level=20 + seed, seed=seed, run=f"seed{seed}")
    assert marks_of(find_rows([tmp_path])) == {}


def test_a_method_that_is_undefined_on_the_hard_clips_is_not_best_by_the_mean_of_the_rest(tmp_path):
    """Ranked and tested on shared clips, it loses by 1 dB, though its own mean is higher."""
    make_run(tmp_path, "good", level=20)
    folder = make_run(tmp_path, "drops", level=19)
    records = read_records(folder / "scores.jsonl")
    values = {record.clip: record.scores["psnr"].value or 0.0 for record in records}
    easy = sorted(values, key=lambda clip: values[clip])[12:]
    none = ClipScore(value=None, undefined="too hard")
    kept = [
        record if record.clip in easy else msgspec.structs.replace(record, scores=dict.fromkeys(record.scores, none))
        for record in records
    ]
    write_records(folder / "scores.jsonl", kept)
    results = read_results(folder / "results.json")
    mean = math.fsum(values[clip] for clip in easy) / len(easy)
    psnr = msgspec.structs.replace(results.metrics["psnr"], mean=mean, low=None, high=None, n=12, undefined=12)
    edit(folder, metrics=results.metrics | {"psnr": psnr})
    rows = find_rows([tmp_path])
    psnr = marks_of(rows)["psnr"]
    means = {row.results.method.id: row.results.metrics["psnr"].mean or 0.0 for row in rows}
    assert means["drops"] > means["good"]
    assert [rows[place].results.method.id for place in psnr.best] == ["good"]
    assert psnr.notes == ("good: ranked on 12 shared clips",)


def test_a_metric_that_one_method_has_nowhere_is_still_tested_between_the_others(tmp_path):
    make_run(tmp_path, "weak", level=19)
    make_run(tmp_path, "strong", level=20)
    make_run(tmp_path, "none", level=18, fixed={"ssim": ClipScore(value=None, undefined="weights missing")})
    rows = find_rows([tmp_path])
    assert [rows[place].results.method.id for place in marks_of(rows)["ssim"].best] == ["strong"]


def test_a_row_with_a_number_on_a_single_clip_takes_no_star_and_takes_none_away(tmp_path):
    make_run(tmp_path, "good", level=25)
    make_run(tmp_path, "bad", level=15)
    make_run(tmp_path, "tiny", level=60, undefined=23)
    found = sheet(tmp_path)
    assert line(found, "good")[1].endswith("*")
    assert not line(found, "tiny")[1].endswith(("*", "°"))
    assert any("tiny: not ranked: it lacks 23 of 24 clips that the others share" in text for text in found.legend)
