"""Getting weights: whatever goes wrong has one outcome and one sentence, and what was there stays."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from benchmark.errors import StorageError, UserError
from benchmark.weights import Shelf, is_offline, weights_root
from benchmark.weights.download import CHUNK
from benchmark.weights.manifest import parsed
from benchmark.weights.package_index import index_url
from benchmark.weights.record import read_record

from .made import ARCHIVE, MEMBER, index_of, manifest_of, published, sha256, tar_of, tree

ARCHIVE_BYTES, MEMBER_BYTES = published()


def shelf_at(root: Path, *, offline: bool = False, text: str | None = None) -> Shelf:
    return Shelf(root=root, offline=offline, manifest=parsed(text or manifest_of(ARCHIVE_BYTES, MEMBER_BYTES)))


def names_in(root: Path) -> list[str]:
    """All but the lock."""
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


def test_fetched_weights_are_what_was_published_and_nothing_else_is_left(tmp_path, index):
    shelf = shelf_at(tmp_path)
    assert shelf.located("tiny") is None
    assert shelf.missing(["tiny"]) == "weights missing, run 'egox-bench weights fetch tiny'"
    path = shelf.fetch("tiny")
    assert path == shelf.located("tiny") == tmp_path / "tiny" / "weights.safetensors"
    np.testing.assert_array_equal(load_file(path)["batch_stats/Conv/mean"], tree()["batch_stats"]["Conv"]["mean"])
    assert names_in(tmp_path) == ["tiny"]
    assert names_in(tmp_path / "tiny") == ["record.json", "weights.safetensors"]
    assert shelf.missing(["tiny"]) is None
    assert shelf.identity("tiny") == sha256(path.read_bytes())[:16]


def test_what_is_there_is_not_fetched_again(tmp_path, index):
    shelf_at(tmp_path).fetch("tiny")
    asked = list(index.asked)
    for path in tmp_path.glob(".*"):
        path.unlink()
    shelf_at(tmp_path).fetch("tiny")
    assert index.asked == asked
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]  # a folder that nobody may write to serves as well


def test_the_record_says_what_the_file_was_made_of(tmp_path, index):
    path = shelf_at(tmp_path).fetch("tiny")
    record = read_record(path.parent)
    assert record is not None
    assert record.files == {"weights.safetensors": sha256(path.read_bytes())}
    assert record.source["member_sha256"] == sha256(MEMBER_BYTES)
    assert record.source["archive"] == ARCHIVE


def test_a_download_that_breaks_off_goes_on_where_it_stopped(tmp_path, index):
    index.cut = 2
    shelf_at(tmp_path).fetch("tiny")
    assert index.ranges == [None, f"bytes={CHUNK}-", f"bytes={2 * CHUNK}-"]  # whole chunks are kept


def test_a_download_that_never_ends_is_given_up_and_kept_for_the_next_time(tmp_path, index):
    index.cut = 3
    with pytest.raises(UserError, match=rf"{ARCHIVE} cannot be downloaded: .* the same command goes on from there"):
        shelf_at(tmp_path).fetch("tiny")
    assert names_in(tmp_path) == [f".{ARCHIVE}.part"]
    shelf_at(tmp_path).fetch("tiny")
    assert names_in(tmp_path) == ["tiny"]


def test_a_left_over_of_other_bytes_is_thrown_away_and_the_download_begins_anew(tmp_path, index):
    (tmp_path / f".{ARCHIVE}.part").write_bytes(b"something else")
    shelf_at(tmp_path).fetch("tiny")
    assert index.ranges == ["bytes=14-", None]


def test_a_left_over_that_is_longer_than_the_file_is_thrown_away(tmp_path, index):
    (tmp_path / f".{ARCHIVE}.part").write_bytes(b"x" * (len(ARCHIVE_BYTES) + 1))
    shelf_at(tmp_path).fetch("tiny")
    assert index.ranges[-1] is None


def test_an_archive_of_other_bytes_is_not_opened(tmp_path, monkeypatch):
    other = bytearray(ARCHIVE_BYTES)
    other[-20] ^= 1
    monkeypatch.setattr("benchmark.weights.obtain.extract_member", lambda *args, **named: pytest.fail("opened"))
    with serving(bytes(other), monkeypatch), pytest.raises(UserError, match=f"{ARCHIVE}: sha256 is .* it was not read"):
        shelf_at(tmp_path).fetch("tiny")
    assert names_in(tmp_path) == []


def test_an_archive_that_is_too_long_is_not_kept(tmp_path, monkeypatch):
    with serving(ARCHIVE_BYTES + b"x" * 100_000, monkeypatch), pytest.raises(UserError, match="sends more than the"):
        shelf_at(tmp_path).fetch("tiny")
    assert names_in(tmp_path) == []


def test_a_truncated_archive_is_not_opened(tmp_path, monkeypatch):
    with serving(ARCHIVE_BYTES[:1000], monkeypatch), pytest.raises(UserError, match="these are other bytes"):
        shelf_at(tmp_path).fetch("tiny")


def test_a_member_of_other_bytes_is_not_parsed(tmp_path, monkeypatch):
    other = bytearray(MEMBER_BYTES)
    other[-20] ^= 1
    archive = tar_of(bytes(other))
    monkeypatch.setattr("benchmark.weights.obtain.convert", lambda *args, **named: pytest.fail("parsed"))
    with serving(archive, monkeypatch), pytest.raises(UserError, match=f"{MEMBER}: sha256 is"):
        shelf_at(tmp_path, text=manifest_of(archive, MEMBER_BYTES)).fetch("tiny")


def test_a_pickle_with_an_unknown_global_is_refused_though_its_sha256_is_right(tmp_path, monkeypatch):
    member = pickle.dumps({"a": os.getcwd}, protocol=4)
    archive = tar_of(member)
    with serving(archive, monkeypatch), pytest.raises(UserError, match=r"tiny.ckpt: refused: it asks for posix.getcwd"):
        shelf_at(tmp_path, text=manifest_of(archive, member)).fetch("tiny")
    assert names_in(tmp_path) == []


def test_a_conversion_that_gives_other_bytes_than_pinned_is_not_kept(tmp_path, index):
    text = manifest_of(ARCHIVE_BYTES, MEMBER_BYTES, more=f'converted_sha256 = "{"0" * 64}"\n')
    with pytest.raises(UserError, match=r"tiny: what would be loaded has sha256 .* install the versions of constraints.txt"):
        shelf_at(tmp_path, text=text).fetch("tiny")
    assert names_in(tmp_path) == []
    assert shelf_at(tmp_path, text=text).identity("tiny") == "0" * 16


@contextmanager
def serving(archive: bytes, monkeypatch: pytest.MonkeyPatch):
    with index_of(archive) as made:
        monkeypatch.setenv("PIP_INDEX_URL", made.url)
        yield made


def test_an_index_without_the_project_or_the_file_says_so(tmp_path, monkeypatch):
    with index_of(ARCHIVE_BYTES, projects={}) as made:
        monkeypatch.setenv("PIP_INDEX_URL", made.url)
        with pytest.raises(UserError, match=r"the package index has no tiny; name another index, e.g. by PIP_INDEX_URL"):
            shelf_at(tmp_path).fetch("tiny")
    with index_of(ARCHIVE_BYTES, projects={"tiny": "tiny-2.0.tar.gz"}) as made:
        monkeypatch.setenv("PIP_INDEX_URL", made.url)
        with pytest.raises(UserError, match=f"the package index has no file {ARCHIVE} of tiny 1.0"):
            shelf_at(tmp_path).fetch("tiny")


def test_no_network_is_one_sentence_with_the_way_out_and_without_the_address(tmp_path, monkeypatch):
    with index_of(ARCHIVE_BYTES) as made:
        gone = made.url
    monkeypatch.setenv("PIP_INDEX_URL", gone.replace("127.0.0.1", "someone:secret@127.0.0.1"))
    with pytest.raises(UserError, match=r"cannot be asked for tiny 1.0: there is no connection") as caught:
        shelf_at(tmp_path).fetch("tiny")
    assert "egox-bench weights fetch tiny --from DIR/tiny" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_server_that_refuses_is_asked_once(tmp_path, index):
    index.status = 403
    with pytest.raises(UserError, match=f"{ARCHIVE} cannot be downloaded: the server answers 403"):
        shelf_at(tmp_path).fetch("tiny")
    assert len(index.ranges) == 1


def test_offline_fails_at_once_with_the_command_and_asks_nobody(tmp_path, index):
    with pytest.raises(UserError, match=r"weights of tiny are not here and this is offline.*run 'egox-bench weights fetch tiny"):
        shelf_at(tmp_path, offline=True).fetch("tiny")
    assert index.asked == []


@pytest.mark.parametrize("name", ["EGOX_BENCH_OFFLINE", "HF_HUB_OFFLINE"])
def test_the_environment_can_forbid_the_network(monkeypatch, name):
    assert not is_offline()
    monkeypatch.setenv(name, "1")
    assert Shelf().offline


def test_fetching_what_is_open_never_raises_for_a_network_that_is_not_there(tmp_path, index):
    (reason,) = shelf_at(tmp_path, offline=True).fetch_open(["tiny"])
    assert "weights of tiny are not here and this is offline" in reason
    assert shelf_at(tmp_path).fetch_open(["tiny"]) == ()


def test_fetching_what_is_open_never_raises_for_a_disk_either(tmp_path, index):
    (tmp_path / "file").write_text("")
    assert "weights cannot be kept" in shelf_at(tmp_path / "file").fetch_open(["tiny"])[0]


def test_fetching_what_is_open_leaves_non_commercial_weights_alone(tmp_path, index):
    text = manifest_of(ARCHIVE_BYTES, MEMBER_BYTES, more="non_commercial = true\n")
    reasons = shelf_at(tmp_path, text=text).fetch_open(["tiny"])
    assert reasons == ("weights missing, run 'egox-bench weights fetch tiny'",)
    assert index.asked == []


def test_a_damaged_file_is_never_loaded_and_fetching_mends_it(tmp_path, index):
    path = shelf_at(tmp_path).fetch("tiny")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=r"weights.safetensors: damaged .* run 'egox-bench weights fetch tiny'"):
        shelf_at(tmp_path).located("tiny")
    assert "this is offline" in shelf_at(tmp_path, offline=True).fetch_open(["tiny"])[0]
    assert shelf_at(tmp_path).fetch("tiny").read_bytes() == whole


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', '{"id": "tiny", "files": {"../x": "0"}, "source": {}}'])
def test_a_damaged_record_is_said_and_fetching_mends_it(tmp_path, index, text):
    path = shelf_at(tmp_path).fetch("tiny")
    (path.parent / "record.json").write_text(text)
    with pytest.raises(UserError, match=r"record.json: damaged .* run 'egox-bench weights fetch tiny'"):
        shelf_at(tmp_path).located("tiny")
    assert shelf_at(tmp_path).fetch("tiny") == path
    assert shelf_at(tmp_path).located("tiny") == path


def test_a_file_that_was_exchanged_together_with_its_record_is_found_by_the_pin(tmp_path, index):
    path = shelf_at(tmp_path).fetch("tiny")
    text = manifest_of(ARCHIVE_BYTES, MEMBER_BYTES, more=f'converted_sha256 = "{sha256(path.read_bytes())}"\n')
    record = (path.parent / "record.json").read_text()
    before = sha256(path.read_bytes())
    save_file({"a": np.ones(1, np.float32)}, path)
    (path.parent / "record.json").write_text(record.replace(before, sha256(path.read_bytes())))
    with pytest.raises(UserError, match="damaged"):
        shelf_at(tmp_path, text=text).located("tiny")


def test_a_full_disk_is_a_storage_error_that_names_the_folder(tmp_path, index):
    (tmp_path / f".{ARCHIVE}.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match=rf"{tmp_path}: weights cannot be kept \(No space left on device\); free the disk"):
        shelf_at(tmp_path).fetch("tiny")


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path, index):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="weights cannot be kept"):
        shelf_at(tmp_path / "file").fetch("tiny")


def child(root: Path) -> subprocess.Popen[str]:
    """Another process that fetches."""
    code = (
        "import pathlib, sys\nfrom benchmark.weights import Shelf\nfrom benchmark.weights.manifest import parsed\n"
        "print(Shelf(root=pathlib.Path(sys.argv[1]), manifest=parsed(sys.argv[2])).fetch('tiny'))"
    )
    words = [sys.executable, "-c", code, str(root), manifest_of(ARCHIVE_BYTES, MEMBER_BYTES)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_kill_in_the_middle_leaves_nothing_that_looks_whole_and_the_next_fetch_goes_on(tmp_path, index):
    index.stalls = True
    process = child(tmp_path)
    assert index.stalled.wait(60)
    # The half that was sent is in the process or on its way to the disk; only what reached the disk counts.
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    index.stalls = False
    assert shelf_at(tmp_path).located("tiny") is None
    shelf_at(tmp_path).fetch("tiny")
    assert names_in(tmp_path) == ["tiny"]


def test_a_staging_folder_that_a_kill_left_does_not_mix_into_the_next_fetch(tmp_path, index):
    (tmp_path / ".tiny.part").mkdir()
    (tmp_path / ".tiny.part" / "left.safetensors").write_bytes(b"half")
    shelf_at(tmp_path).fetch("tiny")
    assert names_in(tmp_path / "tiny") == ["record.json", "weights.safetensors"]


def test_two_processes_at_once_download_once(tmp_path, index):
    both = [child(tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(index.ranges) == 1
    assert {out.strip() for out, _ in said} == {str(tmp_path / "tiny" / "weights.safetensors")}


@pytest.mark.parametrize("what", ["archive", "folder", "member"])
def test_a_published_file_that_was_brought_here_is_taken_without_a_network(tmp_path, index, what):
    brought = tmp_path / "brought"
    brought.mkdir()
    (brought / ARCHIVE).write_bytes(ARCHIVE_BYTES)
    (brought / "tiny.ckpt").write_bytes(MEMBER_BYTES)
    given = {"archive": brought / ARCHIVE, "folder": brought, "member": brought / "tiny.ckpt"}[what]
    path = shelf_at(tmp_path / "w", offline=True).fetch("tiny", given=given)
    assert load_file(path)
    assert index.asked == []
    assert (brought / ARCHIVE).read_bytes() == ARCHIVE_BYTES


def test_a_folder_that_another_machine_fetched_is_taken_and_checked(tmp_path, index):
    path = shelf_at(tmp_path / "one").fetch("tiny")
    taken = shelf_at(tmp_path / "two", offline=True).fetch("tiny", given=path.parent)
    assert taken.read_bytes() == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="these are other bytes"):
        shelf_at(tmp_path / "three", offline=True).fetch("tiny", given=path.parent)
    path.unlink()
    with pytest.raises(UserError, match=r"weights.safetensors: missing, though the record beside it names it"):
        shelf_at(tmp_path / "three", offline=True).fetch("tiny", given=path.parent)


def test_a_file_that_is_neither_archive_nor_member_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(UserError, match=rf"x: sha256 is .*, neither that of {ARCHIVE}"):
        shelf_at(tmp_path / "w").fetch("tiny", given=tmp_path / "x")
    with pytest.raises(UserError, match="there is no such file or folder"):
        shelf_at(tmp_path / "w").fetch("tiny", given=tmp_path / "y")
    with pytest.raises(UserError, match=f"holds no {ARCHIVE}"):
        shelf_at(tmp_path / "w").fetch("tiny", given=tmp_path)


def test_a_failed_fetch_leaves_the_weights_that_were_there(tmp_path, index):
    path = shelf_at(tmp_path).fetch("tiny")
    before = path.read_bytes()
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(UserError):
        shelf_at(tmp_path).fetch("tiny", given=tmp_path / "x")
    assert shelf_at(tmp_path).located("tiny") == path
    assert path.read_bytes() == before


def test_weights_that_nothing_pins_have_no_identity_before_they_are_there(tmp_path, index):
    shelf = shelf_at(tmp_path)
    with pytest.raises(UserError, match="tiny: weights missing, run 'egox-bench weights fetch tiny'"):
        shelf.identity("tiny")


def test_an_unknown_id_gets_the_nearest_one(tmp_path):
    with pytest.raises(UserError, match="unknown weights 'tinny'; did you mean 'tiny'"):
        shelf_at(tmp_path).located("tinny")


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_the_index_is_the_one_that_pip_or_uv_is_told_to_use(monkeypatch, name):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv(name, "https://mirror.example/index/")
    assert index_url() == "https://mirror.example/index/"


def test_an_index_that_uv_knows_by_a_name_is_its_address(monkeypatch):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "mine=https://mirror.example/index/?a=b")
    assert index_url() == "https://mirror.example/index/?a=b"


def test_the_folder_is_the_users_choice_or_part_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path))
    assert weights_root() == tmp_path / "weights"
    monkeypatch.setenv("EGOX_BENCH_WEIGHTS", str(tmp_path / "mine"))
    assert Shelf().root == tmp_path / "mine"
