"""Curves of a training: curves.csv for programs, tensorboard for people.

One number a line: step, curve, level, value. Curves: loss (mean since the line before), loss_at (the same by noise level:
`level` is the upper end of a tenth), gradient_norm, learning_rate, samples_per_s, val (at fixed levels; without one their mean),
and what contact sheets measure: psnr_prior and psnr_generated, or psnr_mean of inpainting (dB, mean over the sheet's examples).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from .files import replace_file
from .noise import BUCKETS, bucket_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

HEADER = ("step", "curve", "level", "value")


class Curves:
    """Appends to both. What an earlier run wrote beyond `after`, the step that training goes on from, is dropped."""

    def __init__(self, folder: Path, *, after: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "curves.csv"
        _cut(self._path, after=after)
        self._board: SummaryWriter = SummaryWriter(str(folder / "tensorboard"), purge_step=after + 1)

    def add(self, step: int, curve: str, values: Mapping[float | None, float]) -> None:
        """values: by level; None for a number that belongs to no level."""
        with self._path.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows((step, curve, "" if level is None else level, f"{value:.7g}") for level, value in values.items())
        for level, value in values.items():
            self._board.add_scalar(curve if level is None else f"{curve}/{level}", value, step)

    def close(self) -> None:
        self._board.close()

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _cut(path: Path, *, after: int) -> None:
    """Keep the whole lines up to a step: a kill may have left half a line, and steps that will be taken again."""
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()[1:]
    kept = [line for line in whole if int(line.split(",")[0]) <= after]
    replace_file(path, ("\n".join([",".join(HEADER), *kept]) + "\n").encode())


def read_curves(path: Path) -> dict[tuple[str, float | None], list[tuple[int, float]]]:
    """(step, value) of every line of curves.csv, by curve and level."""
    found: dict[tuple[str, float | None], list[tuple[int, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            level = float(row["level"]) if row["level"] else None
            found.setdefault((row["curve"], level), []).append((int(row["step"]), float(row["value"])))
    return found


def count(window: dict[str, list[float]], losses: Tensor, levels: Tensor, *, norm: float, rate: float) -> None:
    """Add a step to what the next line is made of: sum and number by tenth of the noise level, of norms, and the rate."""
    for bucket, loss in zip(bucket_of(levels).tolist(), losses.tolist()):
        _add(window, str(bucket), loss)
    _add(window, "norm", norm)
    window["rate"] = [rate, 1.0]


def line(curves: Curves | None, step: int, window: dict[str, list[float]], *, samples_per_s: float) -> float:
    """Write the means of a window and return that of the loss."""
    at = {int(bucket): sums for bucket, sums in sorted(window.items()) if bucket.isdigit()}
    loss = sum(total for total, _ in at.values()) / sum(n for _, n in at.values())
    if curves is not None:
        curves.add(step, "loss", {None: loss})
        curves.add(step, "loss_at", {(bucket + 1) / BUCKETS: total / n for bucket, (total, n) in at.items()})
        curves.add(step, "gradient_norm", {None: window["norm"][0] / window["norm"][1]})
        curves.add(step, "learning_rate", {None: window["rate"][0]})
        curves.add(step, "samples_per_s", {None: samples_per_s})
    return loss


def _add(window: dict[str, list[float]], name: str, value: float) -> None:
    sums = window.setdefault(name, [0.0, 0.0])
    sums[0] += value
    sums[1] += 1
