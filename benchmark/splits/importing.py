"""Turn a released list of clips into a manifest, filling in from a download what the list leaves out.

A list names take and frames only. With a data folder the rows get the take's uid, capture, place, wearer digest, scenario,
and the exo camera, found by comparing the list's `camera_extrinsics` with the take's calibrated cameras; where the list
has none it is the take's main camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from egox.cameras import inverse

from ..datasets.egoexo4d import EgoExo4D
from ..datasets.egoexo4d_layout import Take
from .manifest import Manifest, Row
from .released import Listed

MAIN_CAMERA = "exo-cam:main"
"""`Row.pose_source` of a clip whose list names no exo camera: `EgoExo4D.main_exo` chose it."""

SAME_CAMERA = 0.01
"""Two poses are one camera where no entry of their 3x4 matrices differs by more (metres and rotation entries)."""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list: counts over its clips, and one warning a kind of thing that is missing."""

    split: str
    clips: int
    digest: str
    takes_known: int
    cameras_found: int
    cameras_chosen: int
    null_poses: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """The manifest and the report about it."""

    manifest: Manifest
    report: Imported


def import_list(listed: Sequence[Listed], *, split: str, dataset: str = "egoexo4d", data: Path | None = None) -> Import:
    """A manifest of these clips. Clips with null poses are kept: a run gives them the outcome `undefined`.

    data: root of an Ego-Exo4D download. Raises UserError where it is none.
    """
    reader = None if data is None else EgoExo4D(data)
    rows = []
    without_take, without_camera, chosen = [], [], []
    for clip in listed:
        take = None if reader is None else reader.takes.get(clip.take)
        camera = "" if reader is None or take is None else _camera(clip, reader, take)
        if reader is not None and take is not None and not camera and clip.camera_extrinsics is None:
            camera = reader.main_exo(take, reader.cameras(take)) or ""
            if camera:
                chosen.append(clip.name)
        rows.append(_row(clip, take, camera, chosen=clip.name in chosen[-1:]))
        if take is None:
            without_take.append(clip.name)
        if not camera:
            without_camera.append(clip.name)
    nulls = [clip.name for clip in listed if clip.null_poses]
    manifest = Manifest.of(split, dataset, rows)
    report = Imported(
        split=split,
        clips=len(rows),
        digest=manifest.digest,
        takes_known=len(rows) - len(without_take),
        cameras_found=len(rows) - len(without_camera) - len(chosen),
        cameras_chosen=len(chosen),
        null_poses=len(nulls),
        warnings=tuple(_warnings(data, without_take, without_camera, chosen, nulls)),
    )
    return Import(manifest=manifest, report=report)


def matching_camera(extrinsics: NDArray[np.float64], cameras: dict[str, NDArray[np.float64]]) -> str:
    """The camera whose world-to-camera 3x4 is nearest to `extrinsics`, "" where none is within SAME_CAMERA."""
    off = {name: float(np.abs(pose - extrinsics).max()) for name, pose in sorted(cameras.items())}
    best = min(off, key=lambda name: off[name], default="")
    return best if best and off[best] <= SAME_CAMERA else ""


def _camera(clip: Listed, reader: EgoExo4D, take: Take) -> str:
    try:
        extrinsics = np.asarray(clip.camera_extrinsics, dtype=np.float64)
    except (TypeError, ValueError):
        return ""
    if extrinsics.shape != (3, 4) or not np.isfinite(extrinsics).all():
        return ""
    calibrated = reader.cameras(take).exo
    return matching_camera(extrinsics, {name: inverse(one.world_from_camera)[:3] for name, one in calibrated.items()})


def _row(clip: Listed, take: Take | None, camera: str, *, chosen: bool) -> Row:
    first, last = clip.window.first, clip.window.last
    bare = Row(clip_id=clip.name, take_uid="", take_name=clip.take, first_frame=first, last_frame=last, exo_cam=camera)
    if take is None:
        return bare
    return msgspec.structs.replace(
        bare,
        take_uid=take.uid,
        aria_id=take.aria or "",
        capture_uid=take.capture_uid,
        place=take.place,
        participant=take.participant,
        scenario=take.scenario,
        university=take.university,
        pose_source=MAIN_CAMERA if chosen else "",
    )


def _warnings(
    data: Path | None, takes: Sequence[str], cameras: Sequence[str], chosen: Sequence[str], nulls: Sequence[str]
) -> Iterator[str]:
    if data is None:
        yield "no --data: take uids, places and exo cameras stay unknown, so `data audit` compares takes by name only"
    elif takes:
        yield f"{len(takes)} clips of takes that {data} does not have, the first is {takes[0]}"
    if data is not None and len(cameras) > len(takes):
        rest = [name for name in cameras if name not in set(takes)]
        yield f"{len(rest)} clips whose exo camera matches no calibrated camera of their take, the first is {rest[0]}"
    if chosen:
        yield f"{len(chosen)} clips without an exo camera in the list: their take's main one is written, the first is {chosen[0]}"
    if nulls:
        yield f"{len(nulls)} clips with null ego poses (kept; a run calls them undefined), the first is {nulls[0]}"
