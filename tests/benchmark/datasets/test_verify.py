"""`data verify`: all problems at once, each with place, fault and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.datasets import verify_egoexo4d
from benchmark.datasets.dataset import Problem, Severity
from benchmark.datasets.head_motion import HeadMotion
from benchmark.datasets.verify import as_text, verify_data
from benchmark.errors import UserError
from benchmark.video import count_packets

from .download import Download, numbered

runner = CliRunner()


def silent(done: int, total: int, what: str) -> None:
    """No progress."""


def found(root: Path, **options: int) -> tuple[Problem, ...]:
    return verify_data(root, progress=silent, **options).problems


def test_a_sound_download_has_no_errors(download: Download):
    download.take(frames=70)
    report = verify_data(download.root, progress=silent)
    assert report.errors == 0
    assert any("cameras from exo:gopro_calibs ego:camera_pose" in p.what for p in report.problems)


def test_all_problems_come_at_once_with_place_and_remedy(download: Download):
    bad = download.take("bad_1_2", frames=70, cams=("cam01", "cam02", "cam03"))
    download.take("good_1_1", frames=70)
    videos = bad / "frame_aligned_videos" / "downscaled" / "256"
    data = (videos / "cam01.mp4").read_bytes()
    (videos / "cam01.mp4").write_bytes(data[: len(data) // 2])
    download.video(bad, "cam02", numbered(60, 256, 456))
    (videos / "cam03.mp4").write_bytes(b"")
    download.calibs(bad, {"cam01": {"quality": 0}, "cam02": {"intrinsics_4": 0.5}, "cam03": {}})
    download.poses("bad_1_2", 70, ("cam02", "cam03"), lambda d: d["aria01"]["camera_extrinsics"].update({"33": None}))
    download.takes.append({"take_uid": "x", "take_name": 5})
    download.takes.append(
        {**download.takes[1], "take_uid": "y", "take_name": "gone_1", "root_dir": "takes/gone_1", "validated": "0"}
    )
    download.save_takes()
    problems = found(download.root)
    texts = [f"{p.where}: {p.what}" for p in problems]
    for words in (
        "item 2",
        "1 of 3 listed takes have no folder",
        "1 takes are left out of splits, validated is false: gone_1",
        "bad_1_2, camera cam01: ",
        "truncated: fetch it again",
        "cam03.mp4 is empty",
        "views differ in length: aria01 70, cam02 60 frames",
        "quality 0, only 1 is localised",
        "is not the shared factory model",
        "bad_1_2, frame 33: pose missing at frame 33 (1 of 70 frames have none)",
    ):
        assert any(words in text for text in texts), (words, texts)
    assert all(p.todo for p in problems)
    assert not any("good_1_1" in p.where and p.severity is Severity.ERROR for p in problems)


def test_a_file_cut_short_is_told_without_decoding(download: Download):
    folder = download.take()
    path = folder / "frame_aligned_videos" / "downscaled" / "256" / "cam01.mp4"
    assert count_packets(path) == 60
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])
    with pytest.raises(UserError, match=r"truncated: fetch it again"):
        count_packets(path)


def test_a_limit_looks_into_so_many_takes(download: Download):
    for name in ("a_1", "b_1", "c_1"):
        download.take(name, cams=("cam01",))
    notes = [p.where for p in found(download.root, limit=2) if "cameras from" in p.what]
    assert notes == ["a_1", "b_1"]


def test_an_exo_pose_read_backwards_puts_the_head_outside(download: Download):
    folder = download.take()
    download.calibs(folder, {"cam01": {"tx_world_cam": -40.0}, "cam02": {}})
    problems = found(download.root)
    assert any(p.where == "lab_01_2, camera cam01" and "inside this exo picture in 0%" in p.what for p in problems)
    assert any(p.where == "lab_01_2, camera cam01" and "disagree" in p.what for p in problems)


def test_cut_windows_are_counted_against_what_they_state(download: Download):
    folder = download.take(frames=200)
    for path in (folder / "frame_aligned_videos" / "downscaled" / "256").glob("*.mp4"):
        path.unlink()
    cut = "windows/000060_000108_3"
    for stem, count in (("cam01", 17), ("cam02", 16), ("aria01_214-1", 17)):
        path = download.video(folder, stem, numbered(count, 256, 456), under=cut)
    (path.parent / "window.json").write_text(json.dumps({"digest": "abc", "first": 60, "last": 108, "step": 3, "fps": 10}))
    errors = [p for p in found(download.root) if p.severity is Severity.ERROR]
    assert len(errors) == 1
    assert "cam02.mp4: 16 frames, window.json states 17" in errors[0].what


def test_errors_come_first_and_are_counted_last(download: Download):
    folder = download.take()
    (folder / "trajectory" / "online_calibration.jsonl").unlink()
    (download.root / "takes.json").unlink()
    text = as_text(verify_data(download.root, progress=silent))
    assert text.startswith("error: lab_01_2\n")
    assert "\n    -> " in text
    assert text.splitlines()[-1].endswith("1 errors, 1 warnings")


def test_the_verb_exits_1_on_errors_and_lists_json(download: Download):
    from benchmark.cli import build

    folder = download.take()
    fine = runner.invoke(build(), ["data", "verify", str(download.root), "--json"])
    assert fine.exit_code == 0, fine.output
    assert json.loads(fine.stdout)["errors"] == 0
    (folder / "trajectory" / "online_calibration.jsonl").unlink()
    bad = runner.invoke(build(), ["data", "verify", str(download.root), "--json"])
    assert bad.exit_code == 1
    report = json.loads(bad.stdout)
    assert report["errors"] == 1
    assert {"severity", "where", "what", "todo"} == set(report["problems"][0])


def test_a_truncated_ego_video_is_one_finding_among_all_others(download: Download):
    first = download.take("a_1")
    download.take("b_1")
    path = first / "frame_aligned_videos" / "downscaled" / "256" / "aria01_214-1.mp4"
    path.write_bytes(path.read_bytes()[:200])
    path.rename(path.parents[2] / path.name)  # full size: the file that the epipolar check reads
    problems = found(download.root)
    assert sum(path.name in p.what for p in problems) == 1
    assert {p.where for p in problems if "cameras from" in p.what} == {"a_1", "b_1"}


def test_bad_numbers_are_findings_and_never_end_the_list(download: Download):
    folder = download.take("a_1", cams=("cam01", "cam02", "cam03", "cam04"))
    download.take("b_1")
    bad = {"tx_world_cam": "nan"}, {"image_width": "inf"}, {"intrinsics_0": "nan"}, {}
    download.calibs(folder, {f"cam0{i + 1}": cells for i, cells in enumerate(bad)})
    download.poses("a_1", 60, ("cam01", "cam02"), lambda d: d["aria01"]["camera_extrinsics"].update({"7": [[0] * 4] * 3}))
    problems = found(download.root)
    for words in (
        "camera cam01: tx_world_cam is 'nan'",
        "camera cam02: image_width is 'inf'",
        "camera cam03: intrinsics_0 is 'nan'",
        "pose is no rotation at frame 7 (1 of 60 frames have none)",
    ):
        assert sum(words in p.what for p in problems) == 1, words
    assert any(p.where == "b_1" and "cameras from" in p.what for p in problems)


def test_a_table_without_rows_is_told_once(download: Download):
    folder = download.take()
    download.calibs(folder, {})
    problems = [p for p in found(download.root) if "gopro_calibs.csv: no rows" in p.what]
    assert [p.where for p in problems] == ["lab_01_2, camera cam01, cam02"]


@pytest.mark.parametrize(("lag", "words"), [(-5, "runs 5 frames ahead of the poses"), (6, "runs 6 frames behind the poses")])
def test_a_lag_is_told_with_its_side(download: Download, monkeypatch: pytest.MonkeyPatch, lag: int, words: str):
    download.height = 448  # what the check looks for
    download.take(cams=("cam01",))
    monkeypatch.setattr(verify_egoexo4d, "head_motion", lambda *_: HeadMotion(lag=lag, agreement=0.9))
    assert sum(words in p.what and p.severity is Severity.WARNING for p in found(download.root)) == 1
