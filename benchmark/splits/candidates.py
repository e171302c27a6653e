"""Windows that may become clips, and how many of them each scenario gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .grouping import Grouping
from .pool import Usable
from .windows import Window, cut, rank_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A window that may become a clip. rank: 0 for a take's first choice, 1 for its second, and so on.

    order, group_order: hashes that order takes and groups.
    """

    source: Usable
    group: str
    window: Window
    rank: int
    order: int
    group_order: int

    @property
    def scenario(self) -> str:
        return self.source.take.scenario


def cut_candidates(usable: Usable, stretch: Window, at_most: int, key: str, grouping: Grouping) -> list[Candidate]:
    """Up to `at_most` windows of a stretch that at least one exo camera holds good for; `key` names the drawing."""
    uid = usable.take.uid
    group = grouping.of[uid]
    order, group_order = rank_hash(key, uid), rank_hash(key, group)
    windows = cut(stretch, at_most=at_most, key=f"{key} {uid}")
    return [
        Candidate(source=usable, group=group, window=window, rank=rank, order=order, group_order=group_order)
        for rank, window in enumerate(windows)
        if usable.exo_for(window)
    ]


def quotas(total: int, capacity: Mapping[str, int]) -> dict[str, int]:
    """Share `total` as evenly as capacities allow: those that are not exhausted differ by one at most."""
    shares, left = {}, total
    for i, name in enumerate(sorted(capacity, key=lambda name: (capacity[name], name))):
        shares[name] = min(left // (len(capacity) - i), capacity[name])
        left -= shares[name]
    return shares


def stratified(candidates: Sequence[Candidate], total: int) -> list[Candidate]:
    """`total` candidates, as even over scenarios as they allow; every take gives one before any gives two."""
    by_scenario: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda c: (c.rank, c.order)):
        by_scenario[candidate.scenario].append(candidate)
    share = quotas(total, {scenario: len(found) for scenario, found in by_scenario.items()})
    return [candidate for scenario, found in sorted(by_scenario.items()) for candidate in found[: share[scenario]]]
