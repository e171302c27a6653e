"""Fig. 7 as a picture: the ego token that looks, and the exo picture under the heat of where it looks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.showing import drawing as d
from benchmark.showing.pictures import fitted
from benchmark.video import Frames

HEIGHT, EDGE, GAP = 320, 16, 10
"""Pixels: of every picture, around the page, between pictures."""

TITLE, LABEL, SMALL = 22, 17, 15
"""Sizes of text in pixels."""

MARK: d.Colour = (90, 255, 190)
_PAGE: d.Colour = (18, 19, 22)
_DIM = 0.45
"""How bright the exo picture is under the heat."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Look:
    """weights: [h, exo] attention on each place, all exo frames together. share: on matching tokens; None where none match."""

    title: str
    weights: NDArray[np.float32]
    share: float | None
    on_exo: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Scene:
    """One ego token. exo, ego: [height, width, 3]. side: pixels of a token. matching: [h, exo] bool, where it should look.

    looks: all that are to be compared; colours mean the same in all of them.
    """

    title: str
    exo: Frames
    ego: Frames
    ego_title: str
    side: int
    token: tuple[int, int]
    matching: NDArray[np.bool_]
    degrees: float
    chance: float | None
    looks: tuple[Look, ...]

    def page(self, *looks: Look) -> Frames:
        """The ego picture, then one exo picture for each look: [height, width, 3]."""
        panels = [(self.ego_title, f"token {self.token[0]},{self.token[1]}", self._ego())]
        panels += [(look.title, self._words(look), self._heat(look)) for look in looks]
        room = sum(panel.shape[1] for _, _, panel in panels) + GAP * (len(panels) - 1)
        titles = d.wrapped(self.title, room, TITLE)
        foot = d.wrapped(self._legend(), room, SMALL)
        top = EDGE + len(titles) * (TITLE + 8) + LABEL + 10
        height = top + HEIGHT + SMALL + 14 + len(foot) * (SMALL + 5) + EDGE
        page = np.full((height, room + 2 * EDGE, 3), _PAGE, np.uint8)
        for number, line in enumerate(titles):
            d.write(page, line, (EDGE, EDGE - 4 + number * (TITLE + 8)), size=TITLE)
        left = EDGE
        for title, words, panel in panels:
            d.write(page, title, (left, top - LABEL - 8), size=LABEL)
            page[top : top + HEIGHT, left : left + panel.shape[1]] = panel
            d.write(page, words, (left, top + HEIGHT + 6), colour=d.QUIET, size=SMALL)
            left += panel.shape[1] + GAP
        for number, line in enumerate(foot):
            d.write(page, line, (EDGE, top + HEIGHT + SMALL + 14 + number * (SMALL + 5)), colour=d.QUIET, size=SMALL)
        return page

    @property
    def hottest(self) -> float:
        """The highest density of all looks, in units of even attention."""
        return max(float(_density(look).max()) for look in self.looks)

    def _words(self, look: Look) -> str:
        on_exo = f"{100 * look.on_exo:.0f} % of its attention is on exo"
        return on_exo if look.share is None else f"{on_exo}, {100 * look.share:.1f} % of that within {self.degrees:g}°"

    def _legend(self) -> str:
        even = "" if self.chance is None else f"; even attention would have {100 * self.chance:.1f} % within it"
        return (
            f"Outlined: what lies within {self.degrees:g}° of the token's ray{even}. Colours: attention to a place, over all exo"
            f" frames, dark for none, yellow for {self.hottest:.1f} times what even attention gives; the same in both pictures."
        )

    def _ego(self) -> Frames:
        shown, scale, corner = fitted(self.ego, HEIGHT, HEIGHT)
        left, top = corner[0] + self.token[1] * self.side * scale, corner[1] + self.token[0] * self.side * scale
        right, bottom = left + self.side * scale - 1, top + self.side * scale - 1
        d.lines(shown, [[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]], [MARK], width=2)
        return shown

    def _heat(self, look: Look) -> Frames:
        width = round(HEIGHT * self.exo.shape[1] / self.exo.shape[0])
        shown = fitted(self.exo, width, HEIGHT)[0]
        heat = cv2.resize(_density(look) / self.hottest, (width, HEIGHT), interpolation=cv2.INTER_NEAREST_EXACT)
        colours = cv2.applyColorMap(np.rint(255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        grey = np.repeat(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
        mixed = np.clip(_DIM * grey + colours * (0.25 + 0.75 * heat[..., None]), 0, 255).astype(np.uint8)
        outline = cv2.resize(self.matching.astype(np.uint8), (width, HEIGHT), interpolation=cv2.INTER_NEAREST_EXACT)
        edges, _ = cv2.findContours(outline, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        closed = [np.concatenate([edge[:, 0], edge[:1, 0]]) for edge in edges]
        d.lines(mixed, closed, [MARK] * len(closed), width=2)
        return mixed


def _density(look: Look) -> NDArray[np.float32]:
    """Attention to exo places, in units of what even attention would give each."""
    total = float(look.weights.sum())
    return look.weights / total * look.weights.size if total > 0 else np.zeros_like(look.weights)
