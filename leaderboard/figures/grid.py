"""The grid as pixels: pictures and words in, one RGB array out. Opens no file and knows no run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmark.showing import drawing as d
from benchmark.video import Frames

WIDTH = 1500
"""About as wide as a grid is, in pixels: sharp where a page shows it at 800 on a dense screen."""

INK, QUIET, PAPER, NOTHING = (24, 24, 27), (104, 108, 116), 255, 225
"""Colours of words and grounds; NOTHING is the grey where there is no picture."""

EDGE, GAP = 12, 6
"""Pixels around the grid, and between pictures."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """One clip. rows: for each frame a picture a column, [height, width, 3] uint8, None where there is none."""

    name: str
    frames: tuple[int, ...]
    rows: tuple[tuple[Frames | None, ...], ...]


def grid(headings: Sequence[str], blocks: Sequence[Block], *, notes: Sequence[str] = ()) -> Frames:
    """The whole picture [height, width, 3]: headings over columns, then clip after clip, `notes` as small lines below.

    Pictures of one column have one size, and all are shown equally high. The lowest are enlarged by a whole number of times
    without blending, so that what is seen is what was made, and so are others where that is a whole number for them too; else
    they are interpolated. Large ones are averaged down. Raises ValueError where a row has not a picture a column.
    """
    if not blocks or any(len(row) != len(headings) for block in blocks for row in block.rows):
        raise ValueError(f"expected rows of {len(headings)} pictures, one for each of {', '.join(headings)}")
    native = _sizes(len(headings), blocks)
    scale = _scale(sum(width for width, _ in native))
    sizes = [(round(width * scale), round(height * scale)) for width, height in native]
    lefts = [EDGE + sum(width + GAP for width, _ in sizes[:column]) for column in range(len(sizes))]
    width = lefts[-1] + sizes[-1][0] + EDGE
    text = _text_size(headings, sizes, width)
    parts = [_headings(headings, sizes, lefts, width, text)]
    parts += [_block(block, sizes, lefts, width, text) for block in blocks]
    parts += [_notes(notes, width, round(0.8 * text))] if notes else []
    return np.concatenate([*parts, np.full((EDGE, width, 3), PAPER, np.uint8)])


def _sizes(columns: int, blocks: Sequence[Block]) -> list[tuple[int, int]]:
    """(width, height) of each column, all as high as the lowest picture: an exo view may have more lines than ego views have.

    A column without any picture is a square of that height.
    """
    pictures = [[row[column] for block in blocks for row in block.rows] for column in range(columns)]
    there = [[picture for picture in column if picture is not None] for column in pictures]
    for column in there:
        if len({picture.shape for picture in column}) > 1:
            raise ValueError(f"pictures of one column have sizes {sorted({picture.shape[:2] for picture in column})}")
    lowest = min((column[0].shape[0] for column in there if column), default=128)
    shapes = [column[0].shape[:2] if column else (lowest, lowest) for column in there]
    return [(round(width * lowest / height), lowest) for height, width in shapes]


def _scale(width: int) -> float:
    """A whole number of times where pictures are small, the nearest to WIDTH up to 3; else the factor that gives WIDTH."""
    return float(min(3, max(1, round(WIDTH / width)))) if width <= 1.2 * WIDTH else WIDTH / width


def _text_size(headings: Sequence[str], sizes: Sequence[tuple[int, int]], width: int) -> int:
    """Pixels: the largest at which no heading is wrapped, but never so small that a page that shrinks it makes it unreadable."""
    largest, smallest = max(13, round(width / 62)), max(11, round(width / 80))
    fitting = (
        size
        for size in range(largest, smallest, -1)
        if all(d.text_width(heading, size) <= wide for heading, (wide, _) in zip(headings, sizes))
    )
    return next(fitting, smallest)


def _headings(headings: Sequence[str], sizes: Sequence[tuple[int, int]], lefts: Sequence[int], width: int, text: int) -> Frames:
    lines = [d.wrapped(heading, size[0], text) for heading, size in zip(headings, sizes)]
    step, most = round(1.25 * text), max(len(found) for found in lines)
    strip = np.full((EDGE + most * step, width, 3), PAPER, np.uint8)
    for found, left, size in zip(lines, lefts, sizes):
        for number, line in enumerate(found):  # on the lower edge, near its pictures
            at = (left + (size[0] - d.text_width(line, text)) / 2, EDGE + (most - len(found) + number) * step)
            d.write(strip, line, at, colour=INK, size=text)
    return strip


def _block(block: Block, sizes: Sequence[tuple[int, int]], lefts: Sequence[int], width: int, text: int) -> Frames:
    small = round(0.8 * text)
    name = np.full((round(1.6 * small), width, 3), PAPER, np.uint8)
    frames = ", ".join(str(frame) for frame in block.frames)
    d.write(
        name, f"{block.name}, frame{'s' if len(block.frames) > 1 else ''} {frames}", (EDGE, 0.3 * small), colour=QUIET, size=small
    )
    height = max(tall for _, tall in sizes)
    rows = []
    for pictures in block.rows:
        row = np.full((height + GAP, width, 3), PAPER, np.uint8)
        for picture, (wide, tall), left in zip(pictures, sizes, lefts):
            row[:tall, left : left + wide] = NOTHING if picture is None else _scaled(picture, wide, tall)
        rows.append(row)
    return np.concatenate([name, *rows])


def _scaled(picture: Frames, width: int, height: int) -> Frames:
    kinds = Image.Resampling
    whole = width % picture.shape[1] == 0 and height % picture.shape[0] == 0
    how = kinds.NEAREST if whole else kinds.BOX if width < picture.shape[1] else kinds.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


def _notes(notes: Sequence[str], width: int, text: int) -> Frames:
    lines = [line for note in notes for line in d.wrapped(note, width - 2 * EDGE, text)]
    step = round(1.35 * text)
    strip = np.full((round(0.4 * text) + step * len(lines), width, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        d.write(strip, line, (EDGE, 0.4 * text + step * number), colour=QUIET, size=text)
    return strip
