"""What --clips and --limit choose."""

import pytest

from benchmark.errors import UserError
from benchmark.splits.manifest import Manifest, Row
from benchmark.splits.selection import select

MANIFEST = Manifest.of(
    "seen", "egoexo4d",
    [
        Row(clip_id=f"take_{n}_{n + 48}", take_uid="u", take_name="take", first_frame=n, last_frame=n + 48, exo_cam="")
        for n in (300, 100, 200)
    ],
)  # fmt: skip


def ids(**options) -> list[str]:
    return [row.clip_id for row in select(MANIFEST, **options)]


def test_all_clips_in_the_order_of_ids_where_nothing_is_asked():
    assert ids() == ["take_100_148", "take_200_248", "take_300_348"]


def test_a_smaller_limit_chooses_some_of_what_a_larger_one_does():
    assert ids(limit=1) == ids(limit=2)[:1] == ["take_100_148"]
    assert len(ids(limit=10)) == 3


def test_named_clips_come_in_the_order_of_the_split_and_before_the_limit():
    assert ids(clips=["take_300_348", "take_200_248"]) == ["take_200_248", "take_300_348"]
    assert ids(clips=["take_300_348", "take_200_248"], limit=1) == ["take_200_248"]


def test_an_unknown_clip_is_named_with_the_nearest_one():
    with pytest.raises(UserError, match="unknown clip of split 'seen' 'take_100_149'; did you mean 'take_100_148'"):
        select(MANIFEST, clips=["take_100_149"])


def test_a_limit_below_one_is_refused():
    with pytest.raises(UserError, match="--limit 0: give 1 or more"):
        select(MANIFEST, limit=0)
