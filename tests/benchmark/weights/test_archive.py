"""Only one plain file of an archive is ever read."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.weights.archive import extract_member

from .made import MEMBER, tar_of


def zip_of(path: Path, name: str, data: bytes, mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        opened.writestr(info, data)
    return path


def test_a_member_of_a_tar_and_of_a_wheel_comes_out_as_it_went_in(tmp_path):
    tar = tmp_path / "a.tar.gz"
    tar.write_bytes(tar_of(b"numbers"))
    extract_member(tar, MEMBER, tmp_path / "from-tar", size=7)
    extract_member(zip_of(tmp_path / "a.whl", "a/b.pth", b"numbers"), "a/b.pth", tmp_path / "from-zip", size=7)
    assert (tmp_path / "from-tar").read_bytes() == (tmp_path / "from-zip").read_bytes() == b"numbers"


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/etc/outside", "a\\..\\outside", ""])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    tar = tmp_path / "a.tar.gz"
    tar.write_bytes(tar_of(b"numbers", name or "x"))
    with pytest.raises(UserError, match="leads out of the archive"):
        extract_member(tar, name, tmp_path / "out", size=7)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_member_of_a_tar_that_is_no_plain_file_is_refused(tmp_path, kind):
    info = tarfile.TarInfo(MEMBER)
    info.type, info.linkname = kind, "tiny-1.0/ballast"
    tar = tmp_path / "a.tar.gz"
    tar.write_bytes(tar_of(info))
    with pytest.raises(UserError, match=f"a.tar.gz: {MEMBER} is a link or no plain file; it was not read"):
        extract_member(tar, MEMBER, tmp_path / "out", size=0)


def test_a_member_of_a_zip_that_is_a_link_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.whl", "a/b.pth", b"../../secret", stat.S_IFLNK | 0o777)
    with pytest.raises(UserError, match=r"a/b.pth is a link or no plain file"):
        extract_member(path, "a/b.pth", tmp_path / "out", size=12)


def test_a_member_that_is_missing_or_of_another_size_is_named(tmp_path):
    path = zip_of(tmp_path / "a.whl", "a/b.pth", b"numbers")
    with pytest.raises(UserError, match=r"a.whl: holds no a/c.pth"):
        extract_member(path, "a/c.pth", tmp_path / "out", size=7)
    with pytest.raises(UserError, match=r"a/b.pth has 7 bytes, expected 8"):
        extract_member(path, "a/b.pth", tmp_path / "out", size=8)


@pytest.mark.parametrize("cut", [0, 10, 100_000])
def test_a_truncated_archive_is_one_sentence_and_no_traceback(tmp_path, cut):
    tar = tmp_path / "a.tar.gz"
    tar.write_bytes(tar_of(b"numbers")[:cut])
    with pytest.raises(UserError, match=r"a.tar.gz: not a whole archive"):
        extract_member(tar, MEMBER, tmp_path / "out", size=7)


def test_a_zip_with_a_damaged_member_is_not_a_whole_archive(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("a/b.pth", b"numbers")
    (tmp_path / "a.whl").write_bytes(out.getvalue().replace(b"numbers", b"numbirs", 1))
    with pytest.raises(UserError, match=r"a.whl: not a whole archive"):
        extract_member(tmp_path / "a.whl", "a/b.pth", tmp_path / "out", size=7)
