"""Does any split give away another one? Rules (a) to (f), over manifests of one dataset; nothing but rows is needed.

(a) held-out splits share no take, capture or place with any other split
(b) windows of one take in different splits are GUARD_FRAMES apart, whatever their exo cameras (the ego target is the same)
(c) how many wearers splits share: a number, not a leak
(d) first ego frames of different splits do not look alike (`pictures`; needs the videos)
(e) a clip id comes once
(f) a table of scenarios and splits
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec

from ..errors import UserError
from .manifest import Manifest, Row
from .windows import GUARD_FRAMES, Window, frame_distance

HELD_OUT = ("unseen",)


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """Two clips of two splits that should not both be there. rule: the letter of the rule that they break."""

    rule: str
    split: str
    clip: str
    other_split: str
    other_clip: str
    what: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One audited split."""

    split: str
    dataset: str
    clips: int
    takes: int
    places: int
    digest: str


class SharedWearers(msgspec.Struct, frozen=True, kw_only=True):
    """Wearers that two splits have in common, and how many clips of each show them."""

    splits: tuple[str, str]
    wearers: int
    clips: tuple[int, int]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found. unchecked: rules that could not be checked on some rows, with the reason."""

    splits: tuple[Listed, ...]
    leaks: tuple[Leak, ...]
    shared_wearers: tuple[SharedWearers, ...]
    unchecked: tuple[str, ...]
    scenarios: dict[str, dict[str, int]]

    @property
    def clean(self) -> bool:
        return not self.leaks


def audit(manifests: Sequence[Manifest], *, held_out: Sequence[str] = HELD_OUT) -> Audit:
    """Check rules (a), (b), (c), (e) and (f). Rule (d) is `pictures.look_alikes`, whose leaks `with_pictures` adds.

    Raises UserError where two manifests have one name or cut different datasets, as their clips cannot be compared.
    """
    _check_comparable(manifests)
    leaks: list[Leak] = []
    for one, other in combinations(manifests, 2):
        leaks += _same_clip(one, other)
        leaks += _too_near(one, other)
        if one.split in held_out or other.split in held_out:
            first, second = (one, other) if one.split in held_out else (other, one)
            leaks += _shared(first, second)
    return Audit(
        splits=tuple(listed(manifest) for manifest in manifests),
        leaks=tuple(leaks),
        shared_wearers=tuple(shared_wearers(one, other) for one, other in combinations(manifests, 2)),
        unchecked=tuple(_unchecked(manifests, held_out)),
        scenarios=scenario_table(manifests),
    )


def with_pictures(before: Audit, leaks: Sequence[Leak], *, note: str | None) -> Audit:
    """The audit with the findings of rule (d); `note` says why it was not checked, or not on all clips."""
    notes = before.unchecked if note is None else (*before.unchecked, note)
    return msgspec.structs.replace(before, leaks=(*before.leaks, *leaks), unchecked=notes)


def listed(manifest: Manifest) -> Listed:
    """One line about a split."""
    return Listed(
        split=manifest.split,
        dataset=manifest.dataset,
        clips=len(manifest.rows),
        takes=len({row.cluster for row in manifest.rows}),
        places=len({row.place for row in manifest.rows} - {""}),
        digest=manifest.digest,
    )


def scenario_table(manifests: Sequence[Manifest]) -> dict[str, dict[str, int]]:
    """Scenario to split to number of clips; unknown scenarios count as "unknown"."""
    counts = {m.split: Counter(row.scenario or "unknown" for row in m.rows) for m in manifests}
    names = sorted({name for found in counts.values() for name in found})
    return {name: {split: found[name] for split, found in counts.items()} for name in names}


def shared_wearers(one: Manifest, other: Manifest) -> SharedWearers:
    """Rule (c). Rows of unknown wearer count for nobody."""
    common = ({row.participant for row in one.rows} & {row.participant for row in other.rows}) - {""}
    clips = [sum(row.participant in common for row in manifest.rows) for manifest in (one, other)]
    return SharedWearers(splits=(one.split, other.split), wearers=len(common), clips=(clips[0], clips[1]))


def _check_comparable(manifests: Sequence[Manifest]) -> None:
    for one, other in combinations(manifests, 2):
        if one.split == other.split:
            raise UserError(f"two manifests are called {one.split!r}: name each split once")
        if one.dataset != other.dataset:
            raise UserError(
                f"{one.split!r} is cut from {one.dataset!r}, {other.split!r} from {other.dataset!r}: audit each alone"
            )


def _same_clip(one: Manifest, other: Manifest) -> Iterator[Leak]:
    known = {row.clip_id for row in one.rows}
    for row in other.rows:
        if row.clip_id in known:
            yield _leak("e", one, row, other, row, "the same clip id")


def _too_near(one: Manifest, other: Manifest) -> Iterator[Leak]:
    """For each clip of `other`, the nearest window of `one` on the same take, where it is too near."""
    takes = _by_take(one.rows)
    for row in other.rows:
        found = [(frame_distance(_window(near), _window(row)), near) for near in _same_take(takes, row)]
        if not found:
            continue
        distance, near = min(found, key=lambda pair: (pair[0], pair[1].clip_id))
        if distance < GUARD_FRAMES:
            how = f"{distance} frames apart" if distance > 0 else "overlap"
            what = f"windows of take {row.take_name} {how}; at least {GUARD_FRAMES} are asked for"
            yield _leak("b", one, near, other, row, what)


def _shared(held: Manifest, other: Manifest) -> Iterator[Leak]:
    """For each held-out clip, the first clip of `other` with the same take, capture or place (the nearest bond only)."""
    takes = _by_take(other.rows)
    captures, places = _first_by(other.rows, "capture_uid"), _first_by(other.rows, "place")
    for row in held.rows:
        for what, near in (
            (f"take {row.take_name}", next(iter(_same_take(takes, row)), None)),
            (f"capture {row.capture_uid}", captures.get(row.capture_uid)),
            (f"place {row.place}", places.get(row.place)),
        ):
            if near is not None:
                yield _leak("a", held, row, other, near, f"{held.split} is held out, but both are of {what}")
                break


_Takes = tuple[dict[str, list[Row]], dict[str, list[Row]]]


def _by_take(rows: Sequence[Row]) -> _Takes:
    """Rows by uid and by name: an imported list may know only the names."""
    by_uid: dict[str, list[Row]] = defaultdict(list)
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_uid[row.take_uid].append(row)
        by_name[row.take_name].append(row)
    return by_uid, by_name


def _same_take(takes: _Takes, row: Row) -> list[Row]:
    """Rows of one take with `row`: by uid where both know it, else by name."""
    by_uid, by_name = takes
    found = list(by_uid.get(row.take_uid, ())) if row.take_uid else []
    return found + [near for near in by_name.get(row.take_name, ()) if not (near.take_uid and row.take_uid)]


def _first_by(rows: Sequence[Row], field: str) -> dict[str, Row]:
    return {value: row for row in reversed(rows) if (value := getattr(row, field))}


def _window(row: Row) -> Window:
    return Window(row.first_frame, row.last_frame)


def _leak(rule: str, one: Manifest, row: Row, other: Manifest, near: Row, what: str) -> Leak:
    return Leak(rule=rule, split=one.split, clip=row.clip_id, other_split=other.split, other_clip=near.clip_id, what=what)


def _unchecked(manifests: Sequence[Manifest], held_out: Sequence[str]) -> Iterator[str]:
    if len(manifests) < 2:
        yield "(a)-(c): a single split; name the others too, as a leak is between two"
        return
    names = [manifest.split for manifest in manifests]
    if not set(names) & set(held_out):
        yield f"(a): none of {', '.join(names)} is held out (held out: {', '.join(held_out) or 'none'})"
    for what, field in (("place", "place"), ("capture", "capture_uid")):
        lacking = {m.split: sum(not getattr(row, field) for row in m.rows) for m in manifests}
        if any(lacking.values()) and set(names) & set(held_out):
            counts = ", ".join(f"{n} of {split}" for split, n in lacking.items() if n)
            yield f"(a): clips of unknown {what}: {counts}"
    lacking = {m.split: sum(not row.participant for row in m.rows) for m in manifests}
    if any(lacking.values()):
        yield f"(c): clips of unknown wearer: {', '.join(f'{n} of {split}' for split, n in lacking.items() if n)}"
