"""What is looked at: one clip of a dataset, or a video of one's own, as inputs that the method egox sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.clip import ClipInputs
from benchmark.errors import Undefined, UserError
from benchmark.video import Frames
from egox.own import read_footage
from methods.egox import SPEC, Options
from methods.own_video.inputs import clip_of, inputs_of
from methods.prior_verb.subjects import Clips


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Source:
    """truth: [frames, side, side, 3], where there is one."""

    name: str
    inputs: ClipInputs
    truth: Frames | None = None


def of_clip(name: str, *, data: str, split: str, protocol: str | None, options: Options) -> Source:
    """Raises UserError for a wrong name, with the nearest one, or a clip that lacks what is needed."""
    spec = SPEC.with_options(options)
    clips = Clips.open(data, split=split, protocol=protocol, clips=[name], limit=None, spec=spec)
    clips.prepare(clips.names)
    try:
        subject = clips.subject(name)
    except Undefined as reason:
        raise UserError(f"{name}: {reason}") from None
    return Source(name=name, inputs=subject.inputs, truth=None if subject.truth is None else subject.truth.read())


def of_video(video: Path, *, pose: Path, depth: Path | None, size: int, prompt: str, options: Options) -> Source:
    """Raises UserError in one sentence for what is missing or does not fit."""
    if depth is not None and options.depth_model:
        raise UserError(f"depth is both given (--depth {depth}) and to be estimated (--set depth_model); choose one")
    try:
        footage = read_footage(video, pose, depth=depth, size=size)
    except ValueError as error:
        raise UserError(str(error)) from None
    clip = clip_of(footage, name=video.stem, prompt=prompt)
    return Source(name=video.stem, inputs=inputs_of(clip, SPEC.with_options(options)))
