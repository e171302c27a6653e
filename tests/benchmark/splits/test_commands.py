"""`data build`, `data import` and `data audit` as commands: what they print, where, and how they exit."""

import json

import pytest
from typer.testing import CliRunner, Result

from benchmark.cli import build as build_app
from benchmark.errors import UserError
from benchmark.splits.manifest import Manifest, load_manifest

from .crafted import crafted_takes, write_takes


def egox_bench(*arguments: object) -> Result:
    result = CliRunner().invoke(build_app(), [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = write_takes(tmp_path_factory.mktemp("download"), crafted_takes(200))
    result = egox_bench("data", "build", root, "--train", 100, "--seen", 20, "--unseen", 12, "--val", 8, "--json")
    return root, result


def test_build_writes_manifests_where_split_finds_them_and_reports_as_json(built):
    root, result = built
    report = json.loads(result.stdout)
    assert [split["split"] for split in report["splits"]] == ["train", "seen", "unseen", "val"]
    assert [split["clips"] for split in report["splits"]] == [100, 20, 12, 8]
    for split in report["splits"]:
        assert load_manifest(root / "splits" / f"{split['split']}.jsonl").digest == split["digest"]


def test_build_prints_tables_and_the_paths(built, tmp_path):
    result = egox_bench("data", "build", built[0], "--train", 1000, "--seen", 5, "--unseen", 500, "--out", tmp_path / "here")
    assert "Basketball" in result.stdout
    assert "unseen is" in result.stdout
    assert "clips short of what was asked for" in result.stdout
    assert str(tmp_path / "here" / "train.jsonl") in result.stdout


def test_audit_of_built_splits_exits_0(built):
    result = egox_bench("data", "audit", built[0] / "splits", "--held-out", "unseen", "--held-out", "val")
    assert result.exit_code == 0
    assert "no leak" in result.stdout
    assert "not checked: (d)" in result.stdout


def test_audit_of_a_leaking_manifest_exits_1_and_names_both_clips(built, tmp_path):
    manifests = {name: load_manifest(built[0] / "splits" / f"{name}.jsonl") for name in ("train", "unseen")}
    stolen = manifests["train"].rows[0]
    Manifest.of("unseen", "egoexo4d", [*manifests["unseen"].rows, stolen]).save(tmp_path / "unseen.jsonl")
    manifests["train"].save(tmp_path / "train.jsonl")
    result = egox_bench("data", "audit", tmp_path, "--json")
    assert result.exit_code == 1
    leaks = json.loads(result.stdout)["leaks"]
    assert {leak["rule"] for leak in leaks} == {"a", "b", "e"}
    assert all(stolen.clip_id in (leak["clip"], leak["other_clip"]) for leak in leaks)
    shown = egox_bench("data", "audit", tmp_path / "train.jsonl", tmp_path / "unseen.jsonl")
    assert shown.exit_code == 1
    assert f"{len(leaks)} leaks" in shown.stdout


def test_import_keeps_results_on_stdout_and_warnings_on_stderr(tmp_path):
    (tmp_path / "list.txt").write_text("a_1_0_48\n")
    out = tmp_path / "seen.jsonl"
    result = egox_bench("data", "import", tmp_path / "list.txt", "--split", "seen", "--out", out, "--json")
    assert json.loads(result.stdout)["clips"] == 1
    assert "warning: no --data" in result.stderr
    assert load_manifest(out).split == "seen"


def test_a_malformed_list_leaves_an_earlier_manifest_alone(tmp_path):
    (tmp_path / "list.txt").write_text("a_1_0_48\n")
    out = tmp_path / "seen.jsonl"
    egox_bench("data", "import", tmp_path / "list.txt", "--split", "seen", "--out", out)
    before = out.read_bytes()
    (tmp_path / "list.txt").write_text("a_1_0_48\nbroken\n")
    with pytest.raises(UserError, match="line 2"):
        egox_bench("data", "import", tmp_path / "list.txt", "--split", "seen", "--out", out)
    assert out.read_bytes() == before
