"""All problems of an EgoX release folder: files, lengths, poses, cameras, and the epipolar figure per clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from egox.cameras import UPRIGHT_FROM_RAW, rigid

from ..canvas import FULL
from ..clip import Input
from ..errors import UserError
from ..splits.manifest import Row
from ..video import decoded_frames
from .dataset import Problem, Progress
from .egoexo4d import FRAMES
from .release import EgoXRelease
from .verify_checks import epipolar_problem, error, frames_or_problem, guarded, head_problem, missing_problems, warning

REPEAT_LEVELS = 0.3
"""Mean difference in grey levels below which a 50th frame is a repeat of the 49th."""

_FATAL = frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA})
_QUIET = frozenset({Input.MASKS, Input.BODY_POSE, Input.POINTS})


def problems_of(data: EgoXRelease, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
    """All problems of the first `limit` clips."""
    for where, what in data.faults:
        yield error(where, what, "mend the list: no clip of it runs until then")
    rows = data.sound().rows[:limit]
    yield warning(
        str(data.root),
        "the release has no ego lens: the documented Aria default stands in for all its clips",
        "nothing; for the device's own lens read the Ego-Exo4D download",
    )
    for number, row in enumerate(rows):
        progress(number, len(rows), row.clip_id)
        yield from guarded(row.clip_id, _clip_problems(data, row))
    progress(len(rows), len(rows), "")


def _clip_problems(data: EgoXRelease, row: Row) -> Iterator[Problem]:
    release, clip = data.clips[row.clip_id], data.clip(row, FULL)
    fatal = _FATAL | ({Input.TRUTH} if release.truth is not None else frozenset())
    yield from missing_problems(row.clip_id, clip.missing, fatal=fatal, quiet=_QUIET)
    for path in (release.exo, release.truth, release.prior):
        told = any(str(path) in reason for reason in clip.missing.values())
        if path is not None and path.is_file() and not told:
            yield from _length_problems(path, row.clip_id)
    if clip.ego_camera is not None and clip.exo and clip.exo[0].camera is not None:
        problem = head_problem(clip.exo[0].camera, clip.ego_camera, row.clip_id)
        if problem is not None:
            yield problem
    if clip.ego_camera is not None and release.truth is not None and Input.TRUTH not in clip.missing:
        poses = data.ego_poses(release) @ rigid(UPRIGHT_FROM_RAW.T, np.zeros(3))
        yield epipolar_problem(
            release.truth, clip.ego_camera, row.clip_id, world_from_camera=poses, own_lens=False, wanted=FRAMES
        )


def _length_problems(path: Path, where: str) -> Iterator[Problem]:
    found = frames_or_problem(path, where)
    if isinstance(found, Problem):
        yield found
    elif found < FRAMES:
        yield error(where, f"{path}: {found} frames, expected {FRAMES}", "fetch it again, or drop the clip from the list")
    elif found > FRAMES:
        try:
            frames = list(decoded_frames(path))
        except UserError as problem:
            yield error(where, str(problem), "fetch the file again")
            return
        change = float(np.abs(frames[FRAMES].astype(np.int16) - frames[FRAMES - 1]).mean())
        if found > FRAMES + 1 or change >= REPEAT_LEVELS:
            yield warning(
                where,
                f"{path}: {found} frames, and frame {FRAMES} is no repeat of frame {FRAMES - 1} (differs by {change:.2f} levels)",
                f"check that frames 0..{FRAMES - 1} are the clip: the others are not used",
            )
