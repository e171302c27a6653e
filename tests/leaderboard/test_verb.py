"""egox-bench table, as it is called."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from benchmark.errors import UserError
from leaderboard.verb import command

from .runs import make_run

APP = typer.Typer()
APP.command()(command)


def call(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_it_prints_a_table_and_fills_the_csv(tmp_path):
    make_run(tmp_path / "runs", "a", level=20)
    make_run(tmp_path / "runs", "b", level=22)
    done = call(tmp_path / "runs", "--csv", tmp_path / "out" / "leaderboard.csv")
    assert done.exit_code == 0
    assert done.stdout.startswith("sim unseen, 24 clips (5p1it) · pixels@1")
    assert len((tmp_path / "out" / "leaderboard.csv").read_text().splitlines()) == 9


def test_other_splits_get_tables_of_their_own(tmp_path):
    make_run(tmp_path, "a")
    make_run(tmp_path, "a", split="seen", split_digest="0ther")
    done = call(tmp_path)
    assert done.stdout.count("· pixels@1") == 2
    assert done.stderr == ""


def test_tables_of_the_same_names_say_what_keeps_them_apart(tmp_path):
    make_run(tmp_path, "a")
    make_run(tmp_path, "b", split_digest="0ther")
    done = call(tmp_path)
    assert done.stdout.count("· pixels@1") == 2
    assert done.stderr == "unseen: not in one table: split digest differs (5p1it and 0ther)\n"


def test_json_holds_the_results_files(tmp_path):
    folder = make_run(tmp_path, "a")
    done = call(tmp_path, "--json")
    assert json.loads(done.stdout) == [{"run": str(folder), "results": json.loads((folder / "results.json").read_bytes())}]


def test_quiet_writes_the_csv_only(tmp_path):
    make_run(tmp_path / "runs", "a")
    done = call(tmp_path / "runs", "--csv", tmp_path / "l.csv", "--quiet")
    assert done.stdout == ""
    assert (tmp_path / "l.csv").is_file()


def test_without_arguments_it_looks_into_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="runs: no such run"):
        command()
    make_run(tmp_path / "runs", "a")
    assert "sim unseen" in call().stdout
