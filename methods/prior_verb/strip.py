"""Pictures to judge a prior by, or what was generated from it: exo, depth, prior, generated and true ego side by side, over time.

Aspect ratios stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.showing import drawing as d
from benchmark.showing.pictures import fitted
from benchmark.video import Frames

HEIGHT, EDGE, GAP = 288, 16, 8
"""Pixels: of every picture, around the sheet, between pictures."""

TITLE, LABEL, SMALL = 24, 17, 15
"""Sizes of text in pixels."""

LEGEND = 160
"""Pixels that the colours of depth span beside their title, at most."""

ROWS = 4
"""Frames that the still shows, evenly over the clip."""

_UNKNOWN: d.Colour = (96, 98, 102)
_PAGE: d.Colour = (18, 19, 22)
_FAR_NEAR = (0.02, 0.98)
"""Quantiles of a clip's inverse depth that its colours span."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Strip:
    """What is shown; what is None has no column. scale: in words.

    exo: [frames, height, width, 3]; depth_m: [frames, height, width] metres, 0 where unknown; prior: [frames, side, side, 3];
    generated, truth: like prior. Where there is no truth, `no_truth` is shown in its place unless it is empty.
    """

    clip: str
    scale: str
    exo: Frames
    depth_m: NDArray[np.float32] | None = None
    prior: Frames | None = None
    generated: Frames | None = None
    truth: Frames | None = None
    no_truth: str = ""

    def still(self) -> Frames:
        """Labelled columns, up to ROWS frames below each other: [height, width, 3]."""
        count = min(ROWS, len(self.exo))
        return self._page([round(i * (len(self.exo) - 1) / max(count - 1, 1)) for i in range(count)])

    def moving(self) -> Iterator[Frames]:
        """One row, frame by frame, of even width and height."""
        for frame in range(len(self.exo)):
            yield self._page([frame])

    @cached_property
    def range_m(self) -> tuple[float, float]:
        """Nearest and farthest depth that have colours of their own; the same for the whole clip."""
        if self.depth_m is None:
            return 1.0, 2.0
        known = self.depth_m[:, ::4, ::4]
        known = known[known > 0]
        if not known.size:
            return 1.0, 2.0
        far, near = np.quantile(1 / known, _FAR_NEAR)
        return float(1 / near), float(1 / far)

    @cached_property
    def _columns(self) -> dict[str, int]:
        """Titles and widths."""
        given = {"exo": self.exo, "depth": self.depth_m, "prior": self.prior, "generated": self.generated, "truth": self.truth}
        columns = {title: round(HEIGHT * maps.shape[2] / maps.shape[1]) for title, maps in given.items() if maps is not None}
        if self.truth is None and self.no_truth:
            columns["truth"] = HEIGHT
        return columns

    @cached_property
    def _header(self) -> Frames:
        """Title, scale and column titles on a page of one row's width, up to where the first row begins."""
        width = 2 * EDGE + sum(self._columns.values()) + GAP * (len(self._columns) - 1)
        width += width % 2
        room = width - 2 * EDGE
        titles = d.wrapped(self.clip, room, TITLE)
        scale = d.wrapped(f"scale: {self.scale}", room, SMALL) if self.scale else []
        top = EDGE + len(titles) * (TITLE + 8)
        labels = top + len(scale) * (SMALL + 5) + 8
        page = np.full((labels + LABEL + 9, width, 3), _PAGE, np.uint8)
        for number, line in enumerate(titles):
            d.write(page, line, (EDGE, EDGE - 4 + number * (TITLE + 8)), size=TITLE)
        for number, line in enumerate(scale):
            d.write(page, line, (EDGE, top + number * (SMALL + 5)), colour=d.QUIET, size=SMALL)
        left = EDGE
        for title, wide in self._columns.items():
            d.write(page, title, (left, labels), size=LABEL)
            if title == "depth":
                self._draw_legend(page, left + d.text_width(title, LABEL) + 2 * GAP, left + wide, labels)
            left += wide + GAP
        return page

    def _draw_legend(self, page: Frames, left: float, right: int, top: int) -> None:
        """Which colour is how far, at the right end of a column's title; nothing where there is no room for it."""
        near, far = (f"{metres:.{2 if metres < 1 else 1}f} m" for metres in self.range_m)
        end = right - round(d.text_width(far, SMALL)) - GAP
        start = max(end - LEGEND, round(left + d.text_width(near, SMALL)) + GAP)
        if end - start < LEGEND // 4:
            return
        ramp = np.linspace(255, 0, end - start).round().astype(np.uint8)
        page[top + 4 : top + LABEL - 1, start:end] = _coloured(ramp[None])
        d.write(page, near, (start - GAP - d.text_width(near, SMALL), top + 1), colour=d.QUIET, size=SMALL)
        d.write(page, far, (end + GAP, top + 1), colour=d.QUIET, size=SMALL)

    def _page(self, frames: list[int]) -> Frames:
        head, row = self._header, HEIGHT + GAP
        height = len(head) + len(frames) * row - GAP + EDGE
        page = np.full((height + height % 2, head.shape[1], 3), _PAGE, np.uint8)
        page[: len(head)] = head
        for number, frame in enumerate(frames):
            top, left = len(head) + number * row, EDGE
            for title, wide in self._columns.items():
                page[top : top + HEIGHT, left : left + wide] = self._picture(title, frame, wide)
                left += wide + GAP
            d.write(page, f"frame {frame}", (EDGE + 8, top + HEIGHT - 28), size=LABEL, on_picture=True)
        return page

    def _picture(self, title: str, frame: int, width: int) -> Frames:
        """One column's picture at width x HEIGHT."""
        if title == "truth" and self.truth is None:
            return _reason(self.no_truth, width)
        if title == "depth":
            assert self.depth_m is not None
            picture = self._depth(self.depth_m[frame])
        else:
            maps = {"exo": self.exo, "prior": self.prior, "generated": self.generated, "truth": self.truth}[title]
            assert maps is not None
            picture = maps[frame]
        return fitted(picture, width, HEIGHT)[0]

    def _depth(self, depth_m: NDArray[np.float32]) -> Frames:
        """Inverse depth as colours; grey where unknown."""
        near, far = (1 / metres for metres in self.range_m)
        known = depth_m > 0
        share = (1 / np.where(known, depth_m, 1) - far) / max(near - far, 1e-9)
        colours = _coloured(np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8))
        return np.where(known[..., None], colours, np.array(_UNKNOWN, np.uint8))


def _coloured(levels: NDArray[np.uint8]) -> Frames:
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1], np.uint8)


def _reason(why: str, width: int) -> Frames:
    """A grey panel that says why there is no picture."""
    panel = np.full((HEIGHT, width, 3), d.BACKGROUND, np.uint8)
    for number, line in enumerate(d.wrapped(why, width - 2 * EDGE, SMALL)):
        d.write(panel, line, (EDGE, EDGE + number * (SMALL + 6)), colour=d.QUIET, size=SMALL)
    return panel
