"""Plain drawing on RGB arrays: anti-aliased lines with a dark rim, and text labels that keep out of each other's way.

Every function changes the picture that it is given. Coordinates are pixels (u, v), pixel centres at integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..video import Frames

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels."""

BACKGROUND: Colour = (30, 32, 37)
TEXT: Colour = (236, 238, 242)
QUIET: Colour = (158, 165, 176)
EXO: Colour = (255, 170, 50)
OTHER_EXO: Colour = (176, 186, 200)
WARN: Colour = (255, 120, 100)
_RIM: Colour = (12, 13, 15)

_SHIFT = 4
_FAR_PX = 1e6
_DIRECTIONS = [(1, -1), (1, 0), (1, 1), (0, -1), (0, 1), (-1, -1), (-1, 0), (-1, 1)]
_DISTANCES_PX = (12, 24, 40, 60, 90, 130)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Text that names a point; it is placed near it, where there is room. clear_px: its leader starts this far from the point."""

    text: str
    at: tuple[float, float]
    colour: Colour = TEXT
    size: int = 16
    clear_px: float = 5.0


def time_colour(index: int, count: int) -> Colour:
    """Cyan at the first frame, magenta at the last: bright on dark, and rare in rooms."""
    share = index / max(count - 1, 1)
    blue, green, red = cv2.applyColorMap(np.array([[round(255 * share)]], np.uint8), cv2.COLORMAP_COOL)[0, 0].tolist()
    return red, green, blue


def lines(picture: Frames, paths: Sequence[ArrayLike], colours: Sequence[Colour], *, width: int, rim: bool = True) -> None:
    """Open polylines [n, 2], one colour each; all rims first, so that no rim cuts a line. Parts with NaN are left out."""
    passes = [(width + 2, [_RIM] * len(paths))] if rim else []
    for thick, tints in [*passes, (width, list(colours))]:
        for path, tint in zip(paths, tints):
            points = np.asarray(path, np.float64)
            for a, b in itertools.pairwise(points):
                _segment(picture, a, b, tint, thick)


def _segment(picture: Frames, a: NDArray, b: NDArray, colour: Colour, width: int) -> None:
    if not np.isfinite([a, b]).all() or np.abs([a, b]).max() > _FAR_PX:
        return
    height, wide = picture.shape[:2]
    scale = 1 << _SHIFT
    (ax, ay), (bx, by) = (np.rint(point * scale).astype(int).tolist() for point in (a, b))
    margin = 8 * width * scale
    box = (-margin, -margin, wide * scale + 2 * margin, height * scale + 2 * margin)
    inside, first, second = cv2.clipLine(box, (ax, ay), (bx, by))
    if inside:
        cv2.line(picture, first, second, colour, width, cv2.LINE_AA, _SHIFT)


def dot(picture: Frames, at: ArrayLike, colour: Colour, *, radius: float, rim: bool = True) -> None:
    """A filled circle; nothing where the point is not finite."""
    if rim:
        _circle(picture, at, _RIM, radius + 1.5, -1)
    _circle(picture, at, colour, radius, -1)


def ring(picture: Frames, at: ArrayLike, colour: Colour, *, radius: float, width: int = 2) -> None:
    """An open circle with a dark rim; nothing where the point is not finite."""
    _circle(picture, at, _RIM, radius, width + 2)
    _circle(picture, at, colour, radius, width)


def _circle(picture: Frames, at: ArrayLike, colour: Colour, radius: float, width: int) -> None:
    point = np.asarray(at, np.float64)
    if np.isfinite(point).all() and np.abs(point).max() < 1e4:
        u, v = np.rint(point * (1 << _SHIFT)).astype(int).tolist()
        cv2.circle(picture, (u, v), round(radius * (1 << _SHIFT)), colour, width, cv2.LINE_AA, _SHIFT)


def arrow_paths(a: ArrayLike, b: ArrayLike, *, head_px: float = 11.0) -> list[NDArray]:
    """Shaft and head of an arrow from a to b, as polylines for `lines`."""
    start, end = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length = float(np.linalg.norm(end - start))
    if not np.isfinite(length) or length < 1e-6:
        return [np.stack([start, end])]
    along = (end - start) / length * min(head_px, 0.6 * length)
    across = np.array([-along[1], along[0]]) * 0.5
    return [np.stack([start, end]), np.stack([end - along + across, end, end - along - across])]


@lru_cache
def font(size: int) -> FreeTypeFont:
    """Pillow's own scalable font: no font file of the machine is needed. It has Latin letters and the degree sign."""
    from PIL import ImageFont

    return ImageFont.load_default(size)  # pyright: ignore[reportReturnType]  a size makes it scalable


def text_width(text: str, size: int) -> float:
    """Pixels that a line of text is wide."""
    return font(size).getlength(text)


def wrapped(text: str, width: float, size: int) -> list[str]:
    """Lines of at most `width` pixels; a word that is wider alone (a path) is cut."""
    found: list[str] = [""]
    for word in text.split():
        for piece in _pieces(word, width, size):
            joined = f"{found[-1]} {piece}".strip()
            if text_width(joined, size) <= width:
                found[-1] = joined
            else:
                found.append(piece)
    return [line for line in found if line]


def _pieces(word: str, width: float, size: int) -> Iterator[str]:
    while text_width(word, size) > width and len(word) > 1:
        cut = next((n for n in range(len(word) - 1, 1, -1) if text_width(word[:n], size) <= width), 1)
        yield word[:cut]
        word = word[cut:]
    yield word


def write(
    picture: Frames, text: str, at: tuple[float, float], *, colour: Colour = TEXT, size: int = 16, on_picture: bool = False
) -> None:
    """One line of text whose upper left corner is `at`; on_picture: over a darkened ground."""
    if on_picture:
        _darken(picture, (at[0] - 4, at[1] - 2, at[0] + text_width(text, size) + 4, at[1] + size + 5))
    _write(picture, [(text, at, colour, size)])


def _write(picture: Frames, texts: Sequence[tuple[str, tuple[float, float], Colour, int]]) -> None:
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for text, at, colour, size in texts:
        draw.text(at, text, font=font(size), fill=colour, anchor="la")
    picture[:] = np.asarray(image)


def write_labels(picture: Frames, labels: Sequence[Label], *, taken: Sequence[Box] = ()) -> list[Box]:
    """Place each label near its point, off the others and off `taken`, and write it. Returns the boxes of the labels."""
    height, width = picture.shape[:2]
    points = [(u - 7, v - 7, u + 7, v + 7) for u, v in (label.at for label in labels)]
    boxes: list[Box] = []
    for label in labels:
        boxes.append(_room(label, [*taken, *points, *boxes], width, height))
    for label, (left, top, right, bottom) in zip(labels, boxes):
        point, near = np.array(label.at), np.clip(label.at, (left, top), (right, bottom))
        far = float(np.linalg.norm(near - point))
        if far > max(14.0, label.clear_px + 4):
            start = point + (near - point) / far * label.clear_px
            lines(picture, [np.stack([start, near])], [label.colour], width=1, rim=False)
        _darken(picture, (left, top, right, bottom))
    _write(picture, [(label.text, (box[0] + 4, box[1] + 2), label.colour, label.size) for label, box in zip(labels, boxes)])
    return boxes


def _darken(picture: Frames, box: Box) -> None:
    left, top, right, bottom = (max(round(edge), 0) for edge in box)
    area = picture[top:bottom, left:right]
    area[:] = (area * 0.3 + np.array(BACKGROUND) * 0.7).astype(np.uint8)


def _room(label: Label, taken: Sequence[Box], width: int, height: int) -> Box:
    """The first place around the point where the label hides nothing that is taken; else where it hides least."""
    others = np.array(taken, np.float64).reshape(-1, 4)
    wide, tall = text_width(label.text, label.size) + 8, label.size + 7
    found: list[tuple[float, Box]] = []
    for far in _DISTANCES_PX:
        for dx, dy in _DIRECTIONS:
            u, v = label.at[0] + dx * far, label.at[1] + dy * far
            left = float(np.clip(u - (0 if dx > 0 else wide if dx < 0 else wide / 2), 2, max(width - wide - 2, 2)))
            top = float(np.clip(v - (0 if dy > 0 else tall if dy < 0 else tall / 2), 2, max(height - tall - 2, 2)))
            box = (left, top, left + wide, top + tall)
            hidden = _overlap(box, others)
            if hidden == 0:
                return box
            found.append((hidden, box))
    return min(found)[1]


def _overlap(box: Box, others: NDArray[np.float64]) -> float:
    """Square pixels of a box that lie in others [n, 4]."""
    wide = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    tall = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return float((np.maximum(wide, 0) * np.maximum(tall, 0)).sum())
