"""All problems of an Ego-Exo4D download: files, lengths, calibration, poses, clocks, and the epipolar self-check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from egox.cameras import UPRIGHT_FROM_RAW, Camera, rigid
from egox.cameras.devices import GOPRO_K

from ..canvas import FULL
from ..errors import UserError
from ..video import FileSource, decoded_frames
from .dataset import Problem, Progress
from .egoexo4d import EgoExo4D, TakeCameras, upright_ego
from .egoexo4d_layout import Take, cut_videos, read_window, whole_video
from .egoexo4d_lenses import AriaRgb, ExoCalibration, calibrations_from_csv, calibrations_from_pose_file
from .egoexo4d_poses import read_pose_file
from .head_motion import MIN_AGREEMENT, HeadMotion, head_motion
from .verify_checks import epipolar_problem, error, frames_or_problem, guarded, head_problem, note, warning

POSE_TAIL = 2
"""Released camera_pose files end this many frames before their video: no problem."""

SAME_PLACE_M, SAME_TURN = 2e-3, 2e-3
"""How far two sources of one exo pose may lie apart."""

UPRIGHT_POSES = rigid(UPRIGHT_FROM_RAW.T, np.zeros(3))
"""Turns world_from_raw into world_from_upright from the right; NaN poses stay NaN, which `Camera.upright` would refuse."""

CLOCK_FRAMES = 300
"""Frames of each exo view that are compared with the head's motion, at most."""

_FETCH_VIDEO = "fetch the part downscaled_takes/448"


def problems_of(data: EgoExo4D, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
    """All problems; `limit` takes are looked into. Nothing stops at the first one."""
    try:
        takes = data.takes
    except UserError as problem:
        yield error(str(data.root), str(problem), "mend it and verify again")
        return
    for where, what in data.faults:
        yield error(where, what, "fetch the metadata part again; the take is left out until then")
    if not (data.root / "takes.json").is_file():
        yield warning(
            str(data.root / "takes.json"),
            "not there: place, participant and scenario of the takes are unknown, so no split can hold places apart",
            "fetch the part metadata",
        )
    if not takes:
        # A list that names none is a choice (nothing is rendered yet); no list and no folder is a mistake.
        say = warning if (data.root / "takes.json").is_file() else error
        yield say(str(data.root / "takes"), "no takes at all", "fetch what a split needs: egox-bench data plan prints it")
    here = {name: take for name, take in takes.items() if take.folder.is_dir()}
    if len(here) < len(takes):
        yield warning(
            str(data.root / "takes"),
            f"{len(takes) - len(here)} of {len(takes)} listed takes have no folder",
            "fetch what a split needs",
        )
    yield from _left_out(takes)
    for fault in data.narrations.faults:
        yield error(
            str(data.root / "annotations"), fault, "fetch the annotations part again; its clips have no caption until then"
        )
    chosen = list(here.values())[:limit]
    for number, take in enumerate(chosen):
        progress(number, len(chosen), take.name)
        yield from _take_problems(data, take)
    progress(len(chosen), len(chosen), "")


def _left_out(takes: dict[str, Take]) -> Iterator[Problem]:
    """Takes that no split draws from, counted by reason."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for take in takes.values():
        if take.unusable:
            by_reason[take.unusable].append(take.name)
    for reason, names in sorted(by_reason.items()):
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        yield warning(
            "takes.json", f"{len(names)} takes are left out of splits, {reason}: {shown}", "nothing, this is as released"
        )


def _take_problems(data: EgoExo4D, take: Take) -> Iterator[Problem]:
    lengths: dict[str, int] = {}
    broken: set[Path] = set()
    yield from guarded(take.name, _video_problems(take, lengths, broken))
    try:
        cameras = data.cameras(take)
    except UserError as problem:
        yield error(take.name, str(problem), "mend the file and verify again")
        return
    yield from guarded(take.name, _exo_problems(data, take, cameras, broken))
    yield from guarded(take.name, _pose_problems(take, cameras, lengths))
    yield from guarded(take.name, _ego_problems(take, cameras, broken))


def _video_problems(take: Take, lengths: dict[str, int], broken: set[Path]) -> Iterator[Problem]:
    """Files that are absent, empty or cut off, and views of different length. Fills `lengths` and `broken`."""
    if take.aria is None:
        yield error(take.name, f"no ego view: {take.aria_reason}", "leave the take out; its clips have no truth")
    for camera in (*take.exo, *((take.aria,) if take.aria else ())):
        cut = cut_videos(take, camera)
        yield from _cut_problems(cut, f"{take.name}, camera {camera}")
        path = whole_video(take, camera, height=0)
        if not isinstance(path, Path):
            if not cut:
                yield error(f"{take.name}, camera {camera}", path, _FETCH_VIDEO)
            continue
        found = frames_or_problem(path, f"{take.name}, camera {camera}")
        if isinstance(found, Problem):
            broken.add(path)
            yield found
        else:
            lengths[camera] = found
    if not take.exo:
        yield error(take.name, "no exo camera with a video", _FETCH_VIDEO)
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{camera} {count}" for camera, count in sorted(lengths.items()))
        yield error(
            take.name, f"views differ in length: {shown} frames", "fetch the short ones again; frame i must be one instant"
        )
    declared = take.sync_rows[1] - take.sync_rows[0] if take.sync_rows else take.declared_frames
    if declared is not None and lengths and declared != min(lengths.values()):
        yield warning(
            take.name,
            f"takes.json lists {declared} frames, the videos hold {min(lengths.values())}",
            "fetch the videos again if they were cut",
        )


def _cut_problems(paths: list[Path], where: str) -> Iterator[Problem]:
    """Cut windows must hold every frame that `window.json` states."""
    for path in paths:
        try:
            window = read_window(path.with_name("window.json"))
        except UserError as problem:
            yield error(where, str(problem), "delete the folder so that it is cut again")
            continue
        found, wanted = frames_or_problem(path, where), (window.last - window.first) // window.step + 1
        if isinstance(found, Problem):
            yield found
        elif found != wanted:
            yield error(
                where, f"{path}: {found} frames, window.json states {wanted}", "delete the folder so that it is cut again"
            )


def _exo_problems(data: EgoExo4D, take: Take, cameras: TakeCameras, broken: set[Path]) -> Iterator[Problem]:
    calibrated = [name for name in take.exo if name in cameras.exo]
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for name in take.exo:
        if name in cameras.exo:
            yield from guarded(f"{take.name}, camera {name}", _calibration_problems(take, cameras.exo[name], broken))
        else:
            refused[cameras.exo_reasons.get(name, "in neither gopro_calibs.csv nor camera_pose")].append(name)
    for reason, names in refused.items():
        where = f"{take.name}, camera {', '.join(names)}"
        yield warning(where, f"not calibrated: {reason}", "nothing: other views serve, this one is left out")
    if take.exo and not calibrated:
        yield error(take.name, "no exo camera is calibrated", "fetch the parts take_trajectory and annotations")
    elif data.main_exo(take, cameras) is None:
        yield error(take.name, "no calibrated landscape exo camera with a video", "leave the take out: portrait views do not fit")
    if take.best_exo and take.best_exo not in take.exo:
        yield warning(take.name, f"best_exo {take.best_exo!r} has no video", "nothing: the first calibrated camera serves")
    yield from _two_sources(data, take)


def _calibration_problems(take: Take, calibration: ExoCalibration, broken: set[Path]) -> Iterator[Problem]:
    where = f"{take.name}, camera {calibration.name}"
    if any(abs(a - b) > 1e-6 for a, b in zip(calibration.lens.k, GOPRO_K)):
        yield warning(where, f"distortion {calibration.lens.k} is not the shared factory model {GOPRO_K}", "look at the view")
    if calibration.first >= 0 or calibration.last >= 0:
        yield warning(
            where,
            f"calibrated for frames {calibration.first}..{calibration.last} only",
            "nothing: clips outside say so in their reason",
        )
    path = whole_video(take, calibration.name, height=0)
    if isinstance(path, Path) and path not in broken:
        try:
            height, width = FileSource(path, key="").size
            calibration.lens_at(width, height)
        except UserError as problem:
            yield error(where, str(problem), "fetch gopro_calibs.csv and the video again")
            return
        if height > width:
            yield warning(where, f"a portrait view ({width}x{height})", "nothing: it does not fit the canvas and is left out")


def _two_sources(data: EgoExo4D, take: Take) -> Iterator[Problem]:
    """gopro_calibs.csv and camera_pose must tell the same exo poses where both are there."""
    csv_path, pose_path = take.folder / "trajectory" / "gopro_calibs.csv", data.pose_file(take)
    if pose_path is None or not csv_path.is_file():
        return
    try:
        by_csv, _ = calibrations_from_csv(csv_path)
        by_pose, _ = calibrations_from_pose_file(read_pose_file(pose_path), pose_path)
    except UserError:
        return  # told by the camera's own reason
    for name in sorted(by_csv.keys() & by_pose.keys()):
        a, b = by_csv[name].world_from_camera, by_pose[name].world_from_camera
        metres, turn = float(np.abs(a[:3, 3] - b[:3, 3]).max()), float(np.abs(a[:3, :3] - b[:3, :3]).max())
        if metres > SAME_PLACE_M or turn > SAME_TURN:
            yield error(
                f"{take.name}, camera {name}",
                f"gopro_calibs.csv and camera_pose disagree by {metres:.3f} m and {turn:.3f} in rotation",
                "one of them is in another world or read backwards: fetch both again",
            )


def _pose_problems(take: Take, cameras: TakeCameras, lengths: dict[str, int]) -> Iterator[Problem]:
    if cameras.track is None:
        if take.aria is not None:
            yield error(take.name, cameras.track_reason, "fetch what is named; clips of this take are 'undefined' until then")
        return
    valid = cameras.track.valid()
    gaps = np.flatnonzero(~valid)
    if len(gaps):
        yield error(
            f"{take.name}, frame {int(gaps[0])}",
            f"{cameras.track.reason(int(gaps[0]))} ({len(gaps)} of {len(valid)} frames have none)",
            "nothing: clips over these frames are 'undefined', none is held or guessed",
        )
    video = min(lengths.values(), default=None)
    if video is not None and len(valid) < video - POSE_TAIL:
        yield warning(
            take.name, f"poses end at frame {len(valid) - 1}, the video at {video - 1}", "nothing: later windows are not cut"
        )
    if cameras.track.source == "camera_pose" and cameras.rgb is None:
        yield error(take.name, cameras.rgb_reason, "fetch it: no lens is guessed")


def _ego_problems(take: Take, cameras: TakeCameras, broken: set[Path]) -> Iterator[Problem]:
    """What needs the ego poses: the head in each exo view, and the epipolar figure."""
    if cameras.track is None or cameras.rgb is None or take.aria is None or not cameras.track.valid().any():
        return
    raw = cameras.track.world_from_raw
    known = raw[cameras.track.valid()][:: max(1, len(raw) // 50)]
    ego = upright_ego(cameras.rgb, known, FULL.ego_side)
    for name in take.exo:
        calibration = cameras.exo.get(name)
        if calibration is not None:
            poses = np.repeat(calibration.world_from_camera[None], len(ego), 0)
            exo = Camera(lens=calibration.lens, width=calibration.width, height=calibration.height, world_from_camera=poses)
            problem = head_problem(exo, ego, f"{take.name}, camera {name}")
            if problem is not None:
                yield problem
    yield from guarded(take.name, _clock_problems(take, cameras))
    path = whole_video(take, take.aria, height=FULL.ego_side)
    if isinstance(path, Path) and path not in broken:
        yield from guarded(
            f"{take.name}, camera {take.aria}", _epipolar(path, cameras.rgb, raw, f"{take.name}, camera {take.aria}")
        )
    yield note(take.name, f"cameras from {cameras.source}")


def _epipolar(path: Path, rgb: AriaRgb, world_from_raw: np.ndarray, where: str) -> Iterator[Problem]:
    height, width = FileSource(path, key="").size
    if height != width:
        yield error(where, f"ego video is {width}x{height}, expected a square", "fetch it again")
        return
    known = world_from_raw[np.isfinite(world_from_raw).all((1, 2))][:1]
    lens = upright_ego(rgb, known, height)
    yield epipolar_problem(path, lens, where, world_from_camera=world_from_raw @ UPRIGHT_POSES, own_lens=True)


def _clock_problems(take: Take, cameras: TakeCameras) -> Iterator[Problem]:
    """Whether exo videos and ego poses run together, by the view in which the head is followed best."""
    assert cameras.track is not None  # the caller has seen to it
    best: tuple[str, HeadMotion] | None = None
    for name in take.exo:
        path, calibration = whole_video(take, name, height=FULL.exo_size[0]), cameras.exo.get(name)
        if not isinstance(path, Path) or calibration is None:
            continue
        try:
            height, width = FileSource(path, key="").size
            lens = calibration.lens_at(width, height)
            exo = Camera(lens=lens, width=width, height=height, world_from_camera=calibration.world_from_camera[None])
            motion = head_motion(islice(decoded_frames(path), CLOCK_FRAMES), exo, cameras.track.world_from_raw[:, :3, 3])
        except UserError:
            continue  # a broken file is told by its length, a turned one by its calibration
        if motion is not None and (best is None or motion.agreement > best[1].agreement):
            best = name, motion
    if best is None or best[1].agreement < MIN_AGREEMENT:
        return
    name, motion = best
    side = "behind" if motion.lag >= 0 else "ahead of"
    what = f"head motion: this view runs {abs(motion.lag)} frames {side} the poses (correlation {motion.agreement:.2f})"
    where = f"{take.name}, camera {name}"
    if motion.suspicious:
        yield warning(
            where, what, "look at both videos side by side: exo and ego may lie frames apart; leave the take out if they do"
        )
    else:
        yield note(where, what)
