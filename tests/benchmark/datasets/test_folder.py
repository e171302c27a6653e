"""A folder of one's own: the documented format, and words for what does not fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.canvas import FULL, MINI
from benchmark.clip import Input
from benchmark.datasets.dataset import Problem, Severity
from benchmark.datasets.folder import Folder
from benchmark.datasets.opening import open_dataset
from benchmark.datasets.verify import verify_data
from benchmark.errors import UserError
from benchmark.video import write_h264
from egox.cameras import Camera, Fisheye624, Pinhole

from .download import EXO_POSES, head_path, numbered

LENS = {"model": "Pinhole", "fx": 420.0, "fy": 420.0, "cx": 227.5, "cy": 127.5}


def content(frames: int = 60) -> dict[str, Any]:
    return {
        "name": "my-lab",
        "clips": [
            {
                "id": "desk_01",
                "take": "desk",
                "place": "lab",
                "first_frame": 5,
                "caption": "A person solders a cable.",
                "exo": [
                    {
                        "name": "tripod",
                        "video": "desk/tripod.mp4",
                        "camera": {
                            "lens": dict(LENS),
                            "width": 456,
                            "height": 256,
                            "world_from_camera": EXO_POSES["cam01"].tolist(),
                        },
                    },
                    {"name": "shelf", "video": "desk/shelf.mp4"},
                ],
                "ego": {"camera": "desk/ego.json", "video": "desk/ego.mp4"},
            }
        ],
    }


def write_folder(root: Path, data: dict[str, Any], *, frames: int = 60) -> Path:
    (root / "desk").mkdir(parents=True)
    write_h264(root / "desk" / "tripod.mp4", numbered(frames, 256, 456), fps=25)
    write_h264(root / "desk" / "shelf.mp4", numbered(frames, 256, 456), fps=25)
    write_h264(root / "desk" / "ego.mp4", numbered(frames, 160, 160), fps=25)
    ego = {"lens": "aria-default", "width": 160, "height": 160, "world_from_camera": head_path(frames).tolist()}
    (root / "desk" / "ego.json").write_text(json.dumps(ego))
    (root / "clips.json").write_text(json.dumps(data))
    return root


def test_the_documented_format_loads(tmp_path: Path):
    data = open_dataset(write_folder(tmp_path / "own", content()))
    assert isinstance(data, Folder)
    assert data.name == "my-lab"
    (row,) = data.manifest("all").rows
    assert (row.take_name, row.place, row.first_frame, row.last_frame) == ("desk", "lab", 5, 53)
    clip = data.clip(row, MINI)
    assert [view.name for view in clip.exo] == ["tripod", "shelf"]
    assert clip.exo[0].camera is not None
    assert isinstance(clip.exo[0].camera.lens, Pinhole)
    assert clip.exo[1].camera is None
    assert clip.caption == "A person solders a cable."
    assert clip.truth is not None
    levels = clip.truth.video.read()[:, 60, 60, 0].astype(float)
    np.testing.assert_allclose(levels, [(16 + 4 * i) % 224 for i in range(5, 54, 3)], atol=2.5)
    assert clip.ego_camera is not None
    assert isinstance(clip.ego_camera.lens, Fisheye624)
    np.testing.assert_allclose(clip.ego_camera.centres, head_path(60)[5:54:3, :3, 3])
    assert "aria-default" in row.pose_source
    assert Input.DEPTH in clip.missing


def test_a_camera_may_be_what_camera_to_json_writes(tmp_path: Path):
    data = content()
    written = Camera(
        lens=Pinhole(fx=100, fy=100, cx=79.5, cy=79.5), width=160, height=160, world_from_camera=head_path(60)
    ).to_json()
    data["clips"][0]["ego"]["camera"] = json.loads(json.dumps(written))
    folder = Folder(write_folder(tmp_path / "own", data))
    camera = folder.clip(folder.manifest("all").rows[0], MINI).ego_camera
    assert camera is not None
    assert camera.lens == Pinhole(fx=100, fy=100, cx=79.5, cy=79.5).resized(0.8, 0.8)


def test_frame_rate_is_told_and_never_resampled(tmp_path: Path):
    data = content()
    data["clips"][0]["fps"] = 25
    folder = Folder(write_folder(tmp_path / "own", data))
    clip = folder.clip(folder.manifest("all").rows[0], MINI)
    assert clip.fps == pytest.approx(25 / 3)
    assert clip.exo[0].video.indices == tuple(range(5, 54, 3))


@pytest.mark.parametrize(("written", "up"), [(None, None), ([0, -2, 0], [0, -1, 0]), ([0, 0.3, 0.4], [0, 0.6, 0.8])])
def test_up_is_unknown_or_a_direction_of_any_length(tmp_path: Path, written: list[float] | None, up: list[float] | None):
    data = content()
    if written is not None:
        data["clips"][0]["up"] = written
    folder = Folder(write_folder(tmp_path / "own", data))
    found = folder.clip(folder.manifest("all").rows[0], MINI).up
    assert (found is None) == (up is None)
    if up is not None:
        np.testing.assert_allclose(found, up)


@pytest.mark.parametrize("form", ["folder", "npz"])
def test_depth_comes_as_a_file_a_frame_or_one_archive(tmp_path: Path, form: str):
    data = content()
    data["clips"][0]["exo"][0]["depth"] = "desk/depth" if form == "folder" else "desk/depth.npz"
    root = write_folder(tmp_path / "own", data)
    maps = np.arange(60, dtype=np.float32)[:, None, None] + np.ones((60, 256, 456), np.float32)
    maps[:, 0, 4] = np.nan
    if form == "folder":
        (root / "desk" / "depth").mkdir()
        for i, depth in enumerate(maps):
            np.save(root / "desk" / "depth" / f"{i:05d}.npy", depth)
    else:
        np.savez(root / "desk" / "depth.npz", depth=maps)
    folder = Folder(root)
    clip = folder.clip(folder.manifest("all").rows[0], MINI)
    depth = clip.exo[0].depth
    assert depth is not None
    assert depth.frame(2).shape == (256, 448)
    assert depth.frame(2)[64, 100] == 5 + 6 + 1
    assert depth.frame(2)[0, 0] == 0  # not a number in the file: unknown
    assert Input.DEPTH not in clip.missing


def test_without_an_ego_video_truth_is_missing_and_generation_is_not(tmp_path: Path):
    data = content()
    del data["clips"][0]["ego"]["video"]
    folder = Folder(write_folder(tmp_path / "own", data))
    clip = folder.clip(folder.manifest("all").rows[0], MINI)
    assert "truth are undefined" in clip.missing[Input.TRUTH]
    assert clip.undefined_for(frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA})) is None


def test_a_null_pose_is_a_reason_with_its_frame(tmp_path: Path):
    root = write_folder(tmp_path / "own", content())
    ego = json.loads((root / "desk" / "ego.json").read_text())
    ego["world_from_camera"][7] = None
    (root / "desk" / "ego.json").write_text(json.dumps(ego))
    folder = Folder(root)
    assert folder.clip(folder.manifest("all").rows[0], MINI).missing[Input.EGO_CAMERA] == "pose missing at frame 7"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d["clips"][0].update(captoin="x"), "clips[0]: Object contains unknown field `captoin`"),
        (lambda d: d["clips"][0].pop("ego"), "missing required field `ego`"),
        (lambda d: d["clips"][0].update(id="../x"), "must be a plain file name"),
        (lambda d: d["clips"][0].update(first_frame="3"), "Expected `int`, got `str`"),
        (lambda d: d["clips"][0].update(exo=[]), "needs an exo view"),
        (lambda d: d["clips"][0].update(up=[0, 0]), "up is [0.0, 0.0], expected three finite numbers, not all 0"),
        (lambda d: d["clips"][0].update(up=[0, 0, 0]), "expected three finite numbers, not all 0"),
        (lambda d: d["clips"][0].update(up=[0, float("nan"), 1]), "expected three finite numbers, not all 0"),
        (lambda d: d["clips"][0].update(up="z"), "Expected `array | null`, got `str` - at `$.up`"),
        (lambda d: d.update(schema=9), "schema 9"),
        (lambda d: d["clips"].append(d["clips"][0]), "comes twice"),
    ],
)
def test_a_fault_in_clips_json_is_one_sentence(tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], words: str):
    data = content()
    spoil(data)
    with pytest.raises(UserError, match=re.escape(words)):
        Folder(write_folder(tmp_path / "own", data)).manifest("all")


@pytest.mark.parametrize(
    ("spoil", "need", "words"),
    [
        (lambda c: c["exo"][0].update(video="/etc/passwd"), Input.EXO_VIDEO, "leaves the folder"),
        (lambda c: c["exo"][0].update(video="desk/none.mp4"), Input.EXO_VIDEO, "desk/none.mp4: cannot be read"),
        (lambda c: c["exo"][0]["camera"].update(width=784), Input.EXO_CAMERA, "camera is for 784x256, its video is 456x256"),
        (lambda c: c["exo"][0]["camera"]["lens"].update(model="Pinhoel"), Input.EXO_CAMERA, "'Pinhoel' is not one of"),
        (lambda c: c["exo"][0]["camera"].update(world_from_camera=[[1, 0], [0, 1]]), Input.EXO_CAMERA, "must be one 4x4 matrix"),
        (lambda c: c["ego"].update(camera="desk/none.json"), Input.EGO_CAMERA, "none.json: cannot be read"),
        (lambda c: c.update(first_frame=20), Input.EGO_CAMERA, "pose missing at frame 60"),
        (lambda c: c["ego"].update(video="desk/tripod.mp4"), Input.TRUTH, "expected a square"),
    ],
)
def test_a_fault_of_one_clip_is_its_reason(tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], need: Input, words: str):
    data = content()
    spoil(data["clips"][0])
    folder = Folder(write_folder(tmp_path / "own", data))
    assert words in folder.clip(folder.manifest("all").rows[0], MINI).missing[need]


def test_verify_lists_a_short_video_and_small_pictures(tmp_path: Path):
    root = write_folder(tmp_path / "own", content())
    write_h264(root / "desk" / "ego.mp4", numbered(30, 160, 160), fps=25)
    told = [p.what for p in Folder(root).verify(progress=lambda *_: None)]
    assert any("ego.mp4: decodes to 30 frames, 54 are wanted" in what for what in told)
    assert any("smaller than the full canvas" in what for what in told)
    clip = Folder(root).clip(Folder(root).manifest("all").rows[0], FULL)
    assert "smaller than the full canvas" in clip.missing[Input.EXO_VIDEO]


def test_the_example_of_the_documentation_is_read(tmp_path: Path):
    """docs/data.md shows a clips.json: it must parse as it stands."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text()
    block = re.search(r"```json\n(\{\n  \"name\".*?)```", text, re.DOTALL)
    assert block is not None
    (tmp_path / "clips.json").write_text(block[1])
    rows = Folder(tmp_path).manifest("all").rows
    assert rows[0].clip_id


def problems(root: Path) -> list[Problem]:
    return list(Folder(root).verify(progress=lambda *_: None))


def test_one_bad_clip_hides_no_other_from_verify(tmp_path: Path):
    data = content()
    clip = data["clips"][0]
    data["clips"] = [{**clip, "captoin": "x"}, {**clip, "first_frame": "3"}, {**clip, "ego": {"camera": "desk/none.json"}}, clip]
    root = write_folder(tmp_path / "own", data)
    report = verify_data(root, progress=lambda *_: None)
    told = [p.what for p in report.problems if p.severity is Severity.ERROR]
    for words in (
        "clips[0]: Object contains unknown",
        "clips[1]: Expected `int`",
        "desk/none.json: cannot be read",
        "comes twice",
    ):
        assert sum(words in what for what in told) == 1, (words, told)
    with pytest.raises(UserError, match=re.escape("clips[0]: Object contains") + r".*\(2 more: see"):
        Folder(root).manifest("all")
    (root / "clips.json").write_text('{"clips": 5}')
    report = verify_data(root, progress=lambda *_: None)
    assert (report.dataset, report.errors) == ("folder", 1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda c: c["exo"][0]["camera"]["lens"].update(model="Pinhoel"), "'Pinhoel' is not one of"),
        (lambda c: c["exo"][0]["camera"]["lens"].update(fx=0), "focal"),
        (lambda c: c["exo"][0]["camera"].update(world_from_camera=np.zeros((4, 4)).tolist()), "not a rotation"),
        (lambda c: c["exo"][0].update(depth="desk/none"), "desk/none/00005.npy is not there"),
        (lambda c: c["exo"][0].update(depth="desk/none.npz"), "desk/none.npz is not there"),
        (lambda c: c.update(ego_prior="desk/none.mp4"), "desk/none.mp4: cannot be read"),
        (lambda c: c["exo"][1].update(video="desk/none.mp4"), "desk/none.mp4: cannot be read"),
        (lambda c: c["exo"][1].update(depth="desk/none"), "desk/none/00005.npy is not there"),
    ],
)
def test_what_is_named_and_cannot_be_read_is_one_error_of_verify(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], words: str
):
    data = content()
    spoil(data["clips"][0])
    told = [p.what for p in problems(write_folder(tmp_path / "own", data)) if p.severity is Severity.ERROR]
    assert len(told) == 1, told
    assert words in told[0]


def test_what_is_not_named_is_not_worth_a_word(tmp_path: Path):
    data = content()
    del data["clips"][0]["caption"]
    del data["clips"][0]["exo"][0]["camera"]
    del data["clips"][0]["ego"]["video"]
    told = [p.what for p in problems(write_folder(tmp_path / "own", data))]
    assert len(told) == 2, told
    assert "smaller than the full canvas" in told[0]
    assert "aria-default" in told[1]


@pytest.mark.parametrize(
    ("height", "width", "words"),
    [(128, 228, "228x128 is smaller than the mini canvas"), (300, 400, "342 px wide at height 256, the mini canvas has 448")],
    ids=["too low", "too narrow"],
)
def test_a_video_that_does_not_fit_the_mini_canvas_either_is_not_sent_there(tmp_path: Path, height: int, width: int, words: str):
    data = content()
    camera = data["clips"][0]["exo"][0]["camera"]
    camera.update(width=width, height=height)
    camera["lens"].update(fx=210.0, fy=210.0, cx=width / 2 - 0.5, cy=height / 2 - 0.5)
    folder = write_folder(tmp_path / "own", data)
    write_h264(folder / "desk" / "tripod.mp4", numbered(60, height, width), fps=25)
    told = problems(folder)
    assert any(words in one.what and one.severity is Severity.ERROR for one in told)
    assert not any("full canvas" in one.what for one in told)
