"""Takes that share a place, a capture or a wearer stay together, unless wearers tie most of the data into one knot."""

from pathlib import Path

from benchmark.datasets.egoexo4d_layout import Take
from benchmark.splits.grouping import ALL_LINKS, PLACE_LINKS, connected, group_takes


def take(uid: str, *, place: str = "", capture: str = "", participant: str = "") -> Take:
    return Take(
        uid=uid, name=uid, folder=Path(), exo=(), aria=None, place=place, capture_uid=capture, participant=participant
    )  # fmt: skip


def test_takes_are_linked_through_other_takes():
    takes = [
        take("a", place="1", participant="p"),
        take("b", place="2", participant="p", capture="x"),
        take("c", place="3", capture="x"),
        take("d", place="4"),
    ]
    assert connected(takes, ALL_LINKS) == {"a": "place 1", "b": "place 1", "c": "place 1", "d": "place 4"}
    assert connected(takes, PLACE_LINKS) == {"a": "place 1", "b": "place 2", "c": "place 2", "d": "place 4"}


def test_unknown_places_and_wearers_link_nothing():
    assert len(set(connected([take("a"), take("b"), take("c", capture="x")], ALL_LINKS).values())) == 3


def test_a_place_and_a_capture_of_the_same_number_are_different_things():
    assert len(set(connected([take("a", place="7"), take("b", capture="7")], ALL_LINKS).values())) == 2


def test_wearers_are_dropped_as_links_when_one_group_swallows_over_40_percent():
    knot = [take(f"k{i}", place=f"k{i}", participant="everywhere") for i in range(5)]
    rest = [take(f"r{i}", place=f"r{i}", participant=f"r{i}") for i in range(5)]
    grouping = group_takes([*knot, *rest])
    assert grouping.links == PLACE_LINKS
    assert grouping.share_with_wearers == 0.5
    assert len(set(grouping.of.values())) == 10


def test_wearers_link_as_long_as_no_group_is_larger_than_40_percent():
    pair = [take(f"k{i}", place=f"k{i}", participant="both") for i in range(4)]
    rest = [take(f"r{i}", place=f"r{i}", participant=f"r{i}") for i in range(6)]
    grouping = group_takes([*pair, *rest])
    assert grouping.links == ALL_LINKS
    assert len(set(grouping.of.values())) == 7


def test_wearers_still_link_where_one_place_is_most_of_the_data_anyway():
    hall = [take(f"h{i}", place="hall", participant=f"h{i}") for i in range(6)]
    pair = [take(f"p{i}", place=f"p{i}", participant="both") for i in range(2)]
    grouping = group_takes([*hall, *pair])
    assert grouping.links == ALL_LINKS
    assert len(set(grouping.of.values())) == 2
