"""The Ego-Exo4D reader on a tiny download of the official layout, with the traps that its documentation and users report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.canvas import FULL, MINI
from benchmark.clip import Clip, Input
from benchmark.datasets.egoexo4d import EgoExo4D
from benchmark.datasets.egoexo4d_layout import find_video
from benchmark.datasets.opening import open_dataset
from benchmark.errors import UserError
from benchmark.splits.manifest import Row
from egox.cameras import UPRIGHT_FROM_RAW, KannalaBrandt

from .download import DEVICE_FROM_RGB, EXO_POSES, RAW_FOCAL, Download, head_path, numbered


def first_clip(root: Path, index: int = 0) -> tuple[Clip, Row]:
    data = EgoExo4D(root)
    row = data.manifest("all").rows[index]
    return data.clip(row, MINI), row


def row_of(take: str = "lab_01_2", first: int = 0, **fields: Any) -> Row:
    return Row(
        clip_id=f"{take}_{first}_{first + 48}", take_uid="", take_name=take, first_frame=first, last_frame=first + 48,
        **{"exo_cam": "cam01", **fields},
    )  # fmt: skip


def test_a_take_becomes_clips_with_cameras_truth_and_all_exo_views(download: Download):
    download.take(frames=110, cams=("cam01", "cam02", "cam03", "cam04"))
    data = open_dataset(download.root)
    rows = data.manifest("all").rows
    assert [(row.first_frame, row.last_frame) for row in rows] == [(0, 48), (49, 97)]
    assert rows[0].clip_id == "lab_01_2_0_48"
    assert (rows[0].place, rows[0].university, rows[0].scenario) == ("78", "cmu", "Bike Repair")
    clip = data.clip(rows[1], MINI)
    assert [view.name for view in clip.exo] == ["cam01", "cam02", "cam03", "cam04"]
    assert clip.frame_indices == tuple(range(49, 98, 3))
    assert all(view.video.size == (256, 448) for view in clip.exo)
    assert clip.truth is not None
    assert clip.truth.camera is clip.ego_camera
    assert clip.up is not None
    assert clip.up.tolist() == [0, 0, 1]
    absent = {Input.DEPTH, Input.MASKS, Input.EGO_PRIOR, Input.BODY_POSE, Input.POINTS, Input.CAPTION}
    assert set(clip.missing) == absent


def test_frames_are_those_of_the_takes_clock(download: Download):
    download.take(frames=110)
    clip, _ = first_clip(download.root, 1)
    assert clip.truth is not None
    levels = clip.truth.video.read()[:, 60, 60, 0].astype(float)
    np.testing.assert_allclose(levels, [(16 + 4 * i) % 224 for i in clip.frame_indices], atol=2.5)


def test_the_exo_lens_is_scaled_plainly_and_its_axes_apart(download: Download):
    download.height = 448
    download.take(frames=50, cams=("cam01",))
    data = EgoExo4D(download.root)
    camera = data.clip(row_of(), FULL).exo[0].camera
    assert camera is not None
    lens = camera.lens
    assert isinstance(lens, KannalaBrandt)
    assert (lens.cx, lens.cy) == pytest.approx((392, 224), abs=1e-9)
    assert lens.fx == pytest.approx(RAW_FOCAL * 796 / 3840, abs=1e-9)
    assert lens.fy == pytest.approx(RAW_FOCAL * 448 / 2160, abs=1e-9)
    assert abs(lens.fx / lens.fy - 1) > 5e-4  # one scale for both axes is wrong by 0.2 px at the edge


def test_784_is_a_crop_of_796_and_no_squeeze(download: Download):
    download.height = 448
    download.take(frames=50, cams=("cam01",))
    data = EgoExo4D(download.root)
    clip = data.clip(row_of(), FULL)
    camera = clip.exo[0].camera
    assert camera is not None
    whole = data.cameras(data.takes["lab_01_2"]).exo["cam01"].lens_at(796, 448)
    ray = whole.unproject([500.0, 100.0])
    np.testing.assert_allclose(camera.lens.unproject([494.0, 100.0]), ray, atol=1e-9)
    squeezed = camera.lens.unproject([500.0 * 784 / 796, 100.0])
    assert np.degrees(np.arccos(squeezed @ ray)) > 0.1


def test_ego_poses_turn_upright_with_the_lens(download: Download):
    download.take()
    clip, row = first_clip(download.root)
    assert clip.ego_camera is not None
    raw = head_path(60)[: row.last_frame + 1 : 3]
    np.testing.assert_allclose(clip.ego_camera.centres, raw[:, :3, 3], atol=1e-9)
    np.testing.assert_allclose(clip.ego_camera.world_from_camera[:, :3, :3], raw[:, :3, :3] @ UPRIGHT_FROM_RAW.T, atol=1e-9)


def test_frame_keys_are_sorted_as_numbers(download: Download):
    download.take()

    def shuffled(data: dict[str, Any]) -> None:
        poses = data["aria01"]["camera_extrinsics"]
        data["aria01"]["camera_extrinsics"] = {key: poses[key] for key in sorted(poses)}  # 0, 1, 10, 11, ..., 2, 20

    download.poses("lab_01_2", 60, ("cam01", "cam02"), shuffled)
    clip, _ = first_clip(download.root)
    assert clip.ego_camera is not None
    np.testing.assert_allclose(clip.ego_camera.centres[4], head_path(60)[12, :3, 3], atol=1e-9)


@pytest.mark.parametrize("hole", ["null", "absent", "nan"])
def test_a_missing_pose_is_a_stated_reason_and_the_clip_stays(download: Download, hole: str):
    download.take(frames=120)

    def spoiled(data: dict[str, Any]) -> None:
        poses = data["aria01"]["camera_extrinsics"]
        if hole == "absent":
            del poses["50"]
        elif hole == "null":
            poses["50"] = None
        else:
            poses["50"][1][2] = float("nan")

    download.poses("lab_01_2", 120, ("cam01", "cam02"), spoiled)
    data = EgoExo4D(download.root)
    clip = data.clip(row_of(first=30), MINI)  # 50 is in the window, though not among every third frame
    assert clip.ego_camera is None
    assert clip.missing[Input.EGO_CAMERA] == "pose missing at frame 50"
    assert clip.undefined_for(frozenset()) == "pose missing at frame 50"
    assert clip.truth is not None
    assert all(not row.first_frame <= 50 <= row.last_frame for row in data.manifest("all").rows)
    beyond = data.clip(row_of(first=100), MINI)
    assert beyond.missing[Input.EGO_CAMERA] == "pose missing at frame 120"


def test_the_table_and_the_pose_file_agree(download: Download):
    folder = download.take()
    by_table, _ = first_clip(download.root)
    (folder / "trajectory" / "gopro_calibs.csv").unlink()
    by_poses, row = first_clip(download.root)
    assert row.pose_source == "exo:camera_pose ego:camera_pose"
    a, b = by_table.exo[0].camera, by_poses.exo[0].camera
    assert a is not None
    assert b is not None
    np.testing.assert_allclose(a.world_from_camera, b.world_from_camera, atol=1e-9)
    point = np.array([0.2, -0.3, 0.1])
    np.testing.assert_allclose(a.project(point, 0), b.project(point, 0), atol=1e-6)


def test_only_cameras_of_quality_1_and_inside_their_window_count(download: Download):
    folder = download.take(frames=110, cams=("cam01", "cam02", "cam03"))
    download.calibs(
        folder, {"cam01": {"quality": 0}, "cam02": {"quality": -1}, "cam03": {"start_frame_idx": 40, "end_frame_idx": 109}}
    )
    download.poses("lab_01_2", 110, ())
    data = EgoExo4D(download.root)
    assert [(row.exo_cam, row.first_frame) for row in data.manifest("all").rows] == [("cam03", 49)]
    bad = data.clip(row_of(exo_cam="cam01"), MINI)
    assert "quality 0" in bad.missing[Input.EXO_CAMERA]
    assert bad.exo[0].camera is None
    early = data.clip(row_of(exo_cam="cam03"), MINI)
    assert early.missing[Input.EXO_CAMERA] == "camera cam03 of lab_01_2 has no calibration for frames 0..48"


def test_a_camera_of_quality_0_is_not_rescued_by_the_pose_file(download: Download):
    folder = download.take()
    download.calibs(folder, {"cam01": {"quality": 0}, "cam02": {}})
    data = EgoExo4D(download.root)
    assert sorted(data.cameras(data.takes["lab_01_2"]).exo) == ["cam02"]


@pytest.mark.parametrize("quote", [False, True])
def test_tables_are_read_by_stripped_header_names(download: Download, quote: bool):
    folder = download.take()
    download.calibs(folder, {"cam01": {"graph_uid": ""}, "cam02": {}}, quote=quote, extra=("geo_latitude", " geo_longitude"))
    data = EgoExo4D(download.root)
    exo = data.cameras(data.takes["lab_01_2"]).exo
    assert {name: c.source for name, c in exo.items()} == {"cam01": "gopro_calibs", "cam02": "gopro_calibs"}


def test_a_scalar_first_quaternion_is_seen_by_comparing_both_sources(download: Download):
    folder = download.take()
    x, y, z, w = (f"q{axis}_world_cam" for axis in "xyzw")
    from scipy.spatial.transform import Rotation

    q = Rotation.from_matrix(EXO_POSES["cam01"][:3, :3]).as_quat()
    download.calibs(folder, {"cam01": {x: q[3], y: q[0], z: q[1], w: q[2]}, "cam02": {}})
    problems = list(EgoExo4D(download.root).verify(progress=lambda *_: None))
    assert any("disagree" in p.what and p.where == "lab_01_2, camera cam01" for p in problems)
    assert not any("disagree" in p.what and "cam02" in p.where for p in problems)


def test_a_quaternion_that_is_no_rotation_is_named(download: Download):
    folder = download.take()
    download.calibs(folder, {"cam01": {"qw_world_cam": 7.0}, "cam02": {}})
    download.poses("lab_01_2", 60, ())
    clip = EgoExo4D(download.root).clip(row_of(), MINI)
    assert "camera cam01: the quaternion has norm" in clip.missing[Input.EXO_CAMERA]


def test_the_rgb_camera_is_taken_by_label_and_never_guessed(download: Download):
    folder = download.take()
    data = EgoExo4D(download.root)
    rgb = data.cameras(data.takes["lab_01_2"]).rgb
    assert rgb is not None
    assert rgb.lens_1408.f == pytest.approx(610.3)
    np.testing.assert_allclose(rgb.device_from_camera, DEVICE_FROM_RGB, atol=1e-12)
    (folder / "trajectory" / "online_calibration.jsonl").unlink()
    clip = EgoExo4D(download.root).clip(row_of(), MINI)
    assert clip.ego_camera is None
    assert "online_calibration.jsonl is missing" in clip.missing[Input.EGO_CAMERA]


def test_a_principal_point_off_the_middle_of_both_sizes_is_refused(download: Download):
    folder = download.take()
    download.online(folder, (610.0, 319.0, 243.0, *([0.0] * 12)))
    clip = EgoExo4D(download.root).clip(row_of(), MINI)
    assert "principal point at (319.0, 243.0)" in clip.missing[Input.EGO_CAMERA]
    download.online(folder, (610.3, 716.06, 704.94, *([0.0] * 12)))
    at_1408 = EgoExo4D(download.root)
    rgb = at_1408.cameras(at_1408.takes["lab_01_2"]).rgb
    assert rgb is not None
    assert rgb.lens_1408.f == 610.3


def test_poses_of_the_trajectory_go_through_clock_and_device_frame(download: Download):
    folder = download.take()
    download.poses("lab_01_2", 60, ("cam01", "cam02"), lambda data: data.pop("aria01"))
    device = download.trajectory(folder, 60)
    data = EgoExo4D(download.root)
    track = data.cameras(data.takes["lab_01_2"]).track
    assert track is not None
    assert track.source == "mps"
    np.testing.assert_allclose(track.world_from_raw[:59], (device @ DEVICE_FROM_RGB)[:59], atol=2e-6)
    shifted = data.cameras(data.takes["lab_01_2"], row_offset=-1).track
    assert shifted is not None
    np.testing.assert_allclose(shifted.world_from_raw[2:59], (device @ DEVICE_FROM_RGB)[1:58], atol=2e-6)


def test_a_hole_in_the_trajectory_gives_no_pose_and_nothing_is_held(download: Download):
    folder = download.take()
    download.poses("lab_01_2", 60, ("cam01", "cam02"), lambda data: data.pop("aria01"))
    download.trajectory(folder, 60, skip=(19.5, 22.5))
    data = EgoExo4D(download.root)
    track = data.cameras(data.takes["lab_01_2"]).track
    assert track is not None
    assert [int(i) for i in np.flatnonzero(~track.valid()[:58])] == [20, 21, 22]
    assert data.clip(row_of(), MINI).missing[Input.EGO_CAMERA] == "pose missing at frame 20"


def test_trajectory_rows_at_frame_rate_are_met_but_not_bridged(download: Download):
    folder = download.take()
    download.poses("lab_01_2", 60, ("cam01", "cam02"), lambda data: data.pop("aria01"))
    download.trajectory(folder, 60, rate_hz=30.0)
    data = EgoExo4D(download.root)
    track = data.cameras(data.takes["lab_01_2"]).track
    assert track is not None
    assert track.valid()[:58].all()
    download.trajectory(folder, 60, rate_hz=29.0)
    data = EgoExo4D(download.root)
    track = data.cameras(data.takes["lab_01_2"]).track
    assert track is not None
    assert 0 < track.valid().mean() < 0.5


def test_another_world_in_trajectory_and_table_is_refused(download: Download):
    folder = download.take()
    download.poses("lab_01_2", 60, ("cam01", "cam02"), lambda data: data.pop("aria01"))
    download.trajectory(folder, 60, graph="world-2")
    assert "different worlds" in EgoExo4D(download.root).clip(row_of(), MINI).missing[Input.EGO_CAMERA]


def test_a_missing_clock_says_which_file(download: Download):
    folder = download.take()
    download.poses("lab_01_2", 60, ("cam01", "cam02"), lambda data: data.pop("aria01"))
    download.trajectory(folder, 60)
    (download.root / "captures" / "lab_01" / "timesync.csv").unlink()
    assert "captures/lab_01/timesync.csv" in EgoExo4D(download.root).clip(row_of(), MINI).missing[Input.EGO_CAMERA]


def test_two_arias_are_not_chosen_between(download: Download):
    download.take()
    record = download.takes[0]
    record["frame_aligned_videos"]["aria02"] = {"rgb": {"relative_path": "frame_aligned_videos/aria02_214-1.mp4"}}
    record["capture"]["cameras"].append({"cam_id": "aria02", "is_ego": "1"})
    download.save_takes()
    data = EgoExo4D(download.root)
    assert data.manifest("all").rows == ()
    clip = data.clip(row_of(), MINI)
    assert clip.missing[Input.TRUTH] == "no aria video: several Aria devices with an RGB video (aria01, aria02)"


def test_the_wearers_aria_may_be_the_second_one(download: Download):
    folder = download.take()
    record = download.takes[0]
    record["frame_aligned_videos"]["aria02"] = record["frame_aligned_videos"].pop("aria01")
    record["frame_aligned_videos"]["aria02"]["rgb"]["relative_path"] = "frame_aligned_videos/aria02_214-1.mp4"
    record["frame_aligned_videos"]["aria01"] = {"rgb": {"relative_path": None}}
    record["capture"]["cameras"].append({"cam_id": "aria02", "is_ego": True})
    download.save_takes()
    ego = folder / "frame_aligned_videos" / "downscaled" / "256" / "aria01_214-1.mp4"
    ego.rename(ego.with_name("aria02_214-1.mp4"))
    download.poses("lab_01_2", 60, ("cam01", "cam02"), lambda data: data.update(aria02=data.pop("aria01")))
    clip, row = first_clip(download.root)
    assert row.aria_id == "aria02"
    assert clip.truth is not None


def test_head_mounted_gopros_and_phones_are_no_exo_views(download: Download):
    folder = download.take()
    record = download.takes[0]
    for name, ego in (("gp05", True), ("mobile", False), ("moblie", False)):
        record["capture"]["cameras"].append({"cam_id": name, "is_ego": ego})
    record["frame_aligned_videos"]["gp05"] = {"0": {"relative_path": "frame_aligned_videos/gp05.mp4"}}
    download.save_takes()
    download.video(folder, "gp05", numbered(60, 256, 456))
    data = EgoExo4D(download.root)
    assert data.takes["lab_01_2"].exo == ("cam01", "cam02")
    assert [view.name for view in data.clip(row_of(), MINI).exo] == ["cam01", "cam02"]


def test_any_number_and_name_of_exo_cameras_is_read(download: Download):
    folder = download.take(cams=("cam02", "cam03", "cam04"))
    record = download.takes[0]
    record["frame_aligned_videos"]["cam05"] = {"0": {"relative_path": "frame_aligned_videos/cam05.mp4"}}
    record["capture"]["cameras"].append({"cam_id": "cam05", "is_ego": False})
    download.save_takes()
    download.video(folder, "cam05", numbered(60, 256, 456))
    download.calibs(folder, {name: {} for name in ("cam02", "cam03", "cam04", "cam05")})
    clip, row = first_clip(download.root)
    assert row.exo_cam == "cam02"
    assert [view.name for view in clip.exo] == ["cam02", "cam03", "cam04", "cam05"]


def test_best_exo_is_taken_where_it_can_be(download: Download):
    download.take(best_exo="cam02")
    assert first_clip(download.root)[1].exo_cam == "cam02"
    download.takes[0]["best_exo"] = "cam09"
    download.save_takes()
    assert first_clip(download.root)[1].exo_cam == "cam01"


def test_a_portrait_view_is_left_out_of_clips_with_a_reason(download: Download):
    folder = download.take()
    download.video(folder, "cam01", numbered(60, 456, 256))
    download.calibs(
        folder, {"cam01": {"image_width": 2160, "image_height": 3840, "intrinsics_2": 1080, "intrinsics_3": 1920}, "cam02": {}}
    )
    data = EgoExo4D(download.root)
    assert {row.exo_cam for row in data.manifest("all").rows} == {"cam02"}
    assert [view.name for view in data.clip(row_of(exo_cam="cam02"), MINI).exo] == ["cam02"]
    assert "portrait" in data.clip(row_of(exo_cam="cam01"), MINI).missing[Input.EXO_VIDEO]


def test_a_calibration_of_the_other_orientation_is_refused(download: Download):
    folder = download.take()
    download.calibs(folder, {"cam01": {"image_width": 2160, "image_height": 3840}, "cam02": {}})
    clip = EgoExo4D(download.root).clip(row_of(), MINI)
    assert "calibrated at 2160x3840 but its video is 456x256" in clip.missing[Input.EXO_CAMERA]


@pytest.mark.parametrize("flag", [{"is_dropped": "1"}, {"validated": "0"}, {"is_dropped": True}, {"validated": False}])
def test_dropped_and_unchecked_takes_are_not_drawn_from(download: Download, flag: dict[str, Any]):
    download.take(**flag)
    assert EgoExo4D(download.root).manifest("all").rows == ()


@pytest.mark.parametrize(
    "flag", [{"is_dropped": "0"}, {"validated": "1"}, {"duration_sec": "2.0"}, {"physical_setting_uid": "78"}]
)
def test_flags_and_numbers_written_as_strings_are_understood(download: Download, flag: dict[str, Any]):
    download.take(**flag)
    assert len(EgoExo4D(download.root).manifest("all").rows) == 1


def test_windows_stay_inside_the_task(download: Download):
    download.take(frames=160, task_start_sec=1.0, task_end_sec=3.0)
    assert [row.first_frame for row in EgoExo4D(download.root).manifest("all").rows] == [30]


def test_names_with_dates_dashes_and_shared_beginnings_are_told_apart(download: Download):
    for name in ("unc_basketball_03-31-23_02_8", "cmu_bike06_2", "cmu_bike06_21", "upenn_0706_Dance_4_5"):
        download.take(name, cams=("cam01",))
    data = EgoExo4D(download.root)
    assert {row.take_name for row in data.manifest("all").rows} == set(data.takes)
    assert data.manifest("all").rows[0].take_uid == f"uid-{data.manifest('all').rows[0].take_name}"


def test_one_name_for_two_takes_is_refused(download: Download):
    download.take()
    download.takes.append({**download.takes[0], "take_uid": "another"})
    download.save_takes()
    with pytest.raises(UserError, match="two takes are called 'lab_01_2'"):
        EgoExo4D(download.root).manifest("all")


def test_the_order_of_the_list_does_not_change_the_manifest(download: Download):
    for name in ("b_1", "a_1", "c_1"):
        download.take(name, cams=("cam01",))
    before = EgoExo4D(download.root).manifest("all").to_bytes()
    download.takes.reverse()
    download.save_takes()
    assert EgoExo4D(download.root).manifest("all").to_bytes() == before


def test_a_folder_of_takes_alone_is_read_with_its_places_unknown(download: Download):
    download.take()
    (download.root / "takes.json").unlink()
    clip, row = first_clip(download.root)
    assert (row.take_uid, row.place, row.participant) == ("uid-lab_01_2", "", "")
    assert len(clip.exo) == 2


def test_a_wearers_number_never_enters_a_manifest(download: Download):
    download.take(participant_uid=65799123)
    row = EgoExo4D(download.root).manifest("all").rows[0]
    assert row.participant
    assert "65799123" not in row.participant


def test_a_take_that_is_not_downloaded_keeps_its_clip(download: Download):
    download.take()
    clip = EgoExo4D(download.root).clip(row_of("sfu_cooking_1"), MINI)
    assert clip.exo == ()
    assert "take sfu_cooking_1" in (clip.undefined_for(frozenset({Input.EXO_VIDEO})) or "")
    assert "data plan" in clip.missing[Input.TRUTH]


def test_absent_and_empty_videos_are_reasons(download: Download):
    folder = download.take()
    videos = folder / "frame_aligned_videos" / "downscaled" / "256"
    (videos / "aria01_214-1.mp4").unlink()
    (videos / "cam01.mp4").write_bytes(b"")
    clip = EgoExo4D(download.root).clip(row_of(), MINI)
    assert clip.missing[Input.TRUTH].startswith("no aria video: no video aria01_214-1.mp4")
    assert "is empty" in clip.missing[Input.EXO_VIDEO]
    assert clip.ego_camera is not None


def test_the_smallest_picture_that_is_large_enough_is_read(download: Download):
    folder = download.take()
    download.height = 448
    download.video(folder, "cam01", numbered(60, 448, 796))
    take = EgoExo4D(download.root).takes["lab_01_2"]
    chosen = {h: find_video(take, "cam01", height=h, first=0, last=48, step=1) for h in (128, 256, 300, 900)}
    assert [Path(getattr(c, "path", "x")).parent.name for c in chosen.values()] == ["256", "256", "448", ""]
    assert "no video cam01.mp4" in str(chosen[900])


def test_cut_windows_serve_without_a_whole_video_and_bring_their_own_digest(download: Download):
    folder = download.take(frames=200)
    for path in (folder / "frame_aligned_videos" / "downscaled" / "256").glob("*.mp4"):
        path.unlink()
    cut = "windows/000060_000108_3"
    for stem, width in (("cam01", 456), ("cam02", 456), ("aria01_214-1", 256)):
        path = download.video(folder, stem, numbered(17, 256, width), under=cut)
    (path.parent / "window.json").write_text(json.dumps({"digest": "abc", "first": 60, "last": 108, "step": 3, "fps": 10}))
    data = EgoExo4D(download.root)
    clip = data.clip(row_of(first=60), MINI)
    assert clip.truth is not None
    assert clip.truth.video.indices == tuple(range(17))
    assert clip.truth.video.source.key.endswith("abc/aria01")
    assert [view.name for view in clip.exo] == ["cam01", "cam02"]
    np.testing.assert_allclose(clip.exo[0].video.read([5])[0, 0, 0, 0], 16 + 20, atol=2.5)
    before = data.digests(row_of(first=60), MINI)
    (path.parent / "window.json").write_text(json.dumps({"digest": "abd", "first": 60, "last": 108, "step": 3, "fps": 10}))
    assert EgoExo4D(download.root).digests(row_of(first=60), MINI) != before
    assert Input.EXO_VIDEO in data.clip(row_of(first=61), MINI).missing
    assert Input.EXO_VIDEO in data.clip(row_of(first=60), FULL).missing


def test_the_digest_changes_with_pixels_poses_canvas_and_window_only(download: Download):
    download.take(frames=110)
    first = EgoExo4D(download.root).digests(row_of(), MINI)
    assert EgoExo4D(download.root).digests(row_of(), MINI) == first
    assert EgoExo4D(download.root).digests(row_of(first=10), MINI) != first
    download.poses(
        "lab_01_2", 110, ("cam01", "cam02"), lambda data: data["aria01"]["camera_extrinsics"]["3"][0].__setitem__(3, 0.5)
    )
    moved = EgoExo4D(download.root).digests(row_of(), MINI)
    assert moved != first
    download.video(download.root / "takes" / "lab_01_2", "cam01", [f[::-1] for f in reversed(numbered(110, 256, 456))])
    assert EgoExo4D(download.root).digests(row_of(), MINI) != moved


def test_captions_come_from_the_descriptions_around_the_window(download: Download):
    download.take(frames=110)

    def line(text: str, at: float, subject: str = "C", **more: Any) -> dict[str, Any]:
        return {"text": text, "timestamp": at, "narration_subject": subject, **more}

    passes = [
        {"rejected": "1", "descriptions": [line("C rejects this", 1.0)]},
        {"rejected": "0", "descriptions": [
            line("C turns the wheel", 2.5, unsure="0", ego_visible="1"), line("O laughs", 1.0, "O"),
            line("C lifts a spanner", 0.5), line("C leaves", 2.7),
        ]},
    ]  # fmt: skip
    path = download.root / "annotations" / "atomic_descriptions_train.json"
    path.write_text(json.dumps({"annotations": {"uid-lab_01_2": passes}}))
    clip, _ = first_clip(download.root)
    assert clip.caption == "C lifts a spanner C turns the wheel"
    assert Input.CAPTION not in clip.missing


def test_a_takes_folder_that_is_a_link_to_another_disk_is_read(download: Download, tmp_path: Path):
    download.take(frames=60)
    elsewhere = tmp_path / "other disk"
    (download.root / "takes").rename(elsewhere)
    (download.root / "takes").symlink_to(elsewhere, target_is_directory=True)
    clip, _ = first_clip(download.root)
    assert clip.missing.keys().isdisjoint({Input.EXO_VIDEO, Input.TRUTH, Input.EGO_CAMERA})


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"tx_world_cam": "nan"}, "tx_world_cam is 'nan'"),
        ({"image_width": "inf"}, "image_width is 'inf'"),
        ({"intrinsics_0": "nan"}, "intrinsics_0 is 'nan'"),
        ({"intrinsics_1": -3}, "intrinsics_1 is '-3'"),
        ({"quality": "?"}, "quality is '?'"),
    ],
)
def test_one_bad_cell_refuses_its_camera_only(download: Download, cells: dict[str, Any], words: str):
    folder = download.take()
    download.calibs(folder, {"cam01": cells, "cam02": {}})
    data = EgoExo4D(download.root)
    assert f"camera cam01: {words}" in data.clip(row_of(), MINI).missing[Input.EXO_CAMERA]
    other = data.clip(row_of(exo_cam="cam02"), MINI)
    assert other.exo[0].camera is not None
    assert Input.EXO_CAMERA not in other.missing


def test_matrices_that_are_no_rotation_are_reasons_of_their_camera_or_frame(download: Download):
    folder = download.take(frames=110)
    (folder / "trajectory" / "gopro_calibs.csv").unlink()

    def spoiled(data: dict[str, Any]) -> None:
        data["cam01"]["camera_extrinsics"] = (1.2 * np.array(data["cam01"]["camera_extrinsics"])).tolist()
        data["aria01"]["camera_extrinsics"]["60"] = np.zeros((3, 4)).tolist()

    download.poses("lab_01_2", 110, ("cam01", "cam02"), spoiled)
    data = EgoExo4D(download.root)
    early, late = data.clip(row_of(), MINI), data.clip(row_of(first=49, exo_cam="cam02"), MINI)
    assert "camera cam01: camera_extrinsics is no rotation" in early.missing[Input.EXO_CAMERA]
    assert early.ego_camera is not None
    assert late.missing[Input.EGO_CAMERA] == "pose is no rotation at frame 60"
    assert late.exo[0].camera is not None


def test_a_malformed_description_costs_its_own_take_the_caption(download: Download):
    download.take("a_1")
    download.take("b_1")
    record = [{"rejected": False, "descriptions": [{"text": "C waves", "timestamp": 0.5}]}]
    bad = [{"rejected": False, "descriptions": [{"text": 5, "timestamp": float("nan")}]}]
    path = download.root / "annotations" / "atomic_descriptions_train.json"
    path.write_text(json.dumps({"annotations": {"uid-a_1": record, "uid-b_1": bad}}))
    data = EgoExo4D(download.root)
    assert data.clip(row_of("a_1"), MINI).caption == "C waves"
    assert "take uid-b_1: Expected `str`, got `int`" in data.clip(row_of("b_1"), MINI).missing[Input.CAPTION]
    assert sum("take uid-b_1: Expected `str`" in p.what for p in data.verify(progress=lambda *_: None)) == 1
    path.write_text("{")
    data = EgoExo4D(download.root)
    assert "atomic_descriptions_train.json" in data.clip(row_of("a_1"), MINI).missing[Input.CAPTION]
    assert any("atomic_descriptions_train.json" in p.what for p in data.verify(progress=lambda *_: None))


def test_nan_in_takes_json_is_an_unknown_number(download: Download):
    download.take("a_1", duration_sec=float("nan"), task_start_sec=float("nan"), task_end_sec=2.0)
    download.take("b_1")
    takes = EgoExo4D(download.root).takes
    assert list(takes) == ["a_1", "b_1"]
    assert (takes["a_1"].declared_frames, takes["a_1"].task_frames) == (None, None)
