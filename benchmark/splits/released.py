"""Clip names as lists publish them: EgoX's meta files (JSON) and plain text, one `<take>_<first>_<last>` a line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import UserError
from .windows import CLIP_FRAMES, Window

_NAME = re.compile(r"(?P<take>[A-Za-z0-9][A-Za-z0-9 ._-]*)_(?P<first>\d+)_(?P<last>\d+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One clip of a released list. where: file and line or entry.

    camera_extrinsics: the exo camera's world-to-camera matrix, where the list has one. null_poses: some ego pose is null.
    """

    name: str
    take: str
    window: Window
    where: str
    camera_extrinsics: Any = None
    null_poses: bool = False


def read_list(path: Path, *, part: str | None = None) -> list[Listed]:
    """All clips of a list. part: which list of a JSON file that holds several ("val" finds "val_datasets").

    Raises UserError naming file and line (or entry) for the first name that does not fit, and how many more there are.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error}); name a meta file or a list of clip names") from None
    if path.suffix == ".json" or text.lstrip()[:1] in ("{", "["):
        return _from_json(path, text, part)
    if part is not None:
        raise UserError(f"{path}: a plain list has no parts; leave --part away")
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return _checked(path, [(f"{path}, line {n}", line, {}) for n, line in lines if line and not line.startswith("#")])


def parse_name(name: str) -> tuple[str, Window]:
    """Take and window of `<take>_<first>_<last>`, both frames included. Read from the right: take names hold digits too.

    Raises ValueError saying what does not fit.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not <take>_<first>_<last>")
    window = Window(int(match["first"]), int(match["last"]))
    if window.length != CLIP_FRAMES:
        raise ValueError(f"{name!r} is {window.length} frames long, expected {CLIP_FRAMES} (first and last included)")
    return match["take"], window


def _from_json(path: Path, text: str, part: str | None) -> list[Listed]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); fetch it again") from None
    parts = {key: items for key, items in value.items() if isinstance(items, list)} if isinstance(value, dict) else {"": value}
    key = _part(path, parts, part)
    return _checked(path, [_entry(f"{path}, {key or 'list'}[{i}]", item) for i, item in enumerate(parts[key])])


def _part(path: Path, parts: dict[str, list[Any]], part: str | None) -> str:
    counts = ", ".join(f"{key} ({len(items)})" for key, items in parts.items()) or "none"
    found = [key for key in parts if part is None or key == part] or [key for key in parts if part and key.startswith(part)]
    if len(found) != 1:
        asked = f"--part {part} names {len(found)} of them" if part else "name one with --part"
        raise UserError(f"{path}: holds these lists of clips: {counts}; {asked}" if parts else f"{path}: holds no list of clips")
    return found[0]


def _entry(where: str, item: Any) -> tuple[str, str, dict[str, Any]]:
    """(where, name, further fields): a name, or an object whose `exo_path` lies in a folder of that name."""
    if isinstance(item, str):
        return where, item.strip(), {}
    if not isinstance(item, dict) or not isinstance(item.get("exo_path"), str):
        raise UserError(f"{where}: expected a clip name or an object with the field 'exo_path'")
    name = PurePosixPath(item["exo_path"]).parent.name
    return where, name, {"camera_extrinsics": item.get("camera_extrinsics"), "null_poses": _has_null(item.get("ego_extrinsics"))}


def _has_null(value: Any) -> bool:
    return value is None or (isinstance(value, list) and any(_has_null(item) for item in value))


def _checked(path: Path, entries: Sequence[tuple[str, str, dict[str, Any]]]) -> list[Listed]:
    found: dict[str, Listed] = {}
    faults: list[str] = []
    for where, name, fields in entries:
        try:
            take, window = parse_name(name)
            if name in found:
                raise ValueError(f"{name!r} comes twice, first in {found[name].where}")
            found[name] = Listed(name=name, take=take, window=window, where=where, **fields)
        except ValueError as error:
            faults.append(f"{where}: {error}")
    if faults:
        more = f" (and {len(faults) - 1} more like it)" if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}; mend the list, nothing was written")
    if not found:
        raise UserError(f"{path}: names no clip")
    return list(found.values())
