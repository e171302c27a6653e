"""Small published weights made in a test: an archive, its manifest, and a package index on this machine that has it."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

MEMBER = "tiny-1.0/weights/tiny.ckpt"
ARCHIVE = "tiny-1.0.tar.gz"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tree(seed: int = 0) -> dict[str, Any]:
    """As the I3D file is nested, with a key that holds a slash."""
    numbers = np.random.default_rng(seed)
    return {
        "params": {"Logits/Conv": {"kernel": numbers.standard_normal((2, 3, 4)).astype(np.float32)}},
        "batch_stats": {"Conv": {"mean": numbers.standard_normal((1, 5)).astype(np.float32)}},
    }


def tar_of(member: bytes | tarfile.TarInfo, name: str = MEMBER) -> bytes:
    """A .tar.gz with one member; of about 200 kB, so that half of it is something."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        ballast = np.random.default_rng(1).bytes(200_000)
        info = tarfile.TarInfo("tiny-1.0/ballast")
        info.size = len(ballast)
        tar.addfile(info, io.BytesIO(ballast))
        if isinstance(member, tarfile.TarInfo):
            tar.addfile(member)
        else:
            info = tarfile.TarInfo(name)
            info.size = len(member)
            tar.addfile(info, io.BytesIO(member))
    return out.getvalue()


def manifest_of(archive: bytes, member: bytes, *, name: str = MEMBER, more: str = "") -> str:
    """The TOML of one entry, "tiny", that pins this archive and this member."""
    return f"""
[tiny]
title = "Tiny"
purpose = "tests"
licence = "CC0-1.0"
bytes = {len(archive)}
format = "numpy-pickle"
{more}
[[tiny.sources]]
kind = "package"
distribution = "tiny"
version = "1.0"
archive = "{ARCHIVE}"
archive_bytes = {len(archive)}
archive_sha256 = "{sha256(archive)}"
member = "{name}"
member_bytes = {len(member)}
member_sha256 = "{sha256(member)}"
"""


def published(seed: int = 0) -> tuple[bytes, bytes]:
    """(archive, member)."""
    member = pickle.dumps(tree(seed), protocol=4)
    return tar_of(member), member


@dataclass
class Index:
    """A package index. ranges: the Range header of every request for the archive. cut: how many answers break off half way.

    stalled: set once an answer has stopped half way; it stays so until `go_on` is set. Only where `stalls` is true.
    """

    archive: bytes
    url: str = ""
    ranges: list[str | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    cut: int = 0
    status: int = 200
    stalls: bool = False
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def index_of(archive: bytes, projects: Mapping[str, str] | None = None) -> Iterator[Index]:
    """Serves `archive` as the file of project "tiny" on this machine's loopback."""
    index = Index(archive=archive)
    listed = {"tiny": ARCHIVE} if projects is None else projects

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            project = self.path.strip("/").rpartition("/")[2]
            if self.path.endswith(ARCHIVE):
                self._archive()
            elif project in listed:
                page = f'<html><body><a href="/files/{listed[project]}">{listed[project]}</a></body></html>'.encode()
                self._answer(200, page, {"Content-Type": "text/html"})
            else:
                self._answer(404, b"", {})

        def _archive(self) -> None:
            asked = self.headers.get("Range")
            index.ranges.append(asked)
            if index.status != 200:
                return self._answer(index.status, b"", {})
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            if start >= len(index.archive):
                return self._answer(416, b"", {})
            body = index.archive[start:]
            more = {"Content-Range": f"bytes {start}-{len(index.archive) - 1}/{len(index.archive)}"} if start else {}
            if index.stalls or index.cut:
                self._answer(206 if start else 200, body[: len(body) // 2], more, length=len(body))
                if index.stalls:
                    index.stalled.set()
                    index.go_on.wait(60)
                else:
                    index.cut -= 1
                self.close_connection = True
                return None
            return self._answer(206 if start else 200, body, more)

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str], length: int | None = None) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}/index/"
    try:
        yield index
    finally:
        index.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
