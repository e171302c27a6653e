"""curves.png: whether a training learns, at a glance. Losses by noise level, and what its samples are worth, by examples seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from .curves import read_curves
from .files import replace_file
from .state import TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = "curves.png"


def draw_curves(folder: Path, *, title: str, samples_a_step: int) -> Path:
    """Draw <folder>/curves.png from <folder>/curves.csv. Raises TrainingError where the disk is full or cannot be written."""
    import matplotlib

    encoded = BytesIO()
    # around the drawing as well: ticks are made then
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = figure_of(read_curves(folder / "curves.csv"), title=title, samples_a_step=samples_a_step)
        figure.savefig(encoded, format="png", metadata={"Software": None})
    path = folder / PICTURE
    try:
        replace_file(path, encoded.getvalue())
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error}); free the disk and train again") from error
    return path


def figure_of(
    curves: Mapping[tuple[str, float | None], Sequence[tuple[int, float]]], *, title: str, samples_a_step: int
) -> Figure:
    """The picture of (step, value) by curve and level.

    Left: the loss on `val` at each level, relative to that of the first validation, so that all levels fit one axis; grey, the
    loss of training as drawn. A curve that begins at 0 cannot be told relative to that, and is left out. Right: PSNR of the
    contact sheet's examples, where there is one.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    drawn = curves.get(("loss", None), [])
    if drawn and drawn[0][1]:
        seen = [step * samples_a_step for step, _ in drawn]
        left.plot(seen, [value / drawn[0][1] for _, value in drawn], color="0.85", lw=0.8)
    levels = sorted(level for name, level in curves if name == "val" and level is not None and curves[name, level][0][1])
    colours = matplotlib.colormaps["viridis"].resampled(max(len(levels), 1))
    for number, level in enumerate(levels):
        points = curves["val", level]
        values = [value / points[0][1] for _, value in points]
        label = f"t = {level:g}: {points[0][1]:.3f} to {points[-1][1]:.3f}"
        left.plot([step * samples_a_step for step, _ in points], values, color=colours(number), lw=1.4, label=label)
    left.set(xlabel="examples seen", ylabel="loss on val, relative to its start")
    if levels:
        left.legend(frameon=False)
    for name, level in sorted(curves, key=str):
        if name.startswith("psnr_") and level is None:
            points = curves[name, None]
            right.plot([step * samples_a_step for step, _ in points], [v for _, v in points], marker=".", label=name[5:])
    right.set(xlabel="examples seen", ylabel="PSNR of the contact sheet's examples, dB")
    if right.lines:
        right.legend(frameon=False)
    else:
        right.set_axis_off()
    figure.suptitle(title, fontsize=9)
    return figure
