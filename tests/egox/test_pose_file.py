"""Pose files: what is written comes back, what lies between keyframes, and one clear sentence for what does not fit."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from egox.cameras import UPRIGHT_FROM_RAW, Camera, Fisheye624, KannalaBrandt, Pinhole, rigid
from egox.cameras.devices import default_aria_lens
from egox.pose_file import FieldOfView, PoseFileError, load_pose_file, save_pose_file

DOCS = Path(__file__).resolve().parents[2] / "docs" / "poses.md"
IDENTITY = np.eye(4).tolist()
QUARTER = [0.0, 0.0, float(np.sqrt(0.5)), float(np.sqrt(0.5))]


def by_keyframes() -> dict[str, Any]:
    return {
        "format": "egox-pose",
        "version": 1,
        "frames": 9,
        "exo": {"lens": {"hfov_deg": 60}},
        "ego": {
            "keyframes": [
                {"frame": 0, "position": [0, 0, 2], "quaternion_xyzw": [0, 0, 0, 1]},
                {"frame": 8, "position": [0.8, 0, 2], "quaternion_xyzw": QUARTER},
            ]
        },
    }


def by_matrices(frames: int = 4) -> dict[str, Any]:
    data = by_keyframes() | {"frames": frames}
    data["ego"] = {"world_from_camera": [copy.deepcopy(IDENTITY) for _ in range(frames)]}
    return data


def written(folder: Path, data: Any) -> Path:
    path = folder / "pose.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_positions_go_straight_and_turns_evenly_between_keyframes(tmp_path: Path):
    camera = load_pose_file(written(tmp_path, by_keyframes())).ego_camera(128, 9)
    np.testing.assert_allclose(camera.centres[:, 0], np.arange(9) / 10)
    turned = Rotation.from_matrix(camera.world_from_camera[:, :3, :3]).as_rotvec(degrees=True)
    np.testing.assert_allclose(turned, np.arange(9)[:, None] * [0, 0, 11.25], atol=1e-9)


def test_frames_are_a_count_from_0_or_frame_numbers(tmp_path: Path):
    pose = load_pose_file(written(tmp_path, by_keyframes()))
    every = pose.ego_camera(128, 9).world_from_camera
    np.testing.assert_array_equal(pose.ego_camera(128, 5).world_from_camera, every[:5])
    np.testing.assert_allclose(pose.ego_camera(128, range(2, 9, 3)).world_from_camera, every[2:9:3], atol=1e-15)


def test_a_keyframe_looks_at_its_point_with_its_head_up(tmp_path: Path):
    data = by_keyframes()
    data["up"] = [0, -3, 0]
    data["ego"]["keyframes"][0] = {"frame": 0, "position": [0.5, 0.1, 2], "look_at": [-0.5, 0.6, 1]}
    pose = load_pose_file(written(tmp_path, data))
    assert pose.up is not None
    np.testing.assert_array_equal(pose.up, [0, -1, 0])
    in_camera = pose.ego_camera(128, [0]).to_camera([[-0.5, 0.6, 1], [0.5, -0.9, 2]], 0)
    np.testing.assert_allclose(in_camera[0], [0, 0, 1.5], atol=1e-12)
    assert abs(in_camera[1, 0]) < 1e-12, "what is above the head must not be to its side"
    assert in_camera[1, 1] < 0, "what is above the head must be up in the picture"


def test_the_default_lens_is_the_stand_in_of_the_readers(tmp_path: Path):
    lens = load_pose_file(written(tmp_path, by_keyframes())).ego_camera(448, 9).lens
    assert isinstance(lens, Fisheye624)
    assert lens == default_aria_lens(448)


def test_an_angle_of_view_fits_any_picture(tmp_path: Path):
    pose = load_pose_file(written(tmp_path, by_keyframes()))
    assert pose.exo is not None
    assert pose.exo.lens == FieldOfView(hfov_deg=60)
    for width, height in ((1280, 720), (720, 1280)):
        camera = pose.exo_camera(width, height, 9)
        assert isinstance(camera.lens, Pinhole)
        left, right = camera.lens.unproject([[-0.5, (height - 1) / 2], [width - 0.5, (height - 1) / 2]])
        assert np.degrees(np.arccos(left @ right)) == pytest.approx(60)
        np.testing.assert_array_equal(camera.world_from_camera, np.broadcast_to(np.eye(4), (9, 4, 4)))


def test_a_lens_for_another_size_is_scaled_and_for_another_shape_refused(tmp_path: Path):
    data = by_keyframes()
    data["exo"] = {"lens": {"model": "Pinhole", "fx": 1000, "fy": 1000, "cx": 959.5, "cy": 539.5}, "width": 1920, "height": 1080}
    pose = load_pose_file(written(tmp_path, data))
    assert pose.exo_camera(960, 540, 9).lens == Pinhole(fx=500, fy=500, cx=479.5, cy=269.5)
    with pytest.raises(PoseFileError, match="1920x1080 picture, which does not scale to 784x448"):
        pose.exo_camera(784, 448, 9)


def test_a_camera_that_moves_has_a_matrix_a_frame(tmp_path: Path):
    data = by_matrices(3)
    poses = rigid(np.stack([np.eye(3)] * 3), [[0, 0, 0], [0, 0, 0.1], [0, 0, 0.2]])
    data["exo"]["world_from_camera"] = poses.tolist()
    camera = load_pose_file(written(tmp_path, data)).exo_camera(640, 360, [1, 2])
    np.testing.assert_array_equal(camera.world_from_camera, poses[1:])


def test_rotations_with_few_decimals_are_mended(tmp_path: Path):
    data, turn = by_matrices(2), Rotation.from_euler("xyz", [20, 130, -5], degrees=True).as_matrix()
    pose = rigid(turn.round(3), [1, 2, 3])
    data["ego"]["world_from_camera"] = [pose.tolist()] * 2
    rotation = load_pose_file(written(tmp_path, data)).ego_camera(128, 2).world_from_camera[0, :3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation, turn, atol=1e-3)


@pytest.mark.parametrize("number", [0, 1])
def test_in_the_documented_examples_the_wearer_is_seen_and_looks_down_towards_the_camera(tmp_path: Path, number: int):
    block = re.findall(r"```json\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)[number]
    pose = load_pose_file(written(tmp_path, block))
    ego, exo = pose.ego_camera(448, pose.frames), pose.exo_camera(796, 448, pose.frames)
    for frame in range(pose.frames):
        u, v = exo.project(ego.centres[frame], frame)
        assert 300 < u < 500
        assert 100 < v < 224
        gaze = exo.world_from_camera[frame, :3, :3].T @ ego.world_from_camera[frame, :3, 2]
        assert gaze[1] > 0.3
        assert gaze[2] < -0.3


def test_poses_of_a_raw_sensor_become_upright_as_the_page_says():
    raw = rigid(Rotation.random(3, rng=np.random.default_rng(1)).as_matrix(), np.arange(9).reshape(3, 3))
    turned = raw @ rigid(UPRIGHT_FROM_RAW.T, [0, 0, 0])
    camera = Camera(lens=Pinhole(fx=100, fy=100, cx=63.5, cy=63.5), width=128, height=128, world_from_camera=raw)
    np.testing.assert_allclose(camera.upright().world_from_camera, turned, atol=1e-15)


NUMBER = st.floats(-50, 50, allow_subnormal=False)


def lenses(side: str) -> st.SearchStrategy[Any]:
    focal, middle, small = st.floats(50, 2000), st.floats(0, 447), st.floats(-0.5, 0.5)

    def several(n: int) -> st.SearchStrategy[tuple[float, ...]]:
        return st.tuples(*[small] * n)

    fisheye = st.builds(Fisheye624, f=focal, cx=middle, cy=middle, k=several(6), p=several(2), s=several(4))
    if side == "ego":
        return fisheye
    kannala = st.builds(KannalaBrandt, fx=focal, fy=focal, cx=middle, cy=middle, k=several(4))
    return st.one_of(fisheye, kannala, st.builds(Pinhole, fx=focal, fy=focal, cx=middle, cy=middle))


@st.composite
def cameras(draw: st.DrawFn, side: str, frames: int, *, still: bool) -> Camera:
    count = 1 if still else frames
    quaternions = draw(
        st.lists(
            st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: float(np.linalg.norm(q)) > 0.1), min_size=count, max_size=count
        )
    )
    places = draw(st.lists(st.tuples(NUMBER, NUMBER, NUMBER), min_size=count, max_size=count))
    poses = rigid(Rotation.from_quat(quaternions).as_matrix(), places)
    poses = poses.repeat(frames, 0) if still else poses
    width = 448 if side == "ego" else draw(st.integers(448, 800))
    return Camera(lens=draw(lenses(side)), width=width, height=448, world_from_camera=poses)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), frames=st.integers(1, 5), still=st.booleans(), up=st.none() | st.tuples(NUMBER, NUMBER, st.floats(1, 9)))
def test_what_is_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, frames: int, still: bool, up: Any
):
    exo = data.draw(cameras("exo", frames, still=still))
    ego = data.draw(cameras("ego", frames, still=False))
    path = tmp_path_factory.getbasetemp() / "round.json"
    save_pose_file(path, exo=exo, ego=ego, up=up, fps=29.97)
    pose = load_pose_file(path)
    assert (pose.frames, pose.fps) == (frames, 29.97)
    for before, after in ((exo, pose.exo_camera(exo.width, 448, frames)), (ego, pose.ego_camera(448, frames))):
        np.testing.assert_allclose(after.world_from_camera, before.world_from_camera, atol=1e-9, rtol=0)
        assert after.lens == before.lens
    assert (pose.up is None) == (up is None)
    if pose.up is not None:
        np.testing.assert_allclose(pose.up, np.array(up) / np.linalg.norm(up), atol=1e-12)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path):
    ego = Camera(lens=default_aria_lens(448), width=448, height=448, world_from_camera=np.eye(4)[None])
    exo = Camera(lens=Pinhole(fx=100, fy=100, cx=900, cy=50), width=200, height=100, world_from_camera=np.eye(4)[None])
    with pytest.raises(PoseFileError, match="principal point"):
        save_pose_file(tmp_path / "pose.json", exo=exo, ego=ego)
    with pytest.raises(PoseFileError, match=r"absent/pose\.json: cannot be written \(No such file"):
        save_pose_file(tmp_path / "absent" / "pose.json", exo=ego, ego=ego)
    assert list(tmp_path.iterdir()) == []


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        del data[path[-1]]

    return change


KEYS = ("ego", "keyframes")
MATRICES = ("ego", "world_from_camera")
PINHOLE = {"model": "Pinhole", "fx": 500, "fy": 500, "cx": 320, "cy": 180}
MIRROR = [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
TRANSPOSED = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 2, 3, 1]]

KEYFRAME_FAULTS = [
    (put("version", value=2), "version is 2, this program reads 1"),
    (put("format", value="other"), "format is 'other', expected"),
    (put("frames", value=0), "frames is 0; give the number of frames"),
    (put("frames", value=10**30), "frames is 1000"),
    (drop("frames"), "required field `frames`"),
    (put("frames", value="9"), "frames: Expected `int`, got `str`"),
    (put("fps", value=-1), "fps is -1.0; give a number above 0"),
    (put("keyfames", value=[]), "unknown field `keyfames`; did you mean 'keyframes'?"),
    (put("up", value=[0, 0, 0]), "up is [0.0, 0.0, 0.0]; give a direction"),
    (put("ego", value={}), "ego has neither of world_from_camera"),
    (put(*MATRICES, value=[IDENTITY] * 9), "ego has both of world_from_camera"),
    (put(*KEYS, value=[]), "ego.keyframes is empty"),
    (put(*KEYS, 0, "frame", value=3), "ego.keyframes leave out frames 0..2; put keyframes at frame 0 and frame 8"),
    (put(*KEYS, 1, "frame", value=6), "ego.keyframes leave out frames 7..8;"),
    (put(*KEYS, 1, "frame", value=9), "ego.keyframes: frame 9 is not one of 0..8"),
    (put(*KEYS, 1, "frame", value=0), "ego.keyframes[1]: frame 0 comes twice"),
    (put(*KEYS, 0, "frame", value=9), "ego.keyframes[1]: frame 8 comes after frame 9"),
    (put(*KEYS, 1, "position", value=[0, None, 1]), "ego.keyframes[1].position[1]: Expected `float`, got `null`"),
    (put(*KEYS, 1, "position", value=[0, float("nan"), 1]), "ego.keyframes[1] (frame 8): position holds NaN"),
    (put(*KEYS, 1, "position", value=[0, 1]), "ego.keyframes[1].position: Expected `array` of length 3, got 2"),
    (put(*KEYS, 1, "quaternion_xyzw", value=[0, 0, 0, 2]), "(frame 8): quaternion_xyzw has length 2, expected 1"),
    (put(*KEYS, 1, "quaternion_xyzw", value=[0, 0, 1, 0]), "from frame 0 to 8 the head turns by 180 degrees"),
    (put(*KEYS, 1, "look_at", value=[0, 0, 0]), "(frame 8): has both of quaternion_xyzw and look_at"),
    (drop(*KEYS, 1, "quaternion_xyzw"), "(frame 8): has neither of quaternion_xyzw and look_at"),
    (put(*KEYS, 1, value={"frame": 8, "position": [0, 0, 2], "look_at": [0, 1, 1]}), '(frame 8): look_at needs "up"'),
    (put("ego", "lens", value="arai"), "ego.lens: unknown lens 'arai'; give \"aria\""),
    (put("ego", "width", value=448), "ego: width is 448, height is None; give both"),
    (put("exo", "lens", value={"model": "KanalaBrandt"}), "exo.lens: unknown lens 'KanalaBrandt'; did you mean 'KannalaBrandt'?"),
    (put("exo", "lens", value={"model": "Pinhole", "f": 3}), "exo.lens: Pinhole has no field 'f'; it has fx, fy, cx, cy"),
    (put("exo", "lens", value={"fx": 1, "fy": 2, "cx": 3}), "exo.lens: Object missing required field `cy`"),
    (put("exo", "lens", value=PINHOLE), "exo.lens is in pixels; give exo.width and exo.height"),
    (put("exo", value={"lens": PINHOLE | {"fx": 0}, "width": 640, "height": 360}), "fx is 0"),
    (put("exo", value={"lens": PINHOLE, "width": 300, "height": 169}), "the principal point (320, 180) lies outside of 300x169"),
    (put("exo", "lens", value={"hfov_deg": 0}), "exo.lens: hfov_deg is 0; give degrees"),
    (put("exo", "lens", value={"hfov_deg": float("nan")}), "exo.lens: holds NaN or infinity"),
    (put("exo", "lens", value="gopro"), "exo.lens is 'gopro'; give numbers"),
    (put("exo", "world_from_camera", value=MIRROR), "exo.world_from_camera: is no rotation"),
    (put("exo", "world_from_camera", value=[[1, 2], [3, 4]]), "exo.world_from_camera: Expected `array` of length 4, got 2"),
    (put("exo", "world_from_camera", value=[IDENTITY] * 8), "exo.world_from_camera has no matrix for frames 8;"),
]  # fmt: skip
MATRIX_FAULTS = [
    (drop(*MATRICES, 3), "ego.world_from_camera has no matrix for frames 3;"),
    (put("frames", value=9), "ego.world_from_camera has no matrix for frames 4..8;"),
    (put("frames", value=10**7), "ego.world_from_camera has no matrix for frames 4..9999999;"),
    (put("frames", value=3), "ego.world_from_camera has 4 matrices but frames is 3"),
    (put(*MATRICES, 1, value=None), "ego.world_from_camera has no matrix for frames 1;"),
    (put(*MATRICES, 2, value=MIRROR), "ego.world_from_camera, frame 2: is no rotation (off by 2)"),
    (put(*MATRICES, 2, 0, 0, value=1.1), "ego.world_from_camera, frame 2: is no rotation (off by 0.21)"),
    (put(*MATRICES, 2, 0, 0, value=float("nan")), "ego.world_from_camera, frame 2: holds NaN or infinity"),
    (put(*MATRICES, 2, 0, 3, value=float("inf")), "ego.world_from_camera, frame 2: holds NaN or infinity"),
    (put(*MATRICES, 2, 0, 3, value=10**400), "ego.world_from_camera[2][0][3]: Number out of range"),
    (put(*MATRICES, 2, 0, 3, value=None), "ego.world_from_camera[2][0][3]: Expected `float`, got `null`"),
    (put(*MATRICES, 2, value=TRANSPOSED), "frame 2: the last row is [1.0, 2.0, 3.0, 1.0], expected [0, 0, 0, 1]"),
    (put(*MATRICES, 2, value=IDENTITY[:3]), "ego.world_from_camera[2]: Expected `array` of length 4, got 3"),
]


@pytest.mark.parametrize(
    ("make", "change", "said"),
    [(by_keyframes, *fault) for fault in KEYFRAME_FAULTS] + [(by_matrices, *fault) for fault in MATRIX_FAULTS],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named(tmp_path: Path, make: Any, change: Any, said: str):
    data = make()
    change(data)
    path = written(tmp_path, data)
    with pytest.raises(PoseFileError) as caught:
        load_pose_file(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ('{"format": ', "not JSON (Expecting value: line 1"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "format is a JSON list, expected an object"),
        ("{}", "format is None, expected"),
    ],
)
def test_a_text_that_is_no_pose_file_is_told(tmp_path: Path, text: str, said: str):
    with pytest.raises(PoseFileError, match=re.escape(said)):
        load_pose_file(written(tmp_path, text))


def test_a_file_that_is_not_there_or_binary_is_told(tmp_path: Path):
    with pytest.raises(PoseFileError, match=r"absent\.json: cannot be read \(No such file"):
        load_pose_file(tmp_path / "absent.json")
    (tmp_path / "video.mp4").write_bytes(b"\x00\x00\x00\x20ftypisom\xff\xfe")
    with pytest.raises(PoseFileError, match="not JSON"):
        load_pose_file(tmp_path / "video.mp4")


def test_what_is_asked_for_and_not_there_is_told(tmp_path: Path):
    data = by_keyframes()
    del data["exo"]
    pose = load_pose_file(written(tmp_path, data))
    with pytest.raises(PoseFileError, match=r"has poses for frames 0\.\.8, frames 9\.\.11 are asked for"):
        pose.ego_camera(128, 12)
    with pytest.raises(PoseFileError, match="no frame is asked for"):
        pose.ego_camera(128, 0)
    with pytest.raises(PoseFileError, match="has no exo camera; add a guess such as"):
        pose.exo_camera(640, 360, 9)
    with pytest.raises(PoseFileError, match="a picture of 0x0 pixels"):
        pose.ego_camera(0, 9)
