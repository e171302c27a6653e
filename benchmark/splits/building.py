"""Cut train, seen, unseen and val from an Ego-Exo4D download: by place, with guard gaps, stratified over scenarios.

unseen and val are whole groups (see `grouping`) of which nothing else is used. seen are other windows of training takes.
Every choice follows the order of a hash of the take's uid, so neither the order of takes.json nor one more take reshuffles
the rest: a new take changes only what it displaces.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .grouping import Grouping, group_takes
from .manifest import Manifest, Row
from .pool import Pool, Usable
from .windows import Window, Zones, cut, rank_hash, zones

HELD_SHARE = 0.4
"""unseen and val together never hold out more than this share of the takes; a group that would is left to training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many clips a split gets, and at most how many one take (per_take: train) or one held-out group gives."""

    train: int = 3600
    seen: int = 400
    unseen: int = 100
    val: int = 100
    per_take: int = 4
    seen_per_take: int = 4
    held_per_take: int = 2
    held_per_group: int = 8

    def __post_init__(self) -> None:
        for name in ("train", "seen", "unseen", "val"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}: {getattr(self, name)} clips; give 0 or more")
        for name in ("per_take", "seen_per_take", "held_per_take", "held_per_group"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name.replace('_', '-')}: {getattr(self, name)}; give 1 or more")

    @property
    def holds_out(self) -> bool:
        return self.unseen > 0 or self.val > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A window that may become a clip. rank: 0 for a take's first choice, 1 for its second, and so on."""

    source: Usable
    group: str
    window: Window
    rank: int
    order: int

    @property
    def scenario(self) -> str:
        return self.source.take.scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The manifests by split name, how the takes were grouped, and how many clips were asked for but not there."""

    manifests: Mapping[str, Manifest]
    grouping: Grouping
    held_out: Mapping[str, tuple[str, ...]]
    short_of: Mapping[str, int]


def build(pool: Pool, sizes: Sizes, *, seed: int = 0, dataset: str = "egoexo4d") -> Build:
    """Cut the splits. A split that cannot be filled is smaller, and `short_of` says by how much.

    Raises UserError, with the counted reasons, where the pool is empty.
    """
    takes = pool.takes
    if not takes:
        reasons = "; ".join(f"{count} x {why}" for why, count in pool.left_out.items()) or "takes.json lists none"
        raise UserError(f"no take can be used ({reasons}); nothing was written")
    grouping = group_takes([usable.take for usable in takes])
    unseen = _hold_out(takes, grouping, sizes, sizes.unseen, key=f"{seed} held out", taken=set())
    opened = set(unseen.groups)
    val = _hold_out(takes, grouping, sizes, sizes.val, key=f"{seed} held out", taken=opened)
    opened |= val.groups
    rest = [usable for usable in takes if grouping.of[usable.take.uid] not in opened]
    train = stratified(_train_candidates(rest, grouping, sizes, seed), sizes.train)
    trained = {candidate.source.take.uid for candidate in train}
    donors = [usable for usable in rest if usable.take.uid in trained]
    seen = stratified(_seen_candidates(donors, grouping, sizes, seed), sizes.seen)
    chosen = {"train": train, "seen": seen, "unseen": unseen.chosen, "val": val.chosen}
    manifests = {
        split: Manifest.of(split, dataset, [_row(candidate, seed) for candidate in candidates])
        for split, candidates in chosen.items()
        if getattr(sizes, split)
    }
    return Build(
        manifests=manifests,
        grouping=grouping,
        held_out={"unseen": tuple(sorted(unseen.groups)), "val": tuple(sorted(val.groups))},
        short_of={s: getattr(sizes, s) - len(m.rows) for s, m in manifests.items() if len(m.rows) < getattr(sizes, s)},
    )


def save(built: Build, folder: Path) -> list[Path]:
    """Write `<split>.jsonl` for each split, each atomically, and return the paths. Splits of size 0 leave old files alone."""
    paths = []
    for split, manifest in built.manifests.items():
        paths.append(folder / f"{split}.jsonl")
        manifest.save(paths[-1])
    return paths


def quotas(total: int, capacity: Mapping[str, int]) -> dict[str, int]:
    """Share `total` as evenly as capacities allow; what does not divide goes to the first names in order."""
    shares, left = dict.fromkeys(sorted(capacity), 0), total
    open_names = [name for name in shares if capacity[name] > 0]
    while left > 0 and open_names:
        step, extra = divmod(left, len(open_names))
        for i, name in enumerate(open_names):
            given = min(step + (i < extra), capacity[name] - shares[name])
            shares[name] += given
            left -= given
        open_names = [name for name in open_names if shares[name] < capacity[name]]
    return shares


def stratified(candidates: Sequence[Candidate], total: int) -> list[Candidate]:
    """`total` candidates, as even over scenarios as they allow; every take gives one before any gives two."""
    by_scenario: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda c: (c.rank, c.order)):
        by_scenario[candidate.scenario].append(candidate)
    share = quotas(total, {scenario: len(found) for scenario, found in by_scenario.items()})
    return [candidate for scenario, found in sorted(by_scenario.items()) for candidate in found[: share[scenario]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    chosen: list[Candidate]
    groups: frozenset[str]


def _hold_out(takes: Sequence[Usable], grouping: Grouping, sizes: Sizes, total: int, *, key: str, taken: Set[str]) -> _Held:
    """Open groups in hash order, scenario by scenario, until each scenario has its share of `total` clips.

    What a scenario cannot give is shared among the others, until nothing more is there or HELD_SHARE is reached.
    """
    size = Counter(grouping.of.values())
    budget = HELD_SHARE * len(takes) - sum(size[group] for group in taken)
    waiting = _held_candidates(takes, grouping, sizes, key, taken)
    chosen: list[Candidate] = []
    groups: set[str] = set()
    given = Counter[str]()
    while len(chosen) < total:
        share = quotas(total - len(chosen), {scenario: len(found) for scenario, found in waiting.items()})
        before = len(chosen), _count(waiting)
        for scenario in sorted(waiting):
            later: list[Candidate] = []
            for candidate in waiting[scenario]:
                group = candidate.group
                opens = group not in groups
                if given[group] >= sizes.held_per_group or (opens and size[group] > budget):
                    continue
                if share[scenario] == 0:
                    later.append(candidate)
                    continue
                if opens:
                    groups.add(group)
                    budget -= size[group]
                chosen.append(candidate)
                given[group] += 1
                share[scenario] -= 1
            waiting[scenario] = later
        if (len(chosen), _count(waiting)) == before:
            break
    return _Held(chosen=chosen, groups=frozenset(groups))


def _count(waiting: Mapping[str, Sequence[Candidate]]) -> int:
    return sum(len(found) for found in waiting.values())


def _held_candidates(
    takes: Sequence[Usable], grouping: Grouping, sizes: Sizes, key: str, taken: Set[str]
) -> dict[str, list[Candidate]]:
    """By scenario: groups in hash order, in each the takes in hash order, first windows before second ones."""
    waiting: dict[str, list[Candidate]] = defaultdict(list)
    for usable in takes:
        group = grouping.of[usable.take.uid]
        if group not in taken:
            waiting[usable.take.scenario] += _cut(usable, usable.frames, sizes.held_per_take, key, grouping)
    for found in waiting.values():
        found.sort(key=lambda c: (rank_hash(key, c.group), c.group, c.rank, c.order))
    return waiting


def _train_candidates(takes: Sequence[Usable], grouping: Grouping, sizes: Sizes, seed: int) -> list[Candidate]:
    return [
        candidate
        for usable in takes
        for candidate in _cut(usable, _zones(usable, sizes, seed).train, sizes.per_take, f"{seed} train", grouping)
    ]


def _seen_candidates(takes: Sequence[Usable], grouping: Grouping, sizes: Sizes, seed: int) -> list[Candidate]:
    found = []
    for usable in takes:
        stretch = _zones(usable, sizes, seed).seen
        if stretch is not None:
            found += _cut(usable, stretch, sizes.seen_per_take, f"{seed} seen", grouping)
    return found


def _zones(usable: Usable, sizes: Sizes, seed: int) -> Zones:
    seen_first = rank_hash(seed, "side", usable.take.uid) % 2 == 0
    return zones(usable.frames, seen_first=seen_first, seen_windows=sizes.seen_per_take)


def _cut(usable: Usable, stretch: Window, at_most: int, key: str, grouping: Grouping) -> list[Candidate]:
    uid = usable.take.uid
    order = rank_hash(key, uid)
    return [
        Candidate(source=usable, group=grouping.of[uid], window=window, rank=rank, order=order)
        for rank, window in enumerate(cut(stretch, at_most=at_most, key=f"{key} {uid}"))
        if usable.exo_for(window)
    ]


def _row(candidate: Candidate, seed: int) -> Row:
    """The exo camera is the dataset's `best_exo` where it holds good for the window, else one drawn by hash."""
    usable, window = candidate.source, candidate.window
    take, cameras = usable.take, usable.exo_for(window)
    cam = take.best_exo
    if cam not in cameras:
        cam = min(cameras, key=lambda name: rank_hash(seed, "exo", take.uid, window.first, name))
    return Row(
        clip_id=f"{take.name}_{window.first}_{window.last}",
        take_uid=take.uid,
        take_name=take.name,
        first_frame=window.first,
        last_frame=window.last,
        exo_cam=cam,
        aria_id=take.aria or "",
        capture_uid=take.capture_uid,
        place=take.place,
        participant=take.participant,
        scenario=take.scenario,
        university=take.university,
        pose_source=usable.pose_source,
    )
