"""The ego prior on the simulated world: exact depth puts everything in its place, estimated depth is aligned and scaled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.canvas import MINI
from benchmark.datasets.sim.catalogue import take_of
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.datasets.sim.layout import WindowFiles
from egox.cameras import Camera
from egox.depth import DepthEstimate
from egox.depth.scale import head_gauge
from egox.prior import ego_prior

from .prior_on_sim import Agreement, agreement, moving_ids

CLIPS = ("sim_val_kitchen0005_1_637_685", "sim_val_lab0009_1_138_186")
FAR_OFF = "sim_val_lab0009_1_387_435"
"""Its estimated depth is off by a quarter: there is something to align."""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sim")


@pytest.fixture(scope="module")
def exact(rendered: Path) -> list[Agreement]:
    data = SimDataset(rendered, depth="true")
    found = []
    for row in (row for row in data.manifest("val").rows if row.clip_id in CLIPS):
        clip = data.clip(row, MINI)
        names = WindowFiles.of(data.root, take_of(row).name, row.first_frame, MINI).names
        found.append(agreement(clip, moving_ids(names.read_bytes()), every=8))
    assert len(found) == len(CLIPS)
    return found


@pytest.mark.slow
def test_the_prior_from_exact_depth_is_the_exo_picture_read_at_the_right_places(exact):
    for clip in exact:
        assert clip.between > 35
        assert clip.same_prior > clip.same_lookup - 0.5
        assert clip.same > 0.85


@pytest.mark.slow
def test_where_the_exo_picture_is_sharp_enough_the_prior_of_these_clips_agrees_with_the_ego_picture_to_28_db(exact):
    for clip in exact:
        assert clip.sharp_prior > 28


@pytest.mark.slow
def test_alignment_brings_estimated_depth_closer_to_the_truth_in_every_frame(rendered):
    estimated, true = SimDataset(rendered), SimDataset(rendered, depth="true")
    row = next(row for row in true.manifest("val").rows if row.clip_id == FAR_OFF)
    view, truth_m = estimated.clip(row, MINI).exo[0], _depth(true.clip(row, MINI))
    estimate = DepthEstimate(metric_m=view.depth.read(), disparity=view.disparity.read())
    clip = estimated.clip(row, MINI)
    prior = ego_prior(view.video.read(), estimate, view.camera, clip.ego_camera, up=clip.up)
    raw, ours = _off(estimate.metric_m, truth_m), _off(prior.depth_m, truth_m)
    assert (ours < raw).mean() > 0.9
    assert np.median(ours) < 0.6 * np.median(raw)
    assert np.abs(np.diff(ours)).mean() < np.abs(np.diff(raw)).mean()  # without the flicker


@pytest.mark.slow
def test_the_wearers_head_reads_the_scale_of_exact_depth_within_ten_percent(rendered):
    data = SimDataset(rendered, depth="true")
    for row in (row for row in data.manifest("val").rows if row.clip_id in CLIPS):
        clip = data.clip(row, MINI)
        assert isinstance(clip.ego_camera, Camera)
        for factor in (0.7, 1.0, 1.4):
            gauge = head_gauge(_depth(clip) / np.float32(factor), clip.exo[0].camera, clip.ego_camera)
            assert gauge.scale == pytest.approx(factor, rel=0.1)


def _depth(clip):
    return clip.exo[0].depth.read()


def _off(depth_m, truth_m):
    """Median of |true inverse depth relative to ours - 1| of each frame."""
    known = (depth_m > 0) & (truth_m > 0)
    return np.array([np.median(np.abs(t[k] / d[k] - 1)) for d, t, k in zip(depth_m, truth_m, known)])
