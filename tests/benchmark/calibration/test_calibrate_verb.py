"""egox-bench calibrate, as it is called."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from benchmark.cli.calibrate import command
from benchmark.errors import UserError
from tests.box_folder import write_box_folder
from tests.pixels import PATH

APP = typer.Typer()
APP.command()(command)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return write_box_folder(tmp_path_factory.mktemp("boxes"), clips=2)


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "cache"))


def call(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_it_writes_tables_and_figures_and_two_processes_give_the_same_bytes(boxes, tmp_path):
    given = ("--data", boxes, "--split", "all", "--protocol", PATH, "--ladders", "freeze,swap")
    done = call(*given, "--out", tmp_path / "one")
    assert done.exit_code == 0
    assert "PSNR dB" in done.stdout
    assert "own ladder not measured: psnr (noise), ssim (blur)" in done.stdout
    (folder,) = (path.parent for path in (tmp_path / "one").rglob("calibration.csv"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "calibration.csv",
        "calibration.json",
        "image.png",
        "levels",
        "levels.png",
    ]
    assert call(*given, "--out", tmp_path / "two", "--workers", 2).exit_code == 0
    other = tmp_path / "two" / folder.relative_to(tmp_path / "one")
    for name in ("calibration.csv", "calibration.json", "image.png", "levels.png"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_json_is_all_that_stdout_holds(boxes, tmp_path, capfd):
    given = ("--data", boxes, "--split", "all", "--protocol", PATH, "--ladders", "delay", "--limit", 1)
    assert call(*given, "--out", tmp_path, "--json").exit_code == 0
    found = json.loads(capfd.readouterr().out)
    assert found["clips"] == ["b0"]
    assert set(found["metrics"]["psnr"]["curves"]) == {"delay"}


def test_a_wrong_ladder_is_named_with_the_nearest(boxes, tmp_path):
    done = call("--data", boxes, "--split", "all", "--protocol", PATH, "--ladders", "blurr", "--out", tmp_path)
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == "unknown ladder 'blurr'; did you mean 'blur'?"
