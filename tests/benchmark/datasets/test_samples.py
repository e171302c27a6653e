"""Recorded samples: a real take with four exo views, three release clips with truth, one clip in the wild."""

from __future__ import annotations

import json
import lzma
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from benchmark.canvas import FULL, MINI
from benchmark.clip import Input
from benchmark.datasets.dataset import Severity
from benchmark.datasets.egoexo4d import EgoExo4D, upright_ego
from benchmark.datasets.egoexo4d_layout import whole_video
from benchmark.datasets.epipolar import LIMIT_DEG, Tracks, check_epipolar, epipolar_error_deg, track_pairs
from benchmark.datasets.opening import open_dataset
from benchmark.datasets.release import EgoXRelease
from benchmark.video import decoded_frames
from egox.cameras import UPRIGHT_FROM_RAW, Array, Camera, Fisheye624, KannalaBrandt, Pinhole, inverse, rigid

pytestmark = pytest.mark.samples

TAKE = "cmu_bike08_2"


@pytest.fixture(scope="session")
def take_folder(samples: Path) -> Path:
    return samples / "ego-exo4d"


@pytest.fixture(scope="session")
def merged(take_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with the files that were derived for it: takes.json, gopro_calibs.csv, a trajectory; and a clock."""
    root = tmp_path_factory.mktemp("merged")
    shutil.copytree(take_folder / "takes", root / "takes")
    shutil.copytree(take_folder / "derived" / "takes", root / "takes", dirs_exist_ok=True)
    takes = json.loads((take_folder / "derived" / "takes.json").read_text())
    lines = (root / "takes" / TAKE / "trajectory" / "online_calibration.jsonl").read_text().splitlines()
    stamps = [json.loads(line)["tracking_timestamp_us"] for line in lines]
    for take in takes:
        take |= {"timesync_start_idx": 9, "timesync_end_idx": 9 + 1 + len(stamps), "duration_sec": 5.0}
    (root / "takes.json").write_text(json.dumps(takes))
    sync = root / "captures" / "cmu_bike08" / "timesync.csv"
    sync.parent.mkdir(parents=True)
    rows = [""] * 10 + [str(stamp * 1000) for stamp in stamps]
    sync.write_text("cam01_pts,aria01_214-1_capture_timestamp_ns\n" + "".join(f"0,{row}\n" for row in rows))
    return root


@pytest.fixture(scope="session")
def ego(take_folder: Path) -> tuple[Camera, Array, list[Tracks]]:
    """The take's upright ego camera, its raw poses, and tracks through its video."""
    data = EgoExo4D(take_folder)
    cameras = data.cameras(data.takes[TAKE])
    assert cameras.track is not None
    assert cameras.rgb is not None
    path = whole_video(data.takes[TAKE], "aria01", height=448)
    assert isinstance(path, Path)
    raw = cameras.track.world_from_raw
    return upright_ego(cameras.rgb, raw, 448), raw, track_pairs(decoded_frames(path))


def test_the_take_loads_with_four_exo_views_and_three_windows(take_folder: Path):
    data = open_dataset(take_folder)
    rows = data.manifest("all").rows
    assert [row.clip_id for row in rows] == [f"{TAKE}_0_48", f"{TAKE}_49_97", f"{TAKE}_98_146"]
    for canvas in (FULL, MINI):
        clip = data.clip(rows[1], canvas)
        assert [view.name for view in clip.exo] == ["cam01", "cam02", "cam03", "cam04"]
        assert clip.exo[3].video.read([0, 1]).shape == (2, *canvas.exo_size, 3)
        assert clip.truth is not None
        assert clip.truth.video.read([0]).shape == (1, canvas.ego_side, canvas.ego_side, 3)
        assert clip.undefined_for(frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA, Input.TRUTH})) is None


def test_exo_cameras_stand_upright_in_worlds_whose_up_is_known(take_folder: Path, samples: Path):
    for data in (open_dataset(take_folder), open_dataset(samples / "egoexo4D")):
        clip = data.clip(data.manifest("all").rows[0], MINI)
        assert clip.up is not None
        for view in clip.exo:
            assert view.camera is not None
            assert -view.camera.world_from_camera[0, :3, 1] @ clip.up > 0.9


def test_the_wearers_glasses_lie_where_recorded_in_every_view(take_folder: Path):
    data = EgoExo4D(take_folder)
    expected = json.loads((take_folder / "derived" / "expected.json").read_text())["ego_centre_in_exo"]
    take = data.takes[TAKE]
    cameras = data.cameras(take)
    assert cameras.track is not None
    for entry in expected:
        calibration = cameras.exo[entry["cam"]]
        assert calibration.lens.fx == pytest.approx(entry["f_raw"], abs=1e-6)
        exo = Camera(
            lens=calibration.lens_at(796, 448), width=796, height=448, world_from_camera=calibration.world_from_camera[None]
        )
        centre = cameras.track.world_from_raw[entry["frame"], :3, 3]
        np.testing.assert_allclose(centre, entry["C_world"], atol=1e-7)
        # 1e-3 px: the published exo rotations are orthonormal to 2e-6 only.
        np.testing.assert_allclose(exo.project(centre, 0), entry["uv_raw_796x448"], atol=1e-3)


def test_the_published_focal_as_a_pinhole_gives_the_recorded_wrong_pixels(take_folder: Path):
    path = take_folder / "annotations" / "ego_pose" / "test" / "camera_pose" / "1410e2ce-a62c-4a2c-8453-6eb172a58965.json"
    published = json.loads(path.read_text())
    for entry in json.loads((take_folder / "derived" / "expected.json").read_text())["ego_centre_in_exo"]:
        f = published[entry["cam"]]["camera_intrinsics"][0][0]
        lens = Pinhole(fx=f * 796 / 3840, fy=f * 448 / 2160, cx=398, cy=224)
        np.testing.assert_allclose(lens.project(entry["X_cam"]), entry["uv_wrong_pinhole_796x448"], atol=1e-3)


def test_table_and_pose_file_and_trajectory_tell_the_same(take_folder: Path, merged: Path):
    """gopro_calibs.csv with the MPS trajectory against camera_pose, each read alone."""
    row = EgoExo4D(take_folder).manifest("all").rows[0]
    by_pose = EgoExo4D(take_folder).clip(row, FULL)
    data = EgoExo4D(merged)
    by_table = data.clip(row, FULL)
    assert data.manifest("all").rows[0].pose_source == "exo:gopro_calibs ego:mps"
    assert by_pose.ego_camera is not None
    assert by_table.ego_camera is not None
    np.testing.assert_allclose(by_table.ego_camera.world_from_camera, by_pose.ego_camera.world_from_camera, atol=5e-6)
    for a, b in zip(by_table.exo, by_pose.exo, strict=True):
        assert a.camera is not None
        assert b.camera is not None
        assert isinstance(a.camera.lens, KannalaBrandt)
        assert isinstance(b.camera.lens, KannalaBrandt)
        assert a.camera.lens.fx == pytest.approx(b.camera.lens.fx, abs=1e-5)
        np.testing.assert_allclose(a.camera.world_from_camera[0], b.camera.world_from_camera[0], atol=5e-6)


def test_a_take_without_its_ego_view_keeps_its_clip_with_a_reason(merged: Path):
    data = EgoExo4D(merged)
    row = replace_take(data.manifest("all").rows[0].clip_id, "cmu_bike06_2")
    clip = data.clip(row, MINI)
    assert clip.missing[Input.TRUTH].startswith("no aria video")
    assert len(clip.exo) == 4


def replace_take(clip_id: str, take: str):
    from benchmark.splits.manifest import Row

    first, last = (int(part) for part in clip_id.split("_")[-2:])
    return Row(clip_id=f"{take}_{first}_{last}", take_uid="", take_name=take, first_frame=first, last_frame=last, exo_cam="cam01")


def test_the_epipolar_self_check_of_the_take(ego: tuple[Camera, Array, list[Tracks]]):
    camera, _, tracks = ego
    result = check_epipolar(tracks, camera.lens, camera.world_from_camera)
    assert result is not None
    assert result.accepted
    assert result.error_deg <= 0.08
    assert result.by_shift[1] > 0.3
    assert result.by_shift[-1] > 0.3


def test_every_wrong_convention_fails_on_the_take(ego: tuple[Camera, Array, list[Tracks]], take_folder: Path):
    camera, raw, tracks = ego
    data = EgoExo4D(take_folder)
    rgb = data.cameras(data.takes[TAKE]).rgb
    assert rgb is not None
    device_from_camera = rgb.device_from_camera
    lens, right = camera.lens, camera.world_from_camera
    assert isinstance(lens, Fisheye624)
    w2c = inverse(right)

    def rotated(axes: np.ndarray) -> Array:
        return right @ rigid(axes, np.zeros(3))

    wrong = {
        "camera to world": (lens, w2c),
        "OpenGL axes": (lens, rotated(np.diag([1.0, -1, -1]))),
        "raw pose, upright pixels": (lens, raw),
        "counter-clockwise": (lens, raw @ rigid(UPRIGHT_FROM_RAW, np.zeros(3))),
        "translation as centre": (lens, rigid(right[:, :3, :3], w2c[:, :3, 3])),
        "transposed": (lens, rigid(w2c[:, :3, :3], right[:, :3, 3])),
        "device pose": (lens, raw @ inverse(device_from_camera) @ rigid(UPRIGHT_FROM_RAW.T, np.zeros(3))),
        "pinhole": (Pinhole(fx=lens.f, fy=lens.f, cx=lens.cx, cy=lens.cy), right),
        "equidistant": (replace(lens, k=(0.0,) * 6), right),
        "slam distortion": (replace(lens, k=(-0.0237, 0.0952, -0.0626, 0.0061, 0.0033, -0.00065)), right),
        "512 px rectified": (Pinhole(fx=131.25, fy=131.25, cx=223.5, cy=223.5), right),
    }
    errors = {name: epipolar_error_deg(tracks, *pair) for name, pair in wrong.items()}
    assert min(errors.values()) > LIMIT_DEG, errors
    plain = replace(lens, f=lens.f * 2816 / 2880)
    assert epipolar_error_deg(tracks, plain, right) > 1.2 * epipolar_error_deg(tracks, lens, right)


def unpacked(samples: Path, kind: str, out: Path, clip: str) -> None:
    """depth_maps/<clip>/*.npy of one clip, from the samples' packed form (zig-zag coded half floats, one plane a byte)."""
    planes = np.load(
        BytesIO(lzma.decompress((samples / kind / "depth_packed" / f"{clip}.npy.xz").read_bytes())), allow_pickle=False
    )
    zigzag = planes[0].astype(np.uint16) | (planes[1].astype(np.uint16) << 8)
    delta = (zigzag >> 1) ^ (np.uint16(0) - (zigzag & np.uint16(1)))
    depth = np.cumsum(delta, axis=0, dtype=np.uint16).view(np.float16)
    (out / "depth_maps" / clip).mkdir(parents=True)
    for i, frame in enumerate(depth):
        np.save(out / "depth_maps" / clip / f"{i:05d}.npy", frame.astype(np.float32))


@pytest.fixture(scope="session")
def release(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release folder with depth for one of its three clips."""
    root = tmp_path_factory.mktemp("release") / "egoexo4D"
    shutil.copytree(samples / "egoexo4D", root, ignore=shutil.ignore_patterns("depth_packed"))
    unpacked(samples, "egoexo4D", root, "cmu_soccer06_6_877_925")
    return root


def test_three_release_clips_load_and_depth_is_cut_like_the_picture(release: Path):
    data = open_dataset(release)
    rows = data.manifest("all").rows
    assert [row.clip_id for row in rows] == [
        "cmu_soccer06_6_877_925", "iiith_cooking_57_2_2451_2499", "sfu_covid_009_4_2000_2048",
    ]  # fmt: skip
    assert (rows[0].take_name, rows[0].first_frame, rows[0].last_frame) == ("cmu_soccer06_6", 877, 925)
    assert "aria-default" in rows[0].pose_source
    soccer, cooking = (data.clip(row, FULL) for row in rows[:2])
    depth = soccer.exo[0].depth
    assert depth is not None
    stored = np.load(release / "depth_maps" / "cmu_soccer06_6_877_925" / "00010.npy")
    np.testing.assert_array_equal(depth.frame(10), stored[:, 6:790])
    assert cooking.missing[Input.DEPTH].startswith("depth missing, ")
    assert cooking.exo[0].depth is None
    assert soccer.frame_indices == tuple(range(877, 926))
    for clip in (soccer, cooking):
        assert (
            clip.undefined_for(frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA, Input.CAPTION, Input.EGO_PRIOR, Input.TRUTH}))
            is None
        )
        assert clip.truth is not None
        assert clip.truth.video.indices == tuple(range(49))


def test_the_shipped_prior_is_what_the_pictures_hold(release: Path):
    """The reference figure of the release (pooled PSNR of its prior against truth inside the circle) to 0.1 dB."""
    clip = (data := EgoXRelease(release)).clip(data.manifest("all").rows[0], FULL)
    assert clip.truth is not None
    assert clip.ego_prior is not None
    truth, prior = clip.truth.video.read().astype(np.float64), clip.ego_prior.read().astype(np.float64)
    v, u = np.mgrid[:448, :448]
    valid = (np.hypot(u - 223.5, v - 223.5) <= 224) & (prior.max(-1) > 16)
    mse = ((truth - prior) ** 2)[valid].mean()
    assert 10 * np.log10(255**2 / mse) == pytest.approx(13.54, abs=0.1)
    assert valid.mean() == pytest.approx(0.538, abs=0.005)


def test_release_poses_pass_the_time_shift_of_the_self_check(release: Path):
    data = EgoXRelease(release)
    found = [p for p in data.verify(progress=lambda *_: None, limit=3) if "epipolar" in p.what]
    assert len(found) == 3
    assert all("smallest at shift 0" in p.what for p in found)
    assert all(p.severity is not Severity.ERROR for p in found)


def test_a_clip_in_the_wild_loads_with_its_truth_missing(samples: Path):
    data = open_dataset(samples / "in_the_wild")
    (row,) = data.manifest("all").rows
    clip = data.clip(row, FULL)
    assert (clip.id, clip.truth) == ("joker", None)
    assert clip.missing[Input.TRUTH] == "no ego video for joker (in the wild): metrics against truth are undefined"
    assert clip.undefined_for(frozenset({Input.EXO_VIDEO, Input.CAPTION, Input.EGO_PRIOR})) is None
    camera = clip.exo[0].camera
    assert camera is not None
    assert isinstance(camera.lens, Pinhole)
    np.testing.assert_array_equal(camera.world_from_camera[0], np.eye(4))
    assert clip.up is None
    assert clip.ego_camera is not None
    turns = clip.ego_camera.world_from_camera[:, :3, :3]
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-12)


def test_a_null_pose_in_a_released_list_keeps_the_clip(release: Path, tmp_path: Path):
    """The real case: one pose of a published list is null and stops the released code."""
    shutil.copytree(release, tmp_path / "r", ignore=shutil.ignore_patterns("depth_maps"))
    listed = json.loads((tmp_path / "r" / "meta.json").read_text())
    entry = listed["test_datasets"][0]
    old, new = "cmu_soccer06_6_877_925", "uniandes_basketball_004_62_1000_1048"
    for key in ("exo_path", "ego_gt_path", "ego_prior_path"):
        entry[key] = entry[key].replace(old, new)
    entry["ego_extrinsics"][8] = None
    (tmp_path / "r" / "videos" / old).rename(tmp_path / "r" / "videos" / new)
    (tmp_path / "r" / "meta_seen.json").write_text(json.dumps(listed))
    (tmp_path / "r" / "meta.json").unlink()
    data = EgoXRelease(tmp_path / "r")
    assert data.splits() == ("all", "seen")
    row = next(row for row in data.manifest("seen").rows if row.clip_id == new)
    clip = data.clip(row, FULL)
    assert clip.missing[Input.EGO_CAMERA] == "pose missing at frame 1008"
    assert clip.truth is not None
    assert len(data.manifest("all").rows) == 3
