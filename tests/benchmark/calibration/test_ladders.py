from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import pytest

from benchmark.calibration.ladders import LADDERS, Ladder, ladders_named
from benchmark.cli import calibrate
from benchmark.clip import Input
from benchmark.errors import Undefined, UserError

from .subjects import PRIOR, subject

BY_ID = {ladder.id: ladder for ladder in LADDERS}


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: ladder.id)
def test_level_zero_is_the_truth_itself(ladder: Ladder):
    whole = subject()
    assert ladder.levels[0] == 0
    assert list(ladder.levels) == sorted(set(ladder.levels))
    assert ladder.apply(whole, 0, rng()) is whole.frames


@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: ladder.id)
def test_every_level_is_a_video_like_the_truth_and_the_same_twice(ladder: Ladder):
    whole = subject()
    for level in ladder.measured:
        out = ladder.apply(whole, level, rng())
        assert (out.shape, out.dtype) == (whole.frames.shape, np.uint8)
        assert not np.array_equal(out, whole.frames)
        assert np.array_equal(out, ladder.apply(whole, level, rng()))


@pytest.mark.parametrize("ladder", [ladder for ladder in LADDERS if ladder.of == "frames"], ids=lambda ladder: ladder.id)
def test_the_last_level_is_further_from_the_truth_than_the_first(ladder: Ladder):
    whole = subject()
    ends = (ladder.measured[0], ladder.measured[-1])
    first, last = (np.abs(ladder.apply(whole, level, rng()).astype(float) - whole.frames).mean() for level in ends)
    assert last > first > 0


def test_a_constant_turn_is_one_turn_and_jitter_is_one_a_frame():
    whole = subject()
    whole = dataclasses.replace(whole, frames=whole.frames[[0] * 5])
    turned = BY_ID["turn"].apply(whole, 5, rng())
    jittered = BY_ID["jitter"].apply(whole, 5, rng())
    assert np.array_equal(turned[0], turned[1])
    assert not np.array_equal(jittered[0], jittered[1])


def test_shuffled_pairing_shows_the_other_clip_and_the_copied_prior_the_prior():
    whole = subject()
    assert whole.other is not None
    assert whole.other.truth is not None
    assert np.array_equal(BY_ID["swap"].apply(whole, 1, rng()), whole.other.truth.video.read())
    assert BY_ID["prior"].apply(whole, 1, rng()) is PRIOR


def test_what_a_clip_lacks_is_undefined_with_its_reason():
    whole = subject()
    with pytest.raises(Undefined, match="the split has no other clip"):
        BY_ID["swap"].apply(dataclasses.replace(whole, other=None), 1, rng())
    missing = MappingProxyType({Input.EGO_CAMERA: "pose missing at frame 7"})
    blind = dataclasses.replace(whole, clip=dataclasses.replace(whole.clip, ego_camera=None, missing=missing))
    with pytest.raises(Undefined, match="pose missing at frame 7"):
        BY_ID["turn"].apply(blind, 1, rng())


def test_ladders_are_chosen_by_name_and_kept_in_order():
    assert ladders_named(None) == LADDERS
    assert [ladder.id for ladder in ladders_named(["turn", "blur"])] == ["blur", "turn"]
    with pytest.raises(UserError, match="unknown ladder 'jiter'; did you mean 'jitter'"):
        ladders_named(["jiter"])


def test_the_command_names_the_ladders_that_there_are():
    assert tuple(ladder.id for ladder in LADDERS) == calibrate.LADDERS
    assert all(f"{name}:" in (calibrate.command.__doc__ or "") for name in calibrate.LADDERS)
