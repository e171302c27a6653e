"""Figures of the paper from runs: which methods, clips and frames a figure shows is data, one TOML file a figure.

`fig5` and `fig6` are grids of pictures, drawn here. `fig7` looks into a model, which the leaderboard never does: the verb
`attention` draws it. Reading this module needs no array library.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmark.errors import UserError, unknown

if TYPE_CHECKING:
    from ..views import View, ViewRow

FOLDER = Path(__file__).parent

ATTENTION = "fig7"
"""The figure that the verb `attention` draws; it has no TOML file."""


class Shown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method by its id and what the figure calls it."""

    method: str
    label: str


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grid of pictures as data: exo, prior, methods, truth.

    view: name of the view whose rows are the methods; or `rows`, the methods themselves. prior: whose videos stand beside the
    exo view. clips: how many are shown where none are named. shares: which frames, 0 the first and 1 the last of a clip.
    """

    title: str
    source: str
    split: str
    clips: int
    shares: tuple[float, ...]
    prior: Shown
    view: str = ""
    rows: tuple[Shown, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.view) == bool(self.rows):
            raise ValueError("has either a view or rows of its own")
        if self.clips < 1:
            raise ValueError(f"clips is {self.clips}, expected 1 or more")
        if not self.shares or not all(0 <= share <= 1 for share in self.shares):
            raise ValueError("shares are numbers from 0 (first frame) to 1 (last frame), one at least")

    def view_on(self, split: str) -> View:
        """The methods as a view of this split, without control rows: a picture of the truth under another name shows nothing."""
        from ..views import View, ViewRow, read_view

        if self.view:
            return msgspec.structs.replace(read_view(self.view), splits=(split,), controls=False)
        rows: tuple[ViewRow, ...] = tuple(ViewRow(method=row.method, label=row.label) for row in self.rows)
        return View(title=self.title, source=self.source, splits=(split,), rows=rows, columns={})

    def frames(self, count: int) -> tuple[int, ...]:
        """The frames of a clip of `count` frames, ascending."""
        return tuple(sorted({round(share * (count - 1)) for share in self.shares}))


def names() -> list[str]:
    """All figures that can be made."""
    return sorted([*(path.stem for path in FOLDER.glob("*.toml")), ATTENTION])


def read_figure(name: str) -> Figure:
    """The figure of this name, or of a TOML file. Raises UserError for one that is not there or does not fit."""
    own = name.endswith(".toml")
    if not own and (name not in names() or name == ATTENTION):
        raise unknown("figure", name, names())
    path = Path(name) if own else FOLDER / f"{name}.toml"
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Figure)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message, _, where = str(error).partition(" - at `$")
        field = re.sub(r"^\.", "", where.rstrip("`"))
        raise UserError(f"{path}: no figure ({f'field {field}: ' if field else ''}{message})") from None
