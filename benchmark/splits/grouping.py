"""Which takes must stay together: those that share a place, a capture or a wearer, directly or through other takes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..datasets.egoexo4d_layout import Take

ALL_LINKS = ("place", "capture", "participant")
PLACE_LINKS = ("place", "capture")
LARGEST_SHARE = 0.4
"""Where wearers link more than this share of all takes into one group, groups are formed without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The group of every take. links: what formed the groups. share_with_wearers: largest group's share with all links."""

    of: Mapping[str, str]
    links: tuple[str, ...]
    share_with_wearers: float


def group_takes(takes: Sequence[Take], *, largest_share: float = LARGEST_SHARE) -> Grouping:
    """Group by place, capture and wearer; by place and capture alone where wearers tie too many takes into one group."""
    full, places = connected(takes, ALL_LINKS), connected(takes, PLACE_LINKS)
    share = _largest(full) / max(len(takes), 1)
    if share <= largest_share or _largest(places) == _largest(full):
        return Grouping(of=MappingProxyType(full), links=ALL_LINKS, share_with_wearers=share)
    return Grouping(of=MappingProxyType(places), links=PLACE_LINKS, share_with_wearers=share)


def _largest(groups: Mapping[str, str]) -> int:
    return max(Counter(groups.values()).values(), default=0)


def connected(takes: Sequence[Take], links: Sequence[str]) -> dict[str, str]:
    """Take uid to the name of its connected component. An unknown ("") place, capture or wearer links nothing.

    A component is named after its smallest place (or capture, or take, where it has none): a name that one more take in
    that place does not change.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    columns: dict[tuple[str, str], int] = {}
    edges: list[tuple[int, int]] = []
    for row, take in enumerate(takes):
        for link in links:
            value = _linked(take, link)
            if value:
                edges.append((row, len(takes) + columns.setdefault((link, value), len(columns))))
    size = len(takes) + len(columns)
    ends = np.asarray(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges), dtype=np.int8), (ends[0], ends[1])), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    members: dict[int, list[Take]] = defaultdict(list)
    for label, take in zip(labels[: len(takes)].tolist(), takes, strict=True):
        members[label].append(take)
    return {take.uid: _name(group) for group in members.values() for take in group}


def _linked(take: Take, link: str) -> str:
    if link == "capture":
        return take.capture_uid or take.capture_name
    return take.place if link == "place" else take.participant


def _name(group: Sequence[Take]) -> str:
    for link in PLACE_LINKS:
        known = [value for take in group if (value := _linked(take, link))]
        if known:
            return f"{link} {min(known)}"
    return f"take {min(take.uid for take in group)}"
