"""What there is in the simulated world: places, takes, windows and the splits cut from them, all from seeds.

Nothing here makes a triangle. Places of `train`, `val` and `unseen` come from seed ranges that never meet, and so do their
actors; `seen` takes other windows of training takes, far from every training window on the take's clock.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import uuid
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from ...canvas import Canvas
from ...errors import UserError, unknown
from ...splits.manifest import Manifest, Row
from ...splits.takes import participant_digest
from .interest import GOOD_ENOUGH, interest
from .motion import Motion
from .places import PlaceSpec, plan_place
from .rig import EXO_CAMERAS
from .script import Script
from .takes import FPS, TAKE_S, plan_take

SIM_VERSION = "2"
"""Version of everything that decides pixels and truth; part of every digest and of the cache folder's name."""
NAME = f"sim-{SIM_VERSION}"
ARIA = "aria01"
TAKE_FRAMES = round(TAKE_S * FPS)
WINDOW_FRAMES = 49
SIZES = {"train": 480, "val": 24, "seen": 24, "unseen": 24}
SEED_STARTS = {"train": 0, "val": 1_000_000, "unseen": 2_000_000}
TRAIN_WINDOWS_PER_TAKE, HELD_OUT_WINDOWS_PER_TAKE = 4, 2
LAST_TRAIN_FRAME, FIRST_SEEN_FRAME = 480, 640
"""Between these two lie 160 frames (5.3 s) that no window of a training take touches."""
PLACES_PER_ACTOR = 2
WINDOW_DRAWS = 5
"""How many places on the clock are tried for a window, until one has motion and something to see."""
CAMERA_SHARES = (0.36, 0.28, 0.2, 0.16)
"""How often a training clip is of cam01..cam04; a rig is sorted by how well it sees head and hands."""
CHOICES = "camera_choice.toml"
"""The cameras of held-out clips, as `camera_choice` made them."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "egox-bench/sim")


def uid(kind: str, name: str) -> str:
    """A stable uuid for something of the simulated world."""
    return str(uuid.uuid5(_NAMESPACE, f"{NAME}/{kind}/{name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeId:
    """A take by its seed: split group it belongs to ("train", "val", "unseen") and its number in it."""

    group: str
    number: int

    @property
    def seed(self) -> int:
        return SEED_STARTS[self.group] + self.number

    @property
    def place_name(self) -> str:
        kind = plan_of(self).kind.replace(" ", "")
        return f"sim_{kind}{self.number:04d}" if self.group == "train" else f"sim_{self.group}_{kind}{self.number:04d}"

    @property
    def name(self) -> str:
        return f"{self.place_name}_1"

    @property
    def participant(self) -> str:
        return f"sim-{self.group}-{self.number // PLACES_PER_ACTOR}"


@lru_cache(256)
def plan_of(take: TakeId) -> PlaceSpec:
    """The place of a take."""
    return plan_place(take.seed)


@lru_cache(256)
def script_of(take: TakeId) -> Script:
    """What the actor of a take does."""
    place = plan_of(take)
    actor_seed = int.from_bytes(hashlib.sha256(take.participant.encode()).digest()[:4], "big")
    return plan_take(take.seed, place, actor_seed)


@lru_cache(256)
def scene_digest(take: TakeId) -> str:
    """Identity of a place and of all that happens in it, with the renderer's version; never pixels."""
    scene = {"version": SIM_VERSION, "place": asdict(plan_of(take)), "take": asdict(script_of(take))}
    return hashlib.sha256(json.dumps(_plain(scene), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    """Plain JSON values with numbers cut to a micrometre, so that last bits of a CPU's sine do not count."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) + 0.0
    if isinstance(value, np.integer):
        return int(value)
    return value


def window_digest(take: TakeId, first: int, canvas: Canvas) -> str:
    """Identity of one window of a take on a canvas, for all of its cameras; 16 hex digits."""
    text = f"{scene_digest(take)} {first} {canvas.step} {canvas.frames} {canvas.exo_size} {canvas.ego_side}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clip_digest(row: Row, canvas: Canvas) -> str:
    """Identity of a row's inputs and truth on a canvas; 16 hex digits."""
    window = window_digest(take_of(row), row.first_frame, canvas)
    return hashlib.sha256(f"{window} {row.exo_cam}".encode()).hexdigest()[:16]


def take_of(row: Row) -> TakeId:
    """The take that a row names. Raises UserError where this version has no such take."""
    stem, _, index = row.take_name.rpartition("_")
    group = next((g for g in ("val", "unseen") if stem.startswith(f"sim_{g}_")), "train")
    digits = stem[len(stem.rstrip("0123456789")) :]
    take = TakeId(group=group, number=int(digits)) if digits and index == "1" else None
    if take is None or take.name != row.take_name:
        raise UserError(f"clip {row.clip_id!r}: {NAME} has no take {row.take_name!r}; was the manifest made by another version?")
    if row.first_frame < 0 or row.last_frame != row.first_frame + WINDOW_FRAMES - 1 or row.last_frame >= TAKE_FRAMES:
        raise UserError(
            f"clip {row.clip_id!r}: frames {row.first_frame}..{row.last_frame} are not {WINDOW_FRAMES} of a take of {TAKE_FRAMES}"
        )
    if row.exo_cam not in EXO_CAMERAS:
        raise unknown("exo camera", row.exo_cam, EXO_CAMERAS)
    return take


def _row(take: TakeId, first: int, camera: str) -> Row:
    last = first + WINDOW_FRAMES - 1
    return Row(
        clip_id=f"{take.name}_{first}_{last}",
        take_uid=uid("take", take.name),
        take_name=take.name,
        first_frame=first,
        last_frame=last,
        exo_cam=camera,
        aria_id=ARIA,
        capture_uid=uid("capture", take.place_name),
        place=take.place_name,
        participant=participant_digest(take.participant),
        scenario=plan_of(take).kind,
        university="sim",
        pose_source="exo:gopro_calibs ego:camera_pose",
    )


@lru_cache(2048)
def _windows(take: TakeId, count: int, low: int, high: int, salt: int) -> tuple[Row, ...]:
    """`count` windows that do not overlap, one in each equal part of frames [low, high], with a drawn camera each: what training
    clips are seen from. Held-out ones have it replaced; it is drawn for them too, since windows are drawn after it.

    Of a few drawn windows the first that is interesting is taken, else the most interesting.
    """
    rng = np.random.default_rng([29, take.seed, salt])
    place, motion = plan_of(take), Motion(script_of(take))
    part = (high - low + 1) // count
    rows = []
    for i in range(count):
        draws = low + i * part + rng.integers(part - WINDOW_FRAMES + 1, size=WINDOW_DRAWS)
        camera = EXO_CAMERAS[int(rng.choice(len(EXO_CAMERAS), p=CAMERA_SHARES))]
        rows.append(_row(take, _most_interesting(place, motion, [int(first) for first in draws]), camera))
    return tuple(rows)


def _most_interesting(place: PlaceSpec, motion: Motion, firsts: list[int]) -> int:
    best, most = firsts[0], -1.0
    for first in firsts:
        score = interest(place, motion, first / FPS, (first + WINDOW_FRAMES - 1) / FPS)
        if score >= GOOD_ENOUGH:
            return first
        if score > most:
            best, most = first, score
    return best


def train_rows(count: int) -> list[Row]:
    """The first `count` training clips; more of them never change the ones before."""
    per_take = TRAIN_WINDOWS_PER_TAKE
    takes = (TakeId(group="train", number=n) for n in range(-(-count // per_take)))
    rows = [row for take in takes for row in _windows(take, per_take, 6, LAST_TRAIN_FRAME, 0)]
    return rows[:count]


def make_split(split: str) -> Manifest:
    """Rows of a split: "train", "val", "seen", "unseen", or one of them with a number of clips ("unseen:96"), or "all".

    Of a split, more clips have the fewer ones among them; rows are sorted by clip. Raises UserError with the nearest name, or the
    numbers that there are.
    """
    base, colon, count = split.partition(":")
    if split == "all":
        rows = [row for name in SIZES for row in make_split(name).rows]
    elif base in SIZES:
        rows = _rows(base, _count(split, count) if colon else SIZES[base])
    else:
        raise unknown("split", split, [*SIZES, *(f"{name}:<n>" for name in SIZES), "all"])
    return Manifest.of(split, NAME, rows)


def _rows(base: str, count: int) -> list[Row]:
    if base == "train":
        return train_rows(count)
    chosen = chosen_cameras(base)
    if count > len(chosen):
        raise UserError(f"split '{base}:{count}': {base!r} has {len(chosen)} clips at most, for which a camera is chosen")
    drawn = [row for _, rows in held_out_windows(base, count) for row in rows]
    return [msgspec.structs.replace(row, exo_cam=camera) for row, camera in zip(drawn[:count], chosen, strict=False)]


@lru_cache
def chosen_cameras(base: str) -> tuple[str, ...]:
    """Exo cameras of the clips of `val`, `seen` or `unseen`, in the order of `held_out_windows`."""
    kept = tomllib.loads(Path(__file__).with_name(CHOICES).read_text())
    return tuple(EXO_CAMERAS[int(digit) - 1] for digit in kept[base])


def held_out_windows(base: str, count: int) -> list[tuple[TakeId, tuple[Row, ...]]]:
    """The takes that the first `count` clips of `val`, `seen` or `unseen` lie in, and their windows with drawn cameras."""
    if base == "seen":
        return [(take, _windows(take, 1, FIRST_SEEN_FRAME, TAKE_FRAMES - 1, 2)) for take in _seen_takes()[:count]]
    per_take = HELD_OUT_WINDOWS_PER_TAKE
    takes = [TakeId(group=base, number=n) for n in range(-(-count // per_take))]
    return [(take, _windows(take, per_take, 6, TAKE_FRAMES - 1, 1)) for take in takes]


def _seen_takes() -> list[TakeId]:
    """The takes of `train`, first those of `seen`, which are spread over all of them."""
    numbers = range(SIZES["train"] // TRAIN_WINDOWS_PER_TAKE)
    step = len(numbers) // SIZES["seen"]
    first = [i * step + i % step for i in range(SIZES["seen"])]
    return [TakeId(group="train", number=n) for n in sorted(numbers, key=lambda n: n not in first)]


def _count(split: str, written: str) -> int:
    if not written.isdecimal() or int(written) < 1:
        raise UserError(f"split {split!r}: expected a name and a number of clips, such as 'train:2000' or 'unseen:96'")
    return int(written)
