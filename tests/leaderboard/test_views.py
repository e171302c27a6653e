"""Views: the paper's tables as data, who is in them, what is refused, and that the command draws them the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli import build
from benchmark.errors import UserError
from benchmark.metrics import METRICS
from benchmark.protocols import load_protocol
from benchmark.results import ClipScore
from leaderboard.formats.terminal import texts
from leaderboard.rows import find_rows
from leaderboard.views import FOLDER, is_view, names, read_view, show

from .runs import having, make_run


def shown(root: Path, view: str = "paper1"):
    return show(read_view(view), find_rows([root]))


def table(*words: object, code: int = 0):
    done = CliRunner().invoke(build(), ["table", *map(str, words)])
    if code != 2:
        assert done.exit_code == code, (done.output, done.exception)
    return done


def test_the_views_are_the_two_tables_of_the_paper():
    assert names() == ["paper1", "paper2"]
    assert [row.label for row in read_view("paper1").rows] == [
        "Exo2Ego-V", "TrajectoryCrafter", "Wan Fun Control", "Wan VACE", "EgoX",
    ]  # fmt: skip
    assert read_view("paper2").splits == ("seen",)
    assert [row.label for row in read_view("paper2").rows] == ["EgoX", "w/o GGA", "w/o ego prior", "w/o clean latent"]


@pytest.mark.parametrize("view", ["paper1", "paper2"])
@pytest.mark.parametrize("protocol", ["egox-paper", "rgb", "mini"])
def test_a_view_has_eleven_columns_of_the_protocol_in_its_order(view, protocol):
    columns = read_view(view).columns[protocol]
    measured = [metric.id for metric in (spec for spec, _ in load_protocol(protocol).metrics)]
    assert len(columns) == 11
    assert set(columns) <= set(measured)
    assert [METRICS[metric].group for metric in columns] == ["image"] * 4 + ["objects"] * 3 + ["video"] * 4


def test_rows_come_in_the_order_of_the_paper_whatever_their_numbers(tmp_path):
    for method, level in (("egox", 15), ("wan-vace", 25), ("exo2ego-v", 20)):
        make_run(tmp_path, method, level=level)
    (sheet,) = shown(tmp_path).sheets
    assert [line.label for line in sheet.lines] == ["Exo2Ego-V", "Wan VACE", "EgoX"]


def test_on_simulated_data_other_methods_stand_in_but_no_ablations(tmp_path):
    for method in ("egox", "egox-no-gga", "mine"):
        make_run(tmp_path, method)
    (sheet,) = shown(tmp_path).sheets
    assert [line.label for line in sheet.lines] == ["EgoX", "mine"]


def test_each_split_is_a_block_in_the_order_of_the_view(tmp_path):
    for split in ("unseen", "seen", "val"):
        make_run(tmp_path, "egox", split=split)
    assert [sheet.split for sheet in shown(tmp_path).sheets] == ["seen", "unseen"]
    assert [sheet.split for sheet in shown(tmp_path, "paper2").sheets] == ["seen"]


def test_controls_stand_below_in_table_1_and_not_in_table_2(tmp_path):
    make_run(tmp_path, "egox", split="seen")
    make_run(tmp_path, "oracle", split="seen", cap=True, privileged="truth", control=True)
    assert [line.label for line in shown(tmp_path).sheets[0].lines] == ["EgoX", "oracle"]
    assert [line.label for line in shown(tmp_path, "paper2").sheets[0].lines] == ["EgoX"]


def test_controls_bear_columns_out_that_the_view_does_not_show(tmp_path):
    protocol = having("psnr", "location-error-mini", "object-iou-mini", "contour-mini")
    rows = (("egox", 0.5, {}), ("oracle", 1.0, {"privileged": "truth"}), ("shuffled", 0.02, {"privileged": "other_truth"}))
    for method, iou, how in rows:
        fixed = {"object-iou-mini": ClipScore(value=iou, chance=0.01)}
        make_run(tmp_path, method, split="seen", protocol=protocol, fixed=fixed, control=method != "egox", **how)
    (sheet,) = shown(tmp_path, "paper2").sheets
    assert [line.label for line in sheet.lines] == ["EgoX"]
    assert not any("withheld" in text for text in sheet.legend)
    assert texts(sheet)[0][3].startswith("0.500")


def test_rows_that_are_missing_are_named(tmp_path):
    make_run(tmp_path, "egox", split="seen")
    left_out = shown(tmp_path, "paper2").left_out
    assert left_out == (
        "seen: no run of w/o GGA (egox-no-gga), w/o ego prior (egox-no-prior), w/o clean latent (egox-no-clean-latent)",
    )


def test_partial_runs_never_enter_a_view(tmp_path):
    make_run(tmp_path, "egox")
    make_run(tmp_path, "wan-vace", attempted=3)
    found = shown(tmp_path)
    assert [line.label for line in found.sheets[0].lines] == ["EgoX"]
    assert any(text.startswith("wan-vace (0123456789abcdef) is partial: ") for text in found.left_out)


def test_on_a_machine_without_the_views_splits_other_ones_are_shown_and_it_says_so(tmp_path):
    make_run(tmp_path, "egox", split="unseen")
    found = shown(tmp_path, "paper2")
    assert [sheet.split for sheet in found.sheets] == ["unseen"]
    assert found.left_out[0] == "no run on seen, which are this table's splits; shown: unseen"


def test_columns_come_in_the_order_of_the_view_and_unknown_ones_are_refused(tmp_path):
    make_run(tmp_path / "runs", "egox")
    own = tmp_path / "own.toml"
    text = (FOLDER / "paper2.toml").read_text().replace("mini = [", 'pixels = ["ssim", "psnr"]\nmini = [')
    own.write_text(text)
    assert [column.metric for column in shown(tmp_path / "runs", str(own)).sheets[0].columns] == ["ssim", "psnr"]
    own.write_text(text.replace('"ssim", "psnr"', '"sim"'))
    with pytest.raises(UserError, match=r"own.toml: no view \(field columns.pixels: unknown metric 'sim'; did you mean 'ssim'\?"):
        read_view(str(own))


def test_a_view_of_nothing_says_how_to_make_its_rows(tmp_path):
    make_run(tmp_path, "mine", split="val")
    with pytest.raises(
        UserError, match="egox-bench run --method egox,egox-no-gga,egox-no-prior,egox-no-clean-latent --split seen"
    ):
        shown(tmp_path, "paper2")


def test_runs_that_do_not_compare_are_blocks_of_their_own(tmp_path):
    make_run(tmp_path, "egox")
    make_run(tmp_path, "wan-vace", split_digest="0ther")
    assert [[line.label for line in sheet.lines] for sheet in shown(tmp_path).sheets] == [["EgoX"], ["Wan VACE"]]


def test_a_view_of_ones_own_is_a_file(tmp_path):
    make_run(tmp_path / "runs", "mine")
    own = tmp_path / "own.toml"
    own.write_text(
        'title = "Mine"\nsource = "me"\nsplits = ["unseen"]\n[columns]\npixels = ["ssim"]\n'
        '[[rows]]\nmethod = "mine"\nlabel = "Ours"\n'
    )
    assert is_view(str(own))
    (sheet,) = shown(tmp_path / "runs", str(own)).sheets
    assert [len(line) for line in texts(sheet)] == [3]
    own.write_text(own.read_text().replace("source", "sauce"))
    with pytest.raises(UserError, match=r"own\.toml: no view \(.*sauce"):
        read_view(str(own))
    with pytest.raises(UserError, match="cannot be read"):
        read_view(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html", "csv", "long-csv"])
def test_every_format_gives_the_same_bytes_twice_and_to_a_file(tmp_path, form):
    for method, level in (("egox", 25), ("mine", 20)):
        make_run(tmp_path / "runs", method, level=level)
    once, again = (table("paper1", tmp_path / "runs", "--format", form) for _ in range(2))
    assert once.stdout == again.stdout != ""
    table("paper1", tmp_path / "runs", "--format", form, "--to", tmp_path / "file")
    assert (tmp_path / "file").read_text() == once.stdout
    assert "mine" in once.stdout


@pytest.mark.parametrize("form", ["markdown", "latex", "html", "csv"])
def test_what_is_to_be_published_refuses_partial_runs(tmp_path, form):
    make_run(tmp_path, "limited", attempted=3)
    done = table(tmp_path, "--format", form, code=2)
    assert isinstance(done.exception, UserError)
    assert str(done.exception).startswith("limited (0123456789abcdef) is partial")
