"""Which takes may be used: every reason is counted, and files on disk narrow what metadata promises."""

import json
import shutil

import pytest

from benchmark.errors import UserError
from benchmark.splits.pool import longest_run, read_pool
from benchmark.splits.require import Require
from benchmark.splits.windows import Window

from .crafted import crafted_take, write_takes


def one(number=0, **changes):
    return crafted_take(number, **{"scenario": "Cooking", "place": 1, "capture": "c", "participant": 5, **changes})


def pool_of(tmp_path, *takes, **options):
    return read_pool(write_takes(tmp_path, list(takes)), **{"need_place": True, **options})


def without_cameras(*names):
    videos = one()["frame_aligned_videos"]
    return {cam: streams for cam, streams in videos.items() if cam not in names}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_dropped": True}, "is_dropped is true"),
        ({"is_dropped": "1"}, "is_dropped is true"),
        ({"validated": False}, "validated is false"),
        ({"validated": "0"}, "validated is false"),
        ({"frame_aligned_videos": without_cameras("aria01")}, "no Aria device with an RGB video"),
        ({"frame_aligned_videos": without_cameras("cam01", "cam02", "cam03", "cam04")}, "no exo camera with an aligned video"),
        ({"duration_sec": None}, "duration unknown"),
        ({"duration_sec": 1.66}, "fewer than 49 frames of task with poses"),
        ({"task_start_sec": 10.0, "task_end_sec": 11.0}, "fewer than 49 frames of task with poses"),
        ({"task_start_sec": 50.0, "task_end_sec": 10.0}, "fewer than 49 frames of task with poses"),
        ({"place": None}, "place unknown"),
        ({"take_uid": None}, "record in takes.json cannot be read"),
        ({"duration_sec": "long"}, "record in takes.json cannot be read"),
    ],
)
def test_each_filter_counts_its_reason(tmp_path, changes, reason):
    pool = pool_of(tmp_path, one(1), one(2, **changes))
    assert dict(pool.left_out) == {reason: 1}
    assert len(pool.takes) == 1


def test_two_arias_leave_a_take_out(tmp_path):
    take = one()
    take["frame_aligned_videos"]["aria02"] = take["frame_aligned_videos"]["aria01"]
    take["capture"]["cameras"].append({"cam_id": "aria02", "is_ego": True})
    assert dict(pool_of(tmp_path, take).left_out) == {"several Aria devices with an RGB video": 1}


def test_a_head_mounted_gopro_is_no_exo_camera(tmp_path):
    take = one()
    take["capture"]["cameras"][1]["is_ego"] = True
    assert sorted(pool_of(tmp_path, take).takes[0].exo) == ["cam02", "cam03", "cam04"]


def test_unknown_places_pass_where_nothing_is_held_out(tmp_path):
    assert len(pool_of(tmp_path, one(place=None), need_place=False).takes) == 1


def test_captures_json_knows_the_place_of_a_take_that_does_not(tmp_path):
    take = one(place=None)
    (tmp_path / "captures.json").write_text(json.dumps([{"capture_uid": "c", "physical_setting_uid": 78}]))
    assert pool_of(tmp_path, take).takes[0].take.place == "78"


def test_usable_frames_are_the_task_without_the_two_last_frames_that_have_no_pose(tmp_path):
    assert pool_of(tmp_path, one(seconds=60.0)).takes[0].frames == Window(30, 1770)
    whole = one(seconds=60.0, task_start_sec=None, task_end_sec=None)
    assert pool_of(tmp_path, whole).takes[0].frames == Window(0, 1797)


def test_gopro_calibs_drop_cameras_of_bad_quality_and_bound_the_others(tmp_path):
    take = one()
    write_calibrations(tmp_path, take, {"cam01": (1, -1, -1), "cam02": (0, -1, -1), " cam03": (1, 300, 900)})
    usable = pool_of(tmp_path, take).takes[0]
    assert dict(usable.exo) == {"cam01": Window(0, 1799), "cam03": Window(300, 900)}
    assert usable.exo_for(Window(290, 338)) == ["cam01"]


def test_required_poses_and_videos_must_be_on_disk(tmp_path):
    assert dict(pool_of(tmp_path, one(), require=[Require.VIDEOS]).left_out) == {"ego video not on disk": 1}
    (tmp_path / "takes").mkdir()
    left_out = pool_of(tmp_path, one(), require=[Require.POSES]).left_out
    assert dict(left_out) == {"no ego poses on disk, or they cannot be read": 1}


def test_the_longest_run_of_posed_frames_is_used():
    assert longest_run([True, False, True, True, False]) == Window(2, 3)
    assert longest_run([False, False]) is None
    assert longest_run([True] * 5) == Window(0, 4)


def test_a_missing_takes_json_names_the_part_to_fetch(tmp_path):
    with pytest.raises(UserError, match=r"takes\.json: not there; fetch the part 'metadata'"):
        read_pool(tmp_path, need_place=True)


@pytest.mark.samples
def test_real_poses_bound_the_windows_of_the_recorded_take(samples, tmp_path):
    root = tmp_path / "download"
    shutil.copytree(samples / "ego-exo4d", root, ignore=shutil.ignore_patterns("derived"))
    shutil.copyfile(samples / "ego-exo4d" / "derived" / "takes.json", root / "takes.json")
    pool = read_pool(root, require=[Require.POSES, Require.VIDEOS], need_place=False)
    assert [usable.take.name for usable in pool.takes] == ["cmu_bike08_2"]
    usable = pool.takes[0]
    assert usable.frames == Window(0, 149)
    assert sorted(usable.exo) == ["cam01", "cam02", "cam03", "cam04"]
    assert usable.pose_source == "exo:camera_pose ego:camera_pose"


def write_calibrations(root, take, cameras):
    """gopro_calibs.csv with (quality, first frame, last frame) by camera."""
    folder = root / take["root_dir"] / "trajectory"
    folder.mkdir(parents=True)
    pose = [f"{name}_world_cam" for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")]
    lens = [f"intrinsics_{i}" for i in range(8)]
    head = [
        "cam_uid",
        "graph_uid",
        *pose,
        "image_width",
        "image_height",
        "intrinsics_type",
        *lens,
        "start_frame_idx",
        "end_frame_idx",
        "quality",
    ]
    lines = [",".join(head)]
    for cam, (quality, first, last) in cameras.items():
        numbers = [0, 0, 0, 0, 0, 0, 1, 3840, 2160, "KANNALABRANDTK3", 1760, 1760, 1920, 1080, 0.037, 0.057, -0.057, 0.018]
        lines.append(",".join(str(value) for value in [cam, "g", *numbers, first, last, quality]))
    (folder / "gopro_calibs.csv").write_text("\n".join(lines) + "\n")
