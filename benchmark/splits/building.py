"""Cut train, seen, unseen and val from an Ego-Exo4D download: by place, with guard gaps, stratified over scenarios.

unseen and val are whole groups (see `grouping`) of which nothing else is used. seen are other windows of training takes.
Every choice follows the order of a hash of the take's uid, so neither the order of takes.json nor one more take reshuffles
the rest: a new take changes only what it displaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .candidates import Candidate, cut_candidates, stratified
from .grouping import Grouping, group_takes
from .holding_out import HeldOut
from .manifest import Manifest, Row
from .pool import Pool, Usable
from .windows import Zones, rank_hash, zones


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
    held = HeldOut(_held_candidates(takes, grouping, sizes, f"{seed} held out"), grouping, per_group=sizes.held_per_group)
    unseen = held.draw(sizes.unseen)
    val = held.draw(sizes.val)
    rest = [usable for usable in takes if grouping.of[usable.take.uid] not in held.groups]
    train = stratified(_train_candidates(rest, grouping, sizes, seed), sizes.train)
    trained = {candidate.source.take.uid for candidate in train}
    donors = [usable for usable in rest if usable.take.uid in trained]
    seen = stratified(_seen_candidates(donors, grouping, sizes, seed), sizes.seen)
    chosen = {"train": train, "seen": seen, "unseen": unseen, "val": val}
    manifests = {
        split: Manifest.of(split, dataset, [_row(candidate, seed) for candidate in candidates])
        for split, candidates in chosen.items()
        if getattr(sizes, split)
    }
    return Build(
        manifests=manifests,
        grouping=grouping,
        held_out={split: tuple(sorted({c.group for c in chosen[split]})) for split in ("unseen", "val")},
        short_of={s: getattr(sizes, s) - len(m.rows) for s, m in manifests.items() if len(m.rows) < getattr(sizes, s)},
    )


def save(built: Build, folder: Path) -> list[Path]:
    """Write `<split>.jsonl` for each split, each atomically, and return the paths. Splits of size 0 leave old files alone."""
    paths = []
    for split, manifest in built.manifests.items():
        paths.append(folder / f"{split}.jsonl")
        manifest.save(paths[-1])
    return paths


def _held_candidates(takes: Sequence[Usable], grouping: Grouping, sizes: Sizes, key: str) -> list[Candidate]:
    return [c for usable in takes for c in cut_candidates(usable, usable.frames, sizes.held_per_take, key, grouping)]


def _train_candidates(takes: Sequence[Usable], grouping: Grouping, sizes: Sizes, seed: int) -> list[Candidate]:
    return [
        candidate
        for usable in takes
        for candidate in cut_candidates(usable, _zones(usable, sizes, seed).train, sizes.per_take, f"{seed} train", grouping)
    ]


def _seen_candidates(takes: Sequence[Usable], grouping: Grouping, sizes: Sizes, seed: int) -> list[Candidate]:
    found = []
    for usable in takes:
        stretch = _zones(usable, sizes, seed).seen
        if stretch is not None:
            found += cut_candidates(usable, stretch, sizes.seen_per_take, f"{seed} seen", grouping)
    return found


def _zones(usable: Usable, sizes: Sizes, seed: int) -> Zones:
    seen_first = rank_hash(seed, "side", usable.take.uid) % 2 == 0
    return zones(usable.frames, seen_first=seen_first, seen_windows=sizes.seen_per_take)


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
