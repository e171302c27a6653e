"""Semi-dense points of a take: read by name and only when asked for, of this world or not at all."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmark.canvas import MINI
from benchmark.clip import Clip, Input, inputs_for
from benchmark.datasets import egoexo4d_points
from benchmark.datasets.egoexo4d import EgoExo4D
from benchmark.datasets.egoexo4d_points import SemidensePoints, check_points
from benchmark.datasets.file_digests import FileDigests
from benchmark.errors import Undefined, UserError

from .download import Download

HEADER = ("uid", "graph_uid", "px_world", "py_world", "pz_world", "inv_dist_std", "dist_std")
SURE = (0.0005, 0.01)


def table(points: Sequence[Sequence[float]], *, world: str = "world-1", stds: Sequence[float] = SURE) -> list[list[object]]:
    return [[i, world, *point, *stds] for i, point in enumerate(points)]


def write(path: Path, rows: Sequence[Sequence[object]], *, header: Sequence[str] = HEADER) -> Path:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    return path


def points_of(path: Path) -> SemidensePoints:
    return SemidensePoints(path, FileDigests(path.parent / "digests.jsonl"))


def first_clip(root: Path) -> Clip:
    data = EgoExo4D(root)
    return data.clip(data.manifest("all").rows[0], MINI)


@pytest.fixture
def take(download: Download) -> Path:
    """The points file of a take, still to be written."""
    return download.take(cams=("cam01",)) / "trajectory" / egoexo4d_points.FILE


def test_a_clip_has_the_points_of_its_take(take: Path, download: Download):
    write(take, table([(1, 2, 3), (-1.5, 0.25, 0.125)]))
    clip = first_clip(download.root)
    assert Input.POINTS not in clip.missing
    assert clip.points is not None
    points = clip.points.read()
    np.testing.assert_array_equal(points, [(1, 2, 3), (-1.5, 0.25, 0.125)])
    assert not points.flags.writeable, "one array serves all clips of the take"
    given = inputs_for(clip, needs=frozenset({Input.POINTS}))
    assert given.points is clip.points
    assert inputs_for(clip, needs=frozenset({Input.EXO_VIDEO})).points is None


def test_points_that_are_not_sure_are_left_out(tmp_path: Path):
    rows = [
        *table([(1, 0, 0)], stds=(0.001, 0.05)),
        *table([(2, 0, 0)], stds=(0.0011, 0.01)),
        *table([(3, 0, 0)], stds=(0.0001, 0.051)),
        *table([(4, 0, 0)], stds=(float("nan"), 0.01)),
        *table([(float("nan"), 0, 0)]),
    ]
    np.testing.assert_array_equal(points_of(write(tmp_path / "p.csv.gz", rows)).read(), [(1, 0, 0)])


def test_a_file_without_a_sure_point_is_read_as_none(tmp_path: Path):
    path = write(tmp_path / "p.csv.gz", table([(1, 0, 0)], stds=(1, 1)))
    assert points_of(path).read().shape == (0, 3)


def test_columns_are_found_by_name_and_stripped(tmp_path: Path):
    header = (" dist_std", "py_world", "extra", "px_world", "pz_world ", "graph_uid", "inv_dist_std")
    path = write(tmp_path / "p.csv.gz", [[0.01, 2, "x", 1, 3, " world-1", 0.0001]], header=header)
    check_points(path, {"world-1"})
    np.testing.assert_array_equal(points_of(path).read(), [(1, 2, 3)])


def test_a_long_file_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(egoexo4d_points, "_CHUNK", 3)
    places = np.arange(24.0).reshape(8, 3)
    np.testing.assert_array_equal(points_of(write(tmp_path / "p.csv.gz", table(places.tolist()))).read(), places)


def test_an_absent_file_is_a_reason_and_the_clip_stays_whole(take: Path, download: Download):
    clip = first_clip(download.root)
    assert clip.points is None
    assert clip.missing[Input.POINTS].startswith("no points for lab_01_2: ")
    assert clip.missing[Input.POINTS].endswith("is missing; fetch the part take_point_cloud")
    assert clip.undefined_for(frozenset({Input.EXO_VIDEO, Input.TRUTH})) is None
    with pytest.raises(Undefined, match="take_point_cloud"):
        inputs_for(clip, needs=frozenset({Input.POINTS}))
    assert inputs_for(clip, needs=frozenset(), optional=frozenset({Input.POINTS})).points is None


def test_points_of_another_world_are_refused_by_their_first_row(take: Path, download: Download):
    write(take, table([(1, 2, 3)], world="world-2"))
    clip = first_clip(download.root)
    assert clip.points is None
    assert "points are of another world (graph_uid) than the take's cameras" in clip.missing[Input.POINTS]


def test_a_take_whose_files_name_no_world_takes_the_points_as_they_are(take: Path, download: Download):
    write(take, table([(1, 2, 3)], world="world-2"))
    (take.parent / "gopro_calibs.csv").unlink()  # cameras come from the pose file, which names none
    assert first_clip(download.root).points is not None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no points in it|column 'graph_uid' is missing"),
        (gzip.compress(b"uid,graph_uid,px_world\n"), "column 'py_world' is missing"),
        (gzip.compress((",".join(HEADER) + "\n").encode()), "no points in it"),
        (gzip.compress((",".join(HEADER) + "\n0,world-1,one,2,3,0,0\n").encode()), "could not convert string 'one' to float64"),
        (b"uid,graph_uid\nnot packed", "cannot be read"),
        (gzip.compress(b"\xff\xfe\x00")[:-12], "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(take: Path, download: Download, content: bytes, words: str):
    take.write_bytes(content)
    reason = first_clip(download.root).missing[Input.POINTS]
    with pytest.raises(UserError, match=words):
        raise UserError(reason)
    assert str(take) in reason
    assert "\n" not in reason


def test_what_is_found_only_when_reading_is_told_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mixed = write(tmp_path / "mixed.csv.gz", [*table([(1, 2, 3)]), *table([(1, 2, 3)], world="world-2")])
    check_points(mixed, {"world-1"})
    with pytest.raises(UserError, match=r"mixed\.csv\.gz: points of two worlds"):
        points_of(mixed).read()
    whole = write(tmp_path / "cut.csv.gz", table(np.random.default_rng(0).random((5000, 3)).tolist()))
    whole.write_bytes(whole.read_bytes()[:-2000])
    check_points(whole, {"world-1"})
    with pytest.raises(UserError, match=r"cut\.csv\.gz: cannot be read \(Compressed file ended"):
        points_of(whole).read()


def test_a_clip_whose_method_wants_no_points_reads_one_row_a_take(
    take: Path, download: Download, monkeypatch: pytest.MonkeyPatch
):
    write(take, table([(1, 2, 3)]))
    monkeypatch.setattr(egoexo4d_points, "_sure_points", lambda path: pytest.fail("the points were read"))
    peeks: list[Path] = []
    peek = check_points
    monkeypatch.setattr("benchmark.datasets.egoexo4d.check_points", lambda path, worlds: (peeks.append(path), peek(path, worlds)))
    data = EgoExo4D(download.root)
    row = data.manifest("all").rows[0]
    for _ in range(3):
        inputs_for(data.clip(row, MINI), needs=frozenset({Input.EXO_VIDEO}))
        data.digests(row, MINI)
    assert peeks == [take]


def test_points_are_read_once_a_take(take: Path, download: Download, monkeypatch: pytest.MonkeyPatch):
    write(take, table([(1, 2, 3)]))
    data = EgoExo4D(download.root)
    row = data.manifest("all").rows[0]
    first = data.clip(row, MINI).points
    assert first is not None
    read = first.read()
    second = data.clip(row, MINI).points
    assert second is not None
    assert second.read() is read


def test_points_are_part_of_the_clips_identity(take: Path, download: Download):
    def digest() -> str:
        data = EgoExo4D(download.root)
        return data.digests(data.manifest("all").rows[0], MINI).inputs

    without = digest()
    write(take, table([(1, 2, 3)]))
    some = digest()
    write(take, table([(1, 2, 3), (1, 2, 4)]))
    assert len({without, some, digest()}) == 3
