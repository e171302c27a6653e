"""Captions of Ego-Exo4D clips from its atomic descriptions: what the wearer does around the window."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

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
    annotations: dict[str, list[_Pass]]


class Narrations:
    """`annotations/atomic_descriptions_*.json` of a download, read when first asked."""

    def __init__(self, root: Path) -> None:
        self._paths = sorted((root / "annotations").glob("atomic_descriptions_*.json"))

    @cached_property
    def _passes(self) -> dict[str, list[_Pass]]:
        found: dict[str, list[_Pass]] = {}
        for path in self._paths:
            try:
                # strict=False: one pass writes its flags as true, another as "1", in the same file
                found.update(msgspec.json.decode(path.read_bytes(), type=_File, strict=False).annotations)
            except (OSError, msgspec.DecodeError) as error:
                raise UserError(f"{path}: {error}; fetch the annotations part again") from None
        return found

    def caption(self, take_uid: str, first_frame: int, last_frame: int) -> str | None:
        """The wearer's actions around frames [first, last] from the first pass that is not rejected; None where none are.

        Timestamps are seconds from the take's start. Lines about other people ("O") are left out.
        """
        start, end = first_frame / 30 - MARGIN_S, last_frame / 30 + MARGIN_S
        for one in self._passes.get(take_uid, []):
            lines = [d for d in one.descriptions if start <= d.timestamp <= end and d.of_wearer]
            if not one.rejected and lines:
                return " ".join(d.text.strip() for d in sorted(lines, key=lambda d: d.timestamp))
        return None
