"""The ladders: one kind of damage each, in steps that begin at the truth itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from egox.cameras import Camera

from ..clip import Clip, Input
from ..errors import Undefined, unknown
from ..video import Frames
from . import perturbations as p


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """What is perturbed, and what may be put in its place.

    frames: the clip's truth. other: the clip whose truth shuffled pairing takes, None where there is none. prior: makes the
    ego prior; both may raise `Undefined` with the clip's reason.
    """

    clip: Clip
    frames: Frames
    other: Clip | None
    prior: Callable[[], Frames]

    @property
    def camera(self) -> Camera:
        """The ego camera. Raises Undefined where the clip has none."""
        if self.clip.ego_camera is None:
            raise Undefined(self.clip.missing.get(Input.EGO_CAMERA, "ego camera missing"))
        return self.clip.ego_camera


Perturb = Callable[[Subject, float, np.random.Generator], Frames]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ladder:
    """One kind of damage. levels: from 0, which is the truth itself, upwards.

    of "clips": a level is the share of clips that are replaced whole, so that only a replaced clip need be measured.
    seen: what decides the picture besides the truth: nothing, the clip's inputs, another clip's truth, or the prior.
    version: raised by any change that can move a pixel.
    """

    id: str
    title: str
    unit: str
    levels: tuple[float, ...]
    perturb: Perturb
    of: Literal["frames", "clips"] = "frames"
    seen: Literal["truth", "inputs", "other", "prior"] = "truth"
    version: int = 1

    @property
    def measured(self) -> tuple[float, ...]:
        """The levels that are made and measured; level 0 is the truth's own measurement, the same for all ladders."""
        return self.levels[1:] if self.of == "frames" else (1.0,)

    def apply(self, subject: Subject, level: float, rng: np.random.Generator) -> Frames:
        """The subject's video at this level. Random numbers come from `rng`: from the same state, levels differ in size only.

        Raises Undefined where the clip lacks what the ladder takes.
        """
        return subject.frames if level == 0 else self.perturb(subject, level, rng)


def _jitter(subject: Subject, degrees: float, rng: np.random.Generator) -> Frames:
    return p.turned(subject.frames, subject.camera, p.small_turns(degrees, len(subject.frames), rng))


def _turn(subject: Subject, degrees: float, rng: np.random.Generator) -> Frames:
    one = p.small_turns(degrees, 1, rng)
    return p.turned(subject.frames, subject.camera, np.repeat(one, len(subject.frames), axis=0))


def _swap(subject: Subject, share: float, rng: np.random.Generator) -> Frames:
    del share, rng
    if subject.other is None:
        raise Undefined("the split has no other clip")
    if subject.other.truth is None:
        raise Undefined(subject.other.missing.get(Input.TRUTH, "no ego truth"))
    return subject.other.truth.video.read()


LADDERS: tuple[Ladder, ...] = (
    Ladder(
        id="blur",
        title="blur",
        unit="px",
        levels=(0, 0.5, 1, 1.5, 2, 3, 4, 6),
        perturb=lambda subject, level, rng: p.blurred(subject.frames, level),
    ),
    Ladder(
        id="noise",
        title="noise",
        unit="of 255",
        levels=(0, 2, 5, 10, 15, 20, 30, 40),
        perturb=lambda subject, level, rng: p.noisy(subject.frames, level, rng),
    ),
    Ladder(
        id="shift",
        title="shift",
        unit="px",
        levels=(0, 1, 2, 3, 4, 6, 8, 12),
        perturb=lambda subject, level, rng: p.shifted(subject.frames, int(level)),
    ),
    Ladder(
        id="turn",
        title="head turned",
        unit="degrees",
        levels=(0, 0.25, 0.5, 1, 2, 3, 5, 8),
        perturb=_turn,
        seen="inputs",
    ),
    Ladder(
        id="jitter",
        title="camera jitter",
        unit="degrees",
        levels=(0, 0.25, 0.5, 1, 2, 3, 5, 8),
        perturb=_jitter,
        seen="inputs",
    ),
    Ladder(
        id="delay",
        title="delay",
        unit="frames",
        levels=(0, 1, 2, 3, 4, 6, 8),
        perturb=lambda subject, level, rng: p.delayed(subject.frames, int(level)),
    ),
    Ladder(
        id="freeze",
        title="frozen",
        unit="of the clip",
        levels=(0, 0.25, 0.5, 0.75, 1),
        perturb=lambda subject, level, rng: p.frozen(subject.frames, level),
    ),
    Ladder(
        id="swap",
        title="shuffled pairing",
        unit="of clips",
        levels=(0, 0.25, 0.5, 0.75, 1),
        perturb=_swap,
        of="clips",
        seen="other",
    ),
    Ladder(
        id="prior",
        title="copied prior",
        unit="of clips",
        levels=(0, 1),
        perturb=lambda subject, level, rng: subject.prior(),
        of="clips",
        seen="prior",
    ),
)


def ladders_named(names: Sequence[str] | None) -> tuple[Ladder, ...]:
    """These ladders, in the order of LADDERS; all of them for None. Raises UserError with the nearest name."""
    known = {ladder.id: ladder for ladder in LADDERS}
    for name in names or ():
        if name not in known:
            raise unknown("ladder", name, known)
    return tuple(ladder for ladder in LADDERS if names is None or ladder.id in names)
