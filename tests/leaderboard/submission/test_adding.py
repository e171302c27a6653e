"""Runs put into a results repository, and repositories merged."""

from __future__ import annotations

import re

import msgspec
import pytest

from benchmark.errors import UserError
from benchmark.results import read_results
from leaderboard.rows import find_rows
from leaderboard.submission import adding
from leaderboard.submission.adding import add
from leaderboard.submission.check import check

from .publishable import MINE, YOURS, edit_metric, edit_results, publishable, scores_of


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_run_goes_in_byte_for_byte_and_nothing_else_of_it_does(tmp_path):
    run = publishable(tmp_path / "runs", "mine")
    (run / "videos").mkdir()
    (run / "videos" / "a.mkv").write_bytes(b"pixels")
    (run / "run.json").write_text("{}")
    done = add([run], tmp_path / "repository")
    assert [(one.outcome, str(one.place.results)) for one in done.put] == [("added", f"results/unseen/mini/mine/{MINE}.json")]
    there = files(tmp_path / "repository")
    assert there.pop(f"results/unseen/mini/mine/{MINE}.json") == (run / "results.json").read_bytes()
    assert there.pop(f"results/unseen/mini/mine/{MINE}.scores.jsonl") == (run / "scores.jsonl").read_bytes()
    assert there.pop(".gitattributes") == b"results/** -text\n"
    assert list(there) == ["README.md"]
    assert check(tmp_path / "repository").findings == ()


def test_the_readme_says_how_to_add_and_to_check_and_has_the_tables(repository):
    text = (repository / "README.md").read_text()
    for said in ("egox-bench submit --check", "egox-bench submit runs/METHOD --into", "egox-bench diff"):
        assert said in text
    assert "### sim-2 unseen, 24 clips" in text
    assert re.search(r"\| yours \| \*\*\d", text)


def test_adding_a_run_twice_changes_no_byte(tmp_path):
    run = publishable(tmp_path / "runs", "mine")
    add([run], tmp_path / "repository")
    before = files(tmp_path / "repository")
    done = add([run, run / "results.json"], tmp_path / "repository")
    assert [one.outcome for one in done.put] == ["same"]
    assert files(tmp_path / "repository") == before


def test_other_bytes_under_a_key_are_a_conflict_that_only_replace_settles(tmp_path):
    run = publishable(tmp_path / "runs", "mine", level=20)
    add([run], tmp_path / "repository")
    before = files(tmp_path / "repository")
    other = publishable(tmp_path / "other", "mine", level=21)
    done = add([other], tmp_path / "repository")
    target = f"results/unseen/mini/mine/{MINE}.json"
    assert done.refused == (
        f"{other / 'results.json'}: {target} is there with other bytes; keep it, or put this one in its place with --replace",
    )
    assert files(tmp_path / "repository") == before
    done = add([other], tmp_path / "repository", replace=True)
    assert [one.outcome for one in done.put] == ["replaced"]
    assert (tmp_path / "repository" / target).read_bytes() == (other / "results.json").read_bytes()
    assert check(tmp_path / "repository").findings == ()


def test_a_replaced_run_leaves_no_old_scores_by_clip_behind(tmp_path):
    add([publishable(tmp_path / "runs", "mine", level=20)], tmp_path / "repository")
    other = publishable(tmp_path / "other", "mine", level=21)
    (other / "scores.jsonl").unlink()
    add([other], tmp_path / "repository", replace=True)
    assert find_rows([tmp_path / "repository"])[0].records is None


def test_scores_by_clip_that_were_lacking_are_completed(tmp_path):
    run = publishable(tmp_path / "runs", "mine")
    scores = (run / "scores.jsonl").read_bytes()
    (run / "scores.jsonl").unlink()
    add([run], tmp_path / "repository")
    (run / "scores.jsonl").write_bytes(scores)
    assert [one.outcome for one in add([run], tmp_path / "repository").put] == ["completed"]
    (run / "scores.jsonl").unlink()
    assert [one.outcome for one in add([run], tmp_path / "repository").put] == ["same"]
    assert check(tmp_path / "repository").findings == ()


def test_what_does_not_fit_is_refused_with_one_sentence_each_and_the_rest_goes_in(tmp_path):
    root = tmp_path / "runs"
    runs = {name: publishable(root, name) for name in ("clip", "edited", "fine", "metric", "nan", "partial", "schema")}
    lines = (runs["clip"] / "scores.jsonl").read_bytes().splitlines(keepends=True)
    (runs["clip"] / "scores.jsonl").write_bytes(b"".join(lines[1:]))
    text = (runs["edited"] / "results.json").read_text()
    (runs["edited"] / "results.json").write_text(text.rstrip("\n"))
    metrics = dict(read_results(runs["metric"] / "results.json").metrics)
    edit_results(runs["metric"] / "results.json", metrics=metrics | {"beauty": metrics["psnr"]})
    text = (runs["nan"] / "results.json").read_text()
    (runs["nan"] / "results.json").write_text(text.replace('"errors": 0', '"errors": NaN', 1))
    edit_results(runs["partial"] / "results.json", partial=True)
    text = (runs["schema"] / "results.json").read_text()
    (runs["schema"] / "results.json").write_text(text.replace('"schema": 2', '"schema": 3'))
    done = add([root], tmp_path / "repository")
    assert [one.place.method for one in done.put] == ["fine"]
    told = [reason.replace(f"{root}/", "").replace(f"/unseen/mini/{MINE}", "") for reason in done.refused]
    beginnings = (
        "clip/scores.jsonl: clip sim_unseen_kitchen0000_1_224_272: is missing, and no more than 0 are counted as errors;",
        "edited/results.json: is not as egox-bench wrote it",
        "metric/results.json: metrics.beauty: unknown metric 'beauty'",
        "nan/results.json, line 14: NaN is no number; expected null with a reason: score the run again",
        "partial/results.json: partial: not every clip of the split was attempted;",
        "schema/results.json: results schema 3, this version reads 2; score the run again",
    )
    assert len(told) == len(beginnings)
    for sentence, beginning in zip(told, beginnings):
        assert sentence.startswith(beginning)
    assert check(tmp_path / "repository").findings == ()


def test_several_problems_of_a_run_are_one_sentence_with_their_number(tmp_path):
    run = publishable(tmp_path / "runs", "mine")
    edit_metric(run / "results.json", "psnr", version=8)
    edit_metric(run / "results.json", "ssim", version=9)
    (refused,) = add([run], tmp_path / "repository").refused
    assert refused.endswith("metrics.psnr.version: is 8, this version has 1; score the run again with this version (and 1 more)")


def test_repositories_merge_to_the_same_bytes_whichever_comes_first(tmp_path):
    for name, key in (("mine", MINE), ("yours", YOURS)):
        add([publishable(tmp_path / "runs", name, key=key)], tmp_path / name)
    for first, second in (("mine", "yours"), ("yours", "mine")):
        add([tmp_path / first, tmp_path / second], tmp_path / f"{first} first")
    add([tmp_path / "mine"], tmp_path / "yours")
    assert files(tmp_path / "mine first") == files(tmp_path / "yours first") == files(tmp_path / "yours")
    assert check(tmp_path / "yours").runs == 2


def test_a_kill_between_the_two_files_is_named_by_the_check_and_mended_by_adding_again(tmp_path, monkeypatch):
    run = publishable(tmp_path / "runs", "mine")
    write = adding.atomic_file
    written = []

    def killed(path, fill):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(path, fill)

    monkeypatch.setattr(adding, "atomic_file", killed)
    with pytest.raises(KeyboardInterrupt):
        add([run], tmp_path / "repository")
    monkeypatch.undo()
    file = f"results/unseen/mini/mine/{MINE}.scores.jsonl"
    assert [one.sentence for one in check(tmp_path / "repository").problems] == [
        f"{file}: scores by clip without results; add the run again, or remove the file"
    ]
    add([run], tmp_path / "repository")
    assert check(tmp_path / "repository").findings == ()


def test_a_kill_before_the_readme_leaves_a_repository_that_passes_with_a_warning(tmp_path, monkeypatch):
    run = publishable(tmp_path / "runs", "mine")

    def killed(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(adding, "write_readme", killed)
    with pytest.raises(KeyboardInterrupt):
        add([run], tmp_path / "repository")
    checked = check(tmp_path / "repository")
    assert (checked.problems, [one.file for one in checked.warnings]) == ([], ["README.md"])


def test_a_readme_that_somebody_wrote_is_never_replaced(tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "README.md").write_text("my own words")
    with pytest.raises(UserError) as caught:
        add([publishable(tmp_path / "runs", "mine")], tmp_path / "repository")
    readme = tmp_path / "repository" / "README.md"
    assert str(caught.value) == (
        f"{readme}: not written by egox-bench, and it would be replaced; move it away (to ABOUT.md, say)"
    )
    assert files(tmp_path / "repository") == {"README.md": b"my own words"}


def test_a_link_that_leads_out_of_the_repository_is_not_written_through(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "repository" / "results").mkdir(parents=True)
    (tmp_path / "repository" / "results" / "unseen").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(UserError, match="leads out of the repository by a link; remove the link"):
        add([publishable(tmp_path / "runs", "mine")], tmp_path / "repository")
    assert files(tmp_path / "outside") == {}


def test_a_run_without_scores_by_clip_does_not_cost_the_others_their_tests(repository, mine):
    scores_of(mine).unlink()
    third = publishable(repository.parent / "runs", "third", level=24, key="a" * 16)
    add([third], repository)
    compared, apart = (repository / "README.md").read_text().split("## Without scores by clip")
    assert re.search(r"\| third \| \*\*\d", compared)
    assert "| mine |" in apart
    assert "| mine |" not in compared


def test_partial_runs_that_somebody_has_put_in_are_not_shown(repository, mine):
    edit_results(mine, partial=True)
    assert add([], repository).faults == (f"{mine}: partial, and not shown",)
    assert "| mine |" not in (repository / "README.md").read_text()


def test_a_file_with_nan_keeps_no_other_run_from_the_readme(repository, mine):
    mine.write_text(mine.read_text().replace('"errors": 0', '"errors": NaN', 1))
    assert add([], repository).faults == (f"{mine}, line 14: NaN is no number; expected null with a reason: score the run again",)
    assert "| yours |" in (repository / "README.md").read_text()


def test_a_remark_of_a_method_is_told_below_the_table(tmp_path):
    run = publishable(tmp_path / "runs", "mine", change=lambda method: msgspec.structs.replace(method, remark="a toy"))
    add([run], tmp_path / "repository")
    assert "\\#  a toy" in (tmp_path / "repository" / "README.md").read_text().replace("\\# a toy", "\\#  a toy")
