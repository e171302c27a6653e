"""Frames of a video file, for the library alone. Pixels are those of the benchmark's reader, which keeps no tie to this one.

Frames are taken in decoded order, never by time stamp; YUV becomes RGB by BT.601 in the range that the file states (limited where
it states none), because most files leave the matrix untagged and a decoder's guess would move every pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.container import InputContainer


class VideoFileError(ValueError):
    """A file that does not give the frames that it should; one sentence with the file and what to do."""


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width), from the header."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        return stream.height, stream.width


def coded_pictures(path: Path) -> int:
    """How many pictures a file holds, without decoding them. Raises VideoFileError where it lists more than it holds."""
    from av.error import FFmpegError

    with _opened(path) as container:
        stream = container.streams.video[0]
        try:
            found = sum(1 for packet in container.demux(stream) if packet.size and not packet.is_corrupt)
        except FFmpegError as error:
            raise VideoFileError(
                f"{path}: breaks while reading ({_reason(error)}); it may be truncated: fetch it again"
            ) from None
        if found < stream.frames:
            raise VideoFileError(f"{path}: lists {stream.frames} frames but holds {found}; it is truncated: fetch it again")
        return found


def decoded(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame in order, [height, width, 3] uint8 RGB. Raises VideoFileError where decoding breaks."""
    from av.error import FFmpegError
    from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

    reformatter, count = VideoReformatter(), 0
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                if not frame.format.is_rgb:
                    full = frame.color_range == ColorRange.JPEG
                    frame = reformatter.reformat(
                        frame,
                        format="rgb24",
                        interpolation=Interpolation.BICUBIC,
                        src_colorspace=Colorspace.ITU601,
                        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                        dst_color_range=ColorRange.JPEG,
                    )
                yield cast("NDArray[np.uint8]", frame.to_ndarray(format="rgb24"))
                count += 1
        except FFmpegError as error:
            raise VideoFileError(
                f"{path}: breaks at frame {count} ({_reason(error)}); it may be truncated: fetch it again"
            ) from None


def _opened(path: Path) -> InputContainer:
    import av
    from av.error import FFmpegError

    if not path.is_file():
        raise VideoFileError(f"{path}: no such video file")
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise VideoFileError(f"{path}: not a readable video ({_reason(error)}); it may be truncated: fetch it again") from None
    if not container.streams.video:
        container.close()
        raise VideoFileError(f"{path}: holds no video stream")
    return container


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
