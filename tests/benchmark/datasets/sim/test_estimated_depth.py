"""The dataset hands out estimated depth to every method alike; exact depth has a name of its own."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.canvas import FULL, MINI
from benchmark.clip import Clip, Input, inputs_for
from benchmark.datasets.opening import open_dataset
from benchmark.datasets.sim import depth_estimator
from benchmark.datasets.sim.catalogue import NAME
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.errors import UserError
from benchmark.splits.manifest import Row


@pytest.fixture(scope="module")
def estimated(sim: SimDataset, row: Row) -> Clip:
    """The clip by a dataset with estimated depth, over the same cache."""
    return SimDataset(sim.root.parent).clip(row, MINI)


def test_sim_is_estimated_and_true_depth_is_asked_for_by_name():
    plain, exact = open_dataset("sim"), open_dataset("sim:true-depth")
    assert (plain.name, exact.name) == (NAME, f"{NAME}-true-depth")
    assert isinstance(plain, SimDataset)
    assert isinstance(exact, SimDataset)
    assert (plain.depth, exact.depth) == ("estimated", "true")
    assert plain.root == exact.root, "what is rendered is the same"
    with pytest.raises(UserError, match="unknown simulated data 'sim:true_depth'; did you mean 'sim:true-depth'"):
        open_dataset("sim:true_depth")


@pytest.mark.parametrize("split", ["val", "all", "train:5"])
def test_splits_of_both_have_the_same_rows_and_names_of_their_own(split: str):
    plain, exact = SimDataset().manifest(split), SimDataset(depth="true").manifest(split)
    assert plain.digest == exact.digest
    assert (plain.dataset, exact.dataset) == (NAME, f"{NAME}-true-depth"), "tables never mix them"


def test_every_exo_view_has_estimated_depth_and_its_twin(estimated: Clip, clip: Clip):
    assert len(estimated.exo) == 4
    for wrong, right in zip(estimated.exo[:1], clip.exo[:1], strict=True):
        assert wrong.depth is not None
        assert wrong.disparity is not None
        assert right.depth is not None
        z, guess, relative = right.depth.frame(3), wrong.depth.frame(3), wrong.disparity.frame(3)
        assert guess.shape == relative.shape == z.shape == (256, 448)
        assert (guess > 0).sum() == (z > 0).sum()
        assert 0.01 < np.median(np.abs(guess / z - 1)) < 0.6
        assert np.corrcoef(1 / z[z > 0], relative[z > 0])[0, 1] > 0.97
    assert all(view.disparity is not None for view in estimated.exo)
    assert len({view.depth.key for view in (*estimated.exo, *clip.exo) if view.depth}) == 8


def test_pictures_masks_and_truth_are_those_of_exact_depth(estimated: Clip, clip: Clip):
    assert [view.video.key for view in estimated.exo] == [view.video.key for view in clip.exo]
    assert [view.masks.key for view in estimated.exo if view.masks] == [view.masks.key for view in clip.exo if view.masks]
    for each in (estimated, clip):
        assert each.truth is not None
        assert each.truth.depth is not None
        assert each.truth.depth.key.startswith("depth:") or len(each.truth.depth.key) == 16
        assert each.truth.disparity is None
    assert estimated.truth is not None
    assert estimated.truth.depth is not None
    assert clip.truth is not None
    assert clip.truth.depth is not None
    assert estimated.truth.depth.key == clip.truth.depth.key
    assert clip.exo[0].disparity is None, "exact depth needs no twin"


def test_a_method_that_asks_for_depth_gets_both(estimated: Clip):
    inputs = inputs_for(estimated, needs=frozenset({Input.EXO_VIDEO, Input.DEPTH}))
    assert inputs.exo[0].depth is estimated.exo[0].depth
    assert inputs.exo[0].disparity is estimated.exo[0].disparity
    assert inputs_for(estimated, needs=frozenset({Input.EXO_VIDEO})).exo[0].disparity is None


def test_the_same_clip_gives_the_same_bytes_again(estimated: Clip, sim: SimDataset, row: Row):
    again = SimDataset(sim.root.parent).clip(row, MINI)
    for what in ("depth", "disparity"):
        first, second = getattr(estimated.exo[0], what), getattr(again.exo[0], what)
        assert first.key == second.key
        assert first.frame(5).tobytes() == second.frame(5).tobytes()


def test_the_estimator_is_part_of_the_inputs_digest_and_not_of_the_truths(row: Row, monkeypatch: pytest.MonkeyPatch):
    plain, exact = SimDataset(), SimDataset(depth="true")
    for canvas in (MINI, FULL):
        before, right = plain.digests(row, canvas), exact.digests(row, canvas)
        assert right.inputs == right.truth == before.truth
        assert before.inputs != before.truth
    monkeypatch.setattr(depth_estimator, "VERSION", "next")
    after = plain.digests(row, FULL)
    assert after.inputs != before.inputs
    assert after.truth == before.truth
    assert exact.digests(row, FULL) == right
