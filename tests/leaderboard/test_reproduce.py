"""One command to a table or figure: what it would run, what it leaves out and why, and that it makes only what is missing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmark.canvas import MINI
from benchmark.cli.running import CONTROLS
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.errors import UserError
from benchmark.inputs import Input
from benchmark.registry import load_registry
from leaderboard.reproduce_verb import command, run
from leaderboard.reproducing import NEEDS_SETTINGS, SIM_LACKS, Plan, plan_of, targets

from ..box_folder import write_box_folder
from ..pixels import PATH

CLIPS = (
    "sim_unseen_kitchen0000_1_224_272,sim_unseen_lab0004_1_215_263,"
    "sim_unseen_livingroom0008_1_242_290,sim_unseen_workshop0001_1_528_576"
)


def test_both_tables_and_three_figures_can_be_reproduced():
    assert targets() == ["fig5", "fig6", "fig7", "table1", "table2"]


def test_a_wrong_name_is_told_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown table or figure 'tabel1'; did you mean 'table1'\?"):
        command("tabel1")


def test_a_dry_run_of_table_1_prints_a_run_for_each_split_and_the_table(capsys: pytest.CaptureFixture[str]):
    command("table1", dry_run=True)
    assert capsys.readouterr().out.splitlines() == [
        "egox-bench run --method egox,copy-exo,ego-prior,prior-inpaint --split seen",
        "egox-bench run --method egox,copy-exo,ego-prior,prior-inpaint --split unseen",
        "egox-bench table paper1 runs",
    ]


def test_a_dry_run_of_table_2_names_the_ablations_on_the_seen_split_and_keeps_what_was_asked(capsys: pytest.CaptureFixture[str]):
    command("table2", dry_run=True, workers=2, out=Path("mine"), protocol="rgb", to=Path("t.tex"))
    assert capsys.readouterr().out.splitlines() == [
        "egox-bench run --method egox,egox-no-gga,egox-no-prior,egox-no-clean-latent --split seen --protocol rgb --out mine"
        " --workers 2",
        "egox-bench table paper2 mine --to t.tex",
    ]


def test_a_dry_run_of_a_figure_names_only_the_clips_that_it_shows(capsys: pytest.CaptureFixture[str]):
    command("fig5", dry_run=True)
    assert capsys.readouterr().out.splitlines() == [
        f"egox-bench run --method egox,ego-prior,prior-inpaint --split unseen --clips {CLIPS} --no-controls",
        f"egox-bench figure fig5 runs --clips {CLIPS}",
    ]


def test_a_dry_run_of_attention_names_the_first_clip_of_figure_5(capsys: pytest.CaptureFixture[str]):
    command("fig7", dry_run=True, to=Path("a.png"))
    assert capsys.readouterr().out == f"egox-bench figure fig7 --clips {CLIPS.partition(',')[0]} --to a.png\n"


def test_what_is_left_out_of_table_1_on_sim_is_said_with_its_reason(capsys: pytest.CaptureFixture[str]):
    command("table1", dry_run=True)
    said = capsys.readouterr().err
    for sentence in (
        "left out: Exo2Ego-V (exo2ego-v), not installed",
        "left out: command, stands for programs of your own",
        "left out: egox-no-gga, belongs to another table",
        "left out: mean-frame, learns from the split train first",
        "left out: shipped-prior, needs ego prior, which sim has not",
    ):
        assert sentence in said


def test_every_installed_method_is_run_for_table_1_on_sim_or_said_to_be_left_out():
    registry = load_registry()
    plan = plan_of("table1", data="sim", registry=registry)
    told = {sentence.removeprefix("left out: ").partition(",")[0] for sentence in plan.left_out}
    assert registry.methods.keys() <= {*plan.methods, *CONTROLS, *told}


def test_on_other_data_the_rows_are_the_papers_as_far_as_they_are_installed(tmp_path: Path):
    plan = plan_of("table1", data=str(tmp_path), registry=load_registry())
    assert plan.methods == ("egox",)
    assert [sentence for sentence in plan.left_out if "not installed" in sentence] == list(plan.left_out)
    assert len(plan.left_out) == 4


def test_methods_that_need_settings_are_installed_under_these_names():
    assert load_registry().methods.keys() >= NEEDS_SETTINGS.keys()


def test_clips_are_named_for_figures_only():
    with pytest.raises(UserError, match="--clips is for figures; table1 has all clips of its splits"):
        command("table1", clips=["a"])


def test_a_table_is_written_by_the_ending_of_its_file():
    with pytest.raises(UserError, match=r"--to t.docx: write a table to a file that ends in .txt, .md, .tex, .html, .csv"):
        command("table2", to=Path("t.docx"))


def test_clips_of_sim_lack_what_keeps_methods_out_there(tmp_path: Path):
    dataset = SimDataset(tmp_path)
    clip = dataset.clip(dataset.manifest("unseen").rows[0], dataclasses.replace(MINI, name="short", frames=1))
    assert set(clip.missing) - {Input.CAPTION} == SIM_LACKS  # a caption comes with the exo view, which is not rendered here


def test_a_plan_runs_what_is_missing_prints_no_table_of_its_own_and_names_its_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    boxes = write_box_folder(tmp_path / "boxes", clips=2)
    plan = Plan(target="fig6", methods=("oracle",), splits=("all",), clips=("b1",))
    folders, complete = run(plan, data=str(boxes), protocol=str(PATH), out=tmp_path / "runs", workers=1)
    assert complete
    assert [[path.name for path in folder.glob("videos/*")] for folder in folders] == [["b1.mkv"]]
    said = capfd.readouterr()
    assert said.out == ""
    assert "1 to generate" in said.err
    assert run(plan, data=str(boxes), protocol=str(PATH), out=tmp_path / "runs", workers=1) == (folders, True)
    assert "0 to generate" in capfd.readouterr().err


def test_a_plan_of_which_a_method_cannot_be_loaded_runs_the_others_and_is_not_complete(tmp_path: Path):
    boxes = write_box_folder(tmp_path / "boxes", clips=1)
    plan = Plan(target="fig6", methods=("oracle", "command"), splits=("all",))
    folders, complete = run(plan, data=str(boxes), protocol=str(PATH), out=tmp_path / "runs", workers=1)
    assert not complete
    assert [folder.parents[2].name for folder in folders] == ["oracle"]
