"""`data plan`: parts, takes, size and commands of the official downloader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.datasets.download_plan import PART_GB, RELEASE_TAKES, find_manifest, plan_download, plan_text
from benchmark.errors import UserError
from benchmark.splits.manifest import Manifest, Row

from .download import Download


def manifest(*takes: str, uid: bool = True, pose_source: str = "", dataset: str = "egoexo4d") -> Manifest:
    rows = [
        Row(
            clip_id=f"{take}_{first}_{first + 48}", take_uid=f"uid-{take}" if uid else "", take_name=take, first_frame=first,
            last_frame=first + 48, exo_cam="cam01", pose_source=pose_source,
        )
        for take in takes
        for first in (0, 300)
    ]  # fmt: skip
    return Manifest.of("unseen", dataset, rows)


def test_a_plan_names_takes_parts_and_commands():
    plan = plan_download(manifest("a_1", "b_2"), into="/data/ego exo")
    assert plan.takes == ("uid-a_1", "uid-b_2")
    assert plan.clips == 4
    share = {part.name: part.gb for part in plan.parts}
    assert share["metadata"] == PART_GB["metadata"]
    assert share["downscaled_takes/448"] == pytest.approx(PART_GB["downscaled_takes/448"] * 2 / RELEASE_TAKES, abs=1e-3)
    assert plan.total_gb == pytest.approx(sum(share.values()), abs=1e-3)
    assert plan.commands[1] == "egoexo -o '/data/ego exo' --release v2 --parts metadata annotations -y"
    assert plan.commands[2].endswith(
        "--parts captures downscaled_takes/448 take_trajectory --uids uid-a_1 uid-b_2 --num_workers 15 -y"
    )


def test_the_clock_of_captures_is_left_out_where_camera_pose_serves_all():
    plan = plan_download(manifest("a_1", pose_source="exo:gopro_calibs ego:camera_pose"))
    assert "captures" not in {part.name for part in plan.parts}
    assert "captures" not in plan.commands[2]


def test_names_become_uids_by_a_takes_json(download: Download):
    download.take(cams=("cam01",))
    without = plan_download(manifest("lab_01_2", uid=False))
    assert without.unresolved == ("lab_01_2",)
    assert len(without.commands) == 2
    assert "1 takes have no uid in the manifest (lab_01_2)" in plan_text(without)
    with_list = plan_download(manifest("lab_01_2", uid=False), takes_from=download.root)
    assert with_list.takes == ("uid-lab_01_2",)
    assert with_list.capture_uids == ("capture-1",)
    assert "--uids capture-1 uid-lab_01_2" in with_list.commands[2]


def test_there_is_nothing_to_download_of_the_simulated_world():
    with pytest.raises(UserError, match="nothing to download"):
        plan_download(manifest("a_1", dataset="sim-1"))


def test_a_split_is_a_file_or_a_name_that_the_data_knows(download: Download, tmp_path: Path):
    download.take(cams=("cam01",))
    path = tmp_path / "mine.jsonl"
    manifest("a_1").save(path)
    assert find_manifest(str(path), None).rows == manifest("a_1").rows
    assert len(find_manifest("all", str(download.root)).rows) == 1
    with pytest.raises(UserError, match="is not a manifest file"):
        find_manifest("unseen", None)


def test_the_verb_prints_text_and_json(tmp_path: Path):
    from benchmark.cli import build

    path = tmp_path / "mine.jsonl"
    manifest("a_1").save(path)
    text = CliRunner().invoke(build(), ["data", "plan", "--split", str(path)])
    assert text.exit_code == 0, text.output
    assert "split unseen: 2 clips of 1 takes" in text.stdout
    assert "pip install 'ego4d>=1.7.1'" in text.stdout
    data = CliRunner().invoke(build(), ["data", "plan", "--split", str(path), "--json"])
    assert json.loads(data.stdout)["takes"] == ["uid-a_1"]
