"""Contact sheets: a clip's exo pictures over its ego pictures, for looking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...clip import Clip

_CAPTION_PX, _TEXT_PX = 14, 6
"""Height of the caption line, and width of a letter of Pillow's default font."""


def contact_sheet(clips: Sequence[Clip], path: Path, *, columns: int = 3) -> None:
    """Write a PNG: per clip the caption, `columns` exo pictures, and as many ego pictures as fit below them.

    Colours are reduced to a palette of 256: a third of the bytes, close enough for looking.
    """
    from PIL import Image, ImageDraw

    side = clips[0].ego_size[0]
    high, wide = clips[0].exo[0].video.size
    egos = columns * wide // side
    row_height = high + side + _CAPTION_PX
    sheet = Image.new("RGB", (columns * wide, len(clips) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, clip in enumerate(clips):
        top = number * row_height
        text = f"{clip.id}: {clip.caption}"
        draw.text((3, top + 1), text[: columns * wide // _TEXT_PX], fill="black")
        if clip.truth is None:
            raise ValueError(f"clip {clip.id}: a sheet needs the ego video")
        for video, width, count, y in (
            (clip.exo[0].video, wide, columns, top + _CAPTION_PX),
            (clip.truth.video, side, egos, top + _CAPTION_PX + high),
        ):
            positions = np.linspace(0, len(video) - 1, count).round().astype(int).tolist()
            for column, picture in enumerate(video.read(positions)):
                sheet.paste(Image.fromarray(picture), (column * width, y))
    palette = sheet.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    path.parent.mkdir(parents=True, exist_ok=True)
    palette.save(path, optimize=True)
