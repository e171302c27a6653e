"""`egox-bench data show` from outside: what is written, what is said, and what happens to clips that lack something."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.canvas import FULL, MINI
from benchmark.datasets.opening import open_dataset
from benchmark.showing.drawing import time_colour
from benchmark.showing.pictures import to_shown
from benchmark.showing.sheet import TURN_FPS, TURN_S, TURN_SIZE, WIDTH, cloud_note, panels, sheet
from benchmark.showing.show import gather
from benchmark.video import decoded_frames
from tests.box_folder import write_box_folder

COMMAND = str(Path(sys.executable).with_name("egox-bench"))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("boxes"), clips=2)


def show(data: Path, clip: str, out: Path, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    asked = ["data", "show", clip, "--data", data, "--protocol", "mini", "--out", out, *words]
    done = subprocess.run([COMMAND, *map(str, asked)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def changed(boxes: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the folder whose first clip is changed."""
    data = json.loads((boxes / "clips.json").read_text())
    change(data["clips"][0])
    shutil.copytree(boxes, folder)
    (folder / "clips.json").write_text(json.dumps(data))
    return folder


@pytest.mark.slow
def test_a_clip_is_drawn_with_its_numbers_and_a_turntable(boxes: Path, tmp_path: Path):
    done = show(boxes, "b0", tmp_path)
    still, turn = tmp_path / "b0.png", tmp_path / "b0_turn.mp4"
    assert sorted(tmp_path.iterdir()) == [still, turn]
    assert done.stdout.splitlines()[0] == "b0"
    assert "m to the head" in done.stdout
    assert done.stdout.splitlines()[-2:] == [str(still), str(turn)]
    assert Image.open(still).size[0] == WIDTH
    frames = list(decoded_frames(turn))
    assert len(frames) == TURN_S * TURN_FPS
    assert frames[0].shape == (TURN_SIZE[1], TURN_SIZE[0], 3)
    assert np.abs(frames[0].astype(int) - frames[len(frames) // 2]).mean() > 2, "it turns"


def test_the_head_is_marked_in_the_written_picture_where_the_camera_says(boxes: Path, tmp_path: Path):
    show(boxes, "b1", tmp_path, "--frame", 5, "--no-turntable")
    dataset = open_dataset(boxes)
    clip = dataset.clip(dataset.manifest("all").rows[1], MINI)
    exo, ego, panel = clip.exo[0].camera, clip.ego_camera, panels()["exo"]
    assert exo is not None
    assert ego is not None
    scale = min(panel.width / exo.width, panel.height / exo.height)
    corner = ((panel.width - round(exo.width * scale)) // 2, (panel.height - round(exo.height * scale)) // 2)
    at = to_shown(exo.project(ego.centres[5], 5), scale, (float(corner[0]), float(corner[1]))) + [panel.left, panel.top]
    u, v = np.rint(at).astype(int)
    page = np.asarray(Image.open(tmp_path / "b1.png").convert("RGB"))
    assert page[v, u].tolist() == list(time_colour(5, 17))


def test_numbers_come_as_json(boxes: Path, tmp_path: Path):
    said = json.loads(show(boxes, "b0", tmp_path, "--no-turntable", "--json").stdout)
    assert (said["clip"], said["frames"], said["frame"], said["canvas"]) == ("b0", 17, 8, "mini")
    assert said["files"] == [str(tmp_path / "b0.png")]
    assert said["exo"][0]["in_picture"] == 17
    (hint,) = said["hints"]
    assert "depth off by a factor, something before the head" in hint, "nobody stands in this room: its depth is that of the wall"
    assert 0.5 < said["exo"][0]["distance_m"] < 5


def test_a_wrong_name_split_or_frame_is_told(boxes: Path, tmp_path: Path):
    assert "unknown clip 'b00'; did you mean 'b0'" in show(boxes, "b00", tmp_path, code=2).stderr
    assert "unknown clip 'kitchen'; it has 'b0', 'b1' (split 'all')" in show(boxes, "kitchen", tmp_path, code=2).stderr
    assert "unknown split" in show(boxes, "b0", tmp_path, "--split", "al", code=2).stderr
    assert "frames 0..16 on the mini canvas" in show(boxes, "b0", tmp_path, "--frame", 17, code=2).stderr
    assert not list(tmp_path.iterdir())


def without_a_pose(clip: dict[str, Any]) -> None:
    clip["ego"]["camera"]["world_from_camera"][7] = None


def without_exo_camera(clip: dict[str, Any]) -> None:
    del clip["exo"][0]["camera"]


def without_depth_and_truth(clip: dict[str, Any]) -> None:
    del clip["exo"][0]["depth"], clip["ego"]["video"]


def with_an_absent_video(clip: dict[str, Any]) -> None:
    clip["exo"][0]["video"] = "b0/absent.mkv"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (without_a_pose, 1, "not drawn, ego camera: pose missing at frame 7"),
        (without_exo_camera, 1, "no camera is given"),
        (with_an_absent_video, 1, "not drawn, exo video: "),
        (without_depth_and_truth, 0, "no depth is given"),
    ],
)
def test_what_a_clip_lacks_is_told_and_the_rest_drawn(
    boxes: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], code: int, said: str
):
    folder = changed(boxes, tmp_path / "own", change)
    done = show(folder, "b0", tmp_path / "out", "--no-turntable", code=code)
    assert said in done.stderr
    assert Image.open(tmp_path / "out" / "b0.png").size[0] == WIDTH


def test_a_clip_without_any_camera_has_no_turntable_and_says_so(boxes: Path, tmp_path: Path):
    def change(clip: dict[str, Any]) -> None:
        without_a_pose(clip)
        without_exo_camera(clip)

    done = show(changed(boxes, tmp_path / "own", change), "b0", tmp_path / "out", code=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b0.png"]
    assert "no turntable: no camera is known" in done.stderr


def test_without_depth_the_picture_says_that_there_is_no_cloud(boxes: Path, tmp_path: Path):
    dataset = open_dataset(changed(boxes, tmp_path / "own", without_depth_and_truth))
    material = gather(dataset.clip(dataset.manifest("all").rows[0], MINI), canvas=MINI, frame=0)
    assert material.scene.cloud is None
    assert cloud_note(material) == "no depth, so no point cloud"
    assert cloud_note(gather(dataset.clip(dataset.manifest("all").rows[1], MINI), canvas=MINI, frame=0)).endswith("not rescaled")


def test_equal_clips_give_equal_sheets(boxes: Path):
    dataset = open_dataset(boxes)
    first, second = (sheet(gather(dataset.clip(dataset.manifest("all").rows[0], MINI), canvas=MINI, frame=3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.samples
def test_in_recorded_clips_the_head_is_in_the_exo_picture(samples: Path):
    dataset = open_dataset(samples / "egoexo4D")
    for row in dataset.manifest("all").rows:
        figures = gather(dataset.clip(row, FULL), canvas=FULL, frame=24).figures
        assert figures.exo[0].in_picture == 49
        assert figures.head is not None
        assert abs(figures.head.roll_deg) < 20
        assert -60 < figures.head.pitch_deg < 0
