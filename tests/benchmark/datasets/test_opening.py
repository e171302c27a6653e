"""Finding the reader for a path, and one clear sentence where there is none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmark.datasets.dataset import Severity
from benchmark.datasets.egoexo4d import EgoExo4D
from benchmark.datasets.file_digests import FileDigests
from benchmark.datasets.opening import open_dataset
from benchmark.datasets.release import EgoXRelease
from benchmark.errors import UserError

from .download import Download


def test_each_layout_finds_its_reader(download: Download, tmp_path: Path):
    download.take(cams=("cam01",))
    assert isinstance(open_dataset(download.root), EgoExo4D)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "meta_seen.json").write_text('{"test_datasets": []}')
    assert isinstance(open_dataset(tmp_path / "r"), EgoXRelease)
    assert isinstance(open_dataset(str(tmp_path / "r" / "meta_seen.json")), EgoXRelease)
    assert open_dataset("sim").name.startswith("sim")


def test_what_cannot_be_read_is_said_in_one_sentence(download: Download, tmp_path: Path):
    download.take(cams=("cam01",))
    empty, other, nested = tmp_path / "empty", tmp_path / "other", tmp_path / "nested"
    empty.mkdir()
    other.mkdir()
    (other / "a.txt").write_text("x")
    (nested / "takes" / "takes").mkdir(parents=True)
    cases = {
        empty: "the folder is empty",
        other: "no known layout",
        nested: "takes/takes/ is a nested download",
        tmp_path / "nowhere": "no such data folder",
        download.root / "takes": "lies inside a download",
        download.root / "takes" / "lab_01_2": "lies inside a download",
        other / "a.txt": "not a data folder",
    }
    for path, words in cases.items():
        with pytest.raises(UserError, match=words) as caught:
            open_dataset(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_download_without_takes_is_an_error_of_verify(tmp_path: Path):
    (tmp_path / "takes").mkdir()
    problems = list(EgoExo4D(tmp_path).verify(progress=lambda *_: None))
    assert any(p.severity is Severity.ERROR and "no takes at all" in p.what for p in problems)


def test_an_unknown_split_is_answered_with_the_nearest(download: Download):
    download.take(cams=("cam01",))
    with pytest.raises(UserError, match="unknown split 'al'; did you mean 'all'"):
        open_dataset(download.root).manifest("al")


def test_manifests_beside_the_takes_are_splits(download: Download):
    download.take(cams=("cam01",))
    data = EgoExo4D(download.root)
    data.manifest("all").save(download.root / "splits" / "unseen.jsonl")
    assert data.splits() == ("all", "unseen")
    assert data.manifest("unseen").rows == data.manifest("all").rows


def test_a_takes_json_of_another_shape_is_refused(download: Download):
    download.take(cams=("cam01",))
    (download.root / "takes.json").write_text('{"takes": []}')
    with pytest.raises(UserError, match=r"takes\.json: Expected `array`, got `object`"):
        open_dataset(download.root).manifest("all")


def test_a_take_that_leaves_the_root_is_a_fault_and_not_read(download: Download):
    download.take(cams=("cam01",))
    download.take("evil", cams=("cam01",))
    download.takes[1]["root_dir"] = "../../etc"
    download.save_takes()
    data = EgoExo4D(download.root)
    assert list(data.takes) == ["lab_01_2"]
    assert "leaves the download root" in data.faults[0][1]


def test_digests_are_remembered_by_size_and_time_of_change(tmp_path: Path):
    file, memory = tmp_path / "a.bin", tmp_path / "cache" / "digests.jsonl"
    file.write_bytes(b"one")
    first = FileDigests(memory).of(file)
    assert len(memory.read_text().splitlines()) == 1
    stat = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert FileDigests(memory).of(file) == first  # same size and time: taken from memory
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert FileDigests(memory).of(file) != first


def test_a_torn_line_in_the_digest_memory_is_no_harm(tmp_path: Path):
    file, memory = tmp_path / "a.bin", tmp_path / "digests.jsonl"
    file.write_bytes(b"one")
    memory.write_text('["/x", 3, ')
    assert FileDigests(memory).of(file) == FileDigests(tmp_path / "other.jsonl").of(file)


def test_a_digest_memory_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    (tmp_path / "blocked").write_text("a file where a folder is wanted")
    digests = FileDigests(tmp_path / "blocked" / "digests.jsonl")
    assert digests.of(file) == FileDigests(tmp_path / "d.jsonl").of(file)
    assert "cannot be written" in caplog.text


def test_a_record_with_a_wrong_type_is_a_fault_and_the_others_are_read(download: Download):
    download.take(cams=("cam01",))
    download.takes.append({**download.takes[0], "take_name": "other_1", "take_uid": "u2", "timesync_start_idx": "many"})
    download.save_takes()
    data = EgoExo4D(download.root)
    assert list(data.takes) == ["lab_01_2"]
    (fault,) = data.faults
    assert fault[0].endswith("takes.json, item 1")
    assert "timesync_start_idx" in fault[1]
    assert json.loads((download.root / "takes.json").read_text())
