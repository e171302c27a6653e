"""The truth beside a window: z-depth, instance ids, body pose, names; how it is stored and read again.

truth/<take>/<window>/<height>/<camera>.npz   depth and ids of one view, native size, both compact and lossless
truth/<take>/<window>/<height>/<camera>.json  what the view shows in words
truth/<take>/<window>/body.npz, about.json    joints on the 30 fps clock; instance names and which of them move
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from ...errors import UserError
from ...files import atomic_file
from .shapes import Array

DEPTH_STEP_M = 2.0**-18
"""Depth is a multiple of 4 micrometres: exact in float32 below 64 m, and whole numbers compress."""


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """names[i] is what instance id i is; moving: ids that can move in this take."""

    names: tuple[str, ...]
    moving: tuple[int, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """caption: one sentence about what a view shows in its window."""

    caption: str


def rounded_depth(depth: Array) -> Array:
    """float32 metres on the stored grid; 0 stays 0."""
    return (np.rint(depth.astype(np.float64) / DEPTH_STEP_M) * DEPTH_STEP_M).astype(np.float32)


def _pack(values: Array, dtype: str) -> Array:
    """Whole numbers [t, h, w] as bytes: difference to the frame before where that is smaller, then along rows; zlib."""
    whole = values.astype(np.int64)
    rows = np.diff(whole, axis=2, prepend=0)
    planes = np.diff(rows, axis=1, prepend=0)
    steps = np.diff(whole, axis=0, prepend=0)
    still = np.abs(steps).sum(2) <= np.abs(planes).sum(2)
    still[0] = False
    chosen = np.where(still[..., None], steps, planes).astype(dtype)
    shuffled = chosen.view(np.uint8).reshape(-1, chosen.itemsize).T
    body = zlib.compress(np.packbits(still).tobytes() + shuffled.tobytes(), 6)
    return np.frombuffer(body, np.uint8)


def _unpack(body: Array, shape: tuple[int, int, int], dtype: str) -> Array:
    t, h, w = shape
    data = zlib.decompress(body.tobytes())
    flags = -(-t * h // 8)
    still = np.unpackbits(np.frombuffer(data[:flags], np.uint8), count=t * h).reshape(t, h).astype(bool)
    item = np.dtype(dtype).itemsize
    shuffled = np.frombuffer(data[flags:], np.uint8).reshape(item, -1).T
    chosen = np.ascontiguousarray(shuffled).view(dtype).reshape(t, h, w).astype(np.int64)
    out = np.zeros((t, h, w), np.int64)
    for i in range(t):
        columns = np.cumsum(chosen[i], axis=1)
        for y in range(h):
            if still[i, y]:
                out[i, y] = out[i - 1, y] + chosen[i, y]
            else:
                out[i, y] = columns[y] + (out[i, y - 1] if y else 0)
    return out


def write_maps(path: Path, depth: Array, ids: Array) -> None:
    """Store depth [t, h, w] (float32 metres on the stored grid) and ids [t, h, w] (int16), atomically."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        shape=np.array(depth.shape),
        depth=_pack(np.rint(depth.astype(np.float64) / DEPTH_STEP_M), "<i4"),
        ids=_pack(ids, "<i2"),
    )
    atomic_file(path, lambda aside: aside.write_bytes(buffer.getvalue()))


@lru_cache(4)
def read_maps(path: Path) -> tuple[Array, Array]:
    """Depth [t, h, w] float32 metres and ids [t, h, w] int16. Raises UserError naming a file that cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as data:
            t, h, w = (int(n) for n in data["shape"])
            depth = (_unpack(data["depth"], (t, h, w), "<i4") * DEPTH_STEP_M).astype(np.float32)
            ids = _unpack(data["ids"], (t, h, w), "<i2").astype(np.int16)
    except (OSError, ValueError, KeyError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it and it is rendered again") from None
    depth.setflags(write=False)
    ids.setflags(write=False)
    return depth, ids


def write_body(path: Path, joints: Mapping[str, Array]) -> None:
    """Store joint name -> [frames, 3] world metres, atomically; equal joints give equal bytes."""
    buffer = io.BytesIO()
    arrays: dict[str, Array] = {name: np.asarray(joints[name], np.float64) for name in sorted(joints)}
    np.savez(buffer, allow_pickle=False, **arrays)
    atomic_file(path, lambda aside: aside.write_bytes(buffer.getvalue()))


def read_body(path: Path) -> dict[str, Array]:
    """Joint name -> [49, 3] world metres on the 30 fps clock. Raises UserError naming a file that cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it and it is made again") from None


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Store a record, atomically."""
    data = msgspec.json.encode(value) + b"\n"
    atomic_file(path, lambda aside: aside.write_bytes(data))


def read_caption(path: Path) -> str:
    """The sentence about a view. Raises UserError naming a file that cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Said).caption
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it and it is made again") from None
