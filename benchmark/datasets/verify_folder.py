"""All problems of a folder of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..canvas import FULL, MINI
from ..clip import Input
from ..errors import UserError
from .dataset import Problem, Progress
from .folder import Folder
from .verify_checks import error, head_problem, last_frames_decode, missing_problems, warning

_FATAL = frozenset({Input.EXO_VIDEO, Input.EGO_CAMERA})
_QUIET = frozenset({Input.MASKS, Input.BODY_POSE})


def problems_of(data: Folder, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
    """All problems of the first `limit` clips, seen at the full canvas where they fit it, else at mini."""
    try:
        rows = data.manifest("all").rows[:limit]
    except UserError as problem:
        yield error(str(data.index), str(problem), "mend the file; the format is in docs/data.md")
        return
    for number, row in enumerate(rows):
        progress(number, len(rows), row.clip_id)
        clip = data.clip(row, FULL)
        if Input.EXO_VIDEO in clip.missing and "smaller than" in clip.missing[Input.EXO_VIDEO]:
            yield warning(row.clip_id, clip.missing[Input.EXO_VIDEO], "use a protocol on the mini canvas")
            clip = data.clip(row, MINI)
        written = data.clips[row.clip_id]
        fatal = _FATAL | ({Input.TRUTH} if written.ego.video else frozenset())
        yield from missing_problems(row.clip_id, clip.missing, fatal=fatal, quiet=_QUIET)
        for video in [*(view.video for view in clip.exo), *([clip.truth.video] if clip.truth else [])]:
            yield from last_frames_decode(Path(video.source.label), row.clip_id, wanted=max(video.indices) + 1)
        if clip.ego_camera is not None and clip.exo and clip.exo[0].camera is not None:
            problem = head_problem(clip.exo[0].camera, clip.ego_camera, row.clip_id)
            if problem is not None:
                yield problem
        if data.uses_default_lens(written):
            yield warning(
                row.clip_id, "asks for the stand-in ego lens 'aria-default'", "nothing; give the device's own lens if known"
            )
    progress(len(rows), len(rows), "")
