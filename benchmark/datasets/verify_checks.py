"""Checks that several readers share: length of videos, the wearer's head in the exo picture, the epipolar figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from egox.cameras import Camera

from ..clip import Input
from ..errors import UserError
from ..video import count_packets, decoded_frames
from .dataset import Problem, Severity
from .epipolar import LIMIT_DEG, SHIFTS, check_epipolar, track_pairs

EPIPOLAR_FRAMES = 900
"""Frames of a take that the epipolar check looks at, at most (30 s)."""

HEAD_SHARE = 0.5
"""Below this share of frames with the wearer's camera inside the exo picture, the exo pose or lens is doubted."""


def error(where: str, what: str, todo: str) -> Problem:
    return Problem(severity=Severity.ERROR, where=where, what=what, todo=todo)


def warning(where: str, what: str, todo: str) -> Problem:
    return Problem(severity=Severity.WARNING, where=where, what=what, todo=todo)


def note(where: str, what: str) -> Problem:
    return Problem(severity=Severity.NOTE, where=where, what=what, todo="nothing")


def guarded(where: str, problems: Iterator[Problem]) -> Iterator[Problem]:
    """The problems; a UserError on the way becomes the last of them, so that it ends this list and no other."""
    try:
        yield from problems
    except UserError as problem:
        yield error(where, str(problem), "mend or fetch the file again")


def frames_or_problem(path: Path, where: str) -> int | Problem:
    """How many frames a video holds, or what is wrong with it."""
    try:
        return count_packets(path)
    except UserError as problem:
        return error(where, str(problem), "fetch the file again")


def last_frames_decode(path: Path, where: str, *, wanted: int) -> Iterator[Problem]:
    """Decode up to the last wanted frame of a short file."""
    try:
        found = sum(1 for _ in islice(decoded_frames(path), wanted))
        if found < wanted:
            yield error(where, f"{path}: decodes to {found} frames, {wanted} are wanted", "fetch the file again")
    except UserError as problem:
        yield error(where, str(problem), "fetch the file again")


def missing_problems(
    where: str, missing: Mapping[Input, str], *, fatal: frozenset[Input], quiet: frozenset[Input]
) -> Iterator[Problem]:
    """One problem for each reason of a clip; equal reasons once."""
    said: set[str] = set()
    for need, reason in missing.items():
        if need in quiet or reason in said:
            continue
        said.add(reason)
        if need in fatal:
            yield error(where, f"{need}: {reason}", "mend it, or the clip's outcome is 'undefined'")
        else:
            yield warning(where, f"{need}: {reason}", "nothing, unless a method needs it")


def epipolar_problem(
    path: Path, camera: Camera | None, where: str, *, world_from_camera: np.ndarray, own_lens: bool, wanted: int = EPIPOLAR_FRAMES
) -> Problem:
    """The self-check on an upright ego video, as a note where it passes.

    camera: the upright lens (its poses do not count); world_from_camera: [frames, 4, 4] upright, NaN where missing.
    own_lens: whether the lens is this device's; a stand-in lens raises the error a little, so only shifts count then.
    """
    if camera is None:
        return error(where, "epipolar self-check: no ego lens", "fetch online_calibration.jsonl")
    try:
        tracks = track_pairs(islice(decoded_frames(path), wanted))
    except UserError as problem:
        return error(where, str(problem), "fetch the file again")
    result = check_epipolar(tracks, camera.lens, world_from_camera)
    if result is None:
        return warning(where, "epipolar self-check: nothing moves enough to tell", "look at a longer part of the take")
    what = (
        f"epipolar self-check: {result.error_deg:.3f} deg over {result.pairs} frame pairs, smallest at shift {result.best_shift}"
        f" of {SHIFTS[0]}..{SHIFTS[-1]} frames"
    )
    if result.accepted:
        return note(where, what)
    if result.best_shift:
        todo = (
            f"poses are off by {result.best_shift} frames against the video: check the clock (row_offset), or leave the take out"
        )
    else:
        todo = f"more than {LIMIT_DEG} deg: check pose direction, upright turn and lens, or leave the take out"
    return error(where, what, todo) if own_lens or result.best_shift else warning(where, what, todo)


def head_problem(exo: Camera, ego: Camera, where: str) -> Problem | None:
    """Whether the ego camera lies inside the exo picture: it catches a pose read backwards, a wrong lens, a wrong take.

    Both cameras must have the same frames. An actor can walk out of the picture, so this is never more than a warning.
    """
    pixels = np.stack([exo.project(centre, frame) for frame, centre in enumerate(ego.centres)])
    front = np.array([exo.to_camera(centre, frame)[2] > 0 for frame, centre in enumerate(ego.centres)])
    inside = front & (pixels >= -0.5).all(1) & (pixels[:, 0] < exo.width - 0.5) & (pixels[:, 1] < exo.height - 0.5)
    share = float(inside.mean())
    if share >= HEAD_SHARE:
        return None
    return warning(
        where,
        f"the wearer's camera is inside this exo picture in {share:.0%} of the frames",
        "look at the view: another take's calibration, or an actor who leaves the picture",
    )
