"""Canvases: the picture sizes and frame grids that clips are read at. A protocol names one; nothing else types sizes."""

from __future__ import annotations

from dataclasses import dataclass

from .clip import View
from .errors import UserError, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """exo (height, width) and ego side in pixels; `frames` frames, every `step`-th of the 30 fps take, shown at `fps`."""

    name: str
    exo_size: tuple[int, int]
    ego_side: int
    frames: int
    step: int
    fps: float

    def window(self, first_frame: int) -> tuple[int, ...]:
        """Frame numbers on the take's clock of a window that begins at first_frame."""
        return tuple(first_frame + self.step * i for i in range(self.frames))

    def fit_exo(self, view: View) -> View:
        """Scale a landscape exo view to the canvas height (never up), then crop its width about the centre.

        Ego-Exo4D's 796x448 becomes 784x448 by a crop of 6 px a side: resizing would squeeze it by 1.5 %.
        """
        height, width = self.exo_size
        have_h, have_w = view.video.size
        if have_h < height:
            raise UserError(
                f"{view.video.source.label}: {have_w}x{have_h} is smaller than the {self.name} canvas {width}x{height}"
            )
        if have_h != height:
            have_w = 2 * round(have_w * height / have_h / 2)
            view = view.resized(have_w, height)
        if have_w < width:
            raise UserError(
                f"{view.video.source.label}: {have_w} px wide at height {height}, the {self.name} canvas has {width};"
                " portrait exo views and those narrower than 7:4 do not fit"
            )
        return view if have_w == width else view.cropped((have_w - width) // 2, 0, width, height)

    def fit_ego(self, view: View) -> View:
        """Scale a square ego view to the canvas side (never up)."""
        height, width = view.video.size
        if height != width or height < self.ego_side:
            raise UserError(
                f"{view.video.source.label}: ego video is {width}x{height}, expected a square of at least {self.ego_side}"
            )
        return view if height == self.ego_side else view.resized(self.ego_side, self.ego_side)


FULL = Canvas(name="full", exo_size=(448, 784), ego_side=448, frames=49, step=1, fps=30.0)
MINI = Canvas(name="mini", exo_size=(256, 448), ego_side=128, frames=17, step=3, fps=10.0)

CANVASES = {canvas.name: canvas for canvas in (FULL, MINI)}


def canvas_named(name: str) -> Canvas:
    """The canvas of this name. Raises UserError with the nearest name."""
    if name not in CANVASES:
        raise unknown("canvas", name, CANVASES)
    return CANVASES[name]
