"""EgoX release folders made by hand: paths, lengths, depth, poses, and lists without videos."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.canvas import FULL, MINI
from benchmark.clip import Input
from benchmark.datasets.dataset import Severity
from benchmark.datasets.release import EgoXRelease, proper
from benchmark.errors import UserError
from benchmark.video import write_h264
from egox.cameras import UPRIGHT_FROM_RAW, KannalaBrandt, Pinhole, inverse, rigid
from egox.cameras.devices import GOPRO_K, undistorted_focal

from .download import EXO_POSES, head_path, numbered

RAW_FOCAL = 1769.475
NAME = "lab_02_100_148"


def entry(name: str = NAME, *, truth: bool = True) -> dict[str, Any]:
    f = undistorted_focal(RAW_FOCAL, width=3840, height=2160, k=GOPRO_K)
    folder = f"./example/egoexo4D/videos/{name}"
    data = {
        "exo_path": f"{folder}/exo.mp4",
        "ego_prior_path": f"{folder}/ego_Prior.mp4",
        "prompt": "[Exo view] A person. [Ego view] Hands.",
        "camera_intrinsics": [[f, 0, 1920.0], [0, f, 1080.0], [0, 0, 1]],
        "camera_extrinsics": inverse(EXO_POSES["cam01"])[:3].tolist(),
        "ego_intrinsics": [[150, 0, 255.5], [0, 150, 255.5], [0, 0, 1]],
        "ego_extrinsics": inverse(head_path(49))[:, :3].tolist(),
        "some_new_key": 1,
    }
    return {**data, "ego_gt_path": f"{folder}/ego_GT.mp4"} if truth else data


@cache
def encoded(frames: int, width: int) -> bytes:
    """A numbered video of 448 px height whose frames after the 49th repeat it; encoded once."""
    pictures = numbered(min(frames, 49), 448, width)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.mp4"
        write_h264(path, [*pictures, *[pictures[-1]] * (frames - len(pictures))], fps=20)
        return path.read_bytes()


def write_release(root: Path, entries: list[dict[str, Any]], *, frames: int = 49, meta: str = "meta.json") -> EgoXRelease:
    root.mkdir(parents=True, exist_ok=True)
    (root / meta).write_text(json.dumps({"test_datasets": entries}))
    for item in entries:
        folder = root / "videos" / Path(item["exo_path"]).parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "exo.mp4").write_bytes(encoded(frames, 784))
        for name in ("ego_GT.mp4", "ego_Prior.mp4"):
            (folder / name).write_bytes(encoded(frames, 448))
    return EgoXRelease(root)


@pytest.fixture
def release(tmp_path: Path) -> EgoXRelease:
    return write_release(tmp_path / "release", [entry()], frames=50)


def with_depth(root: Path, *, width: int = 796) -> None:
    folder = root / "depth_maps" / NAME
    folder.mkdir(parents=True)
    ramp = np.broadcast_to(np.arange(width, dtype=np.float32) + 1, (448, width))
    for i in range(49):
        np.save(folder / f"{i:05d}.npy", ramp + 1000 * i)


def test_fifty_frames_tagged_20_fps_are_forty_nine_at_30(release: EgoXRelease):
    (row,) = release.manifest("all").rows
    clip = release.clip(row, FULL)
    assert (row.take_name, row.first_frame, row.last_frame) == ("lab_02", 100, 148)
    assert clip.truth is not None
    assert clip.truth.video.indices == tuple(range(49))
    assert (clip.fps, clip.truth.video.fps) == (30.0, 30.0)
    mini = release.clip(row, MINI)
    assert mini.truth is not None
    levels = mini.truth.video.read()[:, 60, 60, 0].astype(float)
    np.testing.assert_allclose(levels, [(16 + 4 * i) % 224 for i in range(0, 49, 3)], atol=2.5)


def test_the_exo_lens_is_the_raw_one_behind_the_undistorted_k(release: EgoXRelease):
    clip = release.clip(release.manifest("all").rows[0], FULL)
    camera = clip.exo[0].camera
    assert clip.up is not None
    assert clip.up.tolist() == [0, 0, 1]
    assert camera is not None
    assert isinstance(camera.lens, KannalaBrandt)
    assert camera.lens.fx == pytest.approx(RAW_FOCAL * 796 / 3840, abs=1e-6)
    assert (camera.lens.cx, camera.lens.cy) == pytest.approx((392, 224))


def test_a_k_for_784_pixels_is_a_pinhole_as_it_stands(tmp_path: Path):
    wild = {**entry("joker", truth=False), "camera_intrinsics": [[634.5, 0, 392], [0, 634.4, 224], [0, 0, 1]]}
    data = write_release(tmp_path / "wild", [wild])
    (row,) = data.manifest("all").rows
    assert (row.clip_id, row.take_name, row.first_frame) == ("joker", "joker", 0)
    clip = data.clip(row, FULL)
    assert clip.exo[0].camera is not None
    assert clip.exo[0].camera.lens == Pinhole(fx=634.5, fy=634.4, cx=392, cy=224)
    assert clip.up is None, "the world is the exo camera: it may be tilted"
    assert "truth are undefined" in clip.missing[Input.TRUTH]


def test_ego_poses_are_raw_in_the_file_and_upright_in_the_clip(release: EgoXRelease):
    camera = release.clip(release.manifest("all").rows[0], FULL).ego_camera
    assert camera is not None
    np.testing.assert_allclose(camera.world_from_camera[:, :3, :3], head_path(49)[:, :3, :3] @ UPRIGHT_FROM_RAW.T, atol=1e-9)


def test_four_decimal_poses_are_made_rotations_without_moving_the_camera():
    exact = rigid(Rotation.from_rotvec([0.4, -1.0, 0.3]).as_matrix(), [0.5, -1.5, 1.0])
    printed = np.round(inverse(exact)[:3], 4)
    mended = proper(inverse(printed))
    np.testing.assert_allclose(mended[:3, :3] @ mended[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(mended, exact, atol=5e-4)
    np.testing.assert_allclose(inverse(mended)[:3, 3], printed[:, 3], atol=1e-12)


@pytest.mark.parametrize("width", [796, 784])
def test_depth_is_cut_like_the_picture(tmp_path: Path, width: int):
    data = write_release(tmp_path / "r", [entry()])
    with_depth(data.root, width=width)
    clip = data.clip(data.manifest("all").rows[0], FULL)
    depth = clip.exo[0].depth
    assert depth is not None
    assert depth.frame(3).shape == (448, 784)
    assert depth.frame(3)[0, 0] == 3001 + (6 if width == 796 else 0)
    assert Input.DEPTH not in clip.missing
    (row,) = data.manifest("all").rows
    small = data.clip(row, MINI).exo[0].depth
    assert small is not None
    assert small.frame(2).shape == (256, 448)
    assert 6000 < small.frame(2)[0, 0] < 6000 + 20


def test_one_absent_depth_map_means_no_depth_and_says_which(tmp_path: Path):
    data = write_release(tmp_path / "r", [entry()])
    with_depth(data.root)
    (data.root / "depth_maps" / NAME / "00017.npy").unlink()
    clip = data.clip(data.manifest("all").rows[0], FULL)
    assert "00017.npy is not there" in clip.missing[Input.DEPTH]
    assert clip.missing[Input.DEPTH].startswith("depth missing, ")
    assert clip.exo[0].video.read([0]).shape == (1, 448, 784, 3)


@pytest.mark.parametrize("spoil", ["null", "null inside", "nan"])
def test_a_missing_pose_names_the_frame_on_the_takes_clock(tmp_path: Path, spoil: str):
    item = entry()
    if spoil == "null":
        item["ego_extrinsics"][8] = None
    else:
        item["ego_extrinsics"][8][1][2] = None if spoil == "null inside" else float("nan")
    data = write_release(tmp_path / "r", [item])
    clip = data.clip(data.manifest("all").rows[0], MINI)
    assert clip.missing[Input.EGO_CAMERA] == "pose missing at frame 108"
    assert clip.exo[0].camera is not None


def test_a_list_without_videos_keeps_every_clip_with_its_reason(tmp_path: Path):
    (tmp_path / "meta_unseen.json").write_text(json.dumps({"test_datasets": [entry(), entry("lab_03_0_48")]}))
    data = EgoXRelease(tmp_path)
    assert data.splits() == ("all", "unseen")
    rows = data.manifest("unseen").rows
    assert len(rows) == 2
    for row in rows:
        clip = data.clip(row, FULL)
        assert f"videos/{row.clip_id}/exo.mp4: cannot be read" in clip.missing[Input.EXO_VIDEO]
        assert f"videos/{row.clip_id}/ego_GT.mp4: cannot be read" in clip.missing[Input.TRUTH]
        assert clip.ego_camera is not None


def test_the_digest_follows_the_files(release: EgoXRelease):
    (row,) = release.manifest("all").rows
    before = release.digests(row, FULL)
    assert EgoXRelease(release.root).digests(row, FULL) == before
    assert release.digests(row, MINI) != before
    with_depth(release.root)
    with_maps = EgoXRelease(release.root).digests(row, FULL)
    assert with_maps != before
    path = release.root / "depth_maps" / NAME / "00020.npy"
    np.save(path, np.load(path) + 1)
    assert EgoXRelease(release.root).digests(row, FULL) != with_maps


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda item: item.pop("ego_extrinsics"), "item 0: Object missing required field `ego_extrinsics`"),
        (lambda item: item.update(exo_path=7), "item 0: Expected `str`, got `int`"),
        (lambda item: item.update(exo_path="../../etc/x/exo.mp4"), "leaves the folder"),
    ],
)
def test_a_broken_item_is_named_with_file_and_field(tmp_path: Path, spoil: Callable[[dict[str, Any]], None], words: str):
    item = entry()
    spoil(item)
    (tmp_path / "meta.json").write_text(json.dumps({"test_datasets": [item]}))
    with pytest.raises(UserError, match=r"meta\.json") as caught:
        EgoXRelease(tmp_path).manifest("all")
    assert words in str(caught.value)


def test_a_list_that_is_none_is_one_sentence(tmp_path: Path):
    (tmp_path / "meta.json").write_text('{"test_datasets": {"a": 1}}')
    with pytest.raises(UserError, match=r"meta\.json: not a release list"):
        EgoXRelease(tmp_path).manifest("all")


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        (lambda e: e["ego_extrinsics"].pop(), Input.EGO_CAMERA, "48 poses, expected 49"),
        (lambda e: e["camera_intrinsics"][0].__setitem__(0, 900.0), Input.EXO_CAMERA, "not centred"),
        (lambda e: e["camera_extrinsics"].pop(), Input.EXO_CAMERA, "shape (2, 4)"),
    ],
)
def test_wrong_camera_numbers_are_reasons_of_the_clip(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], where: Input, words: str
):
    item = entry()
    change(item)
    data = write_release(tmp_path / "r", [item])
    clip = data.clip(data.manifest("all").rows[0], MINI)
    assert words in clip.missing[where]


def test_verify_names_short_files_and_a_fiftieth_frame_that_is_no_repeat(tmp_path: Path):
    data = write_release(tmp_path / "r", [entry()])
    folder = data.root / "videos" / NAME
    write_h264(folder / "ego_Prior.mp4", numbered(48, 448, 448), fps=20)
    write_h264(folder / "exo.mp4", numbered(50, 448, 784), fps=20)
    problems = list(EgoXRelease(data.root).verify(progress=lambda *_: None))
    assert any(p.severity is Severity.ERROR and "ego_Prior.mp4: 48 frames, expected 49" in p.what for p in problems)
    assert any(p.severity is Severity.WARNING and "no repeat of frame 48" in p.what for p in problems)
    fine = list(write_release(tmp_path / "fine", [entry()], frames=50).verify(progress=lambda *_: None))
    assert not any("repeat" in p.what for p in fine)
    assert not any(p.severity is Severity.ERROR for p in fine)


def test_a_matrix_that_is_no_rotation_is_an_error_of_verify(tmp_path: Path):
    item = entry()
    item["ego_extrinsics"][5] = (np.array(item["ego_extrinsics"][5]) * 1.2).tolist()
    data = write_release(tmp_path / "r", [item])
    problems = list(data.verify(progress=lambda *_: None))
    assert any("pose is no rotation at frame 105" in p.what for p in problems)

    assert sum("no rotation" in p.what for p in problems) == 1


def test_an_all_zero_matrix_is_a_reason_of_its_frame_or_camera(tmp_path: Path):
    item, other = entry(), entry("lab_03_0_48")
    item["ego_extrinsics"][10] = np.zeros((3, 4)).tolist()
    other["camera_extrinsics"] = np.zeros((3, 4)).tolist()
    data = write_release(tmp_path / "r", [item, other])
    clips = {row.clip_id: data.clip(row, MINI) for row in data.manifest("all").rows}
    assert clips[NAME].missing[Input.EGO_CAMERA] == "pose is no rotation at frame 110"
    assert "camera_extrinsics is no rotation" in clips["lab_03_0_48"].missing[Input.EXO_CAMERA]
    assert len(list(data.verify(progress=lambda *_: None))) > 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "00031.npy: truncated"),
        (
            lambda path: np.save(path, np.ones((448, 784), np.float32)),
            "00031.npy: shape (448, 784), but 00000.npy has (448, 796)",
        ),
        (lambda path: np.save(path, np.ones((448, 796, 1), np.float32)), "expected numbers [height, width]"),
    ],
)
def test_every_depth_file_is_checked_by_header_and_size(tmp_path: Path, spoil: Callable[[Path], Any], words: str):
    data = write_release(tmp_path / "r", [entry()])
    with_depth(data.root)
    spoil(data.root / "depth_maps" / NAME / "00031.npy")
    clip = data.clip(data.manifest("all").rows[0], FULL)
    assert words in clip.missing[Input.DEPTH]
    assert sum(words in p.what for p in data.verify(progress=lambda *_: None)) == 1


def test_one_bad_item_hides_no_other_from_verify(tmp_path: Path):
    data = write_release(tmp_path / "r", [entry()])
    items = [{"exo_path": 7}, {**entry("lab_04_0_48"), "exo_path": "../x/exo.mp4"}, {**entry(), "ego_extrinsics": []}]
    (data.root / "meta.json").write_text(json.dumps({"test_datasets": items}))
    (data.root / "meta_seen.json").write_text("{")
    told = [p.what for p in EgoXRelease(data.root).verify(progress=lambda *_: None) if p.severity is Severity.ERROR]
    for words in ("item 0: ", "leaves the folder", "has 0 poses", "meta_seen.json: not a release list"):
        assert sum(words in what for what in told) == 1, (words, told)
