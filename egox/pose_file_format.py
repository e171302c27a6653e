"""The text of a pose file as typed values, and every check that needs nothing but the text. See docs/poses.md."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from .cameras import Array, Fisheye624, KannalaBrandt, Lens, Pinhole, nearest_rotation, rigid
from .pose_tracks import CameraTrack, FieldOfView, PoseFileError

FORMAT, VERSION = "egox-pose", 1

KEPT_OFF, MENDED_OFF = 1e-6, 1e-2
"""How far a rotation may be from orthonormal: up to the first it stays as written, up to the second it is mended (matrices
printed with few decimals), beyond it is refused."""

MOST_HFOV_DEG = 170.0
_MOST_FRAMES = 10**7
_NEVER_TURN_DEG = 179.0
_LEAST_LENGTH = 1e-9
_FORMAT_HINT = "the format is in docs/poses.md"

_Vector = tuple[float, float, float]
_Row = tuple[float, float, float, float]
_Matrix = tuple[_Row, _Row, _Row, _Row]


class _Known(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base: a key that the format does not know is an error, not a silent nothing."""


class _Keyframe(_Known):
    """Where the head is at one frame, and how it is turned: by a quaternion, or by what it looks at."""

    frame: int
    position: _Vector
    quaternion_xyzw: _Row | None = None
    look_at: _Vector | None = None


class ExoJson(_Known):
    """The exo camera as far as it is known. world_from_camera: one 4x4 (identity by default), or one a frame."""

    lens: dict[str, Any] | str
    width: int | None = None
    height: int | None = None
    world_from_camera: Any = None


class EgoJson(_Known):
    """The upright ego camera: exactly one of world_from_camera (one 4x4 a frame) and keyframes."""

    lens: dict[str, Any] | str = "aria"
    width: int | None = None
    height: int | None = None
    world_from_camera: list[_Matrix | None] | None = None
    keyframes: list[_Keyframe] | None = None


class FileJson(_Known):
    """The whole file."""

    format: str
    version: int
    frames: int
    ego: EgoJson
    fps: float | None = None
    up: _Vector | None = None
    exo: ExoJson | None = None


_MODELS: dict[str, type[Lens]] = {model.__name__: model for model in (Pinhole, KannalaBrandt, Fisheye624)}
_KEYS = sorted({name for kind in (FileJson, ExoJson, EgoJson, _Keyframe) for name in kind.__struct_fields__})
_T = TypeVar("_T")


def _convert(data: Any, kind: type[_T], path: str, *, within: str = "") -> _T:
    """Typed values of plain ones. Raises PoseFileError with the field's name, and the nearest one of an unknown name."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        told = str(error)
        at = re.search(r" - at `\$\.?(.*)`$", told)
        field = ".".join(part for part in (within, at[1] if at else "") if part).replace(".[", "[")
        text = told[: at.start()] if at else told
        unknown = re.search(r"unknown field `(.*)`", text)
        close = difflib.get_close_matches(unknown[1], _KEYS, n=1) if unknown else []
        hint = f"did you mean {close[0]!r}?" if close else _FORMAT_HINT
        raise PoseFileError(f"{path}: {f'{field}: ' if field else ''}{text}; {hint}") from None


def typed(data: Any, path: str) -> FileJson:
    """The whole file's fields with their types, numbers not yet looked at."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = repr(data.get("format")) if isinstance(data, dict) else f"a JSON {type(data).__name__}"
        raise PoseFileError(f'{path}: format is {found}, expected an object with "format": "{FORMAT}"; {_FORMAT_HINT}')
    if data.get("version") != VERSION:
        raise PoseFileError(f"{path}: version is {data.get('version')!r}, this program reads {VERSION}; {_FORMAT_HINT}")
    file = _convert(data, FileJson, path)
    if not 1 <= file.frames <= _MOST_FRAMES:
        raise PoseFileError(f"{path}: frames is {file.frames}; give the number of frames of the video")
    if file.fps is not None and not 0 < file.fps < math.inf:
        raise PoseFileError(f"{path}: fps is {file.fps}; give a number above 0, or leave it out")
    return file


def direction(vector: ArrayLike, where: str) -> Array:
    """The unit vector along `vector`. Raises PoseFileError, beginning with `where`, for one that has none."""
    array = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(array))
    if not _LEAST_LENGTH < length < math.inf:
        raise PoseFileError(f"{where} is {array.tolist()}; give a direction of finite numbers that are not all 0")
    return array / length


def exo_track(exo: ExoJson, frames: int, path: str) -> CameraTrack:
    """The exo side, checked; see `PoseFileError` for what it raises."""
    size = _size(exo.width, exo.height, f"{path}: exo")
    if isinstance(exo.lens, str):
        raise PoseFileError(f'{path}: exo.lens is {exo.lens!r}; give numbers, or a guess such as {{"hfov_deg": 60}}')
    lens = _lens(exo.lens, size, path, "exo")
    given, field = exo.world_from_camera, "exo.world_from_camera"
    if given is None:
        return CameraTrack(lens=lens, size=size, key_frames=(0, frames - 1), key_poses=np.stack([np.eye(4)] * 2))
    if _depth(given) >= 3:
        given = _convert(given, list[_Matrix | None], path, within=field)
        poses = _matrices(given, frames, path, field)  # first: it refuses a count of frames that the file does not have
        return CameraTrack(lens=lens, size=size, key_frames=tuple(range(frames)), key_poses=poses)
    pose = _matrices([_convert(given, _Matrix, path, within=field)], 1, path, field)
    return CameraTrack(lens=lens, size=size, key_frames=(0, frames - 1), key_poses=np.repeat(pose, 2, 0))


def _depth(value: Any) -> int:
    """How deep lists are nested, along the first item that is not null."""
    if not isinstance(value, list):
        return 0
    return 1 + _depth(next((item for item in value if item is not None), None))


def ego_track(ego: EgoJson, frames: int, up: Array | None, path: str) -> CameraTrack:
    """The ego side, checked; `up` (a unit vector) is for keyframes with look_at."""
    size = _size(ego.width, ego.height, f"{path}: ego")
    if size is not None and size[0] != size[1]:
        raise PoseFileError(f"{path}: ego is {size[0]}x{size[1]}; the ego picture is square, give width = height")
    if ego.lens == "aria":
        lens = None
    elif isinstance(ego.lens, str):
        raise PoseFileError(
            f'{path}: ego.lens: unknown lens {ego.lens!r}; give "aria" or an object with a model ({", ".join(_MODELS)})'
        )
    else:
        lens = _lens(ego.lens, size, path, "ego")
    if (ego.world_from_camera is None) == (ego.keyframes is None):
        found = "neither" if ego.keyframes is None else "both"
        raise PoseFileError(f"{path}: ego has {found} of world_from_camera (one matrix a frame) and keyframes; give one of them")
    if ego.world_from_camera is not None:
        poses = _matrices(ego.world_from_camera, frames, path, "ego.world_from_camera")
        numbers = tuple(range(frames))
    else:
        numbers, poses = _keyframes(ego.keyframes or [], frames, up, path)
    return CameraTrack(lens=lens, size=size, key_frames=numbers, key_poses=poses)


def _size(width: int | None, height: int | None, where: str) -> tuple[int, int] | None:
    if width is None and height is None:
        return None
    if width is None or height is None or min(width, height) < 1:
        raise PoseFileError(f"{where}: width is {width}, height is {height}; give both in pixels, or neither")
    return width, height


def _lens(data: dict[str, Any], size: tuple[int, int] | None, path: str, side: str) -> Lens | FieldOfView:
    """Raises PoseFileError for an unknown lens, a field it lacks or does not have, and intrinsics that no lens can have."""
    where, name = f"{side}.lens", data.get("model", "FieldOfView" if "hfov_deg" in data else "Pinhole")
    kinds: dict[Any, Callable[..., Lens | FieldOfView]] = {**_MODELS, "FieldOfView": FieldOfView}
    if not isinstance(name, str) or name not in kinds:
        close = difflib.get_close_matches(str(name), _MODELS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f'known: {", ".join(_MODELS)}, or {{"hfov_deg": 60}}'
        raise PoseFileError(f"{path}: {where}: unknown lens {name!r}; {hint}")
    kind: Any = kinds[name]
    given, known = {key: value for key, value in data.items() if key != "model"}, [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            raise PoseFileError(f"{path}: {where}: {name} has no field {key!r}; it has {', '.join(known)}")
    lens: Any = _convert(given, kind, path, within=where)
    if not all(np.isfinite(getattr(lens, field)).all() for field in known):
        raise PoseFileError(f"{path}: {where}: holds NaN or infinity; give finite numbers")
    if isinstance(lens, FieldOfView):
        if not 0 < lens.hfov_deg <= MOST_HFOV_DEG:
            raise PoseFileError(
                f"{path}: {where}: hfov_deg is {lens.hfov_deg:g}; give degrees above 0 and at most {MOST_HFOV_DEG:g}"
            )
        return lens
    for key in ("f", "fx", "fy"):
        if key in known and not getattr(lens, key) > 0:
            raise PoseFileError(f"{path}: {where}: {key} is {getattr(lens, key):g}; a focal length in pixels is above 0")
    if size is None:
        raise PoseFileError(f"{path}: {where} is in pixels; give {side}.width and {side}.height of the picture it is for")
    if not (-0.5 <= lens.cx <= size[0] - 0.5 and -0.5 <= lens.cy <= size[1] - 0.5):
        raise PoseFileError(
            f"{path}: {where}: the principal point ({lens.cx:g}, {lens.cy:g}) lies outside of {size[0]}x{size[1]};"
            f" give {side}.width and {side}.height of the picture that the lens was measured for"
        )
    return lens


def _matrices(given: Sequence[_Matrix | None], frames: int, path: str, field: str) -> Array:
    """[frames, 4, 4], one a frame. Raises PoseFileError where some are missing, too many, or no pose."""
    if len(given) > frames:
        raise PoseFileError(f"{path}: {field} has {len(given)} matrices but frames is {frames}; make them agree")
    gap = [frame for frame, matrix in enumerate(given) if matrix is None]
    tail = [f"{len(given)}..{frames - 1}"] if len(given) < frames - 1 else [str(frames - 1)] if len(given) < frames else []
    if gap or tail:
        named = ", ".join([*([ranges(gap)] if gap else []), *tail])
        raise PoseFileError(f"{path}: {field} has no matrix for frames {named}; give one a frame, or use keyframes")
    poses = np.array(given, np.float64).reshape(-1, 4, 4)
    for frame, pose in enumerate(poses):
        where = f"{path}: {field}" if frames == 1 else f"{path}: {field}, frame {frame}"
        if not np.isfinite(pose).all():
            raise PoseFileError(f"{where}: holds NaN or infinity; give a finite matrix")
        if np.abs(pose[3] - [0, 0, 0, 1]).max() > KEPT_OFF:
            raise PoseFileError(f"{where}: the last row is {pose[3].tolist()}, expected [0, 0, 0, 1]; is the matrix transposed?")
        poses[frame, :3, :3] = _mended(pose[:3, :3], where)
    poses[:, 3] = [0, 0, 0, 1]
    return poses


def _mended(rotation: Array, where: str) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        off = max(float(np.abs(rotation @ rotation.T - np.eye(3)).max()), abs(float(np.linalg.det(rotation)) - 1))
    if not off <= MENDED_OFF:
        raise PoseFileError(
            f"{where}: is no rotation (off by {off:.2g}); axes must be of length 1, at right angles and right-handed (no mirror)"
        )
    return rotation if off <= KEPT_OFF else nearest_rotation(rotation)


def _keyframes(given: Sequence[_Keyframe], frames: int, up: Array | None, path: str) -> tuple[tuple[int, ...], Array]:
    """Key frames and their poses [n, 4, 4]. Raises PoseFileError unless they increase and cover the first and last frame."""
    numbers = [key.frame for key in given]
    if not numbers:
        raise PoseFileError(f"{path}: ego.keyframes is empty; give at least the first and the last frame")
    for i, (before, after) in enumerate(itertools.pairwise(numbers), start=1):
        if after <= before:
            what = f"frame {after} comes twice" if after == before else f"frame {after} comes after frame {before}"
            raise PoseFileError(f"{path}: ego.keyframes[{i}]: {what}; sort them by frame, each frame once")
    if numbers[0] < 0 or numbers[-1] >= frames:
        wrong = numbers[0] if numbers[0] < 0 else numbers[-1]
        raise PoseFileError(f"{path}: ego.keyframes: frame {wrong} is not one of 0..{frames - 1}; frames is {frames}")
    gap = [f"0..{numbers[0] - 1}"] if numbers[0] > 0 else []
    gap += [f"{numbers[-1] + 1}..{frames - 1}"] if numbers[-1] < frames - 1 else []
    if gap:
        raise PoseFileError(
            f"{path}: ego.keyframes leave out frames {' and '.join(gap)}; put keyframes at frame 0 and frame {frames - 1}"
        )
    poses = np.stack([_key_pose(key, up, f"{path}: ego.keyframes[{i}] (frame {key.frame})") for i, key in enumerate(given)])
    turns = Rotation.from_matrix(poses[:, :3, :3])
    steps = np.degrees((turns[:-1].inv() * turns[1:]).magnitude()) if len(given) > 1 else np.zeros(0)
    if (steps > _NEVER_TURN_DEG).any():
        i = int(steps.argmax())
        raise PoseFileError(
            f"{path}: ego.keyframes: from frame {numbers[i]} to {numbers[i + 1]} the head turns by {steps[i]:.0f} degrees, which"
            " may go either way; put a keyframe between them"
        )
    return tuple(numbers), poses


def _key_pose(key: _Keyframe, up: Array | None, where: str) -> Array:
    position = np.array(key.position, np.float64)
    if not np.isfinite(position).all():
        raise PoseFileError(f"{where}: position holds NaN or infinity; give finite metres")
    if (key.quaternion_xyzw is None) == (key.look_at is None):
        found = "neither" if key.look_at is None else "both"
        raise PoseFileError(f"{where}: has {found} of quaternion_xyzw and look_at; give one of them")
    if key.quaternion_xyzw is not None:
        norm = float(np.linalg.norm(key.quaternion_xyzw))
        if not abs(norm - 1) <= MENDED_OFF:
            raise PoseFileError(f"{where}: quaternion_xyzw has length {norm:.4g}, expected 1 (order x, y, z, w)")
        return rigid(Rotation.from_quat(key.quaternion_xyzw).as_matrix(), position)
    if up is None:
        raise PoseFileError(
            f'{where}: look_at needs "up", the direction away from the floor: [0, -1, 0] where the world is a level exo camera'
        )
    forward = direction(np.asarray(key.look_at, np.float64) - position, f"{where}: from position to look_at")
    across = np.cross(forward, up)
    if np.linalg.norm(across) < 1e-3:
        raise PoseFileError(f"{where}: the gaze is along up, so the head's turn is open; use quaternion_xyzw for this keyframe")
    right = across / np.linalg.norm(across)
    return rigid(np.stack([right, np.cross(forward, right), forward], -1), position)


def ranges(numbers: Sequence[int]) -> str:
    """ "3..5, 9" of 3, 4, 5, 9; at most five runs are named."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    named = [str(first) if first == last else f"{first}..{last}" for first, last in runs]
    return ", ".join(named[:5]) + (" and more" if len(named) > 5 else "")
