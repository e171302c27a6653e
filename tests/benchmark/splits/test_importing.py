"""Released lists become manifests: names from the right, exo cameras by their pose, malformed names refused by line."""

import json
import shutil

import numpy as np
import pytest

from benchmark.canvas import MINI
from benchmark.clip import Input
from benchmark.datasets.egoexo4d import EgoExo4D
from benchmark.errors import UserError
from benchmark.splits.importing import import_list, matching_camera
from benchmark.splits.manifest import load_manifest
from benchmark.splits.released import parse_name, read_list
from benchmark.splits.windows import Window

from ..datasets.download import Download
from .crafted import crafted_take, write_takes


def entry(name: str, **changes):
    return {"exo_path": f"./x/videos/{name}/exo.mp4", "camera_extrinsics": np.eye(3, 4).tolist(), "ego_extrinsics": [], **changes}


def listed(tmp_path, value, name="meta_seen.json", **options):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return read_list(path, **options)


@pytest.mark.parametrize(
    ("name", "take", "first"),
    [
        ("cmu_soccer06_6_877_925", "cmu_soccer06_6", 877),
        ("uniandes_dance_008_50_877_925", "uniandes_dance_008_50", 877),
        ("unc_basketball_03-31-23_02_8_0_48", "unc_basketball_03-31-23_02_8", 0),
        ("upenn_0706_Dance_4_5_100_148", "upenn_0706_Dance_4_5", 100),
    ],
)
def test_names_are_read_from_the_right(name, take, first):
    assert parse_name(name) == (take, Window(first, first + 48))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("joker", "is not <take>_<first>_<last>"),
        ("take_1_50", "is 50 frames long, expected 49"),
        ("take_48_0", "is -47 frames long, expected 49"),
        ("../../etc_0_48", "is not <take>_<first>_<last>"),
        ("a/b_0_48", "is not <take>_<first>_<last>"),
        ("_0_48", "is not <take>_<first>_<last>"),
        ("take_٠_48", "is not <take>_<first>_<last>"),
    ],
)
def test_what_is_no_clip_name_is_refused(name, reason):
    with pytest.raises(ValueError, match=reason):
        parse_name(name)


def test_a_meta_file_names_clips_by_the_folder_of_their_exo_video(tmp_path):
    clips = listed(tmp_path, {"test_datasets": [entry("a_1_0_48"), entry("b_2_100_148")]})
    assert [(clip.name, clip.take, clip.window) for clip in clips] == [
        ("a_1_0_48", "a_1", Window(0, 48)), ("b_2_100_148", "b_2", Window(100, 148)),
    ]  # fmt: skip


def test_a_part_of_a_file_with_several_lists_is_found_by_how_its_key_begins(tmp_path):
    both = {"train_datasets": [entry("a_0_48")], "val_datasets": [entry("b_0_48"), entry("c_0_48")], "note": "x"}
    assert [clip.name for clip in listed(tmp_path, both, part="val")] == ["b_0_48", "c_0_48"]
    with pytest.raises(
        UserError, match=r"holds these lists of clips: train_datasets \(1\), val_datasets \(2\); name one with --part"
    ):
        listed(tmp_path, both)
    with pytest.raises(UserError, match="--part test names 0 of them"):
        listed(tmp_path, both, part="test")


def test_a_plain_list_may_hold_comments_and_blank_lines(tmp_path):
    clips = listed(tmp_path, "# seen\n\na_1_0_48\n  b_2_1_49  \n", "seen.txt")
    assert [clip.name for clip in clips] == ["a_1_0_48", "b_2_1_49"]


def test_a_malformed_line_is_named_by_file_and_line_and_refuses_the_list(tmp_path):
    with pytest.raises(UserError, match=r"seen\.txt, line 3: 'oops' is not .* \(and 1 more like it\); mend the list"):
        listed(tmp_path, "a_0_48\n\noops\nb_0_50\n", "seen.txt")
    with pytest.raises(UserError, match=r"meta_seen\.json, test_datasets\[1\]: 'joker' is not"):
        listed(tmp_path, {"test_datasets": [entry("a_0_48"), entry("joker")]})
    with pytest.raises(UserError, match=r"test_datasets\[0\]: expected a clip name or an object with the field 'exo_path'"):
        listed(tmp_path, {"test_datasets": [{"path": "x"}]})


def test_a_clip_that_comes_twice_is_named_with_both_lines(tmp_path):
    with pytest.raises(UserError, match=r"line 2: 'a_0_48' comes twice, first in .*line 1"):
        listed(tmp_path, "a_0_48\na_0_48\n", "seen.txt")


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_an_empty_list_is_refused(tmp_path, text):
    with pytest.raises(UserError, match="names no clip"):
        listed(tmp_path, text, "seen.txt")


@pytest.mark.parametrize("text", ["{", '{"a": 1}', '"x"'])
def test_json_that_is_no_list_is_refused(tmp_path, text):
    with pytest.raises(UserError, match=r"meta_seen\.json"):
        listed(tmp_path, text)


def test_clips_with_null_poses_are_kept_and_counted(tmp_path):
    poses = [np.eye(3, 4).tolist(), None]
    holes = [np.eye(3, 4).tolist(), [[None] * 4] * 3]
    clips = listed(
        tmp_path,
        {"test_datasets": [entry("a_0_48", ego_extrinsics=poses), entry("b_0_48"), entry("c_0_48", ego_extrinsics=holes)]},
    )
    done = import_list(clips, split="seen")
    assert len(done.manifest.rows) == 3
    assert done.report.null_poses == 2
    assert any("2 clips with null ego poses (kept" in warning for warning in done.report.warnings)


def test_without_data_cameras_stay_unknown_with_a_warning(tmp_path):
    done = import_list(listed(tmp_path, "a_0_48\n", "seen.txt"), split="seen")
    row = done.manifest.rows[0]
    assert (row.take_uid, row.exo_cam, row.place, row.pose_source) == ("", "", "", "")
    assert done.report.cameras_found == 0
    assert "no --data" in done.report.warnings[0]


def test_data_fills_in_what_a_list_leaves_out(tmp_path):
    take = crafted_take(1, scenario="Dance", place=9, capture="cap", participant=3)
    root = write_takes(tmp_path / "data", [take])
    (root / "takes").mkdir()
    clips = listed(tmp_path, f"{take['take_name']}_0_48\nother_5_0_48\n", "seen.txt")
    done = import_list(clips, split="seen", data=root)
    known = next(row for row in done.manifest.rows if row.take_name == take["take_name"])
    assert (known.take_uid, known.place, known.capture_uid, known.scenario) == (take["take_uid"], "9", "cap", "Dance")
    assert (done.report.clips, done.report.takes_known, done.report.cameras_found) == (2, 1, 0)
    assert any("1 clips of takes that" in w and "other_5_0_48" in w for w in done.report.warnings)
    assert any("1 clips whose exo camera matches no calibrated camera" in w for w in done.report.warnings)


def test_a_camera_matches_by_its_pose_and_only_within_a_centimetre():
    one, two = np.eye(3, 4), np.eye(3, 4)
    two[0, 3] = 1.0
    cameras = {"cam01": one, "cam02": two}
    assert matching_camera(two + 1e-6, cameras) == "cam02"
    off = two.copy()
    off[0, 3] += 0.02
    assert matching_camera(off, cameras) == ""
    assert matching_camera(one, {}) == ""


def test_a_plain_list_gets_the_main_camera_of_its_take(tmp_path):
    download = Download(tmp_path / "data")
    download.take("lab_01_2", best_exo="cam02")
    plain = listed(tmp_path, "lab_01_2_0_48\n", "seen.txt")
    done = import_list(plain, split="seen", data=download.root)
    (row,) = done.manifest.rows
    assert (row.exo_cam, row.pose_source) == ("cam02", "exo-cam:main")
    assert (done.report.cameras_found, done.report.cameras_chosen) == (0, 1)
    assert any("1 clips without an exo camera in the list" in warning for warning in done.report.warnings)
    bare = import_list(plain, split="seen").manifest.rows[0]
    clip = EgoExo4D(download.root).clip(bare, MINI)
    assert bare.exo_cam == ""
    assert [view.name for view in clip.exo] == ["cam02", "cam01"]
    assert Input.EXO_CAMERA not in clip.missing
    (download.root / "takes" / "lab_01_2" / "trajectory" / "gopro_calibs.csv").write_text("")
    clip = EgoExo4D(download.root).clip(bare, MINI)
    assert "lab_01_2 has no calibrated landscape exo camera" in clip.missing[Input.EXO_VIDEO]


@pytest.mark.samples
def test_the_released_meta_file_becomes_a_manifest(samples, tmp_path):
    done = import_list(read_list(samples / "egoexo4D" / "meta.json"), split="seen")
    done.manifest.save(tmp_path / "seen.jsonl")
    rows = load_manifest(tmp_path / "seen.jsonl").rows
    assert [row.take_name for row in rows] == ["cmu_soccer06_6", "iiith_cooking_57_2", "sfu_covid_009_4"]
    assert [(row.first_frame, row.last_frame) for row in rows] == [(877, 925), (2451, 2499), (2000, 2048)]
    assert done.report.null_poses == 0
    with pytest.raises(UserError, match="'joker' is not <take>_<first>_<last>"):
        read_list(samples / "in_the_wild" / "meta.json")


@pytest.mark.samples
@pytest.mark.parametrize("source", ["annotations", "derived"])
def test_each_real_exo_camera_is_found_by_its_published_pose(samples, tmp_path, source):
    """By the take's camera_pose file, and by gopro_calibs.csv, whose poses are the inverse ones."""
    sample, root = samples / "ego-exo4d", tmp_path / "data"
    (root / "takes" / "cmu_bike08_2").mkdir(parents=True)
    shutil.copyfile(sample / "derived" / "takes.json", root / "takes.json")
    if source == "annotations":
        shutil.copytree(sample / "annotations", root / "annotations")
    else:
        shutil.copytree(sample / "derived" / "takes", root / "takes", dirs_exist_ok=True)
    published = json.loads(next(sample.glob("annotations/ego_pose/test/camera_pose/1410e2ce*.json")).read_text())
    for cam in ("cam01", "cam02", "cam03", "cam04"):
        item = entry("cmu_bike08_2_10_58", camera_extrinsics=published[cam]["camera_extrinsics"])
        done = import_list(listed(tmp_path, {"test_datasets": [item]}), split="seen", data=root)
        assert done.manifest.rows[0].exo_cam == cam
        assert done.report.warnings == ()
