"""Videos of one's own in the library: the pixels of the benchmark's reader, cameras that follow, mistakes that say what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.box_room import box_room_clip
from benchmark.canvas import CANVASES, MINI
from benchmark.clip import View
from benchmark.video import FileSource, Video, decoded_frames, write_h264, write_lossless
from egox.cameras import Camera
from egox.depth import DepthEstimate
from egox.own import FORMATS, Footage, read_footage
from egox.pose_file import load_pose_file, save_pose_file
from egox.video_file import coded_pictures, decoded, picture_size

FRAMES = 17


@dataclass(frozen=True, kw_only=True)
class Own:
    video: Path
    pose: Path
    depth: Path
    exo: Camera
    ego: Camera
    pictures: np.ndarray
    depth_m: np.ndarray

    def read(self, **changes) -> Footage:
        given = {"video": self.video, "pose": self.pose, "depth": self.depth, **changes}
        return read_footage(given.pop("video"), given.pop("pose"), **given)


def write_own(folder: Path, *, frames: int = FRAMES, size: tuple[int, int] = (256, 448)) -> Own:
    """A painted room, its exo pictures enlarged to (height, width)."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = box_room_clip("walk", frames=frames)
    view, ego = clip.exo[0], clip.ego_camera
    assert view.depth is not None
    assert view.camera is not None
    assert ego is not None
    height, width = size
    pictures = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in view.video.read()])
    depth_m = np.stack([cv2.resize(m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) for m in view.depth.read()])
    exo = view.camera if size == (256, 448) else view.camera.resized(width, height)
    own = Own(
        video=folder / "walk.mp4", pose=folder / "pose.json", depth=folder / "depth.npz", exo=exo, ego=ego, pictures=pictures,
        depth_m=depth_m,
    )  # fmt: skip
    write_h264(own.video, pictures, fps=30)
    np.savez(own.depth, depth=depth_m)
    save_pose_file(own.pose, exo=exo, ego=ego, up=[0, 0, 1], fps=30)
    return own


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    return write_own(tmp_path_factory.mktemp("own"))


@pytest.fixture
def changed(own: Own, tmp_path: Path):
    """A pose file with some fields changed."""

    def change(**fields) -> Path:
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(json.loads(own.pose.read_text()) | fields))
        return path

    return change


def test_the_formats_are_the_canvases_of_the_benchmark():
    ours = {(f.side, f.exo_size, f.frames, f.step, f.fps) for f in FORMATS.values()}
    assert ours == {(c.ego_side, c.exo_size, c.frames, c.step, c.fps) for c in CANVASES.values()}
    assert all(side == kind.side for side, kind in FORMATS.items())


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_decoded_pixels_are_those_of_the_benchmark(own: Own, tmp_path: Path, suffix: str):
    path = own.video
    if suffix == "mkv":
        path = tmp_path / "rgb.mkv"
        write_lossless(path, own.pictures, fps=30)
    assert np.array_equal(np.stack(list(decoded(path))), np.stack(list(decoded_frames(path))))
    assert (coded_pictures(path), picture_size(path)) == (FRAMES, (256, 448))


def test_a_video_of_the_models_size_is_taken_as_it_is(own: Own):
    found = own.read()
    assert np.array_equal(found.frames, np.stack(list(decoded_frames(own.video))))
    assert found.depth is not None
    assert np.array_equal(found.depth.metric_m, own.depth_m)
    poses = load_pose_file(own.pose)
    assert found.exo.digest() == poses.exo_camera(448, 256, FRAMES).digest()
    assert found.ego.digest() == poses.ego_camera(128, FRAMES).digest()
    assert (found.ego.width, found.ego.height, found.fps) == (128, 128, 30.0)
    assert found.up is not None
    assert np.array_equal(found.up, [0, 0, 1])


def test_a_large_wide_video_is_scaled_and_cut_as_the_benchmark_does_it(tmp_path: Path):
    """1000x540: 474 px wide at a height of 256, of which 13 go on each side."""
    wide = write_own(tmp_path, size=(540, 1000))
    found = wide.read()
    view = View(
        name="exo",
        video=Video(source=FileSource(wide.video), indices=tuple(range(FRAMES)), fps=30),
        camera=load_pose_file(wide.pose).exo_camera(1000, 540, FRAMES),
    )
    expected = MINI.fit_exo(view)
    assert expected.camera is not None
    assert np.array_equal(found.frames, expected.video.read())
    assert found.exo.digest() == expected.camera.digest()
    assert found.depth is not None
    assert found.depth.metric_m.shape == found.frames.shape[:3]
    scaled = cv2.resize(wide.depth_m[3], (474, 256), interpolation=cv2.INTER_NEAREST_EXACT)
    assert np.array_equal(found.depth.metric_m[3], scaled[:, 13 : 13 + 448])


def test_depth_may_have_the_size_that_the_video_is_scaled_to(tmp_path: Path):
    wide = write_own(tmp_path, size=(540, 1000))
    for width, height in ((830, 448), (474, 256)):
        maps = np.stack([cv2.resize(m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) for m in wide.depth_m])
        np.savez(wide.depth, depth=maps, disparity=1 / np.maximum(maps, 0.1))
        found = wide.read().depth
        assert found is not None
        assert found.disparity is not None
        assert found.metric_m.shape == found.disparity.shape == (FRAMES, 256, 448)
        expected = cv2.resize(wide.depth_m[0], (474, 256), interpolation=cv2.INTER_NEAREST_EXACT)[:, 13:461]
        known = (expected > 0) & (found.metric_m[0] > 0)
        assert known.mean() > 0.9
        assert np.median(np.abs(found.metric_m[0] - expected)[known]) < 0.02
    np.savez(wide.depth, depth=wide.depth_m[:, :100])
    with pytest.raises(ValueError, match=r"17 maps of 1000x100, .*, or of 830x448, 474x256, to which the video is scaled"):
        wide.read()


def test_of_49_frames_every_third_is_taken_of_pictures_depth_and_poses(tmp_path: Path):
    whole = write_own(tmp_path, frames=49)
    found = whole.read()
    assert np.array_equal(found.frames, np.stack(list(decoded_frames(whole.video)))[::3])
    assert found.depth is not None
    assert np.array_equal(found.depth.metric_m, whole.depth_m[::3])
    assert np.array_equal(found.ego.centres, whole.ego.centres[::3])
    assert found.fps == 10.0


def test_size_448_takes_all_49_frames(tmp_path: Path):
    large = write_own(tmp_path, frames=49, size=(448, 796))
    found = large.read(size=448, depth=None)
    assert found.frames.shape == (49, 448, 784, 3)
    assert np.array_equal(found.frames[48], list(decoded_frames(large.video))[48][:, 6:790])
    assert (found.ego.width, found.exo.width, found.fps) == (448, 784, 30.0)


def test_without_depth_it_is_left_to_an_estimator(own: Own):
    assert own.read(depth=None).depth is None


def test_a_pose_file_of_48_frames_is_refused_with_the_counts_that_fit(own: Own, changed):
    data = json.loads(own.pose.read_text())
    poses = (data["ego"]["world_from_camera"] * 3)[:48]
    path = changed(frames=48, ego={**data["ego"], "world_from_camera": poses})
    with pytest.raises(ValueError, match=r"poses for 48 frames, at size 128 the model takes 17, or 49, of which one in 3 is"):
        own.read(pose=path)
    with pytest.raises(ValueError, match=r"poses for 48 frames, at size 448 the model takes 49; set the frames"):
        own.read(pose=path, size=448)


def test_what_does_not_fit_is_refused_before_anything_is_decoded(own: Own, tmp_path: Path, changed, monkeypatch):
    monkeypatch.setattr("egox.own.decoded", lambda path: pytest.fail("decoded"))
    short, small, narrow = (tmp_path / f"{name}.mp4" for name in ("short", "small", "narrow"))
    write_h264(short, own.pictures[:5], fps=30)
    write_h264(small, own.pictures[:, :128, :224], fps=30)
    write_h264(narrow, own.pictures[:, :, :256], fps=30)
    hfov = {"lens": {"hfov_deg": 60}}
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(own.video.read_bytes()[:2000])
    np.savez(tmp_path / "few.npz", depth=own.depth_m[:5])
    for changes, said in (
        ({"video": "none.mp4"}, "none.mp4: no such video file"),
        ({"video": own.pose}, "pose.json: (not a readable video|holds no video)"),
        ({"video": cut}, "cut.mp4: (not a readable video|lists 17 frames)"),
        ({"video": short}, r"short.mp4: has 5 frames, but .*pose.json has poses for 17"),
        ({"video": small, "pose": changed(exo=hfov)}, "small.mp4: 224x128 is too small, at size 128 it must be 256 px high"),
        (
            {"video": narrow, "pose": changed(exo=hfov)},
            "narrow.mp4: 256x256 is 256 px wide at a height of 256, at size 128 it must be 448",
        ),
        ({"pose": changed(exo=None)}, "has no exo camera; add a guess"),
        ({"pose": "none.json"}, "none.json: cannot be read"),
        ({"size": 256}, "size is 256, the models take 128 and 448"),
        ({"depth": "none"}, "none is not there"),
        ({"depth": own.video}, "walk.mp4: is no depth; expected a folder of 00000.npy"),
        ({"pose": own.video}, r"walk.mp4: not JSON \(no text in UTF-8\)"),
        ({"depth": tmp_path / "few.npz"}, "5 maps of 448x256, but the clip has 17 frames of 448x256"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            own.read(**changes)
        assert "\n" not in str(caught.value)


def test_own_clip_renders_the_prior_of_given_or_estimated_depth(own: Own):
    from egox import ego_prior, own_clip

    class Ours:
        def estimate(self, frames: np.ndarray) -> DepthEstimate:
            assert frames.shape == (FRAMES, 256, 448, 3)
            return DepthEstimate(metric_m=own.depth_m)

    with pytest.raises(ValueError, match=r"depth is None, expected a folder, an \.npz file, or an estimator"):
        own_clip(own.video, own.pose, depth=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RuntimeError, match="nowhere"):
        own_clip(own.video, own.pose, depth=own.depth, device="nowhere")
    given = own_clip(own.video, str(own.pose), depth=str(own.depth), prompt="a room")
    estimated = own_clip(own.video, own.pose, depth=Ours(), prompt="a room")
    assert (given.prompt, given.fps, given.ego_size) == ("a room", 30.0, (128, 128))
    assert np.array_equal(given.prior, estimated.prior)
    footage = own.read()
    assert footage.depth is not None
    used = ego_prior(footage.frames, footage.depth, footage.exo, footage.ego, up=footage.up)
    pictures = [cv2.resize(frame, (224, 128), interpolation=cv2.INTER_AREA) for frame in decoded_frames(own.video)]
    assert np.array_equal(given.exo, np.stack(pictures)), "as high as the ego picture, whatever the prior was made from"
    assert given.depth_m is not None
    assert np.array_equal(given.depth_m, used.depth_m[:, 1::2, 1::2])
    assert given.exo_camera.digest() == footage.exo.resized(224, 128).digest()
    assert given.prior[given.prior_valid].mean() > 30
