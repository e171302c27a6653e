"""Choose the groups of takes that training never sees: for `unseen`, then for `val`, out of what is left."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from .candidates import Candidate, quotas
from .grouping import Grouping

HELD_SHARE = 0.4
"""Held-out groups never hold more than this share of the takes; a group that would is left to training."""


class HeldOut:
    """Opens groups in hash order, scenario by scenario. Of each scenario at least half of the groups stay in training.

    A group belongs to one split: what `draw` has opened is not offered again.
    """

    def __init__(self, candidates: Sequence[Candidate], grouping: Grouping, *, per_group: int) -> None:
        self.groups: set[str] = set()
        self._per_group = per_group
        self._takes = Counter(grouping.of.values())
        self._budget = HELD_SHARE * len(grouping.of)
        scenarios: dict[str, set[str]] = defaultdict(set)
        self._waiting: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in sorted(candidates, key=lambda c: (c.group_order, c.group, c.rank, c.order)):
            scenarios[candidate.group].add(candidate.scenario)
            self._waiting[candidate.scenario].append(candidate)
        self._scenarios = scenarios
        self._may_open = {name: len({c.group for c in found}) // 2 for name, found in self._waiting.items()}

    def draw(self, total: int) -> list[Candidate]:
        """Up to `total` clips, as even over scenarios as the groups allow.

        What a scenario cannot give is shared among the others, until nothing more is there.
        """
        waiting = {name: [c for c in found if c.group not in self.groups] for name, found in self._waiting.items()}
        opened: set[str] = set()
        given = Counter[str]()
        chosen: list[Candidate] = []
        while len(chosen) < total and any(waiting.values()):
            share = quotas(total - len(chosen), {name: len(found) for name, found in waiting.items()})
            for name in sorted(waiting):
                waiting[name] = self._fill(waiting[name], share[name], opened, given, chosen)
        return chosen

    def _fill(
        self, found: Sequence[Candidate], share: int, opened: set[str], given: Counter[str], chosen: list[Candidate]
    ) -> list[Candidate]:
        """Take up to `share` of these candidates into `chosen`; return those that may still be taken later."""
        later = []
        for candidate in found:
            group = candidate.group
            if given[group] >= self._per_group or not (group in opened or self._can_open(group)):
                continue
            if share == 0:
                later.append(candidate)
                continue
            if group not in opened:
                opened.add(group)
                self._open(group)
            chosen.append(candidate)
            given[group] += 1
            share -= 1
        return later

    def _can_open(self, group: str) -> bool:
        return self._takes[group] <= self._budget and all(self._may_open[name] > 0 for name in self._scenarios[group])

    def _open(self, group: str) -> None:
        self.groups.add(group)
        self._budget -= self._takes[group]
        for name in self._scenarios[group]:
            self._may_open[name] -= 1
