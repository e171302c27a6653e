"""Shuffled pairing: a bijection that leaves places, or takes, or at least clips."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.splits.manifest import Row
from benchmark.splits.pairing import partners


def rows(places: Sequence[str], takes: Sequence[str] | None = None) -> list[Row]:
    return [
        Row(
            clip_id=f"c{i:02d}",
            take_uid=take,
            take_name=take,
            first_frame=49 * i,
            last_frame=49 * i + 48,
            exo_cam="cam01",
            place=place,
        )
        for i, (place, take) in enumerate(zip(places, takes or [f"t{i}" for i in range(len(places))]))
    ]


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=20), st.lists(st.sampled_from("xyz"), min_size=20, max_size=20))
def test_every_clip_is_used_once_and_never_its_own_partner(places, takes):
    given_rows = rows(places, takes[: len(places)])
    found = partners(given_rows)
    assert sorted(found) == sorted(row.clip_id for row in found.values()) == [row.clip_id for row in given_rows]
    assert all(name != row.clip_id for name, row in found.items())
    assert partners(given_rows[::-1]) == found


@pytest.mark.parametrize("places", ["aabb", "aaabbc", "abcd", "aabbccdd"])
def test_where_no_place_has_more_than_half_of_the_clips_every_partner_is_of_another_place(places):
    given_rows = rows(places)
    place_of = {row.clip_id: row.place for row in given_rows}
    assert all(place_of[name] != row.place for name, row in partners(given_rows).items())


def test_in_one_place_partners_are_of_another_take():
    given_rows = rows("aaaa", ["t1", "t1", "t2", "t2"])
    take_of = {row.clip_id: row.cluster for row in given_rows}
    assert all(take_of[name] != row.cluster for name, row in partners(given_rows).items())


def test_a_single_clip_has_no_partner():
    assert partners(rows("a")) == {}


def test_two_views_of_one_window_are_never_partners():
    first, second, *others = rows("aaaa", ["t", "t", "t", "t"])
    same = [first, msgspec.structs.replace(second, first_frame=first.first_frame, last_frame=first.last_frame), *others]
    windows = {row.clip_id: row.first_frame for row in same}
    assert all(windows[name] != row.first_frame for name, row in partners(same).items())
    assert partners(same[:2]) == {}
