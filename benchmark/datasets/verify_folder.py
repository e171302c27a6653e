"""All problems of a folder of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..canvas import FULL, MINI
from ..clip import Input
from ..errors import UserError
from ..splits.manifest import Row
from .dataset import Problem, Progress
from .folder import ClipJson, Folder
from .verify_checks import error, guarded, head_problem, last_frames_decode, missing_problems, warning


def problems_of(data: Folder, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
    """All problems of the first `limit` clips, seen at the full canvas where they fit it, else at mini."""
    try:
        faults, rows = data.faults, data.sound().rows[:limit]
    except UserError as problem:
        yield error(str(data.index), str(problem), "mend the file; the format is in docs/data.md")
        return
    for where, what in faults:
        yield error(where, what, "mend the clip: nothing of the folder runs until then")
    for number, row in enumerate(rows):
        progress(number, len(rows), row.clip_id)
        yield from guarded(row.clip_id, _clip_problems(data, row))
    progress(len(rows), len(rows), "")


def _clip_problems(data: Folder, row: Row) -> Iterator[Problem]:
    """What clips.json names and cannot be used is an error; what it does not name is nobody's fault."""
    clip, written, canvas = data.clip(row, FULL), data.clips[row.clip_id], FULL
    small = {need: reason for need, reason in clip.missing.items() if "smaller than" in reason}
    if small:
        clip, canvas = data.clip(row, MINI), MINI
        for reason in [reason for need, reason in small.items() if need not in clip.missing][:1]:
            yield warning(row.clip_id, reason, "use a protocol on the mini canvas")
    yield from missing_problems(row.clip_id, clip.missing, fatal=frozenset(Input), quiet=_unnamed(written))
    for exo in written.exo[1:]:
        for reason in dict.fromkeys(data.further_view_problems(written, exo, canvas).values()):
            yield error(row.clip_id, reason, "mend it, or leave it out of clips.json")
    for video in [*(view.video for view in clip.exo), *([clip.truth.video] if clip.truth else [])]:
        yield from last_frames_decode(Path(video.source.label), row.clip_id, wanted=max(video.indices) + 1)
    if clip.ego_prior is not None:
        wanted = max(clip.ego_prior.indices) + 1
        yield from last_frames_decode(Path(clip.ego_prior.source.label), row.clip_id, wanted=wanted)
    if clip.ego_camera is not None and clip.exo and clip.exo[0].camera is not None:
        problem = head_problem(clip.exo[0].camera, clip.ego_camera, row.clip_id)
        if problem is not None:
            yield problem
    if data.uses_default_lens(written):
        yield warning(
            row.clip_id, "asks for the stand-in ego lens 'aria-default'", "nothing; give the device's own lens if known"
        )


def _unnamed(written: ClipJson) -> frozenset[Input]:
    """Inputs of the first view that the clip does not name."""
    named = {
        Input.EXO_CAMERA: written.exo[0].camera,
        Input.DEPTH: written.exo[0].depth,
        Input.EGO_PRIOR: written.ego_prior,
        Input.TRUTH: written.ego.video,
        Input.CAPTION: written.caption,
        Input.MASKS: None,
        Input.BODY_POSE: None,
        Input.POINTS: None,
    }
    return frozenset(need for need, value in named.items() if not value)
