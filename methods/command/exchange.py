"""The folder that a program reads, and the file that it writes back.

`inputs.json` holds a `Question`; all file names in it are relative to its folder, except `output`. Version 1 may gain fields
that a program can ignore; anything else gets a new version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmark.clip import ClipInputs, check_prediction
from benchmark.errors import UserError
from benchmark.video import Frames, decoded_frames, write_lossless
from egox.cameras import Camera

VERSION = 1


class ExoView(msgspec.Struct, frozen=True, kw_only=True):
    """One exo view; a field is null unless the input was asked for with `needs`.

    video: lossless Matroska, FFV1. camera: see `egox.cameras.Camera.to_json`. depth: npy, [frames, height, width] float32
    z in metres, 0 where unknown. disparity: comes with depth where there is one; npy, [frames, height, width] float32 inverse
    depth up to a scale and a shift, NaN where unknown. masks: npy, [frames, height, width] int16 instance ids.
    """

    name: str
    video: str
    camera: dict[str, Any] | None
    depth: str | None
    disparity: str | None
    masks: str | None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """inputs.json: what is asked, and the file to write: n_frames pictures of height x width, 8-bit RGB.

    ego_camera: as for a view, upright. up: comes with it; unit vector in the world, null where unknown. ego_prior: lossless
    Matroska. body_pose: joint name to n_frames times [x, y, z] world metres, or null where a joint is unknown.
    points: npy, [n, 3] float64 world metres, points of the still world.
    """

    version: int
    clip_id: str
    seed: int
    fps: float
    n_frames: int
    height: int
    width: int
    output: str
    exo: list[ExoView]
    ego_camera: dict[str, Any] | None
    up: list[float] | None
    caption: str | None
    ego_prior: str | None
    body_pose: dict[str, list[list[float] | None]] | None
    points: str | None


class BatchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """folder: relative to batch.json, holds the clip's inputs.json."""

    clip_id: str
    folder: str
    output: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """batch.json: the clips of one call with batch=all."""

    version: int
    clips: list[BatchEntry]


def write_question(folder: Path, inputs: ClipInputs, *, seed: int, output: Path) -> None:
    """Fill a new folder with everything that the clip's question holds."""
    folder.mkdir(parents=True)
    exo = []
    for number, view in enumerate(inputs.exo):
        stem = f"exo_{number}"
        write_lossless(folder / f"{stem}.mkv", view.video.stream(), fps=inputs.fps)
        if view.depth is not None:
            np.save(folder / f"{stem}_depth.npy", view.depth.read().astype(np.float32))
        if view.disparity is not None:
            np.save(folder / f"{stem}_disparity.npy", view.disparity.read().astype(np.float32))
        if view.masks is not None:
            np.save(folder / f"{stem}_masks.npy", view.masks.read().astype(np.int16))
        exo.append(
            ExoView(
                name=view.name,
                video=f"{stem}.mkv",
                camera=_camera(view.camera),
                depth=None if view.depth is None else f"{stem}_depth.npy",
                disparity=None if view.disparity is None else f"{stem}_disparity.npy",
                masks=None if view.masks is None else f"{stem}_masks.npy",
            )
        )
    if inputs.ego_prior is not None:
        write_lossless(folder / "ego_prior.mkv", inputs.ego_prior.stream(), fps=inputs.fps)
    if inputs.points is not None:
        np.save(folder / "points.npy", inputs.points.read().astype(np.float64))
    question = Question(
        version=VERSION,
        clip_id=inputs.clip_id,
        seed=seed,
        fps=inputs.fps,
        n_frames=inputs.n_frames,
        height=inputs.size[0],
        width=inputs.size[1],
        output=str(output),
        exo=exo,
        ego_camera=_camera(inputs.ego_camera),
        up=None if inputs.up is None else [float(v) for v in inputs.up],
        caption=inputs.caption,
        ego_prior=None if inputs.ego_prior is None else "ego_prior.mkv",
        body_pose=None if inputs.body_pose is None else {name: _joints(xyz) for name, xyz in inputs.body_pose.items()},
        points=None if inputs.points is None else "points.npy",
    )
    _write_json(folder / "inputs.json", question)


def write_batch(folder: Path, clips: Sequence[BatchEntry]) -> None:
    """The list of clips beside their folders."""
    _write_json(folder / "batch.json", Batch(version=VERSION, clips=list(clips)))


def read_answer(path: Path, inputs: ClipInputs) -> Frames:
    """The program's video. Raises ValueError naming what is wrong with it: missing, unreadable, wrong length or size."""
    if not path.exists():
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise ValueError(f"the program ended well but did not write {path.name} (it wrote {', '.join(beside) or 'nothing'})")
    try:
        frames = _array(path) if path.suffix == ".npy" else _video(path, inputs.n_frames)
    except (UserError, OSError) as error:
        raise ValueError(f"what the program wrote cannot be read: {error}") from None
    check_prediction(frames, inputs)
    return np.ascontiguousarray(frames)


def _array(path: Path) -> Frames:
    try:
        return np.array(np.lib.format.open_memmap(path, mode="r"))
    except ValueError as error:
        raise ValueError(f"what the program wrote, {path.name}, is not an npy file of plain numbers: {error}") from None


def _video(path: Path, wanted: int) -> Frames:
    kept, count = [], 0
    for count, frame in enumerate(decoded_frames(path), start=1):
        if count <= wanted:
            kept.append(frame)
    if not kept:
        raise ValueError(f"what the program wrote, {path.name}, decodes to no frame")
    if count > wanted:
        asked = (wanted, *kept[0].shape)
        raise ValueError(f"output has shape {(count, *kept[0].shape)}, expected {asked} (frames, height, width, 3)")
    return np.stack(kept)


def _camera(camera: Camera | None) -> dict[str, Any] | None:
    return None if camera is None else camera.to_json()


def _joints(xyz: np.ndarray) -> list[list[float] | None]:
    return [[float(v) for v in point] if all(math.isfinite(v) for v in point) else None for point in xyz]


def _write_json(path: Path, value: msgspec.Struct) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))
