"""`egox-bench prior` from outside: what it writes for clips and for a video of one's own, what it skips, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.box_room import box_room_clip
from benchmark.canvas import FULL, MINI
from benchmark.clip import Clip, inputs_for
from benchmark.datasets.opening import open_dataset
from benchmark.errors import UserError
from benchmark.video import decoded_frames, write_h264
from egox.cameras import Camera
from egox.pose_file import save_pose_file
from methods.ego_prior import SPEC, Options
from methods.ego_prior.adapter import EgoPriorMethod
from methods.prior_verb import own_video
from methods.prior_verb.own_video import OwnVideo
from methods.prior_verb.report import psnr_known, read_report
from methods.prior_verb.strip import HEIGHT, Strip
from methods.prior_verb.writing import is_whole
from tests.benchmark.datasets.test_samples import unpacked
from tests.box_folder import write_box_folder

COMMAND = str(Path(sys.executable).with_name("egox-bench"))
FILES = ["prior.mkv", "prior.mp4", "report.json", "strip.mp4", "strip.png", "valid.mkv"]
FRAMES = 5


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)  # as the verb does


def prior(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    asked = [COMMAND, "prior", *map(str, words)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=240, check=False, env=dict(os.environ))
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def frames_of(path: Path) -> np.ndarray:
    return np.stack(list(decoded_frames(path)))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("boxes"), clips=3)


def of_clips(boxes: Path, out: Path, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    return prior("--data", boxes, "--split", "all", "--protocol", "mini", "--out", out, *words, code=code)


# ---- clips ----


@pytest.fixture(scope="module")
def made(boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips' priors, for tests that only look."""
    out = tmp_path_factory.mktemp("made")
    of_clips(boxes, out, "--clips", "b0,b2")
    return out


def test_a_clip_gets_its_six_files_of_the_right_size_and_count(made: Path):
    assert sorted(path.name for path in made.iterdir()) == ["b0", "b2"]
    folder = made / "b0"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for name in ("prior.mkv", "prior.mp4", "valid.mkv"):
        assert frames_of(folder / name).shape == (17, 128, 128, 3)
    assert set(np.unique(frames_of(folder / "valid.mkv"))) == {0, 255}
    exo, ego = round(HEIGHT * 448 / 256), HEIGHT
    strip = frames_of(folder / "strip.mp4")
    still = np.asarray(Image.open(folder / "strip.png"))
    assert len(strip) == 17
    assert strip.shape[2] == still.shape[1] == 2 * exo + 2 * ego + 3 * 8 + 2 * 16
    assert still.shape[0] == strip.shape[1] + 3 * (HEIGHT + 8)


def test_the_lossless_prior_is_what_the_method_generates_and_black_where_not_valid(made: Path, boxes: Path):
    dataset = open_dataset(boxes)
    clip = dataset.clip(dataset.manifest("all").rows[0], MINI)
    wanted = EgoPriorMethod(Options()).generate(inputs_for(clip, needs=SPEC.needs, optional=SPEC.optional), seed=0)
    found, valid = frames_of(made / "b0" / "prior.mkv"), frames_of(made / "b0" / "valid.mkv") > 0
    np.testing.assert_array_equal(found, wanted)
    assert not found[~valid].any()
    assert clip.truth is not None
    report = json.loads((made / "b0" / "report.json").read_text())
    assert report["psnr_known_db"] == pytest.approx(psnr_known(found, clip.truth.video.read(), valid[..., 0]))
    share = valid[..., 0].sum((1, 2)) / clip.ego_camera.visible().sum()  # pyright: ignore[reportOptionalMemberAccess]
    assert report["coverage"] == pytest.approx({"mean": share.mean(), "min": share.min(), "max": share.max()})


def test_the_report_names_scale_settings_and_what_there_is_not(made: Path):
    report = json.loads((made / "b2" / "report.json").read_text())
    assert (report["schema"], report["clip"], report["frames"], report["fps"]) == (1, "b2", 17, 10.0)
    assert (report["exo_size"], report["ego_size"]) == ([256, 448], [128, 128])
    assert [gauge["name"] for gauge in report["scale"]["gauges"]] == ["head", "floor", "points"]
    assert all(gauge["why"] for gauge in report["scale"]["gauges"] if gauge["scale"] is None)
    assert len(report["alignment"]["alpha"]) == 17
    assert report["settings"]["renderer"] == "surface"
    assert "device" not in report["settings"]
    assert 0 <= report["moving"] <= 1


@pytest.mark.slow
def test_what_is_there_is_skipped_until_inputs_or_options_change(boxes: Path, tmp_path: Path):
    first = of_clips(boxes, tmp_path, "--limit", 1)
    assert first.stdout.splitlines()[0] == f"b0: {tmp_path / 'b0'}"
    for word in ("scale: depth x", "alignment: 17 of 17 frames fitted", "moving: ", "coverage: ", "PSNR where known: "):
        assert word in first.stdout
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "b0").iterdir()}

    again = of_clips(boxes, tmp_path, "--limit", 1, "--json")
    assert "b0: is in" in again.stderr
    assert json.loads(again.stdout) == [json.loads((tmp_path / "b0" / "report.json").read_text())]
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "b0").iterdir()} == before

    other = of_clips(boxes, tmp_path, "--limit", 1, "--set", "scale=none", "--json")
    assert "but of other options or code: made anew" in other.stderr
    (report,) = json.loads(other.stdout)
    assert report["scale"] == {"factor": 1.0, "spread": None, "gauges": []}


def test_a_folder_is_whole_with_all_its_files_at_their_sizes(made: Path, tmp_path: Path):
    folder = tmp_path / "b0"
    shutil.copytree(made / "b0", folder)
    report = read_report(folder / "report.json")
    assert report is not None
    assert is_whole(folder, report)
    (folder / "valid.mkv").rename(tmp_path / "valid.mkv")
    assert not is_whole(folder, report)
    (folder / "valid.mkv").write_bytes(b"cut off")
    assert not is_whole(folder, report)
    (folder / "report.json").write_text('{"schema": 1')
    assert read_report(folder / "report.json") is None


def test_a_prior_of_other_inputs_is_not_replaced_without_being_asked(boxes: Path, made: Path, tmp_path: Path):
    folder = tmp_path / "b0"
    shutil.copytree(made / "b0", folder)
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps(report | {"inputs": "0" * 16}))
    refused = of_clips(boxes, tmp_path, "--limit", 1, code=1)
    assert "has a prior of other inputs; choose another --out, or --overwrite always" in refused.stderr
    assert json.loads((folder / "report.json").read_text())["inputs"] == "0" * 16


def changed(boxes: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the folder whose first clip is changed."""
    data = json.loads((boxes / "clips.json").read_text())
    change(data["clips"][0])
    shutil.copytree(boxes, folder)
    (folder / "clips.json").write_text(json.dumps(data))
    return folder


def test_a_clip_without_depth_is_told_and_the_others_are_made(boxes: Path, tmp_path: Path):
    data = changed(boxes, tmp_path / "data", lambda clip: clip["exo"][0].pop("depth"))
    done = of_clips(data, tmp_path / "out", "--clips", "b0,b1", "--json", code=1)
    assert "b0: not made: depth missing" in done.stderr
    assert "1 of 2 clips has no prior" in done.stderr
    failed, whole = json.loads(done.stdout)
    assert failed["clip"] == "b0"
    assert "depth" in failed["error"]
    assert whole["clip"] == "b1"
    assert not (tmp_path / "out" / "b0").exists()


def test_a_clip_with_a_damaged_depth_file_is_told_and_the_others_are_made(boxes: Path, tmp_path: Path):
    data = changed(boxes, tmp_path / "data", lambda clip: None)
    (data / "b0" / "depth.npz").write_bytes(b"not an archive")
    done = of_clips(data, tmp_path / "out", "--clips", "b0,b1", code=1)
    assert f"b0: not made: {data / 'b0' / 'depth.npz'}: not a readable array" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out" / "b1").iterdir()) == FILES


def test_where_there_is_no_truth_a_panel_says_so_and_nothing_is_measured(boxes: Path, tmp_path: Path):
    data = changed(boxes, tmp_path / "data", lambda clip: clip["ego"].pop("video"))
    of_clips(data, tmp_path / "out", "--limit", 1)
    report = json.loads((tmp_path / "out" / "b0" / "report.json").read_text())
    assert report["psnr_known_db"] is None
    assert "b0" in report["no_psnr"]
    still = np.asarray(Image.open(tmp_path / "out" / "b0" / "strip.png")).astype(int)
    panel = still[-16 - HEIGHT : -16, -16 - HEIGHT : -16]
    assert np.ptp(panel, -1).max() < 20, "grey, with text"
    assert np.ptp(panel) > 50, "a reason is written there"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--split", "unsen"), "unknown split 'unsen'; did you mean 'unseen'?"),
        (("--split", "val", "--clips", "sim_val_kitchen0000_1_126_17"), "did you mean 'sim_val_kitchen0000_1_126_174'?"),
        (("--protocol", "minni"), "unknown protocol 'minni'; did you mean 'mini'?"),
        (("--data", "no/such/folder"), "no/such/folder: no such data folder"),
        (("--set", "fuze=false"), "unknown option of ego-prior 'fuze'; did you mean 'fuse'?"),
        (("--set", "scale=metric"), "option of ego-prior"),
        (("--set", "backend=pytorch3d"), "set both"),
        (("--pose", "pose.json"), "--pose goes with --video"),
        (("--video", "a.mp4", "--split", "val"), "--split is for clips, not for --video"),
        (("--video", "a.mp4"), "--video needs --pose FILE"),
    ],
)
def test_a_wrong_name_is_one_sentence_and_exit_code_2(words: tuple[str, ...], said: str, tmp_path: Path):
    done = prior(*words, "--out", tmp_path / "out", code=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "device=cuda:9"), "--set device=cuda:9: "),
        (("--set", "device=gpu"), "--set device=gpu: "),
        (("--set", "depth_model=no-such/model"), "no weights of 'no-such/model'"),
    ],
)
def test_a_machine_that_cannot_do_it_ends_the_command_at_once(boxes: Path, words: tuple[str, ...], said: str, tmp_path: Path):
    done = of_clips(boxes, tmp_path, *words, code=2)
    assert said in done.stderr


def test_an_out_that_is_a_file_is_told_before_any_work(boxes: Path, tmp_path: Path):
    blocked = tmp_path / "out"
    blocked.write_text("a file where the folder should be")
    done = of_clips(boxes, blocked, code=2)
    assert "cannot be written" in done.stderr
    assert "aligning" not in done.stderr


# ---- a video of one's own ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Files of a video of one's own, and what they were made of."""

    clip: Clip
    video: Path
    pose: Path
    depth: Path

    @property
    def camera(self) -> Camera:
        camera = self.clip.exo[0].camera
        assert camera is not None
        return camera

    @property
    def depth_m(self) -> np.ndarray:
        return np.load(self.depth)["depth"]

    def words(self, *more: object) -> tuple[object, ...]:
        return ("--video", self.video, "--pose", self.pose, "--depth", self.depth, *more)


def write_own(folder: Path) -> Own:
    clip = box_room_clip("walk", frames=FRAMES)
    exo, ego = clip.exo[0], clip.ego_camera
    assert exo.depth is not None
    assert exo.camera is not None
    assert ego is not None
    own = Own(clip=clip, video=folder / "walk.mp4", pose=folder / "pose.json", depth=folder / "depth.npz")
    pictures = exo.video.read()
    write_h264(own.video, np.concatenate([pictures, pictures[-2:]]), fps=10)  # two frames more than there are poses
    np.savez(own.depth, depth=exo.depth.read())
    save_pose_file(own.pose, exo=exo.camera, ego=ego, up=[0, 0, 1], fps=10)
    return own


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return write_own(tmp_path)


def test_a_video_of_ones_own_gets_the_same_files_at_the_asked_size(own: Own, tmp_path: Path):
    done = prior(*own.words("--size", 96, "--out", tmp_path / "out"))
    folder = tmp_path / "out" / "walk"
    assert done.stdout.splitlines()[0] == f"walk: {folder}"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for name in ("prior.mkv", "prior.mp4", "valid.mkv"):
        assert frames_of(folder / name).shape == (FRAMES, 96, 96, 3)
    report = json.loads((folder / "report.json").read_text())
    assert (report["exo_size"], report["ego_size"], report["fps"]) == ([256, 448], [96, 96], 10.0)
    assert report["coverage"]["min"] > 0.1
    wide = 2 * round(HEIGHT * 448 / 256) + HEIGHT + 2 * 8 + 2 * 16
    assert np.asarray(Image.open(folder / "strip.png")).shape[1] == wide, "no column for a truth that nobody has"


@pytest.mark.slow
def test_a_video_that_is_done_is_skipped_until_a_file_of_it_changes_or_all_is_asked_anew(own: Own, tmp_path: Path):
    words = own.words("--size", 64, "--out", tmp_path / "out")
    prior(*words)
    assert "walk: is in" in prior(*words).stderr
    assert "walk: is in" not in prior(*words, "--overwrite", "always").stderr
    before = OwnVideo.open(own.video, pose=own.pose, depth=own.depth, side=64, options=Options()).identity("walk")
    np.savez(own.depth, depth=own.depth_m * np.float32(1.1))
    after = OwnVideo.open(own.video, pose=own.pose, depth=own.depth, side=64, options=Options()).identity("walk")
    assert {name for name in before if before[name] != after[name]} == {"depth"}


def test_the_prior_shows_what_the_wearer_sees(own: Own, tmp_path: Path):
    """With exact depth, as it is, where it is known: the picture is the truth up to resampling and compression."""
    prior(*own.words("--size", 128, "--set", "scale=none", "--out", tmp_path / "out"))
    found, valid = frames_of(tmp_path / "out" / "walk" / "prior.mkv"), frames_of(tmp_path / "out" / "walk" / "valid.mkv") > 0
    assert own.clip.truth is not None
    value = psnr_known(found, own.clip.truth.video.read(), valid[..., 0])
    assert value is not None
    assert value > 25


@pytest.mark.parametrize("depth_at", ["own size", "scaled size"])
def test_a_large_video_is_scaled_with_its_camera_and_depth(own: Own, tmp_path: Path, depth_at: str):
    """1008x576 becomes 784x448; depth is taken at either size, and the prior is that of the small video."""
    large = [cv2.resize(frame, (1008, 576), interpolation=cv2.INTER_CUBIC) for frame in own.clip.exo[0].video.read()]
    write_h264(own.video, large, fps=10)
    size = (1008, 576) if depth_at == "own size" else (784, 448)
    maps = [cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST) for depth in own.depth_m]
    np.savez(own.depth, depth=np.stack(maps), disparity=1 / np.maximum(np.stack(maps), 0.01))
    prior(*own.words("--size", 128, "--set", "scale=none", "--out", tmp_path / "out"))
    report = json.loads((tmp_path / "out" / "walk" / "report.json").read_text())
    assert report["exo_size"] == [448, 784]
    assert len(report["alignment"]["alpha"]) == FRAMES, "the disparity came along"
    found, valid = frames_of(tmp_path / "out" / "walk" / "prior.mkv"), frames_of(tmp_path / "out" / "walk" / "valid.mkv") > 0
    assert own.clip.truth is not None
    value = psnr_known(found, own.clip.truth.video.read(), valid[..., 0])
    assert value is not None
    assert value > 22


def refused(own: Own, *words: object, said: str) -> None:
    """The command ends with this in one sentence, and with code 2; out stays empty."""
    out = own.video.parent / "out"
    done = prior(*words, "--out", out, code=2)
    assert said in done.stderr.splitlines()[-1]
    assert not (out / "walk").exists()


def test_a_missing_video_and_a_folder_are_refused(own: Own):
    refused(own, "--video", "none.mp4", *own.words()[2:], said="none.mp4: no such video file")
    refused(own, "--video", own.video.parent, *own.words()[2:], said="no such video file")


def test_a_truncated_video_is_refused(own: Own):
    whole = own.video.read_bytes()
    own.video.write_bytes(whole[: len(whole) // 2])
    refused(own, *own.words(), said=f"{own.video}: lists 7 frames but holds")
    own.video.write_bytes(whole[100:])
    refused(own, *own.words(), said="not a readable video")


def test_a_video_with_fewer_frames_than_poses_is_refused_with_both_counts(own: Own):
    write_h264(own.video, own.clip.exo[0].video.read()[:3], fps=10)
    refused(own, *own.words(), said=f"{own.video}: has 3 frames, but {own.pose} has poses for 5")


def pose_with(own: Own, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(own.pose.read_text())
    change(data)
    own.pose.write_text(json.dumps(data))


def test_a_pose_file_with_a_gap_is_refused(own: Own):
    pose_with(own, lambda data: data["ego"]["world_from_camera"].__setitem__(2, None))
    refused(own, *own.words(), said=f"{own.pose}: ego.world_from_camera has no matrix for frames 2")


def test_a_pose_file_without_exo_camera_says_what_to_add(own: Own):
    pose_with(own, lambda data: data.pop("exo"))
    refused(own, *own.words(), said='add a guess such as "exo": {"lens": {"hfov_deg": 60}}')


def test_singular_intrinsics_are_refused(own: Own):
    pose_with(own, lambda data: data["exo"]["lens"].update(fx=0))
    refused(own, *own.words(), said=f"{own.pose}: exo.lens: KannalaBrandt: focal length fx is 0")


def test_a_lens_for_another_shape_is_refused(own: Own):
    pose_with(own, lambda data: data["exo"].update(width=300))
    refused(own, *own.words(), said="the lens is for a 300x256 picture, which does not scale to 448x256")


def test_a_missing_pose_file_is_refused(own: Own):
    refused(own, "--video", own.video, "--pose", "none.json", "--depth", own.depth, said="none.json: cannot be read")


def test_depth_of_the_wrong_count_is_refused(own: Own):
    np.savez(own.depth, depth=own.depth_m[:4])
    refused(own, *own.words(), said="4 maps of 448x256, but the clip has 5 frames of 448x256; give one map for each frame")


def test_depth_that_is_not_named_or_named_twice_is_refused(own: Own):
    refused(own, *own.words()[:4], "--depth", "none", said="--depth none: is not there")
    refused(own, *own.words()[:4], said="--video needs its depth")
    refused(own, *own.words("--set", "depth_model=x/y"), said="depth is both given")


def test_depth_that_does_not_fit_says_what_is_expected(own: Own):
    depth = own.depth_m

    def reason(maps: np.ndarray) -> str:
        np.savez(own.depth, depth=maps)
        with pytest.raises(UserError) as caught:
            OwnVideo.open(own.video, pose=own.pose, depth=own.depth, side=64, options=Options()).subject("walk")
        return str(caught.value)

    assert "5 maps of 448x128, but the clip has 5 frames of 448x256" in reason(depth[:, :128])
    assert "divide maps in millimetres by 1000" in reason((1000 * depth).astype(np.int32))
    write_h264(own.video, [cv2.resize(frame, (1008, 576)) for frame in own.clip.exo[0].video.read()], fps=10)
    said = reason(depth)
    assert "5 frames of 1008x576" in said
    assert said.endswith("of the frames' size, or 784x448, to which the video is scaled")
    maps = own.video.parent / "maps"
    maps.mkdir()
    np.save(maps / "00001.npy", depth[1])
    with pytest.raises(UserError, match=r"without 00000\.npy among them"):
        OwnVideo.open(own.video, pose=own.pose, depth=maps, side=64, options=Options()).subject("walk")


def test_depth_that_is_unknown_everywhere_is_refused(own: Own):
    np.savez(own.depth, depth=0 * own.depth_m)
    refused(own, *own.words(), said="walk: depth of exo view exo is unknown everywhere")


def test_choices_that_do_not_fit_a_video_are_refused(own: Own):
    refused(own, *own.words("--size", 97), said="--size 97: give an even number")
    refused(own, *own.words("--set", "masks=ids"), said="needs instance ids")


def test_a_video_that_is_too_long_for_memory_is_refused_before_it_is_read(own: Own, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_video, "MOST_BYTES", 2**20)
    monkeypatch.setattr(own_video.GivenDepth, "read", lambda path: pytest.fail("depth was read"))
    with pytest.raises(UserError, match=r"walk\.mp4: 5 frames of 448x256 .* GiB are the most; cut video, poses and depth"):
        OwnVideo.open(own.video, pose=own.pose, depth=own.depth, side=128, options=Options())


def test_an_exo_camera_that_moves_is_told(own: Own, tmp_path: Path):
    poses = own.camera.world_from_camera.copy()
    poses[:, 0, 3] += 0.02 * np.arange(FRAMES)
    assert own.clip.ego_camera is not None
    save_pose_file(own.pose, exo=replace(own.camera, world_from_camera=poses), ego=own.clip.ego_camera)
    done = prior(*own.words("--size", 64, "--out", tmp_path / "out"))
    assert "exo camera: it moves, and what stands still counts as moving" in done.stdout


# ---- pictures ----


def test_depth_has_one_range_of_colours_and_grey_where_unknown():
    depth = np.full((2, 8, 12), 2.0, np.float32)
    depth[0, :, 6:], depth[1] = 8.0, 4.0
    depth[1, :4] = 0
    exo, ego = np.zeros((2, 8, 12, 3), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)
    strip = Strip(clip="c", scale="depth x 1", exo=exo, depth_m=depth, prior=ego, truth=None)
    assert strip.range_m == pytest.approx((2.0, 8.0), rel=0.05)
    page = next(strip.moving())
    left, top = 16 + round(HEIGHT * 1.5) + 8, page.shape[0] - 16 - HEIGHT - page.shape[0] % 2
    near, far = page[top + 40, left + 20], page[top + 40, left + 400]
    assert near[0] > 2 * near[2], "red is near"
    assert far[2] > far[0], "blue is far"
    later = list(strip.moving())[1]
    assert np.ptp(later[top + 40, left + 20].astype(int)) < 10


def test_psnr_is_measured_where_something_is_known_only():
    truth = np.full((3, 4, 4, 3), 100, np.uint8)
    found = truth.copy()
    found[:, 2:] = 0
    found[1, :2] += 10
    valid = np.zeros((3, 4, 4), bool)
    valid[:2, :2] = True
    assert psnr_known(found, truth, valid) == pytest.approx((100 + 20 * np.log10(25.5)) / 2)
    assert psnr_known(found, truth, np.zeros_like(valid)) is None


# ---- recorded footage ----


@pytest.mark.samples
@pytest.mark.slow
def test_a_recorded_video_as_ones_own_gives_the_prior_of_the_clip(samples: Path, tmp_path: Path):
    """The clip in the wild: its first frames by the release reader, and by video, pose file and depth folder."""
    root = tmp_path / "wild"
    shutil.copytree(samples / "in_the_wild", root, ignore=shutil.ignore_patterns("depth_packed"))
    unpacked(samples, "in_the_wild", root, "joker")
    dataset = open_dataset(root)
    clip = dataset.clip(dataset.manifest("all").rows[0], FULL)
    exo, ego = clip.exo[0].camera, clip.ego_camera
    assert exo is not None
    assert ego is not None
    first = range(FRAMES)
    save_pose_file(tmp_path / "pose.json", exo=exo.select(first), ego=ego.select(first))
    for path in sorted((root / "depth_maps" / "joker").glob("*.npy"))[FRAMES:]:
        path.unlink()
    words = ("--video", root / "videos" / "joker" / "exo.mp4", "--pose", tmp_path / "pose.json")
    done = prior(*words, "--depth", root / "depth_maps" / "joker", "--out", tmp_path / "out")
    assert "scale: depth x 1.0" in done.stdout
    folder = tmp_path / "out" / "exo"
    assert frames_of(folder / "prior.mkv").shape == (FRAMES, 448, 448, 3)
    report = json.loads((folder / "report.json").read_text())
    assert report["fps"] == 30.0
    assert 0.1 < report["coverage"]["min"] <= report["coverage"]["max"] < 0.6
