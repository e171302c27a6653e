"""What stands below and between columns: still videos, the truth's own value, chance, floors, columns that are withheld."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmark.errors import UserError
from benchmark.results import ClipScore, FloorRecord, read_results
from leaderboard.formats.terminal import blocks, header, plain_text, texts
from leaderboard.marks import marks_of
from leaderboard.rows import Row, find_rows, grouped
from leaderboard.table import Sheet, sheet_of

from .runs import edit, having, make_run

VIDEO = having("psnr", "flicker")
OBJECTS = having("psnr", "location-error-mini", "object-iou-mini", "contour-mini")


def sheet(root: Path) -> Sheet:
    return sheet_of(find_rows([root]))


def line(found: Sheet, method: str) -> tuple[str, ...]:
    return next(cells for cells in texts(found) if cells[0].split()[0] == method)


def first(rows: list[Row]) -> set[str]:
    """Methods that are marked as best or leading on any metric."""
    places = [{*marks.best, *({marks.leading} - {None})} for marks in marks_of(rows).values()]
    return {rows[place].results.method.id for found in places for place in found if place is not None}


def flicker(root: Path, method: str, value: float, **changes) -> None:
    make_run(root, method, protocol=VIDEO, fixed={"flicker": ClipScore(value=value)}, **changes)


def test_columns_of_another_group_make_a_block_of_their_own_with_every_rows_name(tmp_path):
    flicker(tmp_path, "mine", 0.95)
    found = sheet(tmp_path)
    assert [(heading, [header(found)[place] for place in places]) for heading, places in blocks(found)] == [
        ("image", ["method", "PSNR ↑ dB"]),
        ("video", ["method", "Flickering ≈", "scored"]),
    ]
    text = plain_text(found)
    assert text.count("mine") == 2
    assert text.index("\nimage\n") < text.index("\nvideo\n")


def test_on_a_metric_of_neither_end_the_nearest_to_the_truth_is_best(tmp_path):
    flicker(tmp_path, "near", 0.94)
    flicker(tmp_path, "smooth", 0.99)
    flicker(tmp_path, "oracle", 0.95, privileged="truth", control=True)
    found = sheet(tmp_path)
    assert line(found, "near")[2].endswith("*")
    assert not line(found, "smooth")[2].endswith("*")
    assert any(text.startswith("≈") for text in found.legend)


def test_without_the_truths_own_value_nothing_is_best_on_it(tmp_path):
    flicker(tmp_path, "near", 0.94)
    flicker(tmp_path, "smooth", 0.99)
    marks = marks_of(find_rows([tmp_path]))["flicker"]
    assert (marks.best, marks.second, marks.leading) == (frozenset(), frozenset(), None)
    assert "Flickering: not compared, for no complete run of the truth on these clips is known" in sheet(tmp_path).legend


def test_a_frozen_video_is_flagged_and_never_best_on_video_metrics(tmp_path):
    flicker(tmp_path, "frozen", 1.0, frozen=True)
    flicker(tmp_path, "moving", 0.9)
    flicker(tmp_path, "oracle", 0.99, privileged="truth", control=True)
    found = sheet(tmp_path)
    assert line(found, "frozen")[0] == "frozen §"
    assert not line(found, "frozen")[2].endswith(("*", "°"))
    assert [text for text in found.legend if text.startswith("§")]


def objects(root: Path, method: str, iou: float, chance: float = 0.02, **changes) -> None:
    make_run(root, method, protocol=OBJECTS, fixed={"object-iou-mini": ClipScore(value=iou, chance=chance)}, **changes)


def test_the_level_of_chance_is_told_where_a_row_was_given_another_truth(tmp_path):
    objects(tmp_path, "mine", 0.4)
    objects(tmp_path, "shuffled", 0.03, privileged="other_truth", control=True)
    objects(tmp_path, "oracle", 1.0, privileged="truth", control=True)
    legend = sheet(tmp_path).legend
    assert "shuffled: all pairs of things, matched or not: Object IoU (mini) 0.020" in legend
    assert not any("withheld" in text for text in legend)


@pytest.mark.parametrize(
    ("true", "shuffled", "reason"),
    [
        (0.85, 0.03, "truth against truth reaches an IoU of 0.85 only"),
        (1.0, 0.30, "shuffled clips reach an IoU of 0.30 where chance is 0.02"),
    ],
)
def test_object_columns_are_withheld_where_the_controls_do_not_bear_them_out(tmp_path, true, shuffled, reason):
    objects(tmp_path, "mine", 0.4)
    objects(tmp_path, "yours", 0.5)
    objects(tmp_path, "shuffled", shuffled, privileged="other_truth", control=True)
    objects(tmp_path, "oracle", true, privileged="truth", control=True)
    found = sheet(tmp_path)
    assert line(found, "mine")[2:5] == ("withheld",) * 3
    assert line(found, "mine")[1] != "withheld"
    assert any(text.endswith(f"Contour (mini) withheld: {reason}") for text in found.legend)
    assert all(place == 0 for row in found.lines for place, cell in enumerate(row.cells) if cell.mark)


def test_object_columns_without_controls_are_withheld(tmp_path):
    objects(tmp_path, "mine", 0.4)
    found = sheet(tmp_path)
    assert line(found, "mine")[3] == "withheld"
    (told,) = [text for text in found.legend if "withheld" in text]
    assert told.endswith("the rows oracle and shuffled, which would bear it out, have no number in this table")


def test_a_column_without_any_number_says_why_once(tmp_path):
    reason = "weights missing, run 'egox-bench weights fetch alexnet'"
    for method in ("mine", "yours"):
        make_run(tmp_path, method, protocol=having("psnr", "lpips"), fixed={"lpips": ClipScore(value=None, undefined=reason)})
    found = sheet(tmp_path)
    assert line(found, "mine")[2] == "undefined"
    assert [text for text in found.legend if "LPIPS" in text] == [f"LPIPS undefined: {reason}"]
    assert not any(text.startswith("mine:") for text in found.legend)


def test_a_floor_is_told_with_each_row_at_the_same_number_of_clips(tmp_path):
    for method, near in (("mine", 900.0), ("yours", 700.0)):
        folder = make_run(tmp_path, method, protocol=having("psnr", "fvd"), fixed={"fvd": ClipScore(value=500.0)})
        metrics = dict(read_results(folder / "results.json").metrics)
        floor = FloorRecord(real=650.0, prediction=near, n=12, splits=20)
        fvd = msgspec.structs.replace(metrics["fvd"], mean=500.0, n=24, undefined=0, floor=floor)
        edit(folder, metrics=metrics | {"fvd": fvd})
    told = [text for text in sheet(tmp_path).legend if text.startswith("FVD floor")]
    assert told == [
        "FVD floor: real clips from other real clips 650.00 at N = 12;"
        " at the same N, against other clips: mine 900.00, yours 700.00"
    ]


def test_a_frozen_video_is_best_on_no_metric_though_its_method_does_not_say_that_it_is_still(tmp_path):
    make_run(tmp_path, "frozen", level=30, frozen=True)
    make_run(tmp_path, "moving", level=20)
    make_run(tmp_path, "other", level=19)
    rows = find_rows([tmp_path])
    assert first(rows) == {"moving"}
    for row in rows:
        (row.folder / "scores.jsonl").unlink()
    assert first(find_rows([tmp_path])) == {"moving"}


def test_a_method_that_moves_less_than_the_truth_is_not_best_on_calm_metrics(tmp_path):
    protocol = having("psnr", "flicker", "dynamic-degree-dis")
    for method, level, degree in (("calm", 0.95, 0.0), ("near", 0.93, 1.0), ("far", 0.90, 1.0), ("oracle", 0.95, 1.0)):
        fixed = {"flicker": ClipScore(value=level), "dynamic-degree-dis": ClipScore(value=degree)}
        make_run(tmp_path, method, protocol=protocol, fixed=fixed, privileged="truth" if method == "oracle" else "none")
    rows = find_rows([tmp_path])
    flicker = marks_of(rows)["flicker"]
    assert [rows[place].results.method.id for place in flicker.best] == ["near"]
    assert flicker.notes == ("calm: moves less than the truth (dynamic-degree-dis -1.000): no candidate",)


def test_the_truth_of_the_table_counts_wherever_its_run_lies(tmp_path):
    for method, value in (("near", 0.94), ("smooth", 0.99)):
        flicker(tmp_path / "mine", method, value)
    flicker(tmp_path / "elsewhere", "oracle", 0.95, privileged="truth", control=True)
    flicker(tmp_path / "third", "oracle", 0.99, privileged="truth", control=True, attempted=3)
    rows = find_rows([tmp_path / "third", tmp_path / "mine", tmp_path / "elsewhere"])
    assert [rows[place].results.method.id for place in marks_of(rows)["flicker"].best] == ["near"]


def test_controls_without_a_number_bear_nothing_out(tmp_path):
    objects(tmp_path, "mine", 0.4)
    for method, privileged in (("oracle", "truth"), ("shuffled", "other_truth")):
        make_run(
            tmp_path, method, protocol=OBJECTS, privileged=privileged, control=True,
            fixed={"object-iou-mini": ClipScore(value=None, undefined="weights missing")},
        )  # fmt: skip
    assert line(sheet(tmp_path), "mine")[3] == "withheld"


def test_what_a_method_remarks_on_itself_stands_below_the_table_once(tmp_path):
    remark = "weights of a first, short training"
    make_run(tmp_path, "mine", remark=remark)
    make_run(tmp_path, "hers", remark=remark)
    make_run(tmp_path, "plain")
    found = sheet(tmp_path)
    assert line(found, "mine")[0] == "mine #"
    assert line(found, "plain")[0] == "plain"
    assert plain_text(found).count(f"#  {remark}") == 1


def test_distances_between_sets_without_features_are_not_tested_and_the_legend_says_why(tmp_path):
    for method, value in (("mine", 900.0), ("yours", 700.0)):
        folder = make_run(tmp_path, method, protocol=having("psnr", "fvd"), fixed={"fvd": ClipScore(value=500.0)})
        metrics = dict(read_results(folder / "results.json").metrics)
        edit(folder, metrics=metrics | {"fvd": msgspec.structs.replace(metrics["fvd"], mean=value, n=24, undefined=0)})
    found = sheet(tmp_path)
    assert line(found, "yours")[2] == "700.00°"
    assert "FVD: not compared, for the features of single clips are not beside these results" in found.legend


def test_a_row_without_scores_by_clip_stands_in_a_table_of_its_own_and_costs_the_others_no_test(tmp_path):
    for method, level in (("strong", 25), ("weak", 20), ("bare", 30)):
        make_run(tmp_path, method, level=level)
    next((tmp_path / "bare").rglob("scores.jsonl")).unlink()
    with pytest.raises(UserError, match="scores by clip differs"):
        sheet(tmp_path)
    tables = {tuple(row.results.method.id for row in group): sheet_of(group) for group in grouped(find_rows([tmp_path]))}
    assert set(tables) == {("bare",), ("strong", "weak")}
    assert [line(tables["strong", "weak"], method)[1][-1] for method in ("strong", "weak")] == ["*", "+"]


def test_the_truth_beside_a_table_ranks_what_is_best_near_it(tmp_path):
    for method, value in (("near", 0.95), ("far", 0.85)):
        flicker(tmp_path / "a", method, value)
    flicker(tmp_path / "b", "oracle", 0.96, privileged="truth")
    rows, beside = find_rows([tmp_path / "a"]), find_rows([tmp_path / "b"])
    marks = marks_of(rows, beside=beside)["flicker"]
    assert [rows[place].results.method.id for place in marks.best] == ["near"]
