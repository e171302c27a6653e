"""Captions of Ego-Exo4D clips from its atomic descriptions: what the wearer does around the window."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UserError

MARGIN_S = 1.0
"""Descriptions mark one instant; those this near to the window belong to it."""


class _Description(msgspec.Struct):
    text: str
    timestamp: float
    narration_subject: str | None = None
    subject: str | None = None

    @property
    def of_wearer(self) -> bool:
        return (self.narration_subject or self.subject or "C") == "C"


class _Pass(msgspec.Struct):
    rejected: bool = False
    descriptions: list[_Description] = []


class _File(msgspec.Struct):
    annotations: dict[str, Any]


class Narrations:
    """`annotations/atomic_descriptions_*.json` of a download, read when first asked."""

    def __init__(self, root: Path) -> None:
        self._paths = sorted((root / "annotations").glob("atomic_descriptions_*.json"))

    @cached_property
    def _content(self) -> tuple[dict[str, list[_Pass]], dict[str, str], list[str]]:
        """Passes by take uid, why the records of other takes cannot be read, and why whole files cannot."""
        passes: dict[str, list[_Pass]] = {}
        refused: dict[str, str] = {}
        unreadable: list[str] = []
        for path in self._paths:
            try:
                file = msgspec.convert(json.loads(path.read_bytes()), _File)  # json: lists written by Python may hold NaN
            except (OSError, ValueError) as error:
                unreadable.append(f"{path}: {error}; fetch the annotations part again")
                continue
            for uid, record in file.annotations.items():
                try:
                    # strict=False: one pass writes its flags as true, another as "1", in the same file
                    passes[uid] = msgspec.convert(record, list[_Pass], strict=False)
                except msgspec.ValidationError as error:
                    refused[uid] = f"{path}, take {uid}: {error}; fetch the annotations part again"
        return passes, refused, unreadable

    @property
    def faults(self) -> list[str]:
        """What cannot be read: whole files, and records of single takes."""
        _, refused, unreadable = self._content
        return [*unreadable, *refused.values()]

    def caption(self, take_uid: str, first_frame: int, last_frame: int) -> str | None:
        """The wearer's actions around frames [first, last] from the first pass that is not rejected; None where none are.

        Timestamps are seconds from the take's start. Lines about other people ("O") are left out.
        Raises UserError where the take's record, or a file that may hold it, cannot be read.
        """
        passes, refused, unreadable = self._content
        if take_uid in refused:
            raise UserError(refused[take_uid])
        if take_uid not in passes and unreadable:
            raise UserError(unreadable[0])
        start, end = first_frame / 30 - MARGIN_S, last_frame / 30 + MARGIN_S
        for one in passes.get(take_uid, []):
            lines = [d for d in one.descriptions if start <= d.timestamp <= end and d.of_wearer]
            if not one.rejected and lines:
                return " ".join(d.text.strip() for d in sorted(lines, key=lambda d: d.timestamp))
        return None
