"""Digests of files by path, size and time of change, so that a clip's identity costs no rereading."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path

from ..cache import cache_root
from ..errors import UserError
from ..files import file_key

_log = logging.getLogger(__name__)


class FileDigests:
    """sha256 (16 hex digits) of files, remembered in `file-digests.jsonl` under the cache root.

    One line a file, appended in one write, so processes can share the file. A cache that cannot be written costs time only:
    that is logged once.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or cache_root() / "file-digests.jsonl"
        self._known: dict[tuple[str, int, int], str] | None = None
        self._writable = True

    def of(self, path: Path) -> str:
        """Digest of one file's bytes. Raises UserError where it cannot be read."""
        try:
            stat = path.stat()
            where = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
            known = self._remembered()
            if where not in known:
                known[where] = file_key(path)
                self._append(where, known[where])
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); check the path or fetch it again") from None
        return known[where]

    def of_many(self, paths: list[Path]) -> str:
        """One digest of several files, in this order."""
        return hashlib.sha256("\n".join(self.of(path) for path in paths).encode()).hexdigest()[:16]

    def _remembered(self) -> dict[tuple[str, int, int], str]:
        if self._known is None:
            self._known = {}
            if self._path.is_file():
                for line in self._path.read_text(encoding="utf-8").splitlines():
                    try:
                        path, size, changed, digest = json.loads(line)
                    except ValueError:
                        continue  # a line torn by a full disk: that file is hashed again
                    self._known[(path, size, changed)] = digest
        return self._known

    def _append(self, where: tuple[str, int, int], digest: str) -> None:
        if not self._writable:
            return
        line = (json.dumps([*where, digest]) + "\n").encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
        except OSError as error:
            self._writable = False
            _log.warning("%s: cannot be written (%s); files are hashed again next time", self._path, error.strerror)
