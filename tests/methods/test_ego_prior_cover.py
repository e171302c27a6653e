"""What the ego prior covers: the method's own valid pixels, under a key that its code and defaults decide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmark.box_room import box_room_clip
from benchmark.clip import Input, inputs_for
from benchmark.cover import cover_source
from benchmark.errors import Undefined
from methods.ego_prior import SPEC, Options
from methods.ego_prior.adapter import EgoPriorMethod
from methods.ego_prior.cover import EgoPriorCover


def test_the_installed_source_is_the_ego_prior():
    assert isinstance(cover_source(), EgoPriorCover)


def test_what_is_not_covered_is_black_in_the_method_s_output():
    clip = box_room_clip("c", frames=2, ego_side=64)
    cover = EgoPriorCover().cover(clip)
    assert cover.shape == (2, 64, 64)
    assert cover.dtype == np.bool_
    assert 0.2 < cover.mean() < 0.9
    assert clip.ego_camera
    assert not cover[:, ~clip.ego_camera.visible()].any()
    picture = EgoPriorMethod(Options()).generate(inputs_for(clip, needs=SPEC.needs, optional=SPEC.optional), seed=0)
    assert not picture[~cover].any()
    assert picture[cover].any(-1).mean() > 0.99


def test_a_clip_without_depth_has_no_cover():
    clip = box_room_clip("c", frames=2, ego_side=64)
    with pytest.raises(Undefined, match="no depth here"):
        EgoPriorCover().cover(dataclasses.replace(clip, missing={Input.DEPTH: "no depth here"}))


def test_the_key_follows_code_and_version(monkeypatch: pytest.MonkeyPatch):
    key = EgoPriorCover().key
    assert key == EgoPriorCover().key
    monkeypatch.setattr("methods.ego_prior.cover.SPEC", dataclasses.replace(SPEC, version=f"{SPEC.version}+1"))
    assert EgoPriorCover().key != key
    monkeypatch.setattr("methods.ego_prior.cover.SPEC", dataclasses.replace(SPEC, sources=()))
    assert EgoPriorCover().key != key
