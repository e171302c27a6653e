"""What a check finds: the file, the field, what is wrong and what to do, as one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .names import printable

Level = Literal["problem", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem keeps a run from being published; a warning is to be read by whoever accepts it.

    file: inside the repository; field: "metrics.psnr.mean", "" where the whole file is meant; text: what, and what to do.
    """

    level: Level
    file: str
    text: str
    field: str = ""

    @property
    def sentence(self) -> str:
        """ "results/…/ab.json: metrics.psnr.mean: …; score the run again"."""
        parts = (self.file, self.field, self.text) if self.field else (self.file, self.text)
        return printable(": ".join(parts))
