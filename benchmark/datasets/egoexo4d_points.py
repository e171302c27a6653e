"""Semi-dense points of a take: what Aria's cameras saw of the still world, in the world of its poses.

Source: `trajectory/semidense_points.csv.gz` of Project Aria's Machine Perception Services; a row a point, with how sure it
is. Nothing is read until a method asks for points, but for the first row, which tells whether they are of this world.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from egox.cameras import Array

from ..errors import UserError
from .file_digests import FileDigests

FILE = "semidense_points.csv.gz"

MOST_INV_DIST_STD = 0.001
"""1/m; what Project Aria's own tools keep by default, with the next."""

MOST_DIST_STD_M = 0.05

_COLUMNS = ("graph_uid", "px_world", "py_world", "pz_world", "inv_dist_std", "dist_std")
_ROW = np.dtype([("graph_uid", "U64"), ("place", np.float64, 3), ("inv_dist_std", np.float64), ("dist_std", np.float64)])
_CHUNK = 100_000
"""Rows at a time: a file has millions, most of which are not sure enough."""

_BROKEN = (OSError, EOFError, zlib.error, ValueError, csv.Error)


class SemidensePoints:
    """The sure points of one file, read once and then kept."""

    def __init__(self, path: Path, digests: FileDigests) -> None:
        self._path, self._digests = path, digests
        self._points: Array | None = None

    @property
    def key(self) -> str:
        """Identity of the content and of what is kept of it. Hashes the file where its digest is not remembered."""
        return f"semidense:{self._digests.of(self._path)}:{MOST_INV_DIST_STD}:{MOST_DIST_STD_M}"

    def read(self) -> Array:
        """[n, 3] world metres, not to be written to. Raises UserError naming a file that is broken or of two worlds."""
        if self._points is None:
            self._points = np.concatenate([np.empty((0, 3)), *_sure_points(self._path)])
            self._points.setflags(write=False)
        return self._points


def check_points(path: Path, worlds: Collection[str]) -> None:
    """Look at header and first row. worlds: graph_uid that the take's calibrations name; any will do where it is empty.

    Raises UserError naming a file that cannot be read, lacks a column, holds nothing, or is of another world.
    """
    with _opened(path) as file:
        columns = _columns(path, file)
        first = next(file, "")
        if not first.strip():
            raise UserError(f"{path}: no points in it; fetch it again")
        world = str(_rows(path, [first], columns)["graph_uid"][0]).strip()
    if worlds and world not in worlds:
        raise UserError(f"{path}: its points are of another world (graph_uid) than the take's cameras; fetch it again")


def _sure_points(path: Path) -> Iterator[Array]:
    """Points of each chunk of rows, in bounded memory."""
    world: str | None = None
    with _opened(path) as file:
        columns = _columns(path, file)
        while lines := list(itertools.islice(file, _CHUNK)):
            rows = _rows(path, lines, columns)
            world = world or str(rows["graph_uid"][0])
            if (rows["graph_uid"] != world).any():
                raise UserError(f"{path}: points of two worlds (graph_uid) are mixed; fetch it again")
            places = rows["place"]
            sure = (rows["inv_dist_std"] <= MOST_INV_DIST_STD) & (rows["dist_std"] <= MOST_DIST_STD_M)
            yield places[sure & np.isfinite(places).all(1)]


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield file
    except _BROKEN as error:
        raise UserError(f"{path}: cannot be read ({error}); fetch it again") from None


def _columns(path: Path, file: TextIO) -> list[int]:
    """Where `_COLUMNS` stand, by the header's names."""
    header = [name.strip() for name in next(csv.reader([file.readline()]), [])]
    absent = [name for name in _COLUMNS if name not in header]
    if absent:
        raise UserError(f"{path}: column {absent[0]!r} is missing; fetch it again")
    return [header.index(name) for name in _COLUMNS]


def _rows(path: Path, lines: list[str], columns: list[int]) -> NDArray[np.void]:
    try:
        return np.loadtxt(lines, dtype=_ROW, delimiter=",", usecols=columns, quotechar='"', comments=None, ndmin=1)
    except ValueError as error:
        raise UserError(f"{path}: {error}; fetch it again") from None
