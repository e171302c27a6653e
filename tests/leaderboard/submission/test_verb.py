"""egox-bench submit, as it is called."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from benchmark.errors import UserError
from leaderboard.submit_verb import command

from .publishable import MINE, publishable

APP = typer.Typer()
APP.command()(command)
RESULTS = f"results/unseen/mini/mine/{MINE}.json"


def call(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_it_adds_and_says_what_it_added(tmp_path):
    run = publishable(tmp_path / "runs", "mine")
    done = call(run, "--into", tmp_path / "repository")
    assert done.exit_code == 0
    assert done.stdout == f"added: {RESULTS}\n{tmp_path / 'repository'}: 1 added; README.md written\n"
    done = call(run, "--into", tmp_path / "repository")
    assert done.stdout == f"{tmp_path / 'repository'}: 1 there already; README.md written\n"


def test_a_refused_run_is_told_on_stderr_and_ends_with_one(tmp_path):
    run = publishable(tmp_path / "runs", "mine")
    (run / "results.json").write_text("{")
    publishable(tmp_path / "runs", "yours")
    done = call(tmp_path / "runs", "--into", tmp_path / "repository")
    assert done.exit_code == 1
    assert done.stdout.endswith("1 added, 1 refused; README.md written\n")
    assert done.stderr == (
        f"refused: {run / 'results.json'}: not JSON (Input data was truncated); it may be cut short: score the run again\n"
    )


def test_the_check_ends_with_zero_where_there_are_warnings_only_and_with_one_where_there_are_problems(repository, mine):
    done = call("--check", repository)
    assert (done.exit_code, done.stdout) == (0, f"{repository}: 2 runs, 0 problems, 0 warnings\n")
    (repository / "README.md").unlink()
    done = call("--check", repository)
    assert done.exit_code == 0
    assert done.stdout.endswith("2 runs, 0 problems, 1 warning\n")
    mine.write_text("{")
    done = call("--check", repository)
    assert done.exit_code == 1
    assert f"problem: {RESULTS}: not JSON" in done.stdout
    assert done.stdout.endswith("2 runs, 1 problem, 1 warning\n")


def test_json_has_each_finding_in_its_parts(repository, mine):
    mine.write_text("{")
    done = call("--check", repository, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["runs"] == 2
    assert {"level": "problem", "file": RESULTS, "field": ""}.items() <= found["findings"][1].items()


def test_json_of_adding_has_each_run_with_its_outcome(tmp_path):
    run = publishable(tmp_path / "runs", "mine")
    found = json.loads(call(run, "--into", tmp_path / "repository", "--json").stdout)
    assert found == {
        "put": [{"run": str(run / "results.json"), "file": RESULTS, "outcome": "added"}],
        "refused": [],
        "not_shown": [],
    }


def test_without_runs_it_only_writes_the_readme(repository):
    before = (repository / "README.md").read_bytes()
    (repository / "README.md").unlink()
    done = call("--into", repository)
    assert (done.exit_code, done.stdout) == (0, f"{repository}: no run added; README.md written\n")
    assert (repository / "README.md").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run"], "say where to: 'egox-bench submit RUN --into DIR', or check a repository with 'submit --check DIR'"),
        (["run", "--check", "d"], "--check changes nothing: give it alone, as in 'egox-bench submit --check DIR'"),
        (["--into", "d"], "d: no results repository yet; name runs to put in: egox-bench submit RUN --into d"),
        (["absent", "--into", "d"], "absent: no such run; give a run's folder, or one that holds runs"),
    ],
)
def test_a_wrong_call_says_how_to_mend_it(tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    done = call(*arguments)
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == text
    assert list(tmp_path.iterdir()) == []
