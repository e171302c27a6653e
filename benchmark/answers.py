"""Where predictions come from: a method that generates them, or a folder of videos that were made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from .clip import ClipInputs
from .errors import Undefined, UserError
from .files import file_key
from .registry import Method, MethodSpec, deciding_options, load_registry, options_from
from .video import Frames, Resize, Storage, decoded_frames, storage

Crop = Literal["none", "right"]

SUFFIXES = (".mkv", ".mp4", ".webm", ".mov", ".avi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A source of predictions. key_options: what of the options decides pixels (no paths). extra_key: a clip's own part."""

    spec: MethodSpec
    source: str
    key_options: Mapping[str, Any]
    make: Callable[[], Method]
    extra_key: Callable[[str], str]


def _no_extra(_clip: str) -> str:
    return ""


def answers_of_method(name: str, *, preset: str | None, settings: Mapping[str, str]) -> Answers:
    """An installed method with its options. Raises UserError for unknown names, keys and values."""
    listed = load_registry()[name]
    options = options_from(listed, preset=preset, settings=settings)
    spec = listed.with_options(options)
    return Answers(
        spec=spec,
        source=spec.source_digest(),
        key_options=deciding_options(options),
        make=lambda: spec.load(options),
        extra_key=_no_extra,
    )


def answers_of_videos(folder: Path, *, name: str, crop: Crop) -> Answers:
    """Videos `<clip_id>.mp4` (or .mkv, .webm, .mov, .avi) as the predictions of a method called `name`."""
    if not folder.is_dir():
        raise UserError(f"--videos {folder}: no such folder")
    if not name or not name.isprintable() or any(c in "/\\:" for c in name) or name.startswith("."):
        raise UserError(f"--name {name!r}: it becomes a folder; use letters, digits, dashes")
    if name in load_registry().methods:
        raise UserError(f"--name {name}: a method of this name is installed; give the videos another name")
    spec = MethodSpec(id=name, target="", summary=f"videos made elsewhere, from {folder.name}", version="1", needs=frozenset())

    @cache
    def extra_key(clip: str) -> str:
        path = video_of(folder, clip)
        return file_key(path) if path else "absent"

    return Answers(
        spec=spec,
        source="videos-2",
        key_options={"crop": crop},
        make=lambda: VideosMadeElsewhere(folder, crop),
        extra_key=extra_key,
    )


def video_of(folder: Path, clip: str) -> Path | None:
    """The clip's file in a folder of videos, if it is there; of several the first in the order of SUFFIXES, lossless first."""
    for suffix in SUFFIXES:
        for path in (folder / f"{clip}{suffix}", folder / f"{clip}{suffix.upper()}"):
            if path.is_file():
                return path
    return None


def check_names(folder: Path, clips: Sequence[str]) -> list[str]:
    """Video files of the folder that are named after no clip. Raises UserError where none is named after one."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    unmatched = [path.name for path in files if path.stem not in set(clips)]
    if len(unmatched) == len(files):
        found = f"it holds {', '.join(unmatched[:3])}" if files else f"it holds no video ({', '.join(SUFFIXES)})"
        raise UserError(f"--videos {folder}: no file is named after a clip of the split, such as {clips[0]}.mp4; {found}")
    return unmatched


class VideosMadeElsewhere:
    """Reads each clip's file and fits it to the asked size; what was changed is kept in `notes`."""

    def __init__(self, folder: Path, crop: Crop) -> None:
        self._folder = folder
        self._crop: Crop = crop
        self._notes: dict[str, tuple[str, ...]] = {}

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        import numpy as np

        path = video_of(self._folder, inputs.clip_id)
        if path is None:
            raise Undefined(f"no video {inputs.clip_id}.mp4 in the folder")
        held = storage(path)
        _refuse_conversion(path.name, held)
        notes, kept = [], []
        decoded = 0
        for frame in decoded_frames(path):
            decoded += 1
            if decoded <= inputs.n_frames:
                kept.append(frame)
        if decoded < inputs.n_frames:
            found = "1 frame" if decoded == 1 else f"{decoded} frames"
            raise Undefined(f"{path.name} has {found}, {inputs.n_frames} are asked for; videos are never stretched")
        if decoded < held.frames:
            notes.append(f"lists {held.frames} frames, {decoded} can be decoded: it may be truncated")
        if decoded > inputs.n_frames:
            notes.append(f"length {decoded} -> first {inputs.n_frames} frames")
        if path.suffix != ".mkv":
            notes.append(f"decoded from {path.suffix[1:]}, which may be lossy")
        frames, changes = fit_size(np.stack(kept), inputs.size, crop=self._crop)
        notes += changes
        if held.fps is not None and abs(held.fps - inputs.fps) > 0.01:
            notes.append(f"rate tag {held.fps:g} fps ignored, frames are taken as {inputs.fps:g} fps")
        self._notes[inputs.clip_id] = tuple(notes)
        return frames

    def notes(self, clip: str) -> tuple[str, ...]:
        """What was changed in this clip's video."""
        return self._notes.get(clip, ())


def fit_size(frames: Frames, size: tuple[int, int], *, crop: Crop) -> tuple[Frames, list[str]]:
    """Cut to the rightmost square (crop "right", for exo|ego canvases), then resize to size (height, width).

    Returns the frames and one note a change. Raises Undefined where the shape could only be met by squeezing.
    """
    import numpy as np

    notes = []
    height, width = frames.shape[1:3]
    if crop == "right" and width > height:
        frames = frames[:, :, width - height :]
        notes.append(f"cropped {width}x{height} to its right {height}x{height}")
        width = height
    if (height, width) != size:
        if abs(width / height - size[1] / size[0]) > 1e-3:
            raise Undefined(
                f"video is {width}x{height}, {size[1]}x{size[0]} is asked for: another shape;"
                " --crop right takes the ego part of a canvas"
            )
        resize = Resize(size[1], size[0])
        frames = np.stack([resize(frame) for frame in frames])
        notes.append(f"resized {width}x{height} to {size[1]}x{size[0]}")
    return np.ascontiguousarray(frames), notes


def _refuse_conversion(name: str, held: Storage) -> None:
    """Raise UserError where 8-bit RGB needs a choice that is the maker's: of tones, of a background, of colours."""
    if held.bits > 8:
        raise UserError(f"{name} has {held.bits} bits a channel; convert it to 8 bits yourself (HDR to the usual range first)")
    if held.alpha:
        raise UserError(f"{name} has an alpha channel; blend or drop it first")
    if held.grey:
        raise UserError(f"{name} is grey; write it with three equal channels yourself")
