"""Which splits a check can vouch for: those that ship, and those with a number of clips where making them is cheap."""

from __future__ import annotations

import pytest

from leaderboard.submission.known import MOST_CLIPS, shipped


def test_a_split_with_a_number_of_clips_is_vouched_for():
    few, split, more = (shipped().manifest("sim-2", name) for name in ("unseen:24", "unseen", "unseen:26"))
    assert few is not None
    assert split is not None
    assert more is not None
    assert few.digest == split.digest
    assert {row.clip_id for row in split.rows} < {row.clip_id for row in more.rows}


@pytest.mark.parametrize(
    "name", [f"train:{MOST_CLIPS + 1}", "unseen:241", "unseen:" + "9" * 5000, "seen:121", "unseen:many", "nonsense"]
)
def test_a_split_that_is_none_or_costs_too_much_is_not(name):
    assert shipped().manifest("sim-2", name) is None


def test_a_dataset_that_does_not_ship_is_not_known():
    assert shipped().manifest("ego-exo4d", "unseen") is None
