"""The takes that clips may be cut from, and a counted reason for each one that is left out.

Metadata decides first. What of the download is on disk narrows it: `gopro_calibs.csv` drops cameras that were not localised
wherever it is there, and `require` makes poses or videos on disk a condition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from ..datasets.dataset import Progress
from ..datasets.egoexo4d import EgoExo4D
from ..datasets.egoexo4d_layout import Take, read_takes, whole_video
from ..datasets.egoexo4d_lenses import ExoCalibration, calibrations_from_csv
from ..errors import UserError
from .require import Require
from .windows import CLIP_FRAMES, Window

POSE_TAIL = 2
"""Published ego poses end two frames before the video does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """A take that passed: its exo cameras with the frames that each holds good for, and the frames to cut clips from.

    pose_source: as in `Row`; "" where poses were not looked at.
    """

    take: Take
    exo: Mapping[str, Window]
    frames: Window
    pose_source: str = ""

    def exo_for(self, window: Window) -> list[str]:
        """Exo cameras that hold good for the whole window, sorted."""
        return sorted(cam for cam, good in self.exo.items() if good.first <= window.first and window.last <= good.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Usable takes by uid order, and how many were left out for which reason."""

    takes: tuple[Usable, ...]
    left_out: Mapping[str, int]


class _Left(Exception):
    """Why a take is left out."""


def read_pool(root: Path, *, require: Collection[Require] = (), need_place: bool, progress: Progress | None = None) -> Pool:
    """Usable takes of a download root. need_place: leave out takes of unknown place, as nothing can be held out beside them.

    Only takes.json is needed, so splits can be cut before the first video is fetched, and the rows say what to fetch.
    Raises UserError where takes.json is missing or not a list; a record that cannot be read counts as left out.
    """
    if not (root / "takes.json").is_file():
        raise UserError(f"{root / 'takes.json'}: not there; fetch the part 'metadata' of Ego-Exo4D into {root}")
    listing, faults = read_takes(root)
    takes = _with_places(sorted(listing.values(), key=lambda take: take.uid), root)
    reader = EgoExo4D(root) if Require.POSES in require else None
    kept, reasons = [], Counter({"record in takes.json cannot be read": len(faults)} if faults else {})
    for done, take in enumerate(takes):
        try:
            kept.append(_usable(take, reader, require, need_place))
        except _Left as reason:
            reasons[str(reason)] += 1
        if progress is not None:
            progress(done + 1, len(takes), take.name)
    return Pool(takes=tuple(kept), left_out=MappingProxyType(dict(sorted(reasons.items()))))


def _with_places(takes: Sequence[Take], root: Path) -> list[Take]:
    """captures.json knows the place of a take that does not carry its capture's row."""
    path = root / "captures.json"
    if not path.is_file() or all(take.place for take in takes):
        return list(takes)
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[dict])
    except msgspec.DecodeError as error:
        raise UserError(f"{path}: {error}; fetch the part 'metadata' again") from None
    places = {str(row.get("capture_uid")): row.get("physical_setting_uid") for row in rows}
    known = {uid: str(place) for uid, place in places.items() if place is not None}
    return [take if take.place else replace(take, place=known.get(take.capture_uid, "")) for take in takes]


def _usable(take: Take, reader: EgoExo4D | None, require: Collection[Require], need_place: bool) -> Usable:
    """The take with what holds good of it. Raises _Left with the reason where it cannot be used."""
    if take.unusable:
        raise _Left(take.unusable)
    if take.aria is None:
        raise _Left("several Aria devices with an RGB video" if take.aria_reason.startswith("several") else take.aria_reason)
    if not take.exo:
        raise _Left("no exo camera with an aligned video")
    if take.declared_frames is None:
        raise _Left("duration unknown")
    if need_place and not take.place:
        raise _Left("place unknown")
    whole = Window(0, take.declared_frames - 1)
    frames, source = Window(0, whole.last - POSE_TAIL), ""
    if reader is not None:
        frames, calibrated, source = _posed(take, reader, whole)
    else:
        calibrated = _calibrated(take)
    exo = dict.fromkeys(take.exo, whole) if calibrated is None else _holding(take, calibrated, whole)
    if not exo:
        raise _Left("no exo camera that is localised (quality 1) and landscape")
    if Require.VIDEOS in require:
        if not isinstance(whole_video(take, take.aria, height=0), Path):
            raise _Left("ego video not on disk")
        exo = {cam: good for cam, good in exo.items() if isinstance(whole_video(take, cam, height=0), Path)}
        if not exo:
            raise _Left("no exo video on disk")
    if take.task_frames is not None:
        frames = Window(max(frames.first, take.task_frames[0]), min(frames.last, take.task_frames[1]))
    if frames.length < CLIP_FRAMES:
        raise _Left(f"fewer than {CLIP_FRAMES} frames of task with poses")
    return Usable(take=take, exo=MappingProxyType(exo), frames=frames, pose_source=source)


def _calibrated(take: Take) -> Mapping[str, ExoCalibration] | None:
    """Localised cameras by gopro_calibs.csv; None where the file is not there, as then nothing is known against a camera."""
    path = take.folder / "trajectory" / "gopro_calibs.csv"
    if not path.is_file():
        return None
    try:
        return calibrations_from_csv(path)[0]
    except UserError:
        raise _Left("gopro_calibs.csv cannot be read") from None


def _posed(take: Take, reader: EgoExo4D, whole: Window) -> tuple[Window, Mapping[str, ExoCalibration], str]:
    """The longest run of frames with ego poses, the calibrated cameras, and where the numbers come from."""
    cameras = reader.cameras(take)
    if cameras.track is None:
        raise _Left("no ego poses on disk, or they cannot be read")
    if cameras.rgb is None:
        raise _Left("no ego lens on disk (online_calibration.jsonl), or it cannot be read")
    run = longest_run(cameras.track.valid()[: whole.length])
    if run is None:
        raise _Left("no ego poses on disk, or they cannot be read")
    return run, cameras.exo, cameras.source


def longest_run(valid: np.ndarray) -> Window | None:
    """The longest run of true values, the first of equally long ones; None where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(valid, np.int8), [0]])))
    if not len(edges):
        return None
    begins, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - begins))
    return Window(int(begins[best]), int(ends[best]) - 1)


def _holding(take: Take, calibrated: Mapping[str, ExoCalibration], whole: Window) -> dict[str, Window]:
    """Landscape cameras of the take and the frames that their calibration holds for."""
    found = {}
    for cam in take.exo:
        one = calibrated.get(cam)
        if one is not None and one.width > one.height:
            found[cam] = Window(max(one.first, 0), whole.last if one.last < 0 else min(one.last, whole.last))
    return found
