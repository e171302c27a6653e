"""egox-bench compare, as it is called."""

from __future__ import annotations

import csv
import json

import typer
from typer.testing import CliRunner

from benchmark.cli.compare import command

from .compared import levels, make_run

APP = typer.Typer()
APP.command()(command)


def call(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def two_runs(root):
    return [
        make_run(root, name, {"psnr": levels(level, seed=i), "ssim": levels(0.5, seed=5 + i)})
        for i, (name, level) in enumerate((("a", 20.0), ("b [v2]", 21.0)))
    ]


def test_it_prints_plain_text_where_there_is_no_terminal(tmp_path):
    done = call(*two_runs(tmp_path))
    assert done.exit_code == 0
    assert done.stdout.startswith("sim unseen, 24 clips (5p1it) · mini@1\n")
    assert "\x1b" not in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("PSNR dB") and "…" in line)
    assert "-0.9" in line or "-1.0" in line
    assert line.endswith("b [v2] *")
    assert "24/12" in line
    assert "Holm's correction for 2 tests" in done.stdout


def test_json_and_csv_hold_full_precision(tmp_path):
    done = call(*two_runs(tmp_path), "--json", "--csv", tmp_path / "out" / "d.csv")
    found = json.loads(done.stdout)
    assert [contender["label"] for contender in found["contenders"]] == ["a", "b [v2]"]
    assert found["tests"] == 2
    with (tmp_path / "out" / "d.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["metric"] for line in lines] == ["psnr", "ssim"]
    for line, one in zip(lines, found["differences"]):
        assert float(line["difference"]) == one["difference"]
        assert float(line["p"]) == one["p"]
    assert (lines[0]["ahead"], lines[0]["separated"]) == ("b [v2]", "true")


def test_the_order_of_runs_turns_signs_only(tmp_path):
    a, b = two_runs(tmp_path)
    one, other = (json.loads(call(*runs, "--json").stdout)["differences"][0] for runs in ((a, b), (b, a)))
    assert one["difference"] == -other["difference"]
    assert one["p"] == other["p"]
    assert one["ahead"] == other["ahead"]
