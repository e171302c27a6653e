"""Frames from files and arrays: read by decoded frame index, written losslessly. The only place that opens videos.

Frames are uint8 RGB. Time stamps and frame-rate tags are never used to address a frame: released clips carry wrong ones.
One YUV to RGB conversion for everything: BT.601, the range that the file states (limited where it states none), swscale's
plain bicubic. The sources leave the matrix untagged, so a decoder's own guess would move PSNR; these settings give the
pixels of OpenCV's reader bit for bit, which the public calibration of the paper's protocol was measured with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from .errors import UserError
from .files import file_key, reason_of

if TYPE_CHECKING:
    from av.container import InputContainer

Frames = NDArray[np.uint8]
"""[frames, height, width, 3] RGB."""

DECODER = "pyav-bt601-1"
"""Version of how pixels come out of files; part of every content key, so a change recomputes."""


class FrameSource(Protocol):
    """Where frames come from. `key` is the identity of the content and is known before anything is decoded."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        ...

    @property
    def label(self) -> str:
        """What error messages call it."""
        ...

    def stream(self, indices: Sequence[int]) -> Iterator[Frames]:
        """Frames [height, width, 3] at these increasing indices."""
        ...


class FileSource:
    """A video file. `key` defaults to a digest of its bytes; a maker that knows better (sim) passes its own."""

    def __init__(self, path: Path, *, key: str | None = None) -> None:
        self.path = Path(path)
        self._key = key
        self._size: tuple[int, int] | None = None

    @property
    def key(self) -> str:
        if self._key is None:
            self._key = file_key(self.path)
        return f"{DECODER}:{self._key}"

    @property
    def label(self) -> str:
        return str(self.path)

    @property
    def size(self) -> tuple[int, int]:
        if self._size is None:
            with _opened(self.path) as container:
                stream = container.streams.video[0]
                self._size = (stream.height, stream.width)
        return self._size

    def stream(self, indices: Sequence[int]) -> Iterator[Frames]:
        wanted, decoded = list(indices), 0
        if wanted != sorted(wanted):
            raise ValueError("frame indices must increase")
        for index, frame in enumerate(decoded_frames(self.path)):
            decoded = index + 1
            while wanted and wanted[0] == index:
                wanted.pop(0)
                yield frame
            if not wanted:
                return
        raise UserError(
            f"{self.path}: frame {wanted[0]} is wanted but the file decodes to {decoded} frames;"
            " it may be truncated: fetch it again"
        )


class ArraySource:
    """Frames that are already in memory."""

    def __init__(self, frames: Frames, *, label: str = "array") -> None:
        check_frames(frames, label)
        self.frames, self._label = frames, label
        self._key: str | None = None

    @property
    def key(self) -> str:
        if self._key is None:
            self._key = pixel_digest(self.frames)
        return self._key

    @property
    def label(self) -> str:
        return self._label

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.shape[1], self.frames.shape[2]

    def stream(self, indices: Sequence[int]) -> Iterator[Frames]:
        for index in indices:
            if not 0 <= index < len(self.frames):
                raise UserError(f"{self._label}: frame {index} is wanted but it has {len(self.frames)} frames")
            yield self.frames[index]


@dataclass(frozen=True, slots=True)
class Crop:
    """Cut to the rectangle whose upper left pixel is (left, top)."""

    left: int
    top: int
    width: int
    height: int

    def __call__(self, frame: NDArray) -> NDArray:
        height, width = frame.shape[:2]
        if self.left + self.width > width or self.top + self.height > height:
            raise UserError(f"cannot crop {width}x{height} to {self.width}x{self.height} at ({self.left}, {self.top})")
        return frame[self.top : self.top + self.height, self.left : self.left + self.width]

    def size(self, before: tuple[int, int]) -> tuple[int, int]:
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class Resize:
    """Resize to width x height: pixel areas averaged (cv2.INTER_AREA) for pictures, nearest for maps of depth or ids."""

    width: int
    height: int

    def __call__(self, frame: NDArray) -> NDArray:
        import cv2

        how = cv2.INTER_AREA if frame.dtype == np.uint8 and frame.ndim == 3 else cv2.INTER_NEAREST_EXACT
        return cv2.resize(frame, (self.width, self.height), interpolation=how)

    def size(self, before: tuple[int, int]) -> tuple[int, int]:
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class Upright:
    """Turn 90 degrees clockwise."""

    def __call__(self, frame: NDArray) -> NDArray:
        return np.rot90(frame, k=3)

    def size(self, before: tuple[int, int]) -> tuple[int, int]:
        return before[1], before[0]


PictureOp = Crop | Resize | Upright


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Video:
    """Lazy frames: a source, which of its frames, and what is done to each. Reads nothing until asked.

    indices: frame numbers in the source. fps: an explicit field, never the container's tag.
    """

    source: FrameSource
    indices: tuple[int, ...]
    fps: float
    ops: tuple[PictureOp, ...] = ()

    def __post_init__(self) -> None:
        if not self.indices:
            raise UserError(f"{self.source.label}: a video of zero frames")

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) after the operations."""
        size = self.source.size
        for op in self.ops:
            size = op.size(size)
        return size

    @property
    def height(self) -> int:
        return self.size[0]

    @property
    def width(self) -> int:
        return self.size[1]

    @property
    def key(self) -> str:
        """Identity of the content (source, frames, operations), known without decoding."""
        return hashlib.sha256(repr((self.source.key, self.indices, self.fps, self.ops)).encode()).hexdigest()[:16]

    def stream(self) -> Iterator[Frames]:
        """Frames [height, width, 3], one at a time, in bounded memory."""
        for frame in self.source.stream(self.indices):
            for op in self.ops:
                frame = op(frame)
            yield np.ascontiguousarray(frame)

    def read(self, positions: Sequence[int] | None = None) -> Frames:
        """All frames, or those at these increasing positions: [n, height, width, 3] uint8."""
        chosen = self if positions is None else self.select(positions)
        return np.stack(list(chosen.stream()))

    def select(self, positions: Sequence[int]) -> Video:
        """The video of these positions only."""
        return replace(self, indices=tuple(self.indices[i] for i in positions))

    def then(self, op: PictureOp) -> Video:
        """The same video with one more operation on each frame."""
        return replace(self, ops=(*self.ops, op))

    @classmethod
    def of_array(cls, frames: Frames, *, fps: float, label: str = "array") -> Video:
        """A video over [frames, height, width, 3] uint8 in memory."""
        source = ArraySource(frames, label=label)
        return cls(source=source, indices=tuple(range(len(frames))), fps=fps)


def check_frames(frames: NDArray, label: str) -> None:
    """Raise UserError unless frames are [frames >= 1, height, width, 3] uint8."""
    shape, kind = np.shape(frames), getattr(frames, "dtype", type(frames).__name__)
    if kind != np.uint8:
        raise UserError(f"{label}: frames are {kind}, expected uint8 in 0..255; round and convert before handing them over")
    if len(shape) != 4 or shape[-1] != 3:
        raise UserError(f"{label}: frames have shape {tuple(shape)}, expected (frames, height, width, 3) RGB")
    if shape[0] == 0:
        raise UserError(f"{label}: a video of zero frames")


def pixel_digest(frames: Frames) -> str:
    """Identity of decoded pixels and their shape, 16 hex digits."""
    digest = hashlib.sha256(repr(tuple(frames.shape)).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()[:16]


def _opened(path: Path) -> InputContainer:
    import av
    from av.error import FFmpegError

    if not path.is_file():
        raise UserError(f"{path}: no such video file")
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise UserError(f"{path}: not a readable video ({reason_of(error)}); it may be truncated: fetch it again") from None
    if not container.streams.video:
        container.close()
        raise UserError(f"{path}: holds no video stream")
    return container


def decoded_frames(path: Path) -> Iterator[Frames]:
    """Every frame of a file in order, [height, width, 3] uint8 RGB. Raises UserError where decoding breaks."""
    from av.error import FFmpegError
    from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

    reformat = VideoReformatter().reformat
    index = 0
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                if frame.format.is_rgb:
                    yield cast(Frames, frame.to_ndarray(format="rgb24"))
                else:
                    full = frame.color_range == ColorRange.JPEG
                    rgb = reformat(
                        frame,
                        format="rgb24",
                        src_colorspace=Colorspace.ITU601,
                        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                        dst_color_range=ColorRange.JPEG,
                        interpolation=Interpolation.BICUBIC,
                    )
                    yield cast(Frames, rgb.to_ndarray())
                index += 1
        except FFmpegError as error:
            raise UserError(
                f"{path}: breaks at frame {index} ({reason_of(error)}); it may be truncated: fetch it again"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How a file says it holds its pictures.

    frames: that its header lists, 0 where it lists none. fps: its rate tag. bits: of the finest channel. alpha, grey:
    whether it has transparency; whether it has no colour.
    """

    frames: int
    fps: float | None
    bits: int
    alpha: bool
    grey: bool


def storage(path: Path) -> Storage:
    """What a file's header says, without decoding. Raises UserError where it cannot be opened."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        held, rate = stream.codec_context.format, stream.average_rate
        parts = held.components if held is not None else ()
        return Storage(
            frames=stream.frames,
            fps=float(rate) if rate else None,
            bits=max((part.bits for part in parts), default=8),
            # of WebM the decoder leaves the transparency out, and only a tag tells of it
            alpha=any(part.is_alpha for part in parts) or stream.metadata.get("alpha_mode") == "1",
            grey=held is not None and not (held.is_rgb or held.has_palette or any(part.is_chroma for part in parts)),
        )


def count_frames(path: Path) -> int:
    """How many frames a file really decodes to; slow, and never what its header says."""
    return sum(1 for _ in decoded_frames(path))


def count_packets(path: Path) -> int:
    """Coded pictures that a file holds, without decoding them.

    Raises UserError where the file cannot be opened, breaks, or holds fewer pictures than its header lists.
    """
    from av.error import FFmpegError

    with _opened(path) as container:
        stream = container.streams.video[0]
        try:
            found = sum(1 for packet in container.demux(stream) if packet.size and not packet.is_corrupt)
        except FFmpegError as error:
            raise UserError(f"{path}: breaks while reading ({reason_of(error)}); it may be truncated: fetch it again") from None
        if found < stream.frames:
            raise UserError(f"{path}: lists {stream.frames} frames but holds {found}; it is truncated: fetch it again")
        return found


def write_lossless(path: Path, frames: Iterable[Frames], *, fps: float) -> None:
    """FFV1 in Matroska, bit-exact: equal frames give equal bytes. `path` is written in place; see `atomic_file`.

    frames: [height, width, 3] uint8 RGB each, all of one size.
    """
    import av
    from av.codec.context import Flags

    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "bgr0"
                stream.options = {"level": "3", "g": "1", "slices": "4", "slicecrc": "1"}
                stream.codec_context.flags |= int(Flags.bitexact)
                stream.codec_context.thread_count = 1
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture.reformat(format="bgr0")))
        if stream is None:
            raise UserError(f"{path}: a video of zero frames")
        container.mux(stream.encode(None))


def write_h264(path: Path, frames: Iterable[Frames], *, fps: float, crf: int = 18, keyframe_every: int | None = None) -> None:
    """H.264 yuv420p mp4 that players and browsers show; for looking and for datasets, never for predictions.

    keyframe_every: at most so many frames from one key frame to the next, and none that needs a later one, so that a player
    reaches any frame at once; None leaves it to the encoder.
    """
    import av
    from av.codec.context import Flags

    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                # mbtree off: with it, equal frames were measured to give other bytes in about 1 of 100 runs (one thread, busy
                # machine); without it never, in 350
                stream.options = {"crf": str(crf), "preset": "slow", "mbtree": "0"}
                if keyframe_every is not None:
                    stream.options |= {"g": str(keyframe_every), "bf": "0"}
                stream.codec_context.flags |= int(Flags.bitexact)
                stream.codec_context.thread_count = 1
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        if stream is None:
            raise UserError(f"{path}: a video of zero frames")
        container.mux(stream.encode(None))
