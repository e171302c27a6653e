"""Pose faithfulness on recorded footage: the truth moves as its poses say, and far better than the same video shifted."""

from __future__ import annotations

import pytest

from benchmark.canvas import FULL
from benchmark.datasets.opening import open_dataset
from benchmark.metrics.extractors.ego_motion import EgoMotion
from benchmark.metrics.pose import pose_rotation

FLOOR_DEG = {"cmu_soccer06_6_877_925": 0.8, "iiith_cooking_57_2_2451_2499": 0.2, "sfu_covid_009_4_2000_2048": 0.1}
"""What the truth's own median rotation error stays below, with room over 0.58, 0.11 and 0.05 degrees as measured."""


@pytest.mark.samples
@pytest.mark.parametrize("name", FLOOR_DEG)
def test_the_truths_rotation_error_is_well_under_that_of_the_video_three_frames_late(samples, name):
    dataset = open_dataset(str(samples / "egoexo4D"))
    (row,) = [row for row in dataset.manifest("all").rows if row.clip_id == name]
    clip = dataset.clip(row, FULL)
    assert clip.truth is not None
    assert clip.ego_camera is not None
    frames, camera = clip.truth.video.read(), clip.ego_camera
    late = camera.select(range(len(frames) - 3))
    own = pose_rotation(EgoMotion({}, "cpu")(frames, fps=clip.fps, ego_camera=camera), ego_camera=camera).value
    shifted = pose_rotation(EgoMotion({}, "cpu")(frames[3:], fps=clip.fps, ego_camera=late), ego_camera=late).value
    assert own is not None
    assert shifted is not None
    assert own < FLOOR_DEG[name]
    assert shifted > 8 * own
